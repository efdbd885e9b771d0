# SPDX-License-Identifier: Apache-2.0
"""Many small images in one: weights laid out as the eye reads them.

fill: what stands in empty places; nan is drawn grey.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def grid(tiles: Tensor, rows: int, columns: int, fill: float = math.nan) -> Tensor:
    """Lay tiles [n, height, width] into rows and columns, row by row.

    Tiles beyond rows * columns are left out.
    """
    n, height, width = tiles.shape
    placed = tiles.new_full((rows * columns, height, width), fill)
    kept = min(n, rows * columns)
    placed[:kept] = tiles[:kept]
    return (
        placed.view(rows, columns, height, width)
        .transpose(1, 2)
        .reshape(rows * height, columns * width)
    )


def square_grid(tiles: Tensor, fill: float = math.nan) -> Tensor:
    """Lay tiles into the smallest square that holds them."""
    side = math.ceil(math.sqrt(len(tiles)))
    return grid(tiles, side, side, fill)


def receptive_fields(
    w: Tensor, shape: tuple[int, int], columns: int, fill: float = math.nan
) -> Tensor:
    """Lay the weights [n_pre, n] of each neuron out as an image of that shape, in a square."""
    return grid(w.T.reshape(-1, *shape), columns, columns, fill)


def kernels(w: Tensor, fill: float = math.nan) -> Tensor:
    """Lay kernels [n_out, n_in, height, width] out: a square of inputs, in each one of outputs."""
    inputs = [square_grid(own, fill) for own in w.transpose(0, 1)]
    return square_grid(torch.stack(inputs), fill)


def local_kernels(w: Tensor, fill: float = math.nan) -> Tensor:
    """Lay kernels [n_filters, rows, columns, height, width] out where they look: in each place a
    square of the filters."""
    rows, columns = w.shape[1:3]
    places = w.permute(1, 2, 0, 3, 4).flatten(0, 1)
    return grid(torch.stack([square_grid(own, fill) for own in places]), rows, columns, fill)


def dense_to_local(
    w: Tensor, locations: Tensor, n_filters: int, conv: tuple[int, int], kernel: tuple[int, int]
) -> Tensor:
    """Pick the kernels [n_filters, rows, columns, height, width] out of a dense matrix.

    w:         [n_pre, n_filters * rows * columns]; postsynaptic index = filter * places + place.
    locations: [height * width, rows * columns], the inputs that each place looks at.
    """
    places = conv[0] * conv[1]
    post = torch.arange(n_filters * places, device=w.device)
    picked = w[locations.to(w.device).long()[:, post % places], post]
    return picked.T.reshape(n_filters, *conv, *kernel)
