# SPDX-License-Identifier: Apache-2.0
"""Environments to act in: Gymnasium's, dots to catch, cues to remember."""

from fastsnn.environments import atari
from fastsnn.environments.base import Discrete, Environment
from fastsnn.environments.cues import CueReward
from fastsnn.environments.dots import Dot, DotTracing
from fastsnn.environments.gym import Gym

__all__ = ["CueReward", "Discrete", "Dot", "DotTracing", "Environment", "Gym", "atari"]
