# SPDX-License-Identifier: Apache-2.0
"""Cues to remember."""

from __future__ import annotations

from typing import Any

import torch

from fastsnn.environments.cues import CueReward

__all__ = ["CueRewardSimulator", "driver"]


class CueRewardSimulator(CueReward):
    """`fastsnn.environments.CueReward`.   Keywords: epdur, cuebits, seed, zprob."""

    def __init__(self, **kwargs: Any) -> None:
        known = ("epdur", "cuebits", "seed", "zprob")
        super().__init__(**{key: kwargs[key] for key in known if key in kwargs})

    def make(self, name: str) -> CueRewardSimulator:
        """Itself."""
        return self

    def step(self, action: int) -> tuple[Any, ...]:
        """Answer "was the target among the cues?"; observation, reward, done and info."""
        return super().step(action)

    def render(self) -> None:  # type: ignore[override]
        """Print the observation."""
        print(super().render())


def driver() -> None:
    """Play an episode at random and print it."""
    environment = CueRewardSimulator(epdur=40, seed=0)
    done = False
    while not done:
        _, reward, done, info = environment.step(int(torch.randint(2, (1,))))
        environment.render()
        print(f"reward {reward.item():g}, {info}")
