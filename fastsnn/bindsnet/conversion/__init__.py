# SPDX-License-Identifier: Apache-2.0
"""Conversion of torch models, under BindsNET's names."""

from fastsnn.bindsnet.conversion.nodes import PassThroughNodes, SubtractiveResetIFNodes
from fastsnn.bindsnet.conversion.topology import ConstantPad2dConnection, PermuteConnection

__all__ = [
    "ConstantPad2dConnection",
    "PassThroughNodes",
    "PermuteConnection",
    "SubtractiveResetIFNodes",
]
