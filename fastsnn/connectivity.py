# SPDX-License-Identifier: Apache-2.0
"""How two populations are wired: the base of all wirings, and `Dense`, `OneToOne`, `AllButOne`."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn.errors import ShapeError
from fastsnn.random import network_uniform
from fastsnn.synapses import Shape, Synapses


def all_finite(w: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinity; makes no copy of it."""
    return not w.numel() or bool(torch.isfinite(torch.stack(torch.aminmax(w))).all())


def _finite(what: str, w: Tensor) -> Tensor:
    if not all_finite(w):
        raise ShapeError(f"{what}: the weight holds NaN or infinity, expected finite numbers.")
    return w.contiguous()


@dataclass(frozen=True, eq=False)
class Layout:
    """What a wiring stores between two populations.

    w:      shape of the weight.
    axes:   names of its dimensions, for messages.
    n_sums: number of sums of |w| that `norm` holds.
    order:  of synapses that are listed: which of those given stands where; None: as given.
    """

    w: Shape
    axes: str
    n_sums: int = 0
    synapses: Synapses | None = None
    order: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Base of the wirings; a wiring says what it stores between two populations."""

    w: Tensor | float | None = None
    kind: ClassVar[str] = ""
    learns: ClassVar[bool] = False
    is_listed: ClassVar[bool] = False  # its synapses are given as ids

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """What it stores between populations of the shapes `pre` and `post`.

        seed, stream: of what is drawn.  Raises ShapeError.
        """
        raise ShapeError(f"{what}: {type(self).__name__} is no wiring of its own.")

    def timed(self, what: str, dt: float, dendritic: bool) -> Connectivity:
        """The same with delays in steps of dt, ms.  Raises ModelError."""
        return self

    def sizes(self) -> dict[str, Any]:
        """What it was made with, besides w and ids."""
        if self.is_listed:
            return {}
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "w"}
        return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}

    def weight(
        self,
        what: str,
        layout: Layout,
        bounds: tuple[float, float],
        seed: int,
        stream: int,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """The weight.

        A number fills it; None draws it uniformly between the bounds, or between 0 and 1 where
        a bound is infinite.
        """
        shape = layout.w
        if self.w is None:
            low, high = bounds if all(map(math.isfinite, bounds)) else (0.0, 1.0)
            drawn = network_uniform(seed, shape, stream_index=0, step=stream)
            return (low + (high - low) * drawn).to(dtype)
        try:
            given = torch.as_tensor(self.w, dtype=dtype).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ShapeError(
                f"{what}: weight is {self.w!r}, expected a number or a tensor {shape}."
            ) from error
        if given.dim() and tuple(given.shape) != shape:
            turned = len(shape) == 2 and tuple(reversed(given.shape)) == shape
            hint = " Did you mean w.T?" if turned else ""
            raise ShapeError(
                f"{what}: weight is {tuple(given.shape)}, expected {shape} ({layout.axes}).{hint}"
            )
        return _finite(what, given.expand(shape).clone())


class Dense(Connectivity):
    """Every neuron to every neuron.  w: [n_pre, n_post], a number, or None to draw it."""

    kind = "dense"
    learns = True

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[n_pre, n_post]."""
        return Layout((math.prod(pre), math.prod(post)), "pre, post", math.prod(post))


class OneToOne(Connectivity):
    """Neuron i to neuron i.  w: a number or [n].  Static."""

    kind = "one_to_one"

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[n_post]."""
        return Layout((_one_size("OneToOne", pre, post),), "post")


class AllButOne(Connectivity):
    """Neuron i to every neuron but i, with one weight: lateral inhibition that is never a matrix.

    i_syn[j] = w * (number of spikes of the source without neuron j's own).  w: a number.  Static.
    """

    kind = "all_but_one"

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[1]."""
        _one_size("AllButOne", pre, post)
        return Layout((1,), "one number")


def _one_size(wiring: str, pre: Shape, post: Shape) -> int:
    n_pre, n_post = math.prod(pre), math.prod(post)
    if n_pre != n_post:
        raise ShapeError(
            f"{wiring} needs populations of one size, got {n_pre} (pre) and {n_post} (post)."
        )
    return n_post


class MeanField(Connectivity):
    """The mean spike of the source, of each batch element, to every neuron.

    i_syn[j] = w[j] * (spikes of the source) / n_pre.   w: a number or [n_post].  Static.
    """

    kind = "mean_field"

    def layout(self, what: str, pre: Shape, post: Shape, seed: int, stream: int) -> Layout:
        """[n_post]."""
        return Layout((math.prod(post),), "post")
