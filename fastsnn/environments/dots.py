# SPDX-License-Identifier: Apache-2.0
"""Dots that wander over a grid, one of which the network moves to catch another."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fastsnn.environments.base import Discrete, Environment

# actions, clockwise: stay, up, right, down, left; with diagonals between them
STRAIGHT = ((0, 0), (-1, 0), (0, 1), (1, 0), (0, -1))
DIAGONAL = ((0, 0), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
BOUNDS = ("stay", "bounce", "trans")
FITNESS = ("euc", "disp", "rng", "dir")


class Dot:
    """A dot and where it was: row[0], col[0] is now.   t: how many places are kept."""

    def __init__(self, r: int = 0, c: int = 0, t: int = 1) -> None:
        self.row, self.col = np.full(t, r, np.int64), np.full(t, c, np.int64)

    def move(self, r: int, c: int) -> None:
        """Go to a place."""
        for trail, now in ((self.row, r), (self.col, c)):
            trail[1:] = trail[:-1]
            trail[0] = now

    def place(self) -> np.ndarray:
        """Row and column now."""
        return np.array([self.row[0], self.col[0]])


class DotTracing(Environment):
    """A target (the first of `dots`) moves at random; the network's dot is to trace it.

    An observation is [height, width]: 1 where a dot is, its last `decay` places fading.

    t:          steps of an episode.
    dots, herrs: targets, and distracting dots.
    speed:      places a step.   randr: chance of a new direction in a step.
    allow_stay: dots other than the network's may stand still.   diag: they may go aslant.
    bound_hand: at the edge: "stay", "bounce" off it, "trans": come in from the other side.
    fit_func:   the reward: "euc" minus the distance; "disp" rows and columns to go (a pair);
                "rng" minus the number of the ring around the target, `ring_size` wide; "dir" 1
                where the network's dot came nearer to where the target was, -1 where it went away.
    bullseye:   reward of an intercept, instead of the other (0: none).
    teleport:   after it the network's dot goes elsewhere.
    """

    def __init__(
        self,
        t: int,
        *,
        height: int = 28,
        width: int = 28,
        decay: int = 1,
        dots: int = 1,
        herrs: int = 0,
        speed: int = 1,
        randr: float = 1.0,
        allow_stay: bool = True,
        diag: bool = False,
        bound_hand: str = "stay",
        fit_func: str = "euc",
        ring_size: int = 2,
        bullseye: float = 10.0,
        teleport: bool = True,
        seed: int | None = None,
    ) -> None:
        for what, value, known in (
            ("bound_hand", bound_hand, BOUNDS),
            ("fit_func", fit_func, FITNESS),
        ):
            if value not in known:
                raise ValueError(f"{what} is {value!r}, expected one of {', '.join(known)}")
        sizes = {"t": t, "height": height, "width": width, "decay": decay, "dots": dots}
        for what, size in {**sizes, "speed": speed, "ring_size": ring_size}.items():
            if size < 1:
                raise ValueError(f"{what} is {size}, expected 1 or more")
        self.timesteps, self.h, self.w, self.decay = t, height, width, decay
        self.ndots, self.nherrs, self.speed, self.randr = dots, herrs, speed, randr
        self.moves = DIAGONAL if diag else STRAIGHT
        self.choices, self.first_move = len(self.moves), 0 if allow_stay else 1
        self.bound_hand, self.fit_func, self.ring_size = bound_hand, fit_func, ring_size
        self.bullseye, self.teleport = bullseye, teleport
        self.action_space = Discrete(self.choices)
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self.reset()

    def reset(self) -> np.ndarray:
        """Begin an episode, the same one each time."""
        self.chance = np.random.default_rng(self.seed)
        self.ts = 0
        self.net_dot = self._new_dot()
        self.targets = [self._new_dot() for _ in range(self.ndots)]
        self.distractors = [self._new_dot() for _ in range(self.nherrs)]
        self.courses = {id(dot): self._course() for dot in (*self.targets, *self.distractors)}
        self.obs = self._draw()
        return self.obs

    def step(self, a: int) -> tuple[np.ndarray, Tensor, bool, bool]:
        """Move all dots; returns the grid, the reward, whether it is over, and an intercept."""
        self.ts += 1
        before, goal = self.net_dot.place(), self.targets[0].place()
        self._move(self.net_dot, int(a))
        for dot in (*self.targets, *self.distractors):
            if self.chance.random() < self.randr:
                self.courses[id(dot)] = self._course()
            self.courses[id(dot)] = self._move(dot, self.courses[id(dot)])
        reward, caught = self._reward(before, goal)
        self.obs = self._draw()
        if caught and self.teleport:
            self.net_dot = self._new_dot()
        return self.obs, reward, self.ts >= self.timesteps, caught

    def render(self) -> str:
        """The grid as text: the network's dot is @."""
        shades = np.array(list(" .:*O"))
        rows = shades[np.ceil(4 * self.obs).clip(0, 4).astype(int)]
        rows[tuple(self.net_dot.place())] = "@"
        return "\n".join("".join(row) for row in rows)

    def _new_dot(self) -> Dot:
        return Dot(int(self.chance.integers(self.h)), int(self.chance.integers(self.w)), self.decay)

    def _course(self) -> int:
        return int(self.chance.integers(self.first_move, self.choices))

    def _move(self, dot: Dot, course: int) -> int:
        """Move a dot; returns its course, which a bounce turns round."""
        if not 0 <= course < self.choices:
            raise ValueError(f"action is {course}, expected 0 to {self.choices - 1}")
        step, size = self.speed * np.array(self.moves[course]), np.array([self.h, self.w])
        place = dot.place() + step
        outside = (place < 0) | (place >= size)
        if self.bound_hand == "trans":
            place %= size
        elif self.bound_hand == "bounce":
            place = np.where(place < 0, -place, np.where(outside, 2 * (size - 1) - place, place))
            step = np.where(outside, -step, step)
            turned = tuple(np.sign(step).tolist())
            course = self.moves.index(turned) if turned in self.moves else course
        place = place.clip(0, size - 1)
        dot.move(int(place[0]), int(place[1]))
        return course

    def _reward(self, before: np.ndarray, goal: np.ndarray) -> tuple[Tensor, bool]:
        away = self.targets[0].place() - self.net_dot.place()
        caught = not away.any()
        if caught and self.bullseye > 0:
            return torch.tensor(float(self.bullseye)), True
        distance = float(np.hypot(*away))
        if self.fit_func == "euc":
            return torch.tensor(-distance), caught
        if self.fit_func == "disp":
            return torch.tensor(away, dtype=torch.float32), caught
        if self.fit_func == "rng":
            return torch.tensor(-float(np.ceil(distance / self.ring_size))), caught
        nearer = np.hypot(*(goal - before)) - np.hypot(*(goal - self.net_dot.place()))
        return torch.tensor(float(np.sign(nearer))), caught

    def _draw(self) -> np.ndarray:
        grid = np.zeros((self.h, self.w))
        fade = 1.0 - np.arange(self.decay) / self.decay
        for dot in (*self.distractors, *self.targets, self.net_dot):
            np.maximum.at(grid, (dot.row, dot.col), fade)
        return grid
