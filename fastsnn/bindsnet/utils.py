# SPDX-License-Identifier: Apache-2.0
"""Reshaping weights and assignments, patches of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fastsnn.analysis import mosaics

Pair = int | tuple[int, int]


def im2col_indices(
    x: Tensor,
    kernel_height: int,
    kernel_width: int,
    padding: tuple[int, int] = (0, 0),
    stride: tuple[int, int] = (1, 1),
) -> Tensor:
    """Patches of images [B, C, height, width] as columns [B, C * kernel, places]."""
    return F.unfold(x, (kernel_height, kernel_width), padding=padding, stride=stride)


def col2im_indices(
    cols: Tensor,
    x_shape: tuple[int, int, int, int],
    kernel_height: int,
    kernel_width: int,
    padding: tuple[int, int] = (0, 0),
    stride: tuple[int, int] = (1, 1),
) -> Tensor:
    """Add columns of patches up to images of x_shape [B, C, height, width]."""
    kernel = (kernel_height, kernel_width)
    return F.fold(cols, x_shape[-2:], kernel, padding=padding, stride=stride)


def get_square_weights(weights: Tensor, n_sqrt: int, side: Pair) -> Tensor:
    """Lay weights [n_pre, n] out as n_sqrt x n_sqrt images of size `side`; none is left as zero."""
    return mosaics.receptive_fields(weights, _pair(side), n_sqrt, fill=0.0)


def get_square_assignments(assignments: Tensor, n_sqrt: int) -> Tensor:
    """Lay assignments out as n_sqrt x n_sqrt floats; -1 where there is no neuron."""
    tiles = assignments.reshape(-1, 1, 1).float()
    return mosaics.grid(tiles, n_sqrt, n_sqrt, fill=-1.0)


def reshape_locally_connected_weights(
    w: Tensor,
    n_filters: int,
    kernel_size: Pair,
    conv_size: Pair,
    locations: Tensor,
    input_sqrt: Pair,
) -> Tensor:
    """Lay the kernels of a dense locally connected matrix out where they look."""
    conv, kernel = _pair(conv_size), _pair(kernel_size)
    picked = mosaics.dense_to_local(w, locations, n_filters, conv, kernel)
    return mosaics.local_kernels(picked, fill=0.0)


def reshape_conv2d_weights(weights: Tensor) -> Tensor:
    """Lay kernels [n_out, n_in, height, width] out in one image."""
    return mosaics.kernels(weights, fill=0.0)


def reshape_local_connection_2d_weights(
    w: Tensor, n_filters: int, kernel_size: Pair, conv_size: Pair, input_sqrt: Pair
) -> Tensor:
    """Lay the kernels of one input channel of a LocalConnection2D out where they look."""
    shape = (n_filters, *_pair(conv_size), *_pair(kernel_size))
    return mosaics.local_kernels(torch.as_tensor(w).reshape(shape), fill=0.0)


def _pair(size: Pair) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
