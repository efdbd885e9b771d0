# SPDX-License-Identifier: Apache-2.0
"""The words of the model language and their torch meaning.

A model is a plain Python function over scalars made of ``+ - * /``, comparisons, ``& | ~`` and the
words below.
Called on tensors it *is* the reference; other backends print the same function
(`fastsnn.lowering`).
``csrc/language.h`` holds the same words in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from torch import Tensor

WORDS = (
    "where",
    "minimum",
    "maximum",
    "abs",
    "exp",
    "log",
    "sqrt",
    "floor",
    "rand",
    "dot",
    "over_batch",
)


class Draws(Protocol):
    """Source of the uniform numbers that `rand` returns, one call after another."""

    def next(self) -> Tensor: ...


_draws: ContextVar[Draws | None] = ContextVar("draws", default=None)
_reduction: ContextVar[str] = ContextVar("reduction", default="sum")
_share: ContextVar[Callable[[Tensor], Tensor] | None] = ContextVar("share", default=None)


@contextmanager
def drawing(draws: Draws) -> Iterator[None]:
    """Let `rand` take its numbers from `draws`."""
    token = _draws.set(draws)
    try:
        yield
    finally:
        _draws.reset(token)


@contextmanager
def reducing(reduction: str, share: Callable[[Tensor], Tensor] | None = None) -> Iterator[None]:
    """Let `over_batch` reduce by "sum", "mean" or "max".

    share: sums the values of one batch element over the synapses that share a weight.
    """
    tokens = _reduction.set(reduction), _share.set(share)
    try:
        yield
    finally:
        _reduction.reset(tokens[0])
        _share.reset(tokens[1])


def where(condition: Tensor, a: Any, b: Any) -> Tensor:
    """`a` where the condition holds, else `b`."""
    return torch.where(condition, a, b)


# written with `where`, as in every backend: NaN and signed zeros behave the same everywhere
def minimum(a: Any, b: Any) -> Tensor:
    """The smaller of two values."""
    return torch.where(a < b, a, b)


def maximum(a: Any, b: Any) -> Tensor:
    """The larger of two values."""
    return torch.where(a > b, a, b)


def abs(x: Any) -> Any:
    """Absolute value."""
    return x.abs() if isinstance(x, Tensor) else math.fabs(x)


def exp(x: Any) -> Any:
    """Exponential."""
    return x.exp() if isinstance(x, Tensor) else math.exp(x)


def log(x: Any) -> Any:
    """Natural logarithm."""
    return x.log() if isinstance(x, Tensor) else math.log(x)


def sqrt(x: Any) -> Any:
    """Square root, correctly rounded."""
    if isinstance(x, Tensor):
        # torch's own is an ulp off for many float32 values on a CPU
        return x.to(torch.float64).sqrt().to(x.dtype)
    return math.sqrt(x)


def floor(x: Any) -> Any:
    """Largest whole number not above x."""
    return x.floor() if isinstance(x, Tensor) else math.floor(x)


def rand() -> Tensor:
    """Uniform numbers in [0, 1), one per neuron and batch element."""
    draws = _draws.get()
    if draws is None:
        raise RuntimeError("rand() has a meaning only inside a running simulation")
    return draws.next()


def dot(kernel: Tensor, window: Tensor) -> Tensor:
    """Sum of kernel[k] * window[k], oldest first.  kernel: [W].  window: [W, B, n]."""
    if not isinstance(window, Tensor):
        return window.dot(kernel)
    total = kernel[0] * window[0]
    for k in range(1, len(kernel)):
        total = total + kernel[k] * window[k]
    return total


def over_batch(x: Tensor) -> Tensor:
    """Reduce over the batch, element by element in ascending order.  x: [B, ...] -> [...]."""
    if not isinstance(x, Tensor):
        # a product of both sides that knows a faster way than being made, element by element
        return x.over_batch()
    reduction, share = _reduction.get(), _share.get()
    rows = iter(x if x.is_floating_point() else x.to(torch.float32))
    if share is not None:
        rows = map(share, rows)
    total = next(rows)
    for row in rows:
        total = maximum(total, row) if reduction == "max" else total + row
    # a tensor: torch on a GPU multiplies by the reciprocal of a plain number
    return total / torch.full_like(total, len(x)) if reduction == "mean" else total
