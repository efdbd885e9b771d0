# SPDX-License-Identifier: Apache-2.0
"""Large sparse networks: wirings, distributions, drives."""

from fastsnn.sparse.distributions import (
    Clipped,
    Distribution,
    Exponential,
    LogNormal,
    Normal,
    Quantiles,
    Uniform,
)
from fastsnn.sparse.draw import Edges
from fastsnn.sparse.drives import PoissonDrive
from fastsnn.sparse.edge_list import EdgeList
from fastsnn.sparse.space import (
    DiscKernel,
    DistanceDependent,
    ExponentialKernel,
    GaussianKernel,
    SmallWorld,
    grid,
)
from fastsnn.sparse.wirings import (
    AllToAll,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    FixedTotalNumber,
    Pairs,
    Wiring,
)

__all__ = [
    "AllToAll",
    "Clipped",
    "DiscKernel",
    "DistanceDependent",
    "Distribution",
    "EdgeList",
    "Edges",
    "Exponential",
    "ExponentialKernel",
    "FixedInDegree",
    "FixedOutDegree",
    "FixedProbability",
    "FixedTotalNumber",
    "GaussianKernel",
    "LogNormal",
    "Normal",
    "Pairs",
    "PoissonDrive",
    "Quantiles",
    "SmallWorld",
    "Uniform",
    "Wiring",
    "grid",
]
