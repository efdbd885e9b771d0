# SPDX-License-Identifier: Apache-2.0
"""CSRM layers natively: their windows, which connections and the layer show in another form.

There a connection keeps its source's last spikes and weighs them anew every step; a population
keeps its last currents.  While weights stand still the two say the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastsnn.bindsnet.network._translate import Layer, Untranslatable
from fastsnn.bindsnet.network.topology import Connection
from fastsnn.plan import Record, WindowPlan


class Windows:
    """The rings of one CSRM layer.  Their first slot is the oldest, and written next."""

    def __init__(self, layer: Layer, net: Any, layers: dict[str, Layer]) -> None:
        self.name, self.layer, shown = layer.name, layer.layer, layer.layer.s
        into = [c for pair, c in net.connections.items() if pair[1] == layer.name]
        if any(type(c) is not Connection for c in into) or self.layer.sum_input:
            reason = f"layer '{layer.name}' is CSRM, and more than weighs its input"
            raise Untranslatable(reason, ("layer", layer.name))
        rules = [c.update_rule for c in into]
        if any(bool(r.nu.any()) or r.weight_decay != 1.0 for r in rules):
            reason = f"layer '{layer.name}' is CSRM, and its input learns"
            raise Untranslatable(reason, ("layer", layer.name))
        owners = {id(x.layer): x for x in layers.values()}
        self.into = [(c, owners.get(id(c.source))) for c in into]
        sizes = (self.layer.res_window_size, self.layer.ref_window_size)
        grid, device = (len(shown), self.layer.n), shown.device
        self.rings = [torch.zeros((size, *grid), device=device) for size in sizes]
        self.heads = [torch.zeros(1, dtype=torch.int64) for _ in sizes]
        self.plan = tuple(
            WindowPlan(ring, of, head)
            for ring, of, head in zip(self.rings, ("i_syn", "spike"), self.heads, strict=True)
        )
        self.before: list[Tensor] = []

    def prepare(self) -> None:
        """Before a run: fill the rings from what is shown."""
        currents, spikes = self.rings
        currents.zero_()
        self.before = []
        for connection, source in self.into:
            known = connection.s_w
            if known is None or len(known) != currents.shape[1]:
                known = torch.zeros(
                    currents.shape[1], len(currents), connection.source.n, device=currents.device
                )
            self.before.append(torch.cat((known, source.spike.flatten(1).float()[:, None]), 1))
            current = known.to(connection.w.dtype) @ connection.w
            current = current if connection.b is None else current + connection.b
            currents.add_(current.transpose(0, 1))
        spikes.zero_()
        spikes[1:] = self.layer.last_spikes[:, :-1].flatten(2).transpose(0, 1)
        for head in self.heads:
            head.zero_()

    def records(self, steps: int) -> list[Record]:
        """The sources' spikes of a run."""
        self.seen = [
            torch.empty((steps, *s.plan.spike.shape), dtype=torch.bool, device=s.spike.device)
            for _, s in self.into
        ]
        return [
            Record(s.plan.spike, seen, None, 1, 0, False)
            for (_, s), seen in zip(self.into, self.seen, strict=True)
        ]

    def show(self, steps: int) -> None:
        """After a run: put connections' and the layer's windows in their form."""
        for (connection, _), old, seen in zip(self.into, self.before, self.seen, strict=True):
            # the last step's spikes have not been delivered yet
            new = seen[: max(0, steps - 1)].transpose(0, 1).to(old.dtype)
            whole = torch.cat((old if steps else old[:, :-1], new), 1)
            connection.s_w = whole[:, -len(self.rings[0]) :].contiguous()
        ring = self.rings[1].roll(-int(self.heads[1]), 0)[1:].transpose(0, 1)
        latest = self.layer.s.flatten(1).float()[:, None]
        shown = self.layer.last_spikes
        self.layer.last_spikes = torch.cat((ring, latest), 1).reshape(shown.shape)
