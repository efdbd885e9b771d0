# SPDX-License-Identifier: Apache-2.0
"""Neuron models and learning rules, each one plain Python function (see `declare`)."""

from fastsnn.models.conductances import LIFCondAlpha, LIFCondExp, LIFCondExpSfaRr
from fastsnn.models.currents import LIFAlpha, LIFDelta, LIFExp
from fastsnn.models.declare import Choice, Neuron, Param, Receptor, Rule, Var
from fastsnn.models.exponential import AdExCondAlpha, AdExCondExp, AdExExp
from fastsnn.models.ion_channels import HHCondExp
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
from fastsnn.models.quadratic import Izhikevich2003, IzhikevichDelta
from fastsnn.models.receptors import with_receptors
from fastsnn.models.rules import (
    MSTDP,
    MSTDPET,
    Hebbian,
    InhibitorySTDP,
    NonlinearSTDP,
    PairSTDP,
    PostPre,
    PowerSTDP,
    RewardSTDP,
    Rmax,
    TripletSTDP,
    WeightDependentPostPre,
)
from fastsnn.models.terminals import Terminal, TsodyksMarkram

__all__ = [
    "CSRM",
    "IF",
    "LIF",
    "MSTDP",
    "MSTDPET",
    "SRM0",
    "AdExCondAlpha",
    "AdExCondExp",
    "AdExExp",
    "AdaptiveLIF",
    "BoostedLIF",
    "Choice",
    "CompetitiveLIF",
    "CurrentLIF",
    "DiehlAndCook",
    "HHCondExp",
    "Hebbian",
    "InhibitorySTDP",
    "Input",
    "Izhikevich",
    "Izhikevich2003",
    "IzhikevichDelta",
    "LIFAlpha",
    "LIFCondAlpha",
    "LIFCondExp",
    "LIFCondExpSfaRr",
    "LIFDelta",
    "LIFExp",
    "McCullochPitts",
    "Neuron",
    "NonlinearSTDP",
    "PairSTDP",
    "Param",
    "PostPre",
    "PowerSTDP",
    "Receptor",
    "RewardSTDP",
    "Rmax",
    "Rule",
    "SubtractiveIF",
    "Terminal",
    "TripletSTDP",
    "TsodyksMarkram",
    "Var",
    "WeightDependentPostPre",
    "with_receptors",
]
