# SPDX-License-Identifier: Apache-2.0
"""Synapses that fail: a neuron for each, which passes a spike on or does not."""

from __future__ import annotations

from fastsnn.models.declare import Neuron, Param
from fastsnn.models.language import rand


class Relay(Neuron):
    """Passes a spike on, one step later, with probability p."""

    p = Param(0.5, ge=0, le=1)

    def step(i_syn, p):
        spike = (i_syn > 0.0) & (rand() < p)
        return spike
