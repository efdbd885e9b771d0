# SPDX-License-Identifier: Apache-2.0
"""Recording of layers, connections and features, under BindsNET's names."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.bindsnet.network.nodes import Nodes
from fastsnn.bindsnet.network.topology import (
    AbstractConnection,
    AbstractMulticompartmentConnection,
)
from fastsnn.bindsnet.network.topology_features import AbstractFeature
from fastsnn.errors import FastsnnError

if TYPE_CHECKING:
    from fastsnn.bindsnet.network.network import Network


class AbstractMonitor(ABC):  # noqa: B024
    """Marks what records; `record` is called at the end of every step."""


class Monitor(AbstractMonitor):
    """Records variables of a layer, connection or feature every step.

    state_vars: names, e.g. ("s", "v"), or one name.  time: keep the last `time` steps; None: all.
    sparse: `get` gives a sparse tensor.
    """

    def __init__(
        self,
        obj: Nodes | AbstractConnection | AbstractMulticompartmentConnection | AbstractFeature,
        state_vars: Iterable[str],
        time: int | None = None,
        batch_size: int = 1,
        device: str | torch.device = "cpu",
        sparse: bool | None = False,
    ) -> None:
        self.obj, self.time, self.batch_size, self.sparse = obj, time, batch_size, sparse
        self.state_vars = (state_vars,) if isinstance(state_vars, str) else tuple(state_vars)
        self.device = "cpu" if time is None else device
        self.reset_state_variables()

    def get(self, var: str) -> Tensor:
        """What was recorded, [steps, *shape]; with time=None the recording is empty afterwards."""
        rows = self.recording[var]
        if not rows:
            return torch.empty(0, device=self.device)
        joined = rows[0] if len(rows) == 1 else torch.cat(rows)
        self.recording[var] = [] if self.time is None else [joined]
        return joined.to_sparse() if self.sparse else joined

    def record(self) -> None:
        """Take the present values."""
        for var in self.state_vars:
            value = getattr(self.obj, var).detach()
            self.append(var, value[None].to(self.device, copy=True))

    def append(self, var: str, rows: Tensor) -> None:
        """Take rows [steps, *shape], which nobody else writes to."""
        self.clean = False
        kept = self.recording[var]
        kept.append(rows)
        surplus = 0 if self.time is None else sum(map(len, kept)) - self.time
        while surplus > 0:
            first = kept.pop(0)
            if len(first) > surplus:
                kept.insert(0, first[surplus:].clone() if len(first) > 2 * self.time else
                            first[surplus:])  # fmt: skip
            surplus -= len(first)

    def reset_state_variables(self) -> None:
        """Forget everything."""
        self.recording: dict[str, list[Tensor]] = {var: [] for var in self.state_vars}
        self.clean = True


class NetworkMonitor(AbstractMonitor):
    """Records variables of all layers and connections, or of those named.

    time: keep the last `time` steps, zeros before the first; None: all.
    """

    def __init__(
        self,
        network: Network,
        layers: Iterable[str] | None = None,
        connections: Iterable[Any] | None = None,
        state_vars: Iterable[str] | None = None,
        time: int | None = None,
    ) -> None:
        self.network, self.time = network, time
        self.layers = list(network.layers if layers is None else layers)
        self.connections = list(network.connections if connections is None else connections)
        self.state_vars = ("v", "s", "w") if state_vars is None else tuple(state_vars)
        self.i = 0
        self.reset_state_variables()

    def objects(self) -> dict[Any, Any]:
        """Everything that is recorded, by name or pair."""
        network = self.network
        objects = {name: network.layers[name] for name in self.layers}
        return objects | {pair: network.connections[pair] for pair in self.connections}

    @property
    def recording(self) -> dict[Any, dict[str, Tensor]]:
        """{layer or connection: {variable: [steps, *shape]}}."""
        return {
            key: {var: self._joined(key, var) for var in rows} for key, rows in self.rows.items()
        }

    def _joined(self, key: Any, var: str) -> Tensor:
        rows = self.rows[key][var]
        if not rows:
            return torch.zeros(0)
        if len(rows) > 1:
            rows[:] = [torch.cat(rows)]
        return rows[0] if self.time is None else rows[0][-self.time :]

    def get(self) -> dict[Any, dict[str, Tensor]]:
        """{layer or connection: {variable: [steps, *shape]}}."""
        return self.recording

    def record(self) -> None:
        """Take the present values."""
        for key, obj in self.objects().items():
            for var in self.rows[key]:
                self.append(key, var, getattr(obj, var).detach()[None].clone())
        self.i += 1

    def append(self, key: Any, var: str, rows: Tensor) -> None:
        """Take rows [steps, *shape] of a layer or connection, which nobody else writes to."""
        kept = self.rows[key][var]
        kept.append(rows.float() if key in self.layers else rows)
        if self.time is not None and len(kept) > 2 * self.time + 8:
            kept[:] = [self._joined(key, var)]

    def save(self, path: str | Path, fmt: str = "npz") -> None:
        """Write everything to a file: arrays by name ("npz"), or a dict of tensors ("pickle").

        The latter is a file of `torch.save` that `torch.load(weights_only=True)` reads.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if fmt == "npz":
            names = {
                (k, v): "_".join(("-".join(k) if isinstance(k, tuple) else k, v))
                for k, rows in self.rows.items()
                for v in rows
            }
            np.savez_compressed(
                path, **{name: self._joined(k, v).numpy() for (k, v), name in names.items()}
            )
        elif fmt == "pickle":
            torch.save(self.recording, path)
        else:
            raise FastsnnError(f"NetworkMonitor.save: fmt={fmt!r}, expected 'npz' or 'pickle'.")

    def reset_state_variables(self) -> None:
        """Forget everything."""
        self.i = 0
        self.rows: dict[Any, dict[str, list[Tensor]]] = {}
        for key, obj in self.objects().items():
            found = [v for v in self.state_vars if isinstance(getattr(obj, v, None), Tensor)]
            self.rows[key] = {v: self._silence(getattr(obj, v)) for v in found}

    def _silence(self, value: Tensor) -> list[Tensor]:
        return [] if self.time is None else [torch.zeros(self.time, *value.shape)]


__all__ = [
    "AbstractConnection",
    "AbstractFeature",
    "AbstractMonitor",
    "AbstractMulticompartmentConnection",
    "Monitor",
    "NetworkMonitor",
    "Nodes",
]
