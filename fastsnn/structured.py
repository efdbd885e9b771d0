# SPDX-License-Identifier: Apache-2.0
"""Structured wirings: convolutions, local connections, sparse ones, and max-pooling.

Conv, Local and MaxPool join populations of shape (channels, *grid) and (filters, *places).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn.connectivity import Connectivity, Layout
from fastsnn.errors import ModelError, ShapeError
from fastsnn.random import network_chance
from fastsnn.synapses import (
    Shape,
    Windows,
    convolution,
    listed,
    local,
    order_of,
    pooling,
)

Sizes = int | Sequence[int]
_SIZES = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}  # with what they are at least
_AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


@dataclass(frozen=True, eq=False)
class _Windowed(Connectivity):
    """A kernel that moves over a grid.  Sizes: one number, or one per dimension."""

    dims: ClassVar[int] = 0
    w: Tensor | float | None = field(default=None, kw_only=True)
    kernel_size: Sizes
    stride: Sizes = 1

    def windows(self, what: str) -> Windows:
        """The sizes in every dimension, checked."""
        return Windows(*(self._sizes(what, name, least) for name, least in _SIZES.items()))

    def _sizes(self, what: str, name: str, least: int) -> Shape:
        given = getattr(self, name, least)
        sizes = tuple(given) if isinstance(given, Sequence) else (given,) * self.dims
        if len(sizes) != self.dims or not all(isinstance(n, int) and n >= least for n in sizes):
            raise ShapeError(
                f"{what}: {name}={given!r}, expected a whole number of {least} or more, or "
                f"{self.dims} of them."
            )
        return sizes

    def _fit(self, what: str, pre: Shape, post: Shape, same_channels: bool = False) -> Windows:
        """The windows, where both shapes fit them."""
        windows = self.windows(what)
        if len(pre) != self.dims + 1:
            raise ShapeError(
                f"{what}: the source has shape {pre}, {self} expects (channels, "
                f"{_AXES[self.dims]}). One channel is shape=(1, ...)."
            )
        places = windows.out(pre[1:])
        expected = (pre[0] if same_channels else post[0], *places)
        if min(places) < 1:
            raise ShapeError(f"{what}: {self} is larger than the source, {pre[1:]} with padding.")
        if post != expected:
            shown = expected if same_channels else ("filters", *places)
            raise ShapeError(
                f"{what}: {self} of a source {pre} gives "
                f"({', '.join(map(str, shown))}), the target is {post}. "
                f"Make it shape={expected}."
            )
        return windows

    def __str__(self) -> str:
        shown = ", ".join(f"{k}={v}" for k, v in self.sizes().items() if k in _SIZES)
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, eq=False)
class _Conv(_Windowed):
    """Kernels shared by all places: a weight learns from the pairs of all its places, summed.

    w:        [filters, channels, *kernel], as torch has it; a number, or None to draw it.
    norm_per: what `norm` of the projection holds the sum of |w| of: "filter", or "kernel" (of one
              filter and channel).
    """

    kind = "indexed"
    learns = True
    padding: Sizes = 0
    dilation: Sizes = 1
    norm_per: str = "filter"

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[filters, channels, *kernel]."""
        if self.norm_per not in ("filter", "kernel"):
            raise ModelError(f"{what}: norm_per={self.norm_per!r}, expected 'filter' or 'kernel'.")
        windows = self._fit(what, pre, post)
        synapses = convolution(what, windows, pre, post, self.norm_per == "kernel")
        shape = (post[0], pre[0], *windows.kernel)
        return Layout(shape, "filters, channels, *kernel", synapses.n_sums, synapses)


class Conv1d(_Conv):
    """Convolution of a source (channels, length) into a target (filters, length).

    w: [filters, channels, kernel], a number, or None to draw it.
    """

    dims = 1


class Conv2d(_Conv):
    """Convolution of a source (channels, height, width) into a target (filters, height, width).

    w: [filters, channels, *kernel], a number, or None to draw it.
    """

    dims = 2


class Conv3d(_Conv):
    """Convolution of a source (channels, depth, height, width) into (filters, ...).

    w: [filters, channels, *kernel], a number, or None to draw it.
    """

    dims = 3


@dataclass(frozen=True, eq=False)
class _Local(_Windowed):
    """Kernels as of a convolution, but each place has its own.

    w: [channels, filters, *places, *kernel], a number, or None to draw it.
    """

    kind = "indexed"
    learns = True

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[channels, filters, *places, *kernel]."""
        windows = self._fit(what, pre, post)
        synapses = local(what, windows, pre, post)
        shape = (pre[0], *post, *windows.kernel)
        return Layout(shape, "channels, filters, *places, *kernel", synapses.n_sums, synapses)


class Local1d(_Local):
    """A source (channels, length), a target (filters, length), every place with its own kernel."""

    dims = 1


class Local2d(_Local):
    """A source (channels, height, width), a target (filters, height, width), every place with its
    own kernel."""

    dims = 2


class Local3d(_Local):
    """A source (channels, depth, height, width), a target (filters, ...), every place with its own
    kernel."""

    dims = 3


@dataclass(frozen=True, eq=False)
class _MaxPool(_Windowed):
    """The spike of the neuron with the highest running rate of each window; the first of equals.

    rate = rate - decay * rate + spike, in every step.   w: a number, 1 by default.  Static.
    The running rates are the projection's variable `rate`, [B, n_pre].
    """

    kind = "max_pool"
    padding: Sizes = 0
    dilation: Sizes = 1
    decay: float = 0.1
    w: Tensor | float | None = field(default=1.0, kw_only=True)

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[1]."""
        if not 0.0 <= self.decay <= 1.0:
            raise ModelError(f"{what}: decay={self.decay!r}, expected 0 <= decay <= 1.")
        windows = self._fit(what, pre, post, same_channels=True)
        if any(2 * pad > k for pad, k in zip(windows.padding, windows.kernel, strict=True)):
            raise ShapeError(
                f"{what}: padding={self.padding!r}, expected at most half of the kernel."
            )
        return Layout((1,), "one number", synapses=pooling(what, windows, pre, post))


class MaxPool1d(_MaxPool):
    """Max-pooling of a source (channels, length)."""

    dims = 1


class MaxPool2d(_MaxPool):
    """Max-pooling of a source (channels, height, width)."""

    dims = 2


class MaxPool3d(_MaxPool):
    """Max-pooling of a source (channels, depth, height, width)."""

    dims = 3


@dataclass(frozen=True, eq=False)
class Sparse(Connectivity):
    """The synapses that are listed, no others; learning adds none.

    Give one of
    - w:           a sparse tensor [n_pre, n_post] (entries given twice are summed),
    - pre, post:   ids of both ends of every synapse [n_syn], and w: [n_syn] in their order, a
                   number, or None to draw it,
    - probability: with which each pair is joined, drawn with the network's seed.

    delay:     ms, rounded to whole steps, at least one: a spike of step t acts in step t + delay.
               A number, None for one step, or with pre and post [n_syn] in their order.
    multapses: whether pre and post may hold a pair more than once.

    The stored weight is [n_syn], by presynaptic neuron, delay (if axonal), postsynaptic neuron;
    `projection.synapses` tells which is which.
    """

    kind = "indexed"
    learns = True
    is_listed = True
    pre: Tensor | Sequence[int] | None = None
    post: Tensor | Sequence[int] | None = None
    probability: float | None = None
    delay: Tensor | float | None = None
    multapses: bool = False
    dendritic: bool = False  # set by the projection

    def timed(self, what: str, dt: float, dendritic: bool) -> Sparse:
        """With delays in steps: an int, or int64 [n_syn]."""
        if self.delay is None:
            return replace(self, delay=1, dendritic=dendritic)
        try:
            ms = torch.as_tensor(self.delay, dtype=torch.float64).cpu()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{what}: delay={self.delay!r}, expected ms.") from error
        if not bool((torch.isfinite(ms) & (ms >= 0)).all()):
            raise ModelError(f"{what}: delay={self.delay!r}, expected finite ms, 0 or more.")
        steps = (ms / dt).round().clamp(min=1).to(torch.int64)
        delay = int(steps) if not steps.dim() else steps.reshape(-1)
        return replace(self, delay=delay, dendritic=dendritic)

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[n_syn]."""
        n_pre, n_post = math.prod(pre), math.prod(post)
        ids = self._pairs(what, n_pre, n_post, seed, stream)
        delay: Any = self.delay or 1 if not isinstance(self.delay, Tensor) else self.delay
        if isinstance(delay, Tensor) and (self.pre is None or len(delay) != len(ids[0])):
            raise ShapeError(
                f"{what}: {len(delay)} delays, expected one number"
                + ("." if self.pre is None else f" or {len(ids[0])}, one for each synapse.")
            )
        order = order_of(*ids, 1 if self.dendritic else delay)
        sources, targets = (i[order] for i in ids)
        if not self.multapses:
            pairs = (sources * n_post + targets).sort().values
            twice = pairs[1:][pairs[1:] == pairs[:-1]]
            if len(twice):
                i, j = divmod(int(twice[0]), n_post)
                raise ShapeError(
                    f"{what}: the synapse {i} -> {j} is given twice, expected once; "
                    f"multapses=True allows it."
                )
        if isinstance(delay, Tensor):
            delay, slowest = delay[order], int(delay.max()) if len(delay) else 1
            delay = slowest if bool((delay == slowest).all()) else delay
        synapses = listed(what, sources, targets, n_pre, n_post, delay)
        return Layout((len(order),), "synapses", n_post, synapses, order)

    def weight(
        self,
        what: str,
        layout: Layout,
        bounds: tuple[float, float],
        seed: int,
        stream: int,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """The weight in the order of the synapses."""
        if self._is_matrix:
            assert isinstance(self.w, Tensor)
            values = self.w.detach().cpu().to_sparse_coo().coalesce().values()
            return Sparse(values).weight(what, layout, bounds, seed, stream, dtype)
        w = super().weight(what, layout, bounds, seed, stream, dtype)
        given = self.pre is not None and self.w is not None and torch.as_tensor(self.w).dim()
        return w[layout.order] if given else w

    @property
    def _is_matrix(self) -> bool:
        return isinstance(self.w, Tensor) and self.w.layout != torch.strided

    def _pairs(
        self, what: str, n_pre: int, n_post: int, seed: int, stream: int
    ) -> tuple[Tensor, Tensor]:
        """Both ends of every synapse, int64 [n_syn]."""
        given = [self._is_matrix, self.pre is not None, self.probability is not None]
        if sum(given) != 1 or (self.pre is None) != (self.post is None):
            raise ShapeError(
                f"{what}: Sparse needs one of a sparse tensor, pre=... and post=..., or "
                f"probability=..."
            )
        if self.probability is not None:
            if not 0.0 <= self.probability <= 1.0:
                raise ModelError(f"{what}: probability={self.probability!r}, expected 0 to 1.")
            flat = network_chance(seed, n_pre * n_post, self.probability, 1, stream)
            return flat // n_post, flat % n_post
        if given[0]:
            assert isinstance(self.w, Tensor)
            if tuple(self.w.shape) != (n_pre, n_post):
                raise ShapeError(
                    f"{what}: weight is {tuple(self.w.shape)}, expected {(n_pre, n_post)} "
                    f"(pre, post)."
                )
            pre, post = self.w.detach().cpu().to_sparse_coo().coalesce().indices()
        else:
            pre, post = (torch.as_tensor(ids).cpu().reshape(-1) for ids in (self.pre, self.post))
        if len(pre) != len(post):
            raise ShapeError(f"{what}: {len(pre)} ids in pre and {len(post)} in post.")
        for name, ids, n in (("pre", pre, n_pre), ("post", post, n_post)):
            if ids.is_floating_point() or bool(((ids < 0) | (ids >= n)).any()):
                raise ShapeError(f"{what}: {name} holds other ids than whole numbers 0..{n - 1}.")
        return pre.long(), post.long()


def _by_name(base: type[Connectivity]) -> dict[str, type[Connectivity]]:
    found = {} if base.__name__.startswith("_") else {base.__name__: base}
    for wiring in base.__subclasses__():
        found |= _by_name(wiring)
    return found


def wirings() -> dict[str, type[Connectivity]]:
    """Every wiring by its name."""
    found = _by_name(Connectivity)
    del found["Connectivity"]
    return found
