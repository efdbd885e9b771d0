# SPDX-License-Identifier: Apache-2.0
"""Predictors of reward: what a network learns from is how much better it went than expected."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastsnn.errors import FastsnnError


@dataclass
class RewardPrediction:
    """The reward minus its moving average: the reward prediction error.

    window: the newest episode counts 1 / window in the averages.

    a_step, an_episode: averages of the reward of a step and of an episode, 0 at first.
    history: `an_episode` after every episode.
    Source: Fremaux, Sprekeler, Gerstner 2010 (reward-modulated STDP needs the mean subtracted).
    """

    window: float = 10.0
    a_step: float = 0.0
    an_episode: float = 0.0
    history: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.window >= 1.0:
            raise FastsnnError(f"RewardPrediction(window={self.window!r}): expected 1 or more.")

    def error(self, reward: float) -> float:
        """How much more than on average a step gave."""
        return reward - self.a_step

    def update(self, total: float, steps: int, window: float | None = None) -> None:
        """Learn from an episode that gave `total` in so many steps (at least one)."""
        share = 1.0 / (window or self.window)
        self.a_step += share * (total / max(steps, 1) - self.a_step)
        self.an_episode += share * (total - self.an_episode)
        self.history.append(self.an_episode)
