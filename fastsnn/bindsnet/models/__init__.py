# SPDX-License-Identifier: Apache-2.0
"""Ready-made networks, under BindsNET's names."""

from fastsnn.bindsnet.models.models import (
    DiehlAndCook2015,
    DiehlAndCook2015v2,
    IncreasingInhibitionNetwork,
    LocallyConnectedNetwork,
    TwoLayerNetwork,
)

__all__ = [
    "DiehlAndCook2015",
    "DiehlAndCook2015v2",
    "IncreasingInhibitionNetwork",
    "LocallyConnectedNetwork",
    "TwoLayerNetwork",
]
