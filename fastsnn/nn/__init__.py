# SPDX-License-Identifier: Apache-2.0
"""Layers for training with surrogate gradients: torch modules over whole sequences [T, B, ...].

net = torch.nn.Sequential(Linear(784, 512), LIF(2.0), Linear(512, 10), LIF(2.0))
rates = net(x).mean(0)
"""

from fastsnn.nn.convert import ConversionError, convert
from fastsnn.nn.layers import IF, LIF, Course, CubaLIF, EachStep, JumpLIF, Leaky, Neurons, Synaptic

__all__ = [
    "IF",
    "LIF",
    "ConversionError",
    "Course",
    "CubaLIF",
    "EachStep",
    "JumpLIF",
    "Leaky",
    "Neurons",
    "Synaptic",
    "convert",
]
