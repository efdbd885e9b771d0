# SPDX-License-Identifier: Apache-2.0
"""Connections that see patches like a convolution, with weights of their own at every place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.bindsnet.network._dense import AbstractConnection, Connection, Nu, Reduction
from fastsnn.bindsnet.network._live import frozen
from fastsnn.bindsnet.network.nodes import Nodes
from fastsnn.errors import ShapeError


def _pair(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value, value)


class LocalConnection(Connection):
    """Local connections stored as a dense matrix [source.n, target.n], zero outside the patches.

    Target neuron filter * places + place.  input_shape: of the source, default square.
    norm: mean of the weights of a patch.  A given w is zero where there shall be no synapse.
    """

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        kernel_size: Any,
        stride: Any,
        n_filters: int,
        nu: Nu = None,
        reduction: Reduction = None,
        weight_decay: float = 0.0,
        w_dtype: torch.dtype = torch.float32,
        **kwargs: Any,
    ) -> None:
        AbstractConnection.__init__(self, source, target, nu, reduction, weight_decay, **kwargs)
        kernel, step = _pair(kernel_size), _pair(stride)
        shape = kwargs.get("input_shape")
        shape = _pair(math.isqrt(source.n)) if shape is None else tuple(shape)
        self.kernel_size, self.stride, self.n_filters = kernel, step, n_filters
        conv = tuple((n - k) // s + 1 for n, k, s in zip(shape, kernel, step, strict=True))
        self.conv_size = conv
        if target.n != n_filters * math.prod(conv):
            raise ShapeError(
                f"LocalConnection: target has {target.n} neurons, expected "
                f"{n_filters} filters x {conv} places = {n_filters * math.prod(conv)}."
            )
        self.register_buffer("locations", _locations(shape, kernel, step, conv))
        w = kwargs.get("w")
        if w is None:
            w = self._draw().to(w_dtype)
        self.w = self.initial(w, (source.n, target.n), w_dtype)
        self.register_buffer("mask", self.w == 0)
        b = kwargs.get("b")
        self.b = frozen(torch.zeros(target.n) if b is None else b)
        if self.norm is not None:
            self.norm = self.norm * math.prod(kernel)

    def _draw(self) -> Tensor:
        """Uniform weights within the patches, in the order filter, place, tap."""
        taps, places = self.locations.shape
        drawn = torch.from_numpy(np.random.rand(self.n_filters, places, taps)).float()
        if not bool((self.wmin == -torch.inf).any() or (self.wmax == torch.inf).any()):
            drawn = self.wmin.min() + drawn * (self.wmax.max() - self.wmin.min())
        w = torch.zeros(self.source.n, self.target.n)
        columns = torch.arange(self.target.n).reshape(self.n_filters, places, 1)
        w[self.locations.T[None].expand(self.n_filters, -1, -1), columns] = drawn
        return w

    def update(self, **kwargs: Any) -> None:
        """As always, with the connection's own mask where none is given."""
        if kwargs.get("mask") is None:
            kwargs["mask"] = self.mask
        super().update(**kwargs)

    def normalize(self) -> None:
        """Scale the columns so that they sum to norm."""
        if self.norm is not None:
            total = self.w.sum(0)
            self.w.mul_(self.norm / torch.where(total == 0, 1.0, total))


def _locations(
    shape: tuple[int, ...], kernel: tuple[int, ...], step: tuple[int, ...], conv: tuple[int, ...]
) -> Tensor:
    """Source neuron of every tap at every place, [taps, places]."""
    rows = torch.arange(kernel[0])[:, None, None, None] + step[0] * torch.arange(conv[0])[:, None]
    columns = torch.arange(kernel[1])[:, None, None] + step[1] * torch.arange(conv[1])
    return (rows * shape[1] + columns).reshape(math.prod(kernel), math.prod(conv))


class _LocalND(AbstractConnection):
    """w: [in, n_filters * places, kernel]; target neuron filter * places + place."""

    dims: int

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        kernel_size: Any,
        stride: Any,
        n_filters: int,
        nu: Nu = None,
        reduction: Reduction = None,
        weight_decay: float = 0.0,
        w_dtype: torch.dtype = torch.float32,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, nu, reduction, weight_decay, **kwargs)
        kernel, step = self._sizes(kernel_size), self._sizes(stride)
        if len(source.shape) != self.dims + 1:
            raise ShapeError(
                f"{type(self).__name__}: source is {source.shape}, expected [channels, "
                f"{self.dims} sizes]."
            )
        self.in_channels, self.n_filters = source.shape[0], n_filters
        conv = tuple(
            (n - k) // s + 1 for n, k, s in zip(source.shape[1:], kernel, step, strict=True)
        )
        one = self.dims == 1
        self.kernel_size, self.stride, self.conv_size = (
            v[0] if one else v for v in (kernel, step, conv)
        )
        self.conv_prod, self.kernel_prod = math.prod(conv), math.prod(kernel)
        if target.n != n_filters * self.conv_prod:
            raise ShapeError(
                f"{type(self).__name__}: target has {target.n} neurons, expected {n_filters} "
                f"filters x {conv} places = {n_filters * self.conv_prod}."
            )
        shape = (self.in_channels, n_filters * self.conv_prod, self.kernel_prod)
        w = kwargs.get("w")
        self.w = self.initial(torch.rand(shape).to(w_dtype) if w is None else w, shape, w_dtype)
        b = kwargs.get("b")
        self.b = None if b is None else frozen(b)

    def _sizes(self, value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, list | tuple) else (value,) * self.dims

    def _unfold(self, x: Tensor) -> Tensor:
        """What every place sees: [batch, in, *places, *kernel]."""
        for size, step in zip(self._sizes(self.kernel_size), self._sizes(self.stride), strict=True):
            x = x.unfold(-self.dims, size, step)
        return x

    def compute(self, s: Tensor) -> Tensor:
        """Sum of the weights of the sources that spike, at every place."""
        seen = self._unfold(s.to(self.w.dtype))
        seen = seen.reshape(len(s), self.in_channels, 1, self.conv_prod, self.kernel_prod)
        w = self.w.reshape(self.in_channels, self.n_filters, self.conv_prod, self.kernel_prod)
        current = (seen * w).sum((1, 4)).reshape(len(s), self.target.n)
        if self.b is not None:
            current = current + self.b
        return current.reshape(len(s), *self.target.shape)

    def outer(self, pre: Tensor, post: Tensor) -> Tensor:
        """[batch, *w.shape]; of several channels in the order of BindsNET, which mixes them."""
        seen = self._unfold(pre).reshape(len(pre), 1, self.conv_prod, -1)
        post = post.reshape(len(pre), self.n_filters, self.conv_prod, 1)
        return (post * seen).reshape(len(pre), *self.w.shape)

    def normalize(self) -> None:
        """Scale the weights of every channel and target neuron so that they sum to norm."""
        if self.norm is not None:
            total = self.w.sum(2, keepdim=True)
            self.w.mul_(self.norm / torch.where(total == 0, 1.0, total))

    def reset_state_variables(self) -> None:
        """Reset the target layer too, as BindsNET does."""
        super().reset_state_variables()
        self.target.reset_state_variables()


class LocalConnection1D(_LocalND):
    """On a line.  source: [C, L]."""

    dims = 1


class LocalConnection2D(_LocalND):
    """On an image.  source: [C, H, W]."""

    dims = 2


class LocalConnection3D(_LocalND):
    """On a volume.  source: [C, H, W, D]."""

    dims = 3
