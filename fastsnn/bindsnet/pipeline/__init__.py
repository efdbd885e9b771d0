# SPDX-License-Identifier: Apache-2.0
"""Loops around a network."""

from fastsnn.bindsnet.pipeline import action
from fastsnn.bindsnet.pipeline.base_pipeline import BasePipeline
from fastsnn.bindsnet.pipeline.dataloader_pipeline import (
    DataLoaderPipeline,
    TorchVisionDatasetPipeline,
)
from fastsnn.bindsnet.pipeline.environment_pipeline import EnvironmentPipeline

__all__ = [
    "BasePipeline",
    "DataLoaderPipeline",
    "EnvironmentPipeline",
    "TorchVisionDatasetPipeline",
    "action",
]
