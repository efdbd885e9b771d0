# SPDX-License-Identifier: Apache-2.0
"""Environments of Gymnasium 1.x, their observations as tensors."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.environments.base import Environment
from fastsnn.optional import need


class Gym(Environment):
    """An environment of Gymnasium by its name, e.g. "CartPole-v1" or "ALE/Breakout-v5".

    render_mode:  of Gymnasium: "rgb_array", "human" ...
    preprocess:   of a raw observation (array), before all else; see `fastsnn.environments.atari`.
    encoder:      of what `step` gives, e.g. into spikes.
    clip_rewards: give the sign of the reward.
    history_length, delta: keep so many observations, one in `delta` steps; what `step` gives is
                  then how far the present one lies above their sum, 0..1.
    add_channel_dim: give images [height, width] a channel.
    seed:         of the first episode.

    `step` gives the observation with a batch of 1 in front; `reset` gives it as it is.  Needs
    gymnasium (and ale-py for Atari's).
    """

    def __init__(
        self,
        name: str,
        render_mode: str | None = "rgb_array",
        *,
        preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
        encoder: Callable[[Tensor], Any] = lambda obs: obs,
        clip_rewards: bool = True,
        history_length: int | None = None,
        delta: int = 1,
        add_channel_dim: bool = True,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        for what, value in (("history_length", history_length), ("delta", delta)):
            if value is not None and value < 1:
                raise ValueError(f"{what} is {value}, expected 1 or more")
        self.name = name
        self.env = make(name, render_mode=render_mode, **options)
        self.action_space = self.env.action_space
        self.prepare, self.encoder = preprocess, encoder
        self.clip_rewards, self.add_channel_dim, self.seed = clip_rewards, add_channel_dim, seed
        self.history_length, self.delta = history_length, delta
        self.history: dict[int, Tensor] = {}
        self.episode_step_count, self.history_index = 0, 1
        self.obs: Any = None
        self.reward, self.done = 0.0, False
        self.info: dict[str, Any] = {}

    def step(self, a: int) -> tuple[Any, float, bool, dict[str, Any]]:
        """Do an action; returns observation, reward, done (ended or out of time) and info.

        info: Gymnasium's, with `gym_obs` (prepared, before the history), `delta_obs` (after it),
        `terminated` and `truncated`.
        """
        a = int(a)
        raw, reward, terminated, truncated, info = self.env.step(a)
        self.obs = self._tensor(raw)
        self.reward = float(np.sign(reward)) if self.clip_rewards else float(reward)
        self.done = bool(terminated or truncated)
        self.info = {**info, "terminated": bool(terminated), "truncated": bool(truncated)}
        self.info["gym_obs"] = self.obs
        if self.history_length is not None:
            self.update_history()
            self.info["delta_obs"] = self.obs
        self.episode_step_count += 1
        obs = self.obs
        if self.add_channel_dim and obs.ndim == 2:
            obs = obs[None]
        self.obs = self.encoder(obs[None])
        return self.obs, self.reward, self.done, self.info

    def reset(self, seed: int | None = None) -> Tensor:
        """Begin a new episode; returns the first observation, prepared.

        seed: of its chance; None: `self.seed` in the first episode, then whatever follows.
        """
        if seed is None:
            seed, self.seed = self.seed, None
        raw, self.info = self.env.reset(seed=seed)
        self._forget()
        self.done, self.reward = False, 0.0
        self.obs = self._tensor(raw)
        return self.obs

    def render(self) -> Any:
        """Show the present state, or return it as an array, as render_mode has it."""
        return self.env.render()

    def close(self) -> None:
        """End the environment."""
        self.env.close()

    def update_history(self) -> None:
        """Take the kept observations away from the present one, and keep it if it is its turn."""
        now = self.obs
        if self.episode_step_count >= self.delta * int(self.history_length or 0):
            self.obs = (now - sum(self.history.values())).clamp(0.0, 1.0)
        if self.episode_step_count % self.delta == 0:
            self.history[self.history_index] = now
            self.update_index()

    def update_index(self) -> None:
        """Go to the next place of the history, or back to the first."""
        last = 1 + self.delta * (int(self.history_length or 1) - 1)
        self.history_index = 1 if self.history_index == last else self.history_index + self.delta

    def _forget(self) -> None:
        self.history.clear()
        self.episode_step_count, self.history_index = 0, 1

    def _tensor(self, raw: Any) -> Tensor:
        prepared = raw if self.prepare is None else self.prepare(np.asarray(raw))
        return torch.as_tensor(np.array(prepared), dtype=torch.float32)


def make(name: str, **options: Any) -> Any:
    """Gymnasium's `make`, which also knows Atari's games by their old names."""
    gymnasium = need("gymnasium", "gymnasium", f"The environment {name}")
    known = gymnasium.envs.registry
    if name in known:
        return gymnasium.make(name, **options)
    old = re.fullmatch(r"([A-Z][A-Za-z]+?)(Deterministic|NoFrameskip)?-v([04])", name)
    if name.startswith("ALE/") or (old and old[2]):
        gymnasium.register_envs(need("ale_py", "ale-py", f"The environment {name}"))
    elif old and importlib.util.find_spec("ale_py"):
        gymnasium.register_envs(importlib.import_module("ale_py"))
    if name not in known and old and f"ALE/{old[1]}-v5" in known:
        # what the old names stood for, said to the present one
        skip = {None: (2, 5), "Deterministic": 4, "NoFrameskip": 1}[old[2]]
        chance = 0.25 if old[3] == "0" else 0.0
        options = {"frameskip": skip, "repeat_action_probability": chance, **options}
        name = f"ALE/{old[1]}-v5"
    return gymnasium.make(name, **options)
