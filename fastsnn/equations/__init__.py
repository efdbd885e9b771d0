# SPDX-License-Identifier: Apache-2.0
"""Neuron models from differential equations as they are written for Brian 2."""

from fastsnn.equations.model import from_equations

__all__ = ["from_equations"]
