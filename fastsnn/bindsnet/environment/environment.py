# SPDX-License-Identifier: Apache-2.0
"""Environments of Gymnasium."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn import environments
from fastsnn.bindsnet.datasets.preprocess import binary_image, crop, gray_scale, subsample
from fastsnn.bindsnet.encoding.encoders import Encoder, NullEncoder
from fastsnn.environments import Environment, atari

__all__ = [
    "Encoder",
    "Environment",
    "GymEnvironment",
    "NullEncoder",
    "binary_image",
    "crop",
    "gray_scale",
    "subsample",
]

# other games, and other names of these, are given as they are
_PREPARE = {
    "BreakoutDeterministic-v4": atari.breakout,
    "SpaceInvaders-v0": atari.space_invaders,
}


class GymEnvironment(environments.Gym):
    """An environment of Gymnasium by its name.

    Keywords: max_prob, clip_rewards, history_length, delta, add_channel_dim, seed; others are
    ignored.  A subclass may prepare `self.obs` in `preprocess`.
    """

    def __init__(
        self,
        name: str,
        render_mode: str = "rgb_array",
        encoder: Encoder | None = None,
        **kwargs: Any,
    ) -> None:
        known = ("clip_rewards", "history_length", "delta", "add_channel_dim", "seed")
        options = {key: kwargs[key] for key in known if key in kwargs}
        self.max_prob = kwargs.get("max_prob", 1.0)
        if not 0.0 < self.max_prob <= 1.0:
            raise ValueError(f"max_prob is {self.max_prob}, expected more than 0, at most 1")
        super().__init__(name, render_mode, encoder=encoder or NullEncoder(), **options)

    def preprocess(self) -> None:
        """Bring frames of Breakout and Space Invaders to small images of 0 and 1."""
        if self.name in _PREPARE:
            self.obs = _PREPARE[self.name](np.asarray(self.obs))

    def _tensor(self, raw: Any) -> Tensor:
        self.obs = raw
        self.preprocess()
        return torch.as_tensor(np.array(self.obs), dtype=torch.float32)
