# SPDX-License-Identifier: Apache-2.0
"""Synapses as indices, in rows by presynaptic neuron: what structured wirings come down to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fastsnn.errors import ShapeError

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses between populations of n_pre and n_post neurons.

    row_ptr: int64 [n_pre + 1]; row_ptr[i] .. row_ptr[i + 1] - 1 are the synapses of neuron i.
    post:    int32 [n_syn], target neurons; within a row (and delay) ascending, none twice where
             synapses share weights.
    weight:  int32 [n_syn], place of each synapse's weight in w.flatten(); None: its own number.
    filters: 0 where every synapse has a weight of its own; else targets and weights both come in
             `filters` blocks of one size, and the synapses of a target share the weights of its
             block; a weight's synapses ascend in presynaptic and in target neurons alike.
    n_sums:  number of sums of |w| that `norm` holds: n_post, or blocks of weights of one size.
    delay:   steps, of all synapses; where they differ of the slowest.
    delays:  int32 [n_syn], steps, where they differ; within a row ascending if axonal.
    """

    n_pre: int
    n_post: int
    row_ptr: Tensor
    post: Tensor
    weight: Tensor | None = None
    filters: int = 0
    n_sums: int = 0
    delay: int = 1
    delays: Tensor | None = None

    @property
    def n_syn(self) -> int:
        """Number of synapses."""
        return len(self.post)

    @cached_property
    def pre(self) -> Tensor:
        """Presynaptic neuron of every synapse, int64 [n_syn]."""
        ids = torch.arange(self.n_pre, device=self.post.device)
        return torch.repeat_interleave(ids, self.row_ptr.diff())

    def to(self, device: torch.device) -> Synapses:
        """The same on a device."""
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor) and name != "pre"
        }
        return replace(self, **moved)

    @property
    def tensors(self) -> list[Tensor]:
        """The index tensors."""
        return [t for t in (self.row_ptr, self.post, self.weight, self.delays) if t is not None]


@dataclass(frozen=True)
class Windows:
    """Places of a kernel over a grid, in every dimension `k * dilation + p * stride - padding`."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    def out(self, grid: Shape) -> Shape:
        """Number of places in every dimension."""
        return tuple(
            (n + 2 * pad - dilation * (k - 1) - 1) // stride + 1
            for n, k, stride, pad, dilation in zip(
                grid, self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )

    def pairs(self, grid: Shape) -> tuple[Tensor, Tensor, Tensor]:
        """Cells, places and kernel entries that meet, as flat indices; by cell, then by place."""
        cell = torch.zeros(1, 1, dtype=torch.int64)
        inside = torch.ones(1, 1, dtype=torch.bool)
        for d, (n, places) in enumerate(zip(grid, self.out(grid), strict=True)):
            at = torch.arange(places)[:, None] * self.stride[d] - self.padding[d]
            at = at + torch.arange(self.kernel[d]) * self.dilation[d]
            shape = (len(cell) * places, -1)
            cell = (cell[:, None, :, None] * n + at[None, :, None, :]).reshape(shape)
            held = ((at >= 0) & (at < n))[None, :, None, :]
            inside = (inside[:, None, :, None] & held).reshape(shape)
        place, entry = inside.nonzero(as_tuple=True)
        cell = cell[place, entry]
        order = torch.argsort(cell * math.prod(self.out(grid)) + place)
        return cell[order], place[order], entry[order]

    def fan_out(self, grid: Shape, n_filters: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Synapses of one channel with every filter: row lengths [cells], then per synapse, in
        order, its filter, place and kernel entry."""
        cell, place, entry = self.pairs(grid)
        met = torch.bincount(cell, minlength=math.prod(grid))
        lengths = met * n_filters
        row = torch.repeat_interleave(torch.arange(len(met)), lengths)
        in_row = torch.arange(len(row)) - _starts(lengths)[row]
        pair = _starts(met)[row] + in_row % met[row]
        return lengths, in_row // met[row], place[pair], entry[pair]


def _starts(lengths: Tensor) -> Tensor:
    return lengths.cumsum(0) - lengths


def row_ptr(lengths: Tensor) -> Tensor:
    """Row pointers, int64 [rows + 1], from the lengths of the rows."""
    return torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])


def int32(what: str, places: Tensor, below: int) -> Tensor:
    """Indices as int32, or ShapeError where there are too many."""
    if below >= 2**31:
        raise ShapeError(f"{what}: {below} weights or neurons, expected fewer than 2**31.")
    return places.to(torch.int32).contiguous()


def convolution(
    what: str, windows: Windows, source: Shape, target: Shape, sums_per_kernel: bool
) -> Synapses:
    """Kernels w[filter, channel, *kernel] shared by all places.  Shapes: (channels, *grid)."""
    return _filtered(what, windows, source, target, sums_per_kernel, shared=True)


def local(what: str, windows: Windows, source: Shape, target: Shape) -> Synapses:
    """A kernel of its own at every place: w[channel, filter, *places, *kernel]."""
    return _filtered(what, windows, source, target, sums_per_kernel=False, shared=False)


def _filtered(
    what: str, windows: Windows, source: Shape, target: Shape, sums_per_kernel: bool, shared: bool
) -> Synapses:
    channels, filters = source[0], target[0]
    places, entries = math.prod(target[1:]), math.prod(windows.kernel)
    lengths, kernel, place, entry = windows.fan_out(source[1:], filters)
    post = kernel * places + place
    channel = torch.arange(channels)[:, None]
    if shared:
        n_w = filters * channels * entries
        weight = ((kernel * channels)[None] + channel) * entries + entry
    else:
        n_w = channels * filters * places * entries
        weight = (channel * filters * places + post) * entries + entry
    return Synapses(
        math.prod(source),
        math.prod(target),
        row_ptr(lengths.repeat(channels)),
        int32(what, post.repeat(channels), math.prod(target)),
        int32(what, weight.reshape(-1), n_w),
        filters if shared else 0,
        filters * (channels if sums_per_kernel else 1) if shared else math.prod(target),
    )


def pooling(what: str, windows: Windows, source: Shape, target: Shape) -> Synapses:
    """Every cell to the places whose window holds it, channel by channel."""
    places = math.prod(target[1:])
    lengths, _, place, _ = windows.fan_out(source[1:], 1)
    post = torch.arange(source[0])[:, None] * places + place
    return Synapses(
        math.prod(source),
        math.prod(target),
        row_ptr(lengths.repeat(source[0])),
        int32(what, post.reshape(-1), math.prod(target)),
    )


def listed(
    what: str, pre: Tensor, post: Tensor, n_pre: int, n_post: int, delay: Tensor | int = 1
) -> Synapses:
    """Synapses in the order of `order_of`, each with a weight of its own.

    delay: steps, one number or int [n_syn].
    """
    lengths = torch.bincount(pre, minlength=n_pre)
    ids = int32(what, post, max(n_post, len(post)))
    delays = None
    if isinstance(delay, Tensor):
        slowest = int(delay.max())
        delays = int32(what, delay, n_pre * slowest)
        delay = slowest
    return Synapses(n_pre, n_post, row_ptr(lengths), ids, n_sums=n_post, delay=delay, delays=delays)


def order_of(pre: Tensor, post: Tensor, delay: Tensor | int = 1) -> Tensor:
    """Order in which synapses are stored: by presynaptic neuron, delay, postsynaptic neuron; as
    given where all agree."""
    order = torch.argsort(post, stable=True)
    for key in (delay, pre):
        if isinstance(key, Tensor):
            order = order[torch.argsort(key[order], stable=True)]
    return order
