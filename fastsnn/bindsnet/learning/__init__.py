# SPDX-License-Identifier: Apache-2.0
"""Learning rules, under BindsNET's names."""

from fastsnn.bindsnet.learning.learning import (
    MSTDP,
    MSTDPET,
    Hebbian,
    LearningRule,
    NoOp,
    PostPre,
    Rmax,
    WeightDependentPostPre,
)

__all__ = [
    "MSTDP",
    "MSTDPET",
    "Hebbian",
    "LearningRule",
    "NoOp",
    "PostPre",
    "Rmax",
    "WeightDependentPostPre",
]
