# SPDX-License-Identifier: Apache-2.0
"""Currents that change in time, as inputs of populations; `+` adds them.

Times are those of the simulation, as in `fastsnn.sources`.  A current is constant over a step: that
of the step's beginning.  In the unit of the model: pA for those of `fastsnn.models.currents` and
its kin.  A run holds them as float32 [steps, batch, n].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastsnn.errors import ShapeError
from fastsnn.inputs import BoundInput, Current, Target
from fastsnn.sources import normals, uniforms

# counters of noise, apart from those of inputs and trains
_NOISE = (1 << 62) + (1 << 61)


class _Source:
    """A current as a function of time; for some neurons or all."""

    neurons: Sequence[int] | Tensor | None

    def values(self, times: Tensor, target: Target, ids: Tensor, order: int) -> Tensor:
        """Current at times [T], float64, [T, 1], [T, ids] or [T, B, ids].

        order: place in a sum.
        """
        raise NotImplementedError

    def parts(self) -> tuple[_Source, ...]:
        """The currents that are added up."""
        return (self,)

    def __add__(self, other: _Source) -> _Sum:
        return _Sum((*self.parts(), *other.parts()))

    def bind(self, target: Target) -> BoundInput:
        """Check, and compute the current of this run."""
        rows = target.samples * target.steps
        total = torch.zeros(rows, target.batch, target.n, dtype=torch.float64)
        steps = torch.arange(target.start, target.start + rows, dtype=torch.float64)
        for order, part in enumerate(self.parts()):
            ids = _ids(part, target)
            given = part.values(steps * target.dt, target, ids, order)
            given = given[:, None] if given.dim() == 2 else given
            total[:, :, ids] += given
        return Current(total.to(target.device, target.dtype)).bind(target)


def _ids(part: _Source, target: Target) -> Tensor:
    if part.neurons is None:
        return torch.arange(target.n)
    ids = torch.as_tensor(part.neurons, dtype=torch.int64).reshape(-1)
    if bool(((ids < 0) | (ids >= target.n)).any()) or len(ids.unique()) != len(ids):
        raise ShapeError(
            f"{type(part).__name__} of '{target.name}': neurons={part.neurons!r}, expected "
            f"different ones of 0..{target.n - 1}."
        )
    return ids


class _Sum(_Source):
    """Several currents."""

    def __init__(self, parts: tuple[_Source, ...]) -> None:
        self._parts = parts

    def parts(self) -> tuple[_Source, ...]:
        return self._parts


def _each(what: str, value: Any, ids: Tensor) -> Tensor:
    """A number, or one per neuron."""
    tensor = torch.as_tensor(value, dtype=torch.float64).reshape(-1)
    if len(tensor) not in (1, len(ids)) or not bool(tensor.isfinite().all()):
        raise ShapeError(f"{what}={value!r}: expected one finite number, or {len(ids)} of them.")
    return tensor


def _during(times: Tensor, start: float, stop: float | None, dt: float) -> Tensor:
    """Which steps begin in [start, stop), to the nearest step.  [T, 1] bool."""
    steps = torch.round(times / dt)
    on = steps >= round(start / dt)
    if stop is not None:
        on &= steps < round(stop / dt)
    return on[:, None]


@dataclass(frozen=True, eq=False)
class StepCurrent(_Source):
    """A current that is constant between given times: amplitudes[k] from times[k] on, before it 0.

    times: [K], ms, ascending, to the nearest step.   amplitudes: [K], or [K, neurons].
    neurons: those that get it; default all.
    """

    times: Any
    amplitudes: Any
    neurons: Sequence[int] | Tensor | None = None

    def values(self, times: Tensor, target: Target, ids: Tensor, order: int) -> Tensor:
        """Those of the last change."""
        changes = torch.as_tensor(self.times, dtype=torch.float64).reshape(-1)
        table = torch.as_tensor(self.amplitudes, dtype=torch.float64)
        table = table.reshape(len(changes), -1) if table.numel() else table.reshape(0, 1)
        ascending = bool((changes[1:] >= changes[:-1]).all() and changes.isfinite().all())
        if len(table) != len(changes) or table.shape[1] not in (1, len(ids)) or not ascending:
            raise ShapeError(
                f"StepCurrent of '{target.name}': {len(changes)} times and amplitudes of shape "
                f"{tuple(torch.as_tensor(self.amplitudes).shape)}, expected ascending times and "
                f"one amplitude for each, or {len(ids)}."
            )
        table = torch.cat([table.new_zeros(1, table.shape[1]), table])
        step, change = torch.round(times / target.dt), torch.round(changes / target.dt)
        return table[torch.searchsorted(change.contiguous(), step, right=True)]


@dataclass(frozen=True, eq=False)
class SineCurrent(_Source):
    """offset + amplitude sin(2 pi frequency (t - start) + phase) from start to stop.

    frequency: Hz.   phase: radians.   start, stop: ms.   neurons: those that get it; default all.
    """

    amplitude: Any
    frequency: float
    offset: Any = 0.0
    phase: float = 0.0
    start: float = 0.0
    stop: float | None = None
    neurons: Sequence[int] | Tensor | None = None

    def values(self, times: Tensor, target: Target, ids: Tensor, order: int) -> Tensor:
        """The formula."""
        angle = 2e-3 * math.pi * self.frequency * (times - self.start) + self.phase
        sine = torch.sin(angle)[:, None]
        current = _each("offset", self.offset, ids) + _each("amplitude", self.amplitude, ids) * sine
        return torch.where(_during(times, self.start, self.stop, target.dt), current, 0.0)


@dataclass(frozen=True, eq=False)
class NoisyCurrent(_Source):
    """Normal noise of mean `mean` and standard deviation `sd`, redrawn every `every` ms.

    Every neuron draws for itself.   every: whole steps; default one.   start, stop: ms.
    neurons: those that get it; default all.
    """

    mean: Any
    sd: Any
    every: float | None = None
    start: float = 0.0
    stop: float | None = None
    neurons: Sequence[int] | Tensor | None = None

    def values(self, times: Tensor, target: Target, ids: Tensor, order: int) -> Tensor:
        """One number for each interval, batch element and neuron."""
        width = 1 if self.every is None else round(self.every / target.dt)
        if width < 1 or (self.every and abs(width * target.dt - self.every) > 1e-6 * target.dt):
            raise ShapeError(
                f"NoisyCurrent(every={self.every!r}): expected a whole number of steps of "
                f"{target.dt:g} ms."
            )
        steps = torch.round(times / target.dt).to(torch.int64)
        interval = ((steps - round(self.start / target.dt)) // width).clamp(min=0)
        shown, place = torch.unique(interval, return_inverse=True)
        cells = torch.arange(target.batch)[:, None] * target.n + ids
        index = cells.expand(len(shown), *cells.shape)
        # the noise of another place in a sum is another one
        counter = (_NOISE + (order << 48) + shown)[:, None, None].expand(index.shape)
        u, v, _, _ = uniforms(target, counter, index)
        noise = _each("mean", self.mean, ids) + _each("sd", self.sd, ids) * normals(u, v)
        on = _during(times, self.start, self.stop, target.dt)[..., None]
        return torch.where(on, noise[place], 0.0)


__all__ = ["NoisyCurrent", "SineCurrent", "StepCurrent"]
