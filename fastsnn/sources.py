# SPDX-License-Identifier: Apache-2.0
"""Spike trains that are given, or drawn by counters, as inputs of `Input` populations.

Times are those of the simulation, ms from the network's step 0, so that one source given to several
runs goes on where it was.  A spike at time t is that of the step that ends at t.  Random numbers
are functions of the network's seed, the population, the neuron and a count, whatever the backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fastsnn.errors import ShapeError
from fastsnn.inputs import BoundInput, Events, Target
from fastsnn.random import philox

# counters of trains, apart from those of Poisson inputs, which count steps
_TRAINS = 1 << 62
_ATTEMPTS = 64

Words = Callable[[int], tuple[Tensor, ...]]


def uniforms(target: Target, counter: int | Tensor, index: Tensor) -> tuple[Tensor, ...]:
    """Four numbers in (0, 1), float64, for each index."""
    words = philox(target.seed, target.stream, counter, index)
    return tuple((w.to(torch.float64) + 0.5) * 2.0**-32 for w in words)


def normals(u: Tensor, v: Tensor) -> Tensor:
    """Normal numbers of uniform ones.  Source: Box, Muller 1958."""
    return torch.sqrt(-2.0 * torch.log(u)) * torch.cos(2.0 * math.pi * v)


@dataclass(frozen=True, eq=False)
class SpikeTimes:
    """Spikes at given times, ms, to the nearest step; two in one step count once.

    times: one sequence per neuron, or all in one with their neurons in `ids`.
    batch: batch element that they go to.

    Raises ShapeError where a time is earlier than the first step's end, or no finite number.
    """

    times: Any
    ids: Any = None
    batch: int = 0

    def bind(self, target: Target) -> BoundInput:
        """Check, and take those of this run."""
        times, ids = self.times, self.ids
        if ids is None:
            if len(times) != target.n:
                raise ShapeError(
                    f"SpikeTimes of '{target.name}' holds {len(times)} trains, expected "
                    f"{target.n}, one per neuron; or give ids."
                )
            trains = [torch.as_tensor(t, dtype=torch.float64).reshape(-1) for t in times]
            ids = torch.arange(target.n).repeat_interleave(torch.tensor([len(t) for t in trains]))
            times = torch.cat([torch.zeros(0, dtype=torch.float64), *trains])
        times = torch.as_tensor(times, dtype=torch.float64).reshape(-1)
        ids = torch.as_tensor(ids).reshape(-1)
        if len(ids) != len(times):
            raise ShapeError(
                f"SpikeTimes of '{target.name}': {len(times)} times and {len(ids)} ids, expected "
                f"one id for each time."
            )
        steps = torch.round(times / target.dt) - 1
        if bool((~times.isfinite() | (steps < 0)).any()):
            raise ShapeError(
                f"SpikeTimes of '{target.name}' lie from {float(times.min()):g} to "
                f"{float(times.max()):g} ms, expected finite times from {target.dt:g} ms (the end "
                f"of the first step) on."
            )
        return _events(target, steps.to(torch.int64), ids, torch.full_like(ids, self.batch))


def _events(target: Target, steps: Tensor, ids: Tensor, batch: Tensor) -> BoundInput:
    """The events of this run, of those at steps of the network."""
    rows = steps - target.start
    now = (rows >= 0) & (rows < target.samples * target.steps)
    rows = rows[now]
    return Events(
        rows % max(target.steps, 1), ids[now], batch[now], rows // max(target.steps, 1)
    ).bind(target)  # fmt: skip


class _Rate:
    """Expected number of spikes since time 0, and its inverse: a rate constant between knots."""

    def __init__(self, rate: Any, every: float | None, target: Target) -> None:
        end = (target.start + target.samples * target.steps) * target.dt
        what = f"rate of '{target.name}'"
        self.every = target.dt if every is None and callable(rate) else every
        if self.every is not None and not self.every > 0:
            raise ShapeError(f"{what}: every={every!r} ms, expected a time above 0.")
        if callable(rate):
            rate = rate(torch.arange(0, max(end, target.dt), self.every, dtype=torch.float64))
        table = torch.as_tensor(rate, dtype=torch.float64)
        if table.dim() == 1 and self.every is not None:
            table = table[:, None]
        if table.dim() < 2 and self.every is None:
            table = table.reshape(1, -1)
        if table.dim() != 2 or table.shape[1] not in (1, target.n) or not len(table):
            raise ShapeError(
                f"{what} has shape {tuple(table.shape)}, expected one number, ({target.n},), or "
                f"with every=... a table (K,) or (K, {target.n})."
            )
        if not bool((table.isfinite() & (table >= 0)).all()):
            raise ShapeError(f"{what} holds negative or infinite numbers, expected Hz >= 0.")
        self.table = table / 1000.0  # [K, 1 or n], spikes a ms
        passed = (self.table[:-1] * (self.every or 0.0)).cumsum(0)
        self.knots = torch.cat([torch.zeros_like(self.table[:1]), passed])

    def passed(self, time: float) -> Tensor:
        """Expected spikes until a time, ms: [1 or n]."""
        row = 0 if self.every is None else min(int(time / self.every), len(self.table) - 1)
        return self.knots[row] + self.table[row] * (time - row * (self.every or 0.0))

    def when(self, due: Tensor, ids: Tensor) -> Tensor:
        """Times, ms, at which so many spikes were expected of neurons."""
        column = ids if self.table.shape[1] > 1 else torch.zeros_like(ids)
        row = torch.zeros_like(ids)
        if len(self.table) > 1:
            # neuron by neuron: the knots of each ascend
            order = column.argsort(stable=True)
            first = 0
            for k, count in enumerate(torch.bincount(column[order]).tolist()):
                mine = order[first : first + count]
                row[mine] = torch.searchsorted(self.knots[:, k].contiguous(), due[mine]) - 1
                first += count
        return row * (self.every or 0.0) + (due - self.knots[row, column]) / self.table[row, column]


class _Train:
    """Independent trains of all neurons: intervals of mean 1 in a time that runs with the rate."""

    rate: Any
    every: float | None
    equilibrium: bool
    _left: dict[tuple, tuple[int, Tensor, Tensor]]

    def interval(self, ids: Tensor, words: Words, first: bool) -> Tensor:
        """Intervals of mean 1 of neurons; words(attempt): four numbers in (0, 1) for each."""
        raise NotImplementedError

    def bind(self, target: Target) -> BoundInput:
        """Check, and draw the spikes of this run."""
        end = target.start + target.samples * target.steps
        rate = _Rate(self.rate, self.every, target)
        key = (target.seed, target.stream, target.n, target.batch, target.dt)
        at, due, count = self._left.get(key, (-1, torch.zeros(0), torch.zeros(0)))
        if at != target.start:
            count = torch.zeros(target.batch * target.n, dtype=torch.int64)
            due = self._draw(target, torch.arange(len(count)), count, self.equilibrium)
        due, count = due.clone(), count.clone()
        last = rate.passed(end * target.dt).expand(target.n).repeat(target.batch)
        found, times = [count[:0]], [due[:0]]
        active = (due <= last).nonzero()[:, 0]
        while len(active):
            found.append(active)
            times.append(due[active])
            count[active] += 1
            due[active] += self._draw(target, active, count[active], False)
            active = active[due[active] <= last[active]]
        self._left[key] = (end, due, count)
        index = torch.cat(found)
        when = rate.when(torch.cat(times), index % target.n)
        steps = (torch.ceil(when / target.dt) - 1).clamp(0, max(end - 1, 0)).to(torch.int64)
        return _events(target, steps, index % target.n, index // target.n)

    def _draw(self, target: Target, index: Tensor, count: Tensor, first: bool) -> Tensor:
        def words(attempt: int) -> tuple[Tensor, ...]:
            return uniforms(target, _TRAINS + count * _ATTEMPTS + attempt, index)

        return self.interval(index % target.n, words, first)


@dataclass(frozen=True, eq=False)
class InhomogeneousPoisson(_Train):
    """Poisson spikes at a rate that changes in time; two in one step count once.

    rate:  Hz, one or [n]; with `every` also a table [K] or [K, n], a row for each `every` ms (the
           last one goes on); or a function that returns one for times [K], ms.
    every: ms; default for a function: the network's dt.
    """

    rate: Any
    every: float | None = None
    equilibrium: bool = field(default=False, init=False)
    _left: dict = field(default_factory=dict, init=False, repr=False)

    def interval(self, ids: Tensor, words: Words, first: bool) -> Tensor:
        """Exponential."""
        return -torch.log(words(0)[0])


@dataclass(frozen=True, eq=False)
class GammaProcess(_Train):
    """Spikes whose intervals are gamma-distributed, at a rate that may change (in rescaled time).

    rate, every: as of `InhomogeneousPoisson`.
    shape: any number above 0; the coefficient of variation of the intervals is 1/sqrt(shape).
    equilibrium: whether the process has run for ever before time 0; else it spiked at time 0.

    Source: Marsaglia, Tsang 2000 (gamma variates); Cox 1962 (the first interval, cut from a
    length-biased one).
    """

    rate: Any
    shape: float
    every: float | None = None
    equilibrium: bool = True
    _left: dict = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.shape) and self.shape > 0):
            raise ShapeError(f"GammaProcess(shape={self.shape!r}): expected a number above 0.")

    def interval(self, ids: Tensor, words: Words, first: bool) -> Tensor:
        """Gamma variates over their mean."""
        raised = first or self.shape < 1
        d = self.shape + raised - 1.0 / 3.0
        drawn = torch.zeros(len(ids), dtype=torch.float64)
        waiting = torch.ones(len(ids), dtype=torch.bool)
        for attempt in range(_ATTEMPTS):
            u, v, w, _ = words(attempt)
            x = normals(u, v)
            y = (1.0 + x / math.sqrt(9.0 * d)) ** 3
            fits = torch.log(w) < 0.5 * x * x + d - d * y + d * torch.log(y.clamp(min=1e-300))
            taken = waiting & fits & (y > 0)
            drawn[taken] = d * y[taken]
            waiting &= ~taken
            if not bool(waiting.any()):
                break
        if raised:
            drawn *= words(0)[3] ** (1.0 if first else 1.0 / self.shape)
        return drawn / self.shape


@dataclass(frozen=True, eq=False)
class RefractoryPoisson(_Train):
    """Poisson spikes that are at least t_refrac apart.

    rate: Hz, the dead time counted in, one or [n].   t_refrac: ms, below 1000 / rate.
    equilibrium: as of `GammaProcess`.
    """

    rate: Any
    t_refrac: float
    equilibrium: bool = True
    every: float | None = field(default=None, init=False)
    _left: dict = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not (self.t_refrac >= 0 and bool((self._dead() < 1).all())):
            raise ShapeError(
                f"RefractoryPoisson(t_refrac={self.t_refrac!r}): expected 0 or more, and less than "
                f"1000 / rate."
            )

    def _dead(self) -> Tensor:
        rate = torch.as_tensor(self.rate, dtype=torch.float64).reshape(-1)
        return rate * (self.t_refrac / 1000.0)

    def interval(self, ids: Tensor, words: Words, first: bool) -> Tensor:
        """Dead time and an exponential; at first what is left of the dead time, if it is in one."""
        dead = self._dead()
        dead = dead[ids] if len(dead) > 1 else dead
        u, v, _, _ = words(0)
        left = torch.where(v < dead, v, 0.0) if first else dead
        return left - (1.0 - dead) * torch.log(u)


__all__ = ["GammaProcess", "InhomogeneousPoisson", "RefractoryPoisson", "SpikeTimes"]
