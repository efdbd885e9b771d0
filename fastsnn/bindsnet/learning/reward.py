# SPDX-License-Identifier: Apache-2.0
"""Rewards computed from rewards: predictors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from fastsnn.pipelines.rewards import RewardPrediction


class AbstractReward(ABC):
    """What a network's `reward_fn` must offer."""

    @abstractmethod
    def compute(self, **kwargs: Any) -> Any:
        """The reward that a run learns from; kwargs are those of `run`."""

    @abstractmethod
    def update(self, **kwargs: Any) -> None:
        """Learn from an episode."""


class MovingAvgRPE(AbstractReward):
    """Reward prediction error: the reward minus its moving average.

    reward_predict: average of the reward per step; reward_predict_episode: per episode.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.prediction = RewardPrediction()

    @property
    def reward_predict(self) -> Tensor:
        """Of a step."""
        return torch.tensor(self.prediction.a_step)

    @property
    def reward_predict_episode(self) -> Tensor:
        """Of an episode."""
        return torch.tensor(self.prediction.an_episode)

    @property
    def rewards_predict_episode(self) -> list[float]:
        """After every episode."""
        return self.prediction.history

    def compute(self, **kwargs: Any) -> Tensor:
        """reward - its prediction."""
        return kwargs["reward"] - self.reward_predict

    def update(self, **kwargs: Any) -> None:
        """Move the averages.

        Keywords: accumulated_reward of an episode of `steps` steps; ema_window: weight 1/window of
        the newest.
        """
        total, window = float(kwargs["accumulated_reward"]), float(kwargs.get("ema_window", 10.0))
        self.prediction.update(total, kwargs["steps"], window)
