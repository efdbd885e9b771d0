# SPDX-License-Identifier: Apache-2.0
"""Conversion of torch models, under BindsNET's names."""

from fastsnn.bindsnet.conversion.conversion import (
    FeatureExtractor,
    Permute,
    ann_to_snn,
    data_based_normalization,
)
from fastsnn.bindsnet.conversion.nodes import PassThroughNodes, SubtractiveResetIFNodes
from fastsnn.bindsnet.conversion.topology import ConstantPad2dConnection, PermuteConnection

__all__ = [
    "ConstantPad2dConnection",
    "FeatureExtractor",
    "PassThroughNodes",
    "Permute",
    "PermuteConnection",
    "SubtractiveResetIFNodes",
    "ann_to_snn",
    "data_based_normalization",
]
