# SPDX-License-Identifier: Apache-2.0
"""Encodings of one sample after another, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from fastsnn.bindsnet.encoding.encodings import bernoulli, poisson, rank_order


def bernoulli_loader(
    data: Tensor | Iterable[Tensor], time: int | None = None, dt: float = 1.0, **kwargs: Any
) -> Iterator[Tensor]:
    """Yield `bernoulli` of each sample."""
    return (bernoulli(datum, time, dt, **kwargs) for datum in data)


def poisson_loader(
    data: Tensor | Iterable[Tensor], time: int, dt: float = 1.0, **kwargs: Any
) -> Iterator[Tensor]:
    """Yield `poisson` of each sample."""
    return (poisson(datum, time, dt, **kwargs) for datum in data)


def rank_order_loader(
    data: Tensor | Iterable[Tensor], time: int, dt: float = 1.0, **kwargs: Any
) -> Iterator[Tensor]:
    """Yield `rank_order` of each sample."""
    return (rank_order(datum, time, dt, **kwargs) for datum in data)
