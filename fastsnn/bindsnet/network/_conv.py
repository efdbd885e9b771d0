# SPDX-License-Identifier: Apache-2.0
"""Convolutions of spikes.  Learning sums over all places of a filter, patch by patch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastsnn.bindsnet.network._dense import AbstractConnection, Nu, Reduction
from fastsnn.bindsnet.network._live import frozen
from fastsnn.bindsnet.network.nodes import Nodes
from fastsnn.errors import ModelError, ShapeError


class _Conv(AbstractConnection):
    """w: [out, in, *kernel], b: [out]."""

    dims: int

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        nu: Nu = None,
        reduction: Reduction = None,
        weight_decay: float = 0.0,
        w_dtype: torch.dtype = torch.float32,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, nu, reduction, weight_decay, **kwargs)
        sizes = [self._sizes(v) for v in (kernel_size, stride, padding, dilation)]
        kernel, steps, pads, gaps = sizes
        if self.dims != 2 and set(gaps) != {1}:
            raise ModelError(f"{type(self).__name__}: dilation={dilation!r}, expected 1.")
        one = self.dims == 1
        self.kernel_size, self.stride, self.padding, self.dilation = (
            v[0] if one else v for v in sizes
        )
        if len(source.shape) != self.dims + 1 or len(target.shape) != self.dims + 1:
            raise ShapeError(
                f"{type(self).__name__}: source is {source.shape} and target {target.shape}, "
                f"expected [channels, {self.dims} sizes] of both."
            )
        self.in_channels, self.out_channels = source.shape[0], target.shape[0]
        places = [
            (n - g * (k - 1) - 1 + 2 * p) // s + 1
            for n, k, s, p, g in zip(source.shape[1:], kernel, steps, pads, gaps, strict=True)
        ]
        if list(target.shape[1:]) != places:
            raise ShapeError(
                f"{type(self).__name__}: target is {target.shape}, expected "
                f"{[self.out_channels, *places]} for source {source.shape}."
            )
        shape = (self.out_channels, self.in_channels, *kernel)
        self.w = self.initial(kwargs.get("w"), shape, w_dtype)
        b = kwargs.get("b")
        self.b = frozen(torch.zeros(self.out_channels) if b is None else b)

    def _sizes(self, value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, list | tuple) else (value,) * self.dims

    def compute(self, s: Tensor) -> Tensor:
        """The convolution."""
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self.dims - 1]
        return convolve(
            s.to(self.w.dtype), self.w, self.b.to(self.w.dtype),
            stride=self.stride, padding=self.padding, dilation=self.dilation,
        )  # fmt: skip

    def patches(self, x: Tensor) -> Tensor:
        """What every place sees: [batch, places, in * kernel]."""
        raise NotImplementedError

    def outer(self, pre: Tensor, post: Tensor) -> Tensor:
        """Summed over places: [batch, *w.shape]."""
        product = post.reshape(len(post), self.out_channels, -1) @ self.patches(pre)
        return product.reshape(len(post), *self.w.shape)

    def normalize(self) -> None:
        """Scale every kernel (of a pair of channels) so that it sums to norm."""
        if self.norm is not None:
            total = self.w.sum(tuple(range(2, self.w.dim())), keepdim=True)
            self.w.mul_(self.norm / torch.where(total == 0, 1.0, total))


class Conv1dConnection(_Conv):
    """1-D convolution.  source: [C, L]; target: [O, L']."""

    dims = 1

    def patches(self, x: Tensor) -> Tensor:
        """Patches in the order of BindsNET, which mixes channels with places."""
        x = F.pad(x, (self.padding, self.padding)).unfold(-1, self.kernel_size, self.stride)
        return x.reshape(len(x), -1, self.in_channels * self.kernel_size)


class Conv2dConnection(_Conv):
    """2-D convolution.  source: [C, H, W]; target: [O, H', W']."""

    dims = 2

    def patches(self, x: Tensor) -> Tensor:
        """Patches, channel by channel."""
        columns = F.unfold(
            x, self.kernel_size, dilation=self.dilation, padding=self.padding, stride=self.stride
        )
        return columns.transpose(1, 2)


class Conv3dConnection(_Conv):
    """3-D convolution.  source: [C, D, H, W]; target: [O, D', H', W']."""

    dims = 3

    def patches(self, x: Tensor) -> Tensor:
        """Patches in the order of BindsNET, which mixes channels with places."""
        pads = [p for p in self.padding for _ in range(2)]
        if len(set(self.padding)) > 1:
            pads.reverse()
        x = F.pad(x, pads)
        for size, stride in zip(self.kernel_size, self.stride, strict=True):
            x = x.unfold(-3, size, stride)
        return x.reshape(len(x), -1, self.w[0].numel())
