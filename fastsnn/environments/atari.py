# SPDX-License-Identifier: Apache-2.0
"""Frames of Atari games [210, 160, 3] as small images of 0 and 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastsnn.datasets.images import binary_image, crop, gray_scale, resize


def breakout(frame: np.ndarray) -> np.ndarray:
    """The field of Breakout, [80, 80]."""
    return binary_image(resize(crop(gray_scale(frame), 34, 194, 0, 160), 80, 80))


def space_invaders(frame: np.ndarray) -> np.ndarray:
    """The field of Space Invaders, [78, 84]."""
    return binary_image(crop(resize(gray_scale(frame), 84, 110), 26, 104, 0, 84))


PREPARE = {"Breakout": breakout, "SpaceInvaders": space_invaders}


def of_game(name: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """What prepares the frames of an environment by its name; None where it is no such game."""
    return next((work for game, work in PREPARE.items() if game in name), None)
