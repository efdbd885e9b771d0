# SPDX-License-Identifier: Apache-2.0
"""Distributions of weights and delays, as tables of quantiles.

A synapse has one 32-bit word for its weight and one for its delay; the word is looked up in a table
by linear interpolation in float32.  The words below 2^31 and those above have a table each, whose
nodes lie 64 to an octave, so that tails are as fine as the middle: the rarest value is that of the
probability 2^-33.  Every backend uses the same tables and operations: all have the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fastsnn.errors import ModelError

_OCTAVES, _PER_OCTAVE = 32, 64
_NODES = _OCTAVES * _PER_OCTAVE + 2  # the last node stands twice
_FRACTION_BITS = 17  # of a float's 23, below those that number the nodes
_BIAS = 126 * _PER_OCTAVE  # node 0 stands at 0.5
_LEAST_MASS = 1e-9


def _probabilities() -> Tensor:
    """Of the nodes of one half, float64, ascending from 2^-33 to 1/2."""
    node = torch.arange(_NODES - 1, dtype=torch.float64)
    octave = torch.div(node, _PER_OCTAVE, rounding_mode="floor")
    return torch.exp2(octave - 33.0) * (1.0 + (node - _PER_OCTAVE * octave) / _PER_OCTAVE)


@dataclass(frozen=True, eq=False)
class Distribution:
    """Base of the distributions; `2.0 * d` and `-d` are distributions as well."""

    def check(self, what: str) -> None:
        """Raise ModelError where a parameter is impossible."""

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """The value that is exceeded (upper) or not exceeded with probability p, float64."""
        raise NotImplementedError

    def table(self, factor: float = 1.0) -> Tensor:
        """The quantiles times `factor` at the nodes of both halves, float32."""
        p = _probabilities()
        halves = [self.quantile(p, upper) * factor for upper in (False, True)]
        return torch.cat([torch.cat([h, h[-1:]]) for h in halves]).to(torch.float32)

    def __mul__(self, factor: float) -> Distribution:
        return Scaled(self, float(factor))

    __rmul__ = __mul__

    def __neg__(self) -> Distribution:
        return Scaled(self, -1.0)


Value = float | Distribution


@dataclass(frozen=True, eq=False)
class Scaled(Distribution):
    """`factor` times a distribution."""

    distribution: Distribution
    factor: float

    def check(self, what: str) -> None:
        """Raise ModelError where the factor is not finite, or as the distribution does."""
        self.distribution.check(what)
        _require(math.isfinite(self.factor), what, self, "a finite factor")

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """See Distribution."""
        return self.factor * self.distribution.quantile(p, upper == (self.factor >= 0.0))


@dataclass(frozen=True, eq=False)
class Normal(Distribution):
    """Normal, cut off below `low` and above `high`: what lies outside is drawn again.

    mean, sd: of the distribution before it is cut off.
    """

    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf

    def check(self, what: str) -> None:
        """Raise ModelError where sd is negative, or next to nothing lies between low and high."""
        _require(math.isfinite(self.mean) and 0.0 <= self.sd < math.inf, what, self, "sd >= 0")
        _require(_mass(*self._range()) > _LEAST_MASS, what, self, "low < high, near the mean")

    def _range(self) -> tuple[float, float]:
        if self.sd == 0.0:
            inside = self.low <= self.mean <= self.high
            return (-math.inf, math.inf) if inside else (0.0, 0.0)
        return (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """See Distribution."""
        x = self.mean + self.sd * _normal_between(p, upper, *self._range())
        return x.clamp(self.low, self.high)


@dataclass(frozen=True, eq=False)
class LogNormal(Distribution):
    """Lognormal, cut off as Normal is.

    mean, sd: of the values themselves, not of their logarithms, before it is cut off.
    """

    mean: float
    sd: float
    low: float = 0.0
    high: float = math.inf

    def check(self, what: str) -> None:
        """Raise ModelError where mean or sd is not positive, or next to nothing is left."""
        _require(
            0.0 < self.mean < math.inf and 0.0 < self.sd < math.inf, what, self,
            "mean > 0 and sd > 0; for negative weights write -LogNormal(...)",
        )  # fmt: skip
        _require(_mass(*self._range()) > _LEAST_MASS, what, self, "low < high, near the mean")

    def _logarithm(self) -> tuple[float, float]:
        """Mean and standard deviation of the logarithm."""
        variance = math.log1p((self.sd / self.mean) ** 2)
        return math.log(self.mean) - variance / 2.0, math.sqrt(variance)

    def _range(self) -> tuple[float, float]:
        mu, sigma = self._logarithm()
        ends = [(math.log(x) if x > 0.0 else -math.inf) for x in (self.low, self.high)]
        return (ends[0] - mu) / sigma, (ends[1] - mu) / sigma

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """See Distribution."""
        mu, sigma = self._logarithm()
        x = torch.exp(mu + sigma * _normal_between(p, upper, *self._range()))
        return x.clamp(self.low, self.high)


@dataclass(frozen=True, eq=False)
class Uniform(Distribution):
    """Uniform between `low` and `high`."""

    low: float
    high: float

    def check(self, what: str) -> None:
        """Raise ModelError unless low <= high, both finite."""
        _require(-math.inf < self.low <= self.high < math.inf, what, self, "low <= high, finite")

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """See Distribution."""
        width = self.high - self.low
        return self.high - width * p if upper else self.low + width * p


@dataclass(frozen=True, eq=False)
class Exponential(Distribution):
    """Exponential, from `low` on, cut off above `high`.

    mean: of what lies above `low`, before it is cut off.
    """

    mean: float
    low: float = 0.0
    high: float = math.inf

    def check(self, what: str) -> None:
        """Raise ModelError unless mean > 0 and low < high."""
        fits = 0.0 < self.mean < math.inf and -math.inf < self.low < self.high
        _require(fits, what, self, "mean > 0 and low < high")

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """See Distribution."""
        cut = math.exp(-(self.high - self.low) / self.mean)
        # what is exceeded with probability p, of what is not cut off
        x = -torch.log(cut + p * (1.0 - cut)) if upper else -torch.log1p(-p * (1.0 - cut))
        return (self.low + self.mean * x).clamp(self.low, self.high)


@dataclass(frozen=True, eq=False)
class Clipped(Distribution):
    """A distribution whose values beyond `low` and `high` are moved to there."""

    distribution: Distribution
    low: float = -math.inf
    high: float = math.inf

    def check(self, what: str) -> None:
        """Raise ModelError unless low <= high, or as the distribution does."""
        self.distribution.check(what)
        _require(self.low <= self.high, what, self, "low <= high")

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """See Distribution."""
        return self.distribution.quantile(p, upper).clamp(self.low, self.high)


@dataclass(frozen=True, eq=False)
class Quantiles(Distribution):
    """A distribution by its quantiles, equally spaced from probability 0 to 1, linear between.

    values: [k], ascending; sorted samples of a measurement serve as well.
    """

    values: Sequence[float] | Tensor

    def check(self, what: str) -> None:
        """Raise ModelError unless there are two values or more, finite and ascending."""
        v = torch.as_tensor(self.values, dtype=torch.float64).reshape(-1)
        fits = len(v) > 1 and bool(torch.isfinite(v).all()) and bool((v.diff() >= 0.0).all())
        _require(fits, what, self, "two values or more, finite and ascending")

    def quantile(self, p: Tensor, upper: bool) -> Tensor:
        """See Distribution."""
        v = torch.as_tensor(self.values, dtype=torch.float64).reshape(-1)
        v = v.flip(0) if upper else v
        x = p * (len(v) - 1)
        at = x.floor().long().clamp(max=len(v) - 2)
        return v[at] + (x - at) * (v[at + 1] - v[at])


def check(what: str, value: Value) -> None:
    """Raise ModelError unless `value` is a finite number or a distribution that is possible."""
    if isinstance(value, Distribution):
        return value.check(what)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ModelError(
            f"{what} is {value!r}, expected a finite number or a distribution, e.g. "
            f"Normal(mean, sd)."
        )
    return None


def table(value: Value, factor: float = 1.0) -> Tensor:
    """The table of a distribution, or one number for a number; times `factor`, float32."""
    if isinstance(value, Distribution):
        return value.table(factor)
    return torch.tensor([value * factor], dtype=torch.float64).to(torch.float32)


def look_up(table: Tensor, words: Tensor) -> Tensor:
    """The values of 32-bit words (int64), float32."""
    if len(table) == 1:
        return table.expand(words.shape)
    upper = words >= 1 << 31
    x = torch.where(upper, 0xFFFFFFFF - words, words).to(torch.float32).clamp(min=0.5)
    bits = x.view(torch.int32)
    at = ((bits >> _FRACTION_BITS) - _BIAS).long() + upper * _NODES
    part = (bits & ((1 << _FRACTION_BITS) - 1)).to(torch.float32) * 2.0**-_FRACTION_BITS
    a, b = table[at], table[at + 1]
    return a + part * (b - a)


def _require(fits: bool, what: str, got: Distribution, expected: str) -> None:
    if not fits:
        raise ModelError(f"{what} is {got!r}, expected {expected}.")


def _mass(a: float, b: float) -> float:
    """Probability that a standard normal number lies between a and b."""
    if not a < b:
        return 0.0
    if a > 0.0:
        a, b = -b, -a
    return 0.5 * (math.erfc(-b / math.sqrt(2.0)) - math.erfc(-a / math.sqrt(2.0)))


def _normal_between(p: Tensor, upper: bool, a: float, b: float) -> Tensor:
    """Quantiles of a standard normal number between a and b."""
    if upper:
        return -_normal_between(p, False, -b, -a)
    below = 0.5 * math.erfc(-a / math.sqrt(2.0))
    mass = _mass(a, b)
    if a > 0.0:
        # from the upper end, where small probabilities are exact
        beyond = 0.5 * math.erfc(a / math.sqrt(2.0))
        return -torch.special.ndtri(beyond - p * mass)
    return torch.special.ndtri(below + p * mass)
