# SPDX-License-Identifier: Apache-2.0
"""The main job: learn MNIST without labels, with the network of Diehl & Cook (2015)."""

from fastsnn.mnist.job import Interrupted, Result, run
from fastsnn.mnist.network import diehl_and_cook
from fastsnn.mnist.settings import Settings, SettingsError

__all__ = ["Interrupted", "Result", "Settings", "SettingsError", "diehl_and_cook", "run"]
