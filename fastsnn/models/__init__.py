# SPDX-License-Identifier: Apache-2.0
"""Neuron models and learning rules, each one plain Python function (see `declare`)."""

from fastsnn.models.declare import Choice, Neuron, Param, Receptor, Rule, Var
from fastsnn.models.neurons import (
    CSRM,
    IF,
    LIF,
    SRM0,
    AdaptiveLIF,
    BoostedLIF,
    CompetitiveLIF,
    CurrentLIF,
    DiehlAndCook,
    Input,
    Izhikevich,
    McCullochPitts,
    SubtractiveIF,
)
from fastsnn.models.rules import MSTDP, MSTDPET, Hebbian, PostPre, Rmax, WeightDependentPostPre

__all__ = [
    "CSRM",
    "IF",
    "LIF",
    "MSTDP",
    "MSTDPET",
    "SRM0",
    "AdaptiveLIF",
    "BoostedLIF",
    "Choice",
    "CompetitiveLIF",
    "CurrentLIF",
    "DiehlAndCook",
    "Hebbian",
    "Input",
    "Izhikevich",
    "McCullochPitts",
    "Neuron",
    "Param",
    "PostPre",
    "Receptor",
    "Rmax",
    "Rule",
    "SubtractiveIF",
    "Var",
    "WeightDependentPostPre",
]
