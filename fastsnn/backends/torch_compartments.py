# SPDX-License-Identifier: Apache-2.0
"""How the reference delivers through the features of a projection."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fastsnn.backends.torch_synapses import KINDS as PLAIN
from fastsnn.backends.torch_synapses import Grid, Wired
from fastsnn.compartments import AdaptationPlan
from fastsnn.plan import ProjectionPlan
from fastsnn.random import philox, uniform


class Compartments(Grid):
    """The weight is that of `Grid`; a spike's signals pass through the features."""

    def __init__(self, p: ProjectionPlan) -> None:
        super().__init__(p)
        assert p.compartments is not None
        self.c = p.compartments
        self.columns = torch.arange(p.w.shape[1], device=p.w.device)

    def begin(self, seed: int, step: int) -> None:
        self.seed, self.step = seed, step

    def deliver(self, spike: Tensor) -> Tensor:
        c = self.c
        if c.adaptation is not None:
            _adapt(c.adaptation, spike.any(0))
        current = spike.new_zeros(len(spike), self.p.w.shape[1])
        for i in spike.any(0).nonzero()[:, 0].tolist():
            here = spike[:, i, None] * self._signal(i)
            if c.ring is None or c.delay is None or c.head is None:
                current = current + here
            else:
                slot = (c.head + c.delay[i]) % len(c.ring)
                c.ring[slot, :, self.columns] += here.T
        if c.ring is not None and c.head is not None:
            slot = c.ring[int(c.head)]
            current = slot.clone()
            slot.zero_()
            c.head.copy_((c.head + 1) % len(c.ring))
        return current if c.rest is None else current + c.rest

    def _signal(self, i: int) -> Tensor:
        """What a spike of neuron i adds to what its synapses deliver at rest, [n_post]."""
        signal, rest, rests = self.p.w[i], torch.zeros_like(self.p.w[i]), False
        for act, value in self.c.steps:
            if act == "multiply":
                signal, rest = signal * value[i], rest * value[i]
            elif act == "draw":
                signal = torch.where(self._uniform(i) < value[i], signal, 0.0)
            elif act == "add":
                signal, rest, rests = signal + value[i], rest + value[i], True
            else:
                signal, rest, rests = signal - value[i], rest - value[i], True
        return signal - rest if rests else signal

    def _uniform(self, i: int) -> Tensor:
        """A number of row i per column: four words of a counter serve 16 columns each."""
        n = len(self.columns)
        block, lane, column = self.columns // 64, self.columns % 64 // 16, self.columns % 16
        index = (i * -(-n // 64) + block) * 16 + column
        words = torch.stack(philox(self.seed, self.c.stream, self.step, index))
        return uniform(words[lane, self.columns])


def _adapt(a: AdaptationPlan, spike: Tensor) -> None:
    """Record a step in which the source spikes (bool [n_pre]), and decide when it is time."""
    if not bool(spike.any()):
        return
    length = a.history.shape[1]
    a.history[:, int(a.counter) % length] = spike
    a.counter.add_(1)
    if int(a.counter) % length:
        return
    first, second = a.layers
    total = a.mask.new_zeros(len(spike))
    for row, out in zip(first, second[0], strict=True):
        hidden = torch.zeros_like(total)
        for k in range(length):
            hidden = hidden + row[k] * a.history[:, k]
        total = total + out * torch.where(hidden > 0.0, hidden, 0.0)
    # torch's own is an ulp off for some numbers
    decision = total.new_tensor([math.tanh(x) for x in total.tolist()])
    rate, decay = (a.mask.new_tensor(x) for x in (a.rate, a.decay))
    moved = a.mask + (decision * rate)[:, None] + decay
    moved = torch.where(moved > -1.0, moved, -1.0)
    a.mask.copy_(torch.where(moved < 1.0, moved, 1.0))
    a.gate.copy_(a.mask > 0.0)


class Silent(Grid):
    """Values that learn and deliver nothing."""

    def deliver(self, spike: Tensor) -> Tensor:
        return spike.new_zeros(len(spike), self.p.w.shape[1])


KINDS: dict[str, Callable[[ProjectionPlan], Wired]] = {
    **PLAIN,
    "compartments": Compartments,
    "silent": Silent,
}

__all__ = ["KINDS"]
