# SPDX-License-Identifier: Apache-2.0
"""Wirings that depend on where neurons are: on a ring, on a grid, in space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fastsnn.errors import ModelError, ShapeError, whole_number
from fastsnn.random import philox
from fastsnn.sparse import distributions, draw
from fastsnn.sparse.draw import Edges
from fastsnn.sparse.wirings import Wiring

_BLOCK = 1 << 20  # pairs looked at a time
_STEPS = 1024  # of a kernel's table, from distance 0 to the cutoff
_SAMPLED = 1000  # neurons that the expected number of synapses is taken from
_NEGLIGIBLE = 1e-6  # of the largest probability
_DIMENSIONS = 3


@dataclass(frozen=True, eq=False)
class SmallWorld(Wiring):
    """A ring whose neurons are joined to k neighbours, each synapse rewired with probability p.

    Half of the neighbours stand on either side.  A rewired synapse gets a random target that is
    neither its source nor joined to it already.
    Source: Watts, Strogatz 1998; here with directed synapses.
    """

    k: int
    p_rewire: float

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        super().check(what, n_pre, n_post, same)
        whole_number(f"{what}: k={self.k!r}", self.k, 0)
        if n_pre != n_post:
            raise ShapeError(
                f"{what}: SmallWorld is a ring of one population, or between two of one size; got "
                f"{n_pre} (pre) and {n_post} (post)."
            )
        if self.k % 2 or self.k >= n_post:
            raise ShapeError(
                f"{what}: k={self.k}, expected an even number below the {n_post} neurons."
            )
        if not 0.0 <= self.p_rewire <= 1.0:
            raise ModelError(f"{what}: p_rewire={self.p_rewire!r}, expected 0 to 1.")

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Exact."""
        return float(self.k * n_pre)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"wiring": "small_world", "n": self.k, "rewire": self._rewire}

    @property
    def _rewire(self) -> int:
        """The words below are those of rewired synapses."""
        return round(self.p_rewire * 2.0**32)

    def _ends(
        self, seed: int, stream: int, n_pre: int, n_post: int, same: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        row, k = draw.places(torch.full((n_pre,), self.k, dtype=torch.int64))
        return row, draw.ring(seed, stream, n_post, self.k, self._rewire), row, k


class Kernel:
    """Base of the kernels: probability of a distance."""

    @property
    def cutoff(self) -> float:
        """Where it becomes negligible."""
        raise NotImplementedError

    def __call__(self, distance: Tensor) -> Tensor:
        """Probability of distances (float64)."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class GaussianKernel(Kernel):
    """p exp(-d^2 / (2 sigma^2))."""

    p: float
    sigma: float

    def __call__(self, distance: Tensor) -> Tensor:
        return self.p * torch.exp(-0.5 * (distance / self.sigma) ** 2)

    @property
    def cutoff(self) -> float:
        """Where a millionth of p is left."""
        return self.sigma * math.sqrt(-2.0 * math.log(_NEGLIGIBLE))


@dataclass(frozen=True, eq=False)
class ExponentialKernel(Kernel):
    """p exp(-d / length)."""

    p: float
    length: float

    def __call__(self, distance: Tensor) -> Tensor:
        return self.p * torch.exp(-distance / self.length)

    @property
    def cutoff(self) -> float:
        """Where a millionth of p is left."""
        return -self.length * math.log(_NEGLIGIBLE)


@dataclass(frozen=True, eq=False)
class DiscKernel(Kernel):
    """p up to the distance `radius`, 0 beyond."""

    p: float
    radius: float

    def __call__(self, distance: Tensor) -> Tensor:
        return torch.full_like(distance, self.p)

    @property
    def cutoff(self) -> float:
        """The radius."""
        return self.radius


def grid(*shape: int, spacing: float = 1.0) -> Tensor:
    """Positions of the neurons of a grid, [n, len(shape)], the last axis changing fastest."""
    axes = torch.meshgrid(*(torch.arange(n) * spacing for n in shape), indexing="ij")
    return torch.stack([a.reshape(-1) for a in axes], dim=1).to(torch.float32)


@dataclass(frozen=True, eq=False)
class DistanceDependent(Wiring):
    """Every pair of neurons is joined with a probability that falls with its distance.

    kernel:    probability of a distance: GaussianKernel, ExponentialKernel, DiscKernel, or any
               function of a float64 tensor (then with `cutoff`).  It is tabulated at 1,024 steps
               up to the cutoff, linear between.
    positions: of the source's neurons, [n_pre, 1, 2 or 3], in any unit of length; `grid` makes
               some.
    targets:   of the target's neurons; None: the same.
    cutoff:    no pair further apart is joined; None: where the kernel has become negligible.
    period:    length of the space in every dimension, where its ends meet; a number or one each.
    velocity:  length per ms; distance / velocity is added to the delay.  None: nothing is.
    autapses:  whether a neuron may be joined to itself, where source and target are one population.
    """

    kernel: Kernel | Callable[[Tensor], Tensor]
    positions: Tensor | Sequence[Sequence[float]]
    targets: Tensor | Sequence[Sequence[float]] | None = field(default=None, kw_only=True)
    cutoff: float | None = field(default=None, kw_only=True)
    period: float | Sequence[float] | None = field(default=None, kw_only=True)
    velocity: float | None = field(default=None, kw_only=True)
    autapses: bool = field(default=True, kw_only=True)

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        super().check(what, n_pre, n_post, same)
        pre, post = self._places()
        for name, found, n in (("positions", pre, n_pre), ("targets", post, n_post)):
            if found.dim() != 2 or len(found) != n or not 1 <= found.shape[1] <= _DIMENSIONS:
                raise ShapeError(
                    f"{what}: {name} is {tuple(found.shape)}, expected ({n}, 1 to {_DIMENSIONS})."
                )
            if not bool(torch.isfinite(found).all()):
                raise ShapeError(f"{what}: {name} holds NaN or infinity.")
        if pre.shape[1] != post.shape[1]:
            raise ShapeError(
                f"{what}: positions in {pre.shape[1]} dimensions, targets in {post.shape[1]}."
            )
        self._check_space(what, pre, post)
        table = self.table()
        if not bool(((table >= 0.0) & (table <= 1.0)).all()):
            raise ModelError(f"{what}: kernel={self.kernel!r}, expected probabilities, 0 to 1.")

    def _check_space(self, what: str, pre: Tensor, post: Tensor) -> None:
        given = self._cutoff()
        if given is None or not 0.0 < given < math.inf:
            raise ModelError(f"{what}: cutoff={given!r}, expected a length above 0.")
        if self.velocity is not None and not 0.0 < self.velocity < math.inf:
            raise ModelError(f"{what}: velocity={self.velocity!r}, expected more than 0.")
        if self.period is None:
            return
        if not isinstance(self.period, (int, float)) and len(self.period) != pre.shape[1]:
            raise ShapeError(
                f"{what}: period={self.period!r}, expected a number or {pre.shape[1]} of them."
            )
        both = torch.cat([pre, post])
        if bool((both.max(0).values - both.min(0).values > self._period(pre.shape[1])).any()):
            raise ShapeError(
                f"{what}: positions extend beyond the period {self.period!r}, expected all in one."
            )

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """The mean; of evenly spaced source neurons where there are more than a thousand."""
        rows = torch.linspace(0, n_pre - 1, min(n_pre, _SAMPLED)).round().long()
        total = 0.0
        for part in rows.split(max(1, _BLOCK // max(n_post, 1))):
            total += float(self._probability(part, same)[1].sum(dtype=torch.float64))
        return total * n_pre / len(rows)

    def largest_delay(self, dt: float) -> int:
        """See Wiring."""
        if self.velocity is None:
            return super().largest_delay(dt)
        return super().largest_delay(dt) + math.ceil((self._cutoff() or 0.0) / self.velocity / dt)

    def table(self) -> Tensor:
        """Probabilities at 0, 1, .. steps of cutoff / 1024, float32; the last one twice."""
        distance = torch.arange(_STEPS + 1, dtype=torch.float64) * ((self._cutoff() or 0) / _STEPS)
        p = torch.as_tensor(self.kernel(distance), dtype=torch.float64).expand(_STEPS + 1)
        return torch.cat([p, p[-1:]]).to(torch.float32)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        pre, post = self._places()
        pads = [p.new_zeros(len(p), _DIMENSIONS - p.shape[1]) for p in (pre, post)]
        period = torch.full((_DIMENSIONS,), math.inf)
        period[_DIMENSIONS - pre.shape[1] :] = self._period(pre.shape[1])
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {
            "wiring": "distance",
            "same": same and not self.autapses,
            "x_pre": torch.cat([pads[0], pre], 1).T.contiguous(),
            "x_post": torch.cat([pads[1], post], 1).T.contiguous(),
            "period": period,
            "chance": self.table(),
            "cutoff": float(torch.tensor(self._cutoff(), dtype=torch.float32)),
            "steps_per_length": float(self._steps_per_length(dt)),
        }

    def edges(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> Edges:
        """See Wiring; the targets of a source ascend."""
        stream = draw.synapse_stream(stream)
        pre, post, far = [], [], []
        j = torch.arange(n_post)
        for row in torch.arange(n_pre).split(max(1, _BLOCK // max(n_post, 1))):
            distance, p = self._probability(row, same)
            counter = row[:, None].expand(distance.shape), j.expand(distance.shape)
            word = philox(seed, stream, *counter)[0]
            joined = (word >> 1).to(torch.float32) * 2.0**-31 < p
            found = joined.nonzero()
            pre.append(row[found[:, 0]])
            post.append(found[:, 1])
            far.append(distance[joined])
        ends = [torch.cat(parts) for parts in (pre, post, far)]
        k = draw.places(torch.bincount(ends[0], minlength=n_pre))[1]
        table = distributions.table(self.w)
        w, steps = draw.values(seed, stream, ends[0], k, table, self._steps(dt))
        if self.velocity is not None:
            steps = steps + ends[2] * self._steps_per_length(dt)
        return Edges(ends[0], ends[1], w, draw.whole_steps(steps))

    def _probability(self, rows: Tensor, same: bool) -> tuple[Tensor, Tensor]:
        """Distances of the source neurons `rows` from all targets and their chances, float32."""
        pre, post = self._places()
        period = self._period(pre.shape[1])
        square = torch.zeros(len(rows), len(post))
        for d in range(pre.shape[1]):
            apart = (pre[rows, d, None] - post[:, d]).abs()
            apart = torch.minimum(apart, period[d] - apart)
            square = square + apart * apart
        distance = square.sqrt()
        cutoff = torch.tensor(self._cutoff(), dtype=torch.float32)
        x = distance.clamp(max=float(cutoff)) * (_STEPS / cutoff)
        at = x.to(torch.int64)
        table = self.table()
        p = table[at] + (x - at) * (table[at + 1] - table[at])
        p = torch.where(distance <= cutoff, p, 0.0)
        if same and not self.autapses:
            p[torch.arange(len(rows)), rows] = 0.0
        return distance, p

    def _places(self) -> tuple[Tensor, Tensor]:
        pre = torch.as_tensor(self.positions, dtype=torch.float32)
        post = pre if self.targets is None else torch.as_tensor(self.targets, dtype=torch.float32)
        return pre, post

    def _cutoff(self) -> float | None:
        return getattr(self.kernel, "cutoff", None) if self.cutoff is None else self.cutoff

    def _period(self, dimensions: int) -> Tensor:
        if self.period is None:
            return torch.full((dimensions,), math.inf)
        return torch.as_tensor(self.period, dtype=torch.float32).expand(dimensions)

    def _steps_per_length(self, dt: float) -> Tensor:
        return torch.tensor(0.0 if self.velocity is None else 1.0 / (self.velocity * dt))
