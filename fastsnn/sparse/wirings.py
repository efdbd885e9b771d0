# SPDX-License-Identifier: Apache-2.0
"""Sparse wirings: who is joined to whom, with which weights and delays.

    FixedTotalNumber(45_499_805, w=Normal(87.8, 8.78, low=0.0), delay=Normal(1.5, 0.75, low=0.1))

w:     a number, or a distribution (`fastsnn.sparse.distributions`) that each synapse draws from.
delay: ms, likewise; rounded to whole steps, at least one.  None: one step.

A wiring and a seed determine every synapse, whatever backend and number of threads; no list of
synapses exists unless `edges` is called.  `same` says that source and target are one population.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fastsnn.errors import ModelError, ShapeError, whole_number
from fastsnn.sparse import distributions, draw
from fastsnn.sparse.distributions import Value
from fastsnn.sparse.draw import Edges

# of stored rows: a synapse is four bytes, its share of what stands before a row the rest
BYTES_A_SYNAPSE = 4.3
_MOST_STEPS = 65_535
_MOST_IDS = 1 << 31


@dataclass(frozen=True, eq=False)
class Wiring:
    """Base of the sparse wirings."""

    w: Value = field(default=1.0, kw_only=True)
    delay: Value | None = field(default=None, kw_only=True)

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """Raise ShapeError or ModelError where it does not fit."""
        distributions.check(f"{what}: w", self.w)
        if self.delay is not None:
            distributions.check(f"{what}: delay", self.delay)
            table = distributions.table(self.delay)
            if not (float(table.max()) > 0.0 and bool(torch.isfinite(table).all())):
                raise ModelError(f"{what}: delay={self.delay!r}, expected more than 0 ms.")
        if max(n_pre, n_post) >= _MOST_IDS:
            raise ShapeError(
                f"{what}: {n_pre} and {n_post} neurons, expected fewer than 2^31 in a population."
            )

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Number of synapses, on average."""
        raise NotImplementedError

    def memory(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Bytes that the native engine holds for the synapses, on average."""
        return BYTES_A_SYNAPSE * self.expected_synapses(n_pre, n_post, same) + 8.0 * n_pre

    def weight_range(self) -> tuple[float, float]:
        """Smallest and largest weight."""
        table = distributions.table(self.w)
        return float(table.min()), float(table.max())

    def largest_weight(self) -> float:
        """Largest absolute value that a weight may have."""
        return max(map(abs, self.weight_range()))

    def check_sign(self, what: str, sign: int) -> None:
        """Raise ModelError unless all weights are of one sign (1 or -1) or zero: Dale's law."""
        low, high = self.weight_range()
        if (low if sign > 0 else -high) < 0.0:
            bound = "low=0.0" if sign > 0 else "high=0.0"
            raise ModelError(
                f"{what}: weights between {low:g} and {high:g}, expected "
                f"{'no negative' if sign > 0 else 'no positive'} ones here (Dale's law). Cut the "
                f"distribution off, e.g. Normal(mean, sd, {bound})."
            )

    def largest_delay(self, dt: float) -> int:
        """Largest delay, in steps.  Raises ModelError beyond 65,535."""
        longest = int(draw.whole_steps(self._steps(dt).max()))
        if longest > _MOST_STEPS:
            raise ModelError(
                f"delay={self.delay!r} with dt={dt}: {longest} steps, expected at most "
                f"{_MOST_STEPS:,}. Cut it off (high=...), or take a larger dt."
            )
        return longest

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """What the native engine draws it from: numbers, and tensors to be kept alive.

        stream: number of the projection among the sparse ones.
        """
        return {
            "wiring": "rows",
            "stream": draw.synapse_stream(stream),
            "number": "fixed",
            "n": 0,
            "multapses": True,
            "same": False,
            "rewire": 0,
            "procedural": False,
            "weight": distributions.table(self.w),
            "delay": self._steps(dt),
            "largest_delay": self.largest_delay(dt),
        }

    def edges(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> Edges:
        """All synapses, by source neuron, in the order drawn.

        stream: number of the projection among the sparse ones.
        """
        pre, post, row, k = self._ends(seed, draw.synapse_stream(stream), n_pre, n_post, same)
        w, delay = self._values(seed, draw.synapse_stream(stream), dt, row, k)
        return Edges(pre, post, w, delay)

    def _ends(
        self, seed: int, stream: int, n_pre: int, n_post: int, same: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """pre, post, and the counter (row, k) of every synapse, int64, by source neuron."""
        raise NotImplementedError

    def _values(
        self, seed: int, stream: int, dt: float, row: Tensor, k: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Weights and delays in steps of the counters (row, k)."""
        table = distributions.table(self.w)
        w, steps = draw.values(seed, stream, row, k, table, self._steps(dt))
        return w, draw.whole_steps(steps)

    def _steps(self, dt: float) -> Tensor:
        """The table of delays, in steps; not rounded."""
        return distributions.table(dt if self.delay is None else self.delay, 1.0 / dt)


@dataclass(frozen=True, eq=False)
class _Random(Wiring):
    """Partners drawn at random.

    multapses: whether two neurons may be joined more than once.
    autapses:  whether a neuron may be joined to itself, where source and target are one population.
    """

    multapses: bool = field(default=True, kw_only=True)
    autapses: bool = field(default=True, kw_only=True)

    def _partners(self, n: int, same: bool) -> int:
        """How many partners a neuron may have, of n."""
        return n - 1 if same and not self.autapses else n

    def _check_number(self, what: str, k: int, n: int, same: bool) -> None:
        """Raise ShapeError unless k partners can be found among n."""
        partners = self._partners(n, same)
        if k > 0 and partners < 1:
            raise ShapeError(f"{what}: {self!r} finds no partner; the population has one neuron.")
        if not self.multapses and k > partners:
            raise ShapeError(
                f"{what}: {k} different partners of {partners}, expected at most as many. "
                f"Lower the number, or pass multapses=True."
            )

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"multapses": self.multapses, "same": same and not self.autapses}

    def _draw(self, seed: int, stream: int, numbers: Tensor, n: int, same: bool) -> list[Tensor]:
        """Row, place in the row, partner below n of numbers[i] synapses of every row i."""
        row, k = draw.places(numbers)
        partners = self._partners(n, same)
        if self.multapses:
            found = draw.anybody(seed, stream, row, k, partners)
        else:
            found = draw.distinct(seed, stream, numbers, partners)
        if partners < n:
            found += (found >= row).long()
        return [row, k, found]


@dataclass(frozen=True, eq=False)
class _ByRow(_Random):
    """Every source draws its targets: rows can be drawn again one by one.

    procedural: the engine stores no synapses but draws those of a neuron again at each of its
                spikes; the same network in next to no memory, about four times slower.
    """

    procedural: bool = field(default=False, kw_only=True)

    def memory(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """See Wiring; next to nothing where it is procedural."""
        return 8.0 * n_pre if self.procedural else super().memory(n_pre, n_post, same)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"procedural": self.procedural}

    def _numbers(self, seed: int, stream: int, n_pre: int, n_post: int, same: bool) -> Tensor:
        """Number of synapses of every source, int64 [n_pre]."""
        raise NotImplementedError

    def _ends(
        self, seed: int, stream: int, n_pre: int, n_post: int, same: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        numbers = self._numbers(seed, stream, n_pre, n_post, same)
        row, k, found = self._draw(seed, stream, numbers, n_post, same)
        return row, found, row, k


@dataclass(frozen=True, eq=False)
class FixedOutDegree(_ByRow):
    """Every source neuron has k synapses, their targets drawn at random."""

    k: int

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        super().check(what, n_pre, n_post, same)
        whole_number(f"{what}: k={self.k!r}", self.k, 0)
        self._check_number(what, self.k, n_post, same)

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Exact."""
        return float(self.k * n_pre)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        return super().spec(seed, stream, dt, n_pre, n_post, same) | {"n": self.k}

    def _numbers(self, seed: int, stream: int, n_pre: int, n_post: int, same: bool) -> Tensor:
        return torch.full((n_pre,), self.k, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class FixedInDegree(_Random):
    """Every target neuron has k synapses, their sources drawn at random."""

    k: int

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        super().check(what, n_pre, n_post, same)
        whole_number(f"{what}: k={self.k!r}", self.k, 0)
        self._check_number(what, self.k, n_pre, same)
        bits = max(self.k - 1, 0).bit_length() + max(n_post - 1, 0).bit_length()
        if bits > 32:
            raise ShapeError(
                f"{what}: {n_post} targets with {self.k} synapses each, expected less than 2^32 "
                f"synapses (both numbers rounded up to powers of two). Split the target."
            )

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Exact."""
        return float(self.k * n_post)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"wiring": "columns", "n": self.k}

    def _ends(
        self, seed: int, stream: int, n_pre: int, n_post: int, same: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        numbers = torch.full((n_post,), self.k, dtype=torch.int64)
        column, k, found = self._draw(seed, stream, numbers, n_pre, same)
        order = torch.argsort(found, stable=True)
        return found[order], column[order], column[order], k[order]


@dataclass(frozen=True, eq=False)
class FixedProbability(_ByRow):
    """Every pair of neurons is joined with probability p, independently of the others.

    p: rounded to 2^-32 in its effect on the number of synapses of a neuron.
    multapses=True: as many synapses, but each finds its target for itself.
    """

    p: float
    multapses: bool = field(default=False, kw_only=True)

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        super().check(what, n_pre, n_post, same)
        if not isinstance(self.p, (int, float)) or not 0.0 <= self.p <= 1.0:
            raise ModelError(f"{what}: p={self.p!r}, expected a probability, 0 to 1.")

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """The mean."""
        return float(self.p * n_pre * self._partners(n_post, same))

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        least, thresholds = draw.binomial_thresholds(self._partners(n_post, same), self.p)
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"number": "binomial", "n": least, "thresholds": thresholds}

    def _numbers(self, seed: int, stream: int, n_pre: int, n_post: int, same: bool) -> Tensor:
        table = draw.binomial_thresholds(self._partners(n_post, same), self.p)
        return draw.binomial_numbers(seed, stream, n_pre, *table)


@dataclass(frozen=True, eq=False)
class FixedTotalNumber(_ByRow):
    """n synapses in all; each draws its source and its target."""

    n: int

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        super().check(what, n_pre, n_post, same)
        whole_number(f"{what}: n={self.n!r}", self.n, 0)
        self._check_number(what, math.ceil(self.n / n_pre), n_post, same)

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Exact."""
        return float(self.n)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"number": "thrown", "n": self.n}

    def _numbers(self, seed: int, stream: int, n_pre: int, n_post: int, same: bool) -> Tensor:
        if self.multapses:
            return draw.thrown_numbers(seed, stream, n_pre, self.n)
        partners = self._partners(n_post, same)
        return draw.thrown_distinct_numbers(seed, stream, n_pre, self.n, partners)


@dataclass(frozen=True, eq=False)
class AllToAll(_ByRow):
    """Every source neuron to every target neuron."""

    multapses: bool = field(default=False, init=False)

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Exact."""
        return float(n_pre * self._partners(n_post, same))

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"n": self._partners(n_post, same)}

    def _numbers(self, seed: int, stream: int, n_pre: int, n_post: int, same: bool) -> Tensor:
        return torch.full((n_pre,), self._partners(n_post, same), dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Pairs(Wiring):
    """Neuron i to neuron i, with delays; `OneToOne` is the same without."""

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        super().check(what, n_pre, n_post, same)
        if n_pre != n_post:
            raise ShapeError(
                f"{what}: Pairs needs populations of one size, got {n_pre} (pre) and {n_post} "
                f"(post)."
            )

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Exact."""
        return float(n_pre)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        given = super().spec(seed, stream, dt, n_pre, n_post, same)
        return given | {"wiring": "pairs", "n": 1}

    def _ends(
        self, seed: int, stream: int, n_pre: int, n_post: int, same: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        row = torch.arange(n_pre)
        return row, row, row, torch.zeros_like(row)
