# SPDX-License-Identifier: Apache-2.0
"""Actions out of the spikes of the layer named by the keyword `output`."""

from __future__ import annotations

from typing import Any

import torch

from fastsnn.bindsnet.pipeline.environment_pipeline import EnvironmentPipeline
from fastsnn.pipelines import actions

__all__ = [
    "EnvironmentPipeline",
    "select_first_spike",
    "select_highest",
    "select_multinomial",
    "select_random",
    "select_softmax",
    "torch",
]


def select_multinomial(pipeline: EnvironmentPipeline, **kwargs: Any) -> int:
    """Draw in proportion to the spikes of the last step; each action may have several neurons."""
    layer = pipeline.network.layers[_output(kwargs, "select_multinomial")]
    return actions.multinomial(layer.s.reshape(1, -1, layer.n), pipeline.env.action_space.n)


def select_softmax(pipeline: EnvironmentPipeline, **kwargs: Any) -> int:
    """Draw by the softmax of the spikes of the last run, one neuron an action."""
    return actions.softmax(*_record(pipeline, kwargs, "select_softmax"))


def select_highest(pipeline: EnvironmentPipeline, **kwargs: Any) -> int:
    """The action whose neuron spiked most; of equal ones the first."""
    return actions.highest(*_record(pipeline, kwargs, "select_highest"))


def select_first_spike(pipeline: EnvironmentPipeline, **kwargs: Any) -> int:
    """The action whose neuron spiked first."""
    return actions.first_spike(*_record(pipeline, kwargs, "select_first_spike"))


def select_random(pipeline: EnvironmentPipeline, **kwargs: Any) -> int:
    """Any action."""
    return actions.uniform(torch.empty(0), pipeline.env.action_space.n)


def _record(
    pipeline: EnvironmentPipeline, kwargs: dict[str, Any], name: str
) -> tuple[torch.Tensor, int]:
    spikes = pipeline.spike_record[_output(kwargs, name)]
    return spikes, pipeline.env.action_space.n


def _output(kwargs: dict[str, Any], name: str) -> str:
    if kwargs.get("output") is None:
        raise KeyError(f"{name} needs output=..., the name of the layer that acts")
    return kwargs["output"]
