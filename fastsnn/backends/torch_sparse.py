# SPDX-License-Identifier: Apache-2.0
"""Sparse projections and drives of the reference: sums in whole numbers, in any order."""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn.plan import DrivePlan, Plan
from fastsnn.random import philox


class Ports:
    """What arrives where, in which step."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sums: dict[tuple[int, int], Tensor] = {}  # (population, receptor) -> [1, n]
        self.rows = [_Rows(plan, k) for k in range(len(plan.sparse))]

    def gather(self, step: int) -> None:
        """What acts in a step, taken out of what is under way."""
        self.sums = {}
        totals = []
        for port in self.plan.ports:
            slot = port.arriving[step % len(port.arriving)]
            totals.append(slot.clone())
            slot.zero_()
        for drive in self.plan.drives:
            totals[drive.port] += _DRIVES[drive.kind](drive, self.plan.seed, step)
        for port, total in zip(self.plan.ports, totals, strict=True):
            # a power of two: exact in either type
            key = (port.population, port.receptor)
            self.sums[key] = (total.to(self.plan.dtype) * port.grain).reshape(1, -1)

    def scatter(self, step: int) -> None:
        """Send the spikes of a step on their way."""
        for rows in self.rows:
            rows.send(step)


class _Rows:
    """The synapses of a sparse projection by source neuron."""

    def __init__(self, plan: Plan, index: int) -> None:
        p = plan.sparse[index]
        self.port = plan.ports[p.port]
        n_pre, n_post, same = plan.ends(p)
        edges = p.wiring.edges(plan.seed, p.stream, plan.dt, n_pre, n_post, same)
        self.spike, self.n_post = plan.populations[p.source].spike, n_post
        self.start = torch.searchsorted(edges.pre.contiguous(), torch.arange(n_pre + 1))
        where = self.port.arriving.device
        self.post, self.delay = edges.post.to(where), edges.delay.to(where, torch.int64)
        whole = (edges.w.to(torch.float64) / self.port.grain).round()
        self.weight = whole.clamp(-32767, 32767).to(where, torch.int32)

    def send(self, step: int) -> None:
        ids = self.spike[0].nonzero()[:, 0]
        if not len(ids):
            return
        slots = len(self.port.arriving)
        chosen = torch.cat([torch.arange(self.start[i], self.start[i + 1]) for i in ids.tolist()])
        place = (step + self.delay[chosen]) % slots * self.n_post + self.post[chosen]
        self.port.arriving.view(-1).index_add_(0, place, self.weight[chosen])


def _poisson(drive: DrivePlan, seed: int, step: int) -> Tensor:
    """Weight times the number of events of every neuron, int32 [n]."""
    which = drive.which.to(torch.int64)
    index = drive.offset + torch.arange(len(which), device=which.device)
    word = philox(seed, drive.stream, step >> 2, index)[step & 3]
    table = drive.table[which]
    events = table[:, 1] + (word[:, None] >= table[:, 2:]).sum(1)
    return (table[:, 0] * events).to(torch.int32)


_DRIVES = {"poisson": _poisson}
