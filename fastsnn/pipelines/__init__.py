# SPDX-License-Identifier: Apache-2.0
"""Loops around a network: over a data set, and in an environment."""

from fastsnn.pipelines import actions
from fastsnn.pipelines.actions import Delay, Explorer, Overlay
from fastsnn.pipelines.data import DatasetPipeline
from fastsnn.pipelines.episodes import EnvironmentPipeline
from fastsnn.pipelines.progress import passing
from fastsnn.pipelines.rewards import RewardPrediction

__all__ = [
    "DatasetPipeline",
    "Delay",
    "EnvironmentPipeline",
    "Explorer",
    "Overlay",
    "RewardPrediction",
    "actions",
    "passing",
]
