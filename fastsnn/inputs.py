# SPDX-License-Identifier: Apache-2.0
"""What drives a network from outside: spikes, events, rates, currents.

Every input is checked against its population and put into one form before a run starts.  S samples
(one for `run`) of T steps each; B batch elements; n neurons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from fastsnn.errors import ShapeError

TWO_32 = 4294967296.0


@dataclass(frozen=True, eq=False)
class BoundInput:
    """An input in the form that backends read.

    kind "spikes":  data uint8 [S*T, B, n].
    kind "events":  data int32 [events], ascending in each of S*T*B rows; offsets int64 [S*T*B + 1].
    kind "rates":   data float32 [S, B, n]; a spike where word < floor(data * scale).
    kind "current": data [S*T, B, n] if per_step, else [S, B, n].
    """

    kind: str
    data: Tensor
    offsets: Tensor | None = None
    scale: float = 0.0
    per_step: bool = False
    batch: int = 1

    def part(self, rows: slice, sample: int) -> BoundInput:
        """The input of some rows (sample * T + step), all of one sample."""
        if self.offsets is not None:
            ends = slice(rows.start * self.batch, rows.stop * self.batch + 1)
            return replace(self, offsets=self.offsets[ends].contiguous())
        if self.kind == "spikes" or self.per_step:
            return replace(self, data=self.data[rows].contiguous())
        return replace(self, data=self.data[sample : sample + 1].contiguous())


@dataclass(frozen=True)
class Target:
    """Where an input goes.

    start: step of the network in which the run begins.  seed, stream: of its random numbers.
    dtype: of currents.
    """

    name: str
    n: int
    is_input: bool
    steps: int
    samples: int
    batch: int
    dt: float
    device: torch.device
    start: int = 0
    seed: int = 0
    stream: int = 0
    dtype: torch.dtype = torch.float32


class Source(Protocol):
    """Anything that can be bound to a population as its input."""

    def bind(self, target: Target) -> BoundInput: ...


def _fit(data: Tensor, target: Target, per_step: bool) -> Tensor | None:
    """Data as [rows, B, n], or None where its shape does not say so.

    The last dimensions make up n.  Of the leading ones the batch may be left out where it is 1, and
    what is the same for all rows may be given once.
    """
    s, t, b = target.samples, target.steps, target.batch
    rows = s * t if per_step else s
    views = {(rows, b): (rows, b)}
    if per_step:
        views[s, t, b] = (rows, b)
    if b == 1:
        views |= {lead[:-1]: view for lead, view in views.items()}
    if rows == 1 or not per_step:
        views = {(b,): (1, b), (): (1, 1), **views}
    for k in range(data.dim() + 1):
        lead = tuple(data.shape[:k])
        if lead in views and data.shape[k:].numel() == target.n:
            return data.reshape(*views[lead], target.n).expand(rows, b, target.n)
    return None


def _grid(what: str, data: Any, target: Target, per_step: bool) -> Tensor:
    """Bring data to [rows, B, n], rows being steps or samples."""
    data = torch.as_tensor(data, device=target.device)
    grid = _fit(data, target, per_step)
    if grid is None:
        rows = target.samples * (target.steps if per_step else 1)
        raise ShapeError(
            f"{what} of '{target.name}' has shape {tuple(data.shape)}, expected "
            f"({'steps' if per_step else 'samples'}, batch, n) = {(rows, target.batch, target.n)}."
        )
    return grid


def _finite(what: str, target: Target, data: Tensor, dtype: torch.dtype) -> Tensor:
    data = data.to(dtype).contiguous()
    if not bool(torch.isfinite(data).all()):
        raise ShapeError(
            f"{what} of '{target.name}' holds NaN or infinity, expected finite numbers."
        )
    return data


def _spiking(what: str, target: Target) -> None:
    if not target.is_input:
        raise ShapeError(
            f"{what} given to '{target.name}', which is no Input population. "
            f"Drive it with Current, or with an Input population and a projection."
        )


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes on a grid.  data: bool, uint8 or 0/1 floats, [T, B, n] ([S*T, B, n] for S samples)."""

    data: Any

    def bind(self, target: Target) -> BoundInput:
        """Check and convert."""
        _spiking("Spikes", target)
        grid = _grid("Spikes", self.data, target, per_step=True)
        if grid.dtype != torch.bool and bool(((grid != 0) & (grid != 1)).any()):
            raise ShapeError(f"Spikes of '{target.name}' hold values other than 0 and 1.")
        return BoundInput("spikes", grid.to(torch.uint8).contiguous())


@dataclass(frozen=True, eq=False)
class Events:
    """Spikes as a list: neuron ids[k] spikes at step steps[k] of a sample and batch element.

    steps, ids: integers [events], any order; a pair given twice counts once.
    batch:  [events], default 0.  sample: [events], default 0.
    """

    steps: Any
    ids: Any
    batch: Any = 0
    sample: Any = 0

    def bind(self, target: Target) -> BoundInput:
        """Check, sort and convert."""
        _spiking("Events", target)
        limits = {
            "sample": (self.sample, target.samples),
            "steps": (self.steps, target.steps),
            "batch": (self.batch, target.batch),
            "ids": (self.ids, target.n),
        }
        count = torch.as_tensor(self.ids).numel()
        key = torch.zeros(count, dtype=torch.int64)
        for name, (values, limit) in limits.items():
            given = torch.as_tensor(values).cpu().reshape(-1)
            values = given.to(torch.int64)
            if bool((values != given).any()):
                raise ShapeError(f"Events of '{target.name}': {name} holds no whole numbers.")
            if values.numel() not in (1, count):
                raise ShapeError(
                    f"Events of '{target.name}': {name} has {values.numel()} entries, expected "
                    f"{count}."
                )
            if count and bool(((values < 0) | (values >= limit)).any()):
                raise ShapeError(
                    f"Events of '{target.name}': {name} reaches "
                    f"{int(values.min())}..{int(values.max())}, "
                    f"expected 0..{limit - 1}."
                )
            key = key * limit + values
        key = torch.unique(key)
        rows = target.samples * target.steps * target.batch
        offsets = torch.searchsorted(key, torch.arange(rows + 1, dtype=torch.int64) * target.n)
        ids = (key % target.n).to(torch.int32)
        return BoundInput(
            "events", ids.to(target.device), offsets.to(target.device), batch=target.batch
        )


@dataclass(frozen=True, eq=False)
class Poisson:
    """Poisson spikes drawn while the network runs: a spike in a step with probability rate * dt.

    rates: Hz, [n], [B, n] or [S, B, n]; rate * dt must not exceed one spike a step.
    """

    rates: Any

    def bind(self, target: Target) -> BoundInput:
        """Check and convert."""
        return _rates("Poisson rates", self.rates, target, target.dt / 1000.0)


@dataclass(frozen=True, eq=False)
class Bernoulli:
    """Spikes drawn while the network runs.

    p: probability of a spike a step, [n], [B, n] or [S, B, n].
    """

    p: Any

    def bind(self, target: Target) -> BoundInput:
        """Check and convert."""
        return _rates("Bernoulli probabilities", self.p, target, 1.0)


def _rates(what: str, data: Any, target: Target, scale: float) -> BoundInput:
    _spiking(what, target)
    grid = _grid(what, data, target, per_step=False)
    grid = _finite(what, target, grid, torch.float32)
    low, high = (float(x) for x in torch.aminmax(grid)) if grid.numel() else (0.0, 0.0)
    if low < 0 or high * scale > 1.0 + 1e-6:
        raise ShapeError(
            f"{what} of '{target.name}' lie in {low:g}..{high:g}, expected 0..{1 / scale:g} "
            f"(at most one spike a step)."
        )
    return BoundInput("rates", grid, scale=scale * TWO_32)


@dataclass(frozen=True, eq=False)
class Current:
    """External current added to the input of a population, mV a step.

    data: [T, B, n] ([S*T, B, n]), or constant over a sample: [n], [B, n], [S, B, n].
    """

    data: Any

    def bind(self, target: Target) -> BoundInput:
        """Check and convert."""
        if target.is_input:
            raise ShapeError(
                f"Current given to the Input population '{target.name}', expected Spikes, Events, "
                f"Poisson or Bernoulli."
            )
        per_step = _fit(torch.as_tensor(self.data), target, per_step=True) is not None
        grid = _grid("Current", self.data, target, per_step=per_step)
        return BoundInput(
            "current", _finite("Current", target, grid, target.dtype), per_step=per_step
        )


def as_source(what: str, value: Any, is_input: bool) -> Source:
    """A bare tensor means Spikes for an Input population, Current for any other."""
    if hasattr(value, "bind"):
        return value
    try:
        data = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(
            f"Input of '{what}' is a {type(value).__name__}, expected a tensor, Spikes, Events, "
            f"Poisson, "
            f"Bernoulli or Current."
        ) from error
    return Spikes(data) if is_input else Current(data)


@dataclass(frozen=True)
class Retry:
    """Present a sample again, with more intensity, while a population stays below `min_spikes`.

    boost: added to the factor (1 at first) by which the rates are multiplied, per retry.
    Source: Diehl, Cook 2015, section 2.5.
    """

    population: str
    min_spikes: int = 5
    boost: float = 0.5
    max_tries: int = 10

    def __post_init__(self) -> None:
        if self.min_spikes < 1 or self.max_tries < 1 or not self.boost >= 0:
            raise ShapeError(f"{self}: expected min_spikes >= 1, max_tries >= 1 and boost >= 0.")
