# SPDX-License-Identifier: Apache-2.0
"""Environments to act in."""

from fastsnn.bindsnet.environment.environment import Environment, GymEnvironment

__all__ = ["Environment", "GymEnvironment"]
