# SPDX-License-Identifier: Apache-2.0
"""Encoders: an encoding with its settings, to be called with a datum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastsnn.bindsnet.encoding import encodings


class Encoder:
    """Calls `enc` with a datum and the arguments it was made with.

    A subclass sets `enc`, or an encoding of one's own is assigned to it.
    """

    enc: Callable[..., Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.enc_args, self.enc_kwargs = args, kwargs

    def __call__(self, img: Any) -> Any:
        return self.enc(img, *self.enc_args, **self.enc_kwargs)


class NullEncoder(Encoder):
    """Leaves a datum as it is."""

    def __init__(self) -> None:
        super().__init__()

    def __call__(self, img: Any) -> Any:
        return img


class SingleEncoder(Encoder):
    """`single`: one spike in the first step for the largest values."""

    enc = staticmethod(encodings.single)

    def __init__(self, time: int, dt: float = 1.0, sparsity: float = 0.5, **kwargs: Any) -> None:
        super().__init__(time, dt=dt, sparsity=sparsity, **kwargs)


class RepeatEncoder(Encoder):
    """`repeat`: the datum in every step."""

    enc = staticmethod(encodings.repeat)

    def __init__(self, time: int, dt: float = 1.0, **kwargs: Any) -> None:
        super().__init__(time, dt=dt, **kwargs)


class BernoulliEncoder(Encoder):
    """`bernoulli`: spikes with the datum as their probability."""

    enc = staticmethod(encodings.bernoulli)

    def __init__(self, time: int, dt: float = 1.0, **kwargs: Any) -> None:
        super().__init__(time, dt=dt, **kwargs)


class PoissonEncoder(Encoder):
    """`poisson`: spikes with the datum as their rate in Hz."""

    enc = staticmethod(encodings.poisson)

    def __init__(self, time: int, dt: float = 1.0, approx: bool = False, **kwargs: Any) -> None:
        super().__init__(time, dt=dt, approx=approx, **kwargs)


class RankOrderEncoder(Encoder):
    """`rank_order`: one spike each, the larger the earlier."""

    enc = staticmethod(encodings.rank_order)

    def __init__(self, time: int, dt: float = 1.0, **kwargs: Any) -> None:
        super().__init__(time, dt=dt, **kwargs)
