# SPDX-License-Identifier: Apache-2.0
"""Spike trains from numbers: functions, encoders that hold their settings, loaders."""

from fastsnn.bindsnet.encoding import encoders, encodings, loaders
from fastsnn.bindsnet.encoding.encoders import (
    BernoulliEncoder,
    Encoder,
    NullEncoder,
    PoissonEncoder,
    RankOrderEncoder,
    RepeatEncoder,
    SingleEncoder,
)
from fastsnn.bindsnet.encoding.encodings import bernoulli, poisson, rank_order, repeat, single
from fastsnn.bindsnet.encoding.loaders import (
    bernoulli_loader,
    poisson_loader,
    rank_order_loader,
)

__all__ = [
    "BernoulliEncoder",
    "Encoder",
    "NullEncoder",
    "PoissonEncoder",
    "RankOrderEncoder",
    "RepeatEncoder",
    "SingleEncoder",
    "bernoulli",
    "bernoulli_loader",
    "encoders",
    "encodings",
    "loaders",
    "poisson",
    "poisson_loader",
    "rank_order",
    "rank_order_loader",
    "repeat",
    "single",
]
