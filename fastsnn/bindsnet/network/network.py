# SPDX-License-Identifier: Apache-2.0
"""The network, under BindsNET's names: layers, connections, monitors, and `run`."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from fastsnn.bindsnet.learning.reward import AbstractReward
from fastsnn.bindsnet.network._loop import run_steps
from fastsnn.bindsnet.network._request import Request
from fastsnn.bindsnet.network.monitors import AbstractMonitor
from fastsnn.bindsnet.network.nodes import CSRMNodes, Nodes
from fastsnn.bindsnet.network.topology import AbstractConnection
from fastsnn.errors import BackendError, FastsnnError

# translations: of learning, of resting, of networks that change back and forth
_KEPT = 6
# a path that names its backend; the others take the fastest
_BACKENDS = {"reference": "torch"}


class Network(Module):
    """Layers of neurons and the connections between them.

    dt: time step, ms.  batch_size: independent copies of the state; a run adapts it to its input.
    learning: whether connections learn.  reward_fn: class of a reward predictor.

    backend: "auto" runs natively what can be, and the rest on torch within the same steps; "torch";
    "native" (all of it, or an error); "reference" (as "auto", by fastsnn's reference, slow).
    on_torch: what ran on torch in the last run, by part, and why.

    layers: by name; connections: by (source, target); monitors: by name.  The order in which they
    are added is the order in which they act.
    """

    # of a copy or a file no part
    transient = ("_fast", "_last", "told", "on_torch")

    def __init__(
        self,
        dt: float = 1.0,
        batch_size: int = 1,
        learning: bool = True,
        reward_fn: type[AbstractReward] | None = None,
    ) -> None:
        super().__init__()
        if not dt > 0:
            raise FastsnnError(f"Network(dt={dt!r}): expected a positive time step in ms.")
        self.dt, self.batch_size = dt, batch_size
        self.layers: dict[str, Nodes] = {}
        self.connections: dict[tuple[str, str], AbstractConnection] = {}
        self.monitors: dict[str, AbstractMonitor] = {}
        self.train(learning)
        self.reward_fn = None if reward_fn is None else reward_fn()
        self.backend = "auto"
        self.told: set[str] = set()
        self.on_torch: dict[Any, str] = {}
        self._fast: dict[Any, Any] = {}
        self._last: Any = None

    def add_layer(self, layer: Nodes, name: str) -> None:
        """Add a layer; it gets the network's time step and batch size."""
        self.layers[name] = layer
        self.add_module(name, layer)
        layer.train(self.learning)
        layer.compute_decays(self.dt)
        layer.set_batch_size(self.batch_size)

    def add_connection(self, connection: AbstractConnection, source: str, target: str) -> None:
        """Add the connection from layer `source` to layer `target`; one per pair."""
        self.connections[source, target] = connection
        self.add_module(f"{source}_to_{target}", connection)
        connection.dt = self.dt
        connection.train(self.learning)

    def add_monitor(self, monitor: AbstractMonitor, name: str) -> None:
        """Let a monitor record from now on."""
        self.monitors[name] = monitor
        monitor.network, monitor.dt = self, self.dt

    def run(
        self, inputs: dict[str, Tensor], time: float, one_step: bool = False, **kwargs: Any
    ) -> None:
        """Simulate `time` ms from the present state; then normalise the weights.

        inputs: layer -> [steps, batch, *shape] (or [steps, n], or [n]): spikes for Input layers,
        current for others.  one_step: spikes reach later layers within the step.

        Keywords: clamp, unclamp (layer -> bool [n] or [steps, n]), injects_v (layer -> mV),
        masks ((source, target) -> bool: weights held at zero), reward, a_plus, a_minus, replay
        (layer -> recorded winners [steps, batch] or uniform numbers [steps, batch, n]).
        """
        if self.reward_fn is not None:
            kwargs["reward"] = self.reward_fn.compute(**kwargs)
        request = Request(self, inputs, time, one_step, dict(kwargs))
        if request.batch_size not in (None, self.batch_size):
            self._set_batch_size(request.batch_size)
        self._execute(request)

    def _execute(self, request: Request) -> None:
        """Run natively what can be, else all on torch."""
        if self.backend != "torch" and request.steps and self.layers:
            reason = self._run_natively(request)
            if reason is None:
                parts = [why for why in self.on_torch.values() if why]
                self._tell_once("Of this network a part runs on torch, within every step", parts)
                return
            if self.backend != "auto":
                raise BackendError(f"backend='{self.backend}' cannot run this network: {reason}.")
            self._tell_once("This network runs on torch, step by step", [reason])
        if request.replay:
            raise BackendError("run(replay=...): recorded draws are replayed natively only.")
        run_steps(self, request)

    def _tell_once(self, what: str, reasons: list[str]) -> None:
        new = [reason for reason in reasons if reason not in self.told]
        if new:
            self.told.update(new)
            warnings.warn(f"{what}, and so slower than it could: {'; '.join(new)}.", stacklevel=4)

    def _run_natively(self, request: Request) -> str | None:
        """Run in one call of a native backend; returns None, or why that cannot be."""
        # they know all of this package, so that it comes first
        from fastsnn.bindsnet.network._fast import fingerprint, set_aside
        from fastsnn.bindsnet.network._translate import Untranslatable

        aside: dict[Any, str] = {}
        try:
            now = (self.backend, *fingerprint(self))
            while True:
                fast = self._translation(now, aside)
                if fast is not self._last:
                    fast.forget()
                try:
                    fast.run(request)
                except Untranslatable as reason:
                    set_aside(aside, reason)
                else:
                    self._last, self.on_torch = fast, dict(fast.aside)
                    return None
        except Untranslatable as reason:
            self._last, self.on_torch = None, {"network": str(reason)}
            return str(reason)

    def _translation(self, now: tuple[Any, ...], aside: dict[Any, str]) -> Any:
        """The program of the network as it is now, parts set aside; raises Untranslatable."""
        from fastsnn.bindsnet.network._fast import translate
        from fastsnn.bindsnet.network._translate import Untranslatable

        now = (*now, frozenset(aside))
        if now not in self._fast:
            if len(self._fast) == _KEPT:
                del self._fast[next(iter(self._fast))]
            try:
                self._fast[now] = translate(self, _BACKENDS.get(self.backend), aside)
            except Untranslatable as reason:
                self._fast[now] = reason
        fast = self._fast[now]
        if isinstance(fast, Untranslatable):
            raise fast.with_traceback(None)
        reasons = [reason for reason in fast.aside.values() if reason]
        if reasons and self.backend == "native":
            raise Untranslatable(reasons[0])
        return fast

    def _set_batch_size(self, batch_size: int) -> None:
        self.batch_size = batch_size
        for layer in self.layers.values():
            layer.set_batch_size(batch_size)
        for monitor in self.monitors.values():
            monitor.reset_state_variables()

    def reset_state_variables(self) -> None:
        """Put layers at their initial values and empty the monitors.

        Weights, adaptive thresholds and the learning rules' own traces are kept.
        """
        for part in (*self.layers.values(), *self.connections.values(), *self.monitors.values()):
            part.reset_state_variables()

    def train(self, mode: bool = True) -> Network:
        """Switch learning on or off, of weights and adaptive thresholds."""
        self.learning = mode
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in self.transient}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.told, self.on_torch, self._fast, self._last = set(), {}, {}, None

    def clone(self) -> Network:
        """A copy that shares nothing."""
        return copy.deepcopy(self)

    def save(self, file_name: str | Path) -> None:
        """Write the network to a file, which `load` reads: safetensors and JSON, no code.

        Raises FastsnnError where the network holds functions of yours, e.g. as a reduction.
        """
        from fastsnn.bindsnet.network._storage import save

        save(self, file_name)


def load(
    file_name: str | Path,
    map_location: str | torch.device = "cpu",
    learning: bool | None = None,
    classes: Sequence[type] = (),
) -> Network:
    """Read a file of `Network.save`.

    learning: switch learning on or off.  classes: your own classes that the file may hold.

    Raises FileNotFoundError; FastsnnError for other files, and for classes that are not given.
    """
    from fastsnn.bindsnet.network._storage import load as read

    net = read(file_name, map_location, classes)
    if learning is not None:
        net.train(learning)
    return net


__all__ = [
    "AbstractConnection",
    "AbstractMonitor",
    "AbstractReward",
    "CSRMNodes",
    "Network",
    "Nodes",
    "load",
]
