# SPDX-License-Identifier: Apache-2.0
"""How two populations are wired: `Dense`, `OneToOne`, `AllButOne`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fastsnn.errors import ShapeError
from fastsnn.random import network_uniform


def all_finite(w: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinity; makes no copy of it."""
    return not w.numel() or bool(torch.isfinite(torch.stack(torch.aminmax(w))).all())


def _finite(what: str, w: Tensor) -> Tensor:
    if not all_finite(w):
        raise ShapeError(f"{what}: the weight holds NaN or infinity, expected finite numbers.")
    return w.contiguous()


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Base of the wirings; `weight` gives the tensor that a projection stores."""

    w: Tensor | float | None = None
    kind: ClassVar[str] = ""
    learns: ClassVar[bool] = False

    def shape(self, n_pre: int, n_post: int) -> tuple[int, ...]:
        """Shape of the stored weight."""
        raise ShapeError(f"{type(self).__name__} has no shape of its own.")

    def weight(
        self,
        what: str,
        n_pre: int,
        n_post: int,
        bounds: tuple[float, float],
        seed: int,
        stream: int,
    ) -> Tensor:
        """The weight in float32.

        A number fills it; None draws it uniformly between the bounds, or between 0 and 1 where
        a bound is infinite.
        """
        shape = self.shape(n_pre, n_post)
        if self.w is None:
            low, high = bounds if all(map(math.isfinite, bounds)) else (0.0, 1.0)
            drawn = network_uniform(seed, shape, stream_index=0, step=stream)
            return low + (high - low) * drawn
        try:
            given = torch.as_tensor(self.w, dtype=torch.float32).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ShapeError(
                f"{what}: weight is {self.w!r}, expected a number or a tensor {shape}."
            ) from error
        if given.dim() and tuple(given.shape) != shape:
            hint = " Did you mean w.T?" if tuple(reversed(given.shape)) == shape else ""
            raise ShapeError(
                f"{what}: weight is {tuple(given.shape)}, expected {shape} "
                f"({'pre, post' if len(shape) == 2 else 'post'}).{hint}"
            )
        return _finite(what, given.expand(shape).clone())


class Dense(Connectivity):
    """Every neuron to every neuron.  w: [n_pre, n_post], a number, or None to draw it."""

    kind = "dense"
    learns = True

    def shape(self, n_pre: int, n_post: int) -> tuple[int, ...]:
        """[n_pre, n_post]."""
        return (n_pre, n_post)


class OneToOne(Connectivity):
    """Neuron i to neuron i.  w: a number or [n].  Static."""

    kind = "one_to_one"

    def shape(self, n_pre: int, n_post: int) -> tuple[int, ...]:
        """[n_post]."""
        if n_pre != n_post:
            raise ShapeError(
                f"OneToOne needs populations of one size, got {n_pre} (pre) and {n_post} (post)."
            )
        return (n_post,)


class AllButOne(Connectivity):
    """Neuron i to every neuron but i, with one weight: lateral inhibition that is never a matrix.

    i_syn[j] = w * (number of spikes of the source without neuron j's own).  w: a number.  Static.
    """

    kind = "all_but_one"

    def shape(self, n_pre: int, n_post: int) -> tuple[int, ...]:
        """[1]."""
        if n_pre != n_post:
            raise ShapeError(
                f"AllButOne needs populations of one size, got {n_pre} (pre) and {n_post} (post)."
            )
        return (1,)
