# SPDX-License-Identifier: Apache-2.0
"""Random input that every neuron draws for itself while the network runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fastsnn.errors import ModelError, ShapeError
from fastsnn.population import Population

_WORDS = 2.0**32
_MOST_EVENTS = 5000.0  # a step, on average


@dataclass(frozen=True, eq=False)
class PoissonDrive:
    """An independent Poisson train of spikes for every neuron, each of weight w.

    rate: Hz, a number or one per neuron [n].   w: in the unit of the port.
    A step's number of spikes is drawn from the Poisson distribution of mean rate * dt, by
    inversion of one 32-bit word; the weight is a whole number of the port's grain.
    """

    kind: ClassVar[str] = "poisson"
    rate: float | Tensor
    w: float

    def check(self, what: str, n: int) -> None:
        """Raise ModelError or ShapeError."""
        if not math.isfinite(self.w):
            raise ModelError(f"{what}: w={self.w!r}, expected a finite number.")
        rate = torch.as_tensor(self.rate, dtype=torch.float64)
        if rate.numel() not in (1, n):
            raise ShapeError(f"{what}: rate has shape {tuple(rate.shape)}, expected () or ({n},).")
        if not bool(torch.isfinite(rate).all()) or bool((rate < 0).any()):
            raise ModelError(
                f"{what}: rate={self.rate!r}, expected finite numbers of 0 Hz or more."
            )

    def largest_weight(self) -> float:
        """Of one spike."""
        return abs(self.w)

    def table(self, what: str, n: int, dt: float, grain: float) -> tuple[Tensor, Tensor]:
        """Rows of numbers, int64 [rates, 2 + thresholds], and each neuron's row, int32 [n].

        A row: weight in grains, events that every word gives, then the words from which on there
        is one more.
        """
        rates = torch.as_tensor(self.rate, dtype=torch.float64).reshape(-1).expand(n)
        values, which = torch.unique(rates, return_inverse=True)
        means = [float(r) * dt / 1000.0 for r in values]
        if means[-1] > _MOST_EVENTS:
            raise ModelError(
                f"{what}: rate={float(values[-1]):g} Hz gives {means[-1]:g} spikes a step; "
                f"expected at most {_MOST_EVENTS:g}. Use a current, or a smaller dt."
            )
        weight = round(self.w / grain)
        rows = [[weight, *_thresholds(m)] for m in means]
        width = max(map(len, rows))
        never = int(_WORDS)
        padded = [row + [never] * (width - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.int64), which.to(torch.int32).contiguous()


def _thresholds(mean: float) -> list[int]:
    """Events that are sure, then the words 2^32 * P(at most c events) for every further c."""
    if mean == 0.0:
        return [0]
    most = int(mean + 12.0 * math.sqrt(mean) + 30.0)
    count = torch.arange(most, dtype=torch.float64)
    log_p = count * math.log(mean) - mean - torch.lgamma(count + 1.0)
    words = (log_p.exp().cumsum(0) * _WORDS).floor().clamp(max=_WORDS).to(torch.int64)
    sure = int((words == 0).sum())
    return [sure, *words[(words > 0) & (words < int(_WORDS))].tolist()]


class Driven:
    """A drive of a population; made by `Network.drive`."""

    def __init__(
        self,
        name: str,
        target: Population,
        drive: PoissonDrive,
        *,
        port: str | None,
        order: int,
        step: int,
    ) -> None:
        self.name, self.target, self.drive, self.order = name, target, drive, order
        self.port = port or "i_syn"
        target.receptor(port)
        if target.batch_size != 1:
            raise ModelError(
                f"{self}: a drive needs batch_size=1, the network has {target.batch_size}."
            )
        drive.check(str(self), target.n)
        drive.table(str(self), target.n, target.dt, 1.0)
        target.expect(self.port, drive.largest_weight(), 0, step)

    def __str__(self) -> str:
        return f"Drive '{self.name}'"


__all__ = ["Driven", "PoissonDrive"]
