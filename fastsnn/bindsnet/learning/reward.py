# SPDX-License-Identifier: Apache-2.0
"""Rewards computed from rewards: predictors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor


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
        self.reward_predict = torch.tensor(0.0)
        self.reward_predict_episode = torch.tensor(0.0)
        self.rewards_predict_episode: list[float] = []

    def compute(self, **kwargs: Any) -> Tensor:
        """reward - its prediction."""
        return kwargs["reward"] - self.reward_predict

    def update(self, **kwargs: Any) -> None:
        """Move the averages.

        Keywords: accumulated_reward of an episode of `steps` steps; ema_window: weight 1/window of
        the newest.
        """
        total, steps = float(kwargs["accumulated_reward"]), float(kwargs["steps"])
        share = 1.0 / float(kwargs.get("ema_window", 10.0))
        self.reward_predict = (1 - share) * self.reward_predict + share * (total / steps)
        self.reward_predict_episode = (1 - share) * self.reward_predict_episode + share * total
        self.rewards_predict_episode.append(float(self.reward_predict_episode))
