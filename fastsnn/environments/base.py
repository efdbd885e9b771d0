# SPDX-License-Identifier: Apache-2.0
"""What an environment is to a network: observations in, actions out, a reward for each."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import Any


class Discrete:
    """The actions 0 .. n - 1."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __repr__(self) -> str:
        return f"Discrete({self.n})"

    def sample(self) -> int:
        """An action at random, by Python's generator."""
        return random.randrange(self.n)


class Environment(ABC):
    """Base of all environments.   action_space: something with `n` and `sample()`."""

    action_space: Any

    @abstractmethod
    def step(self, a: int) -> tuple[Any, ...]:
        """Do an action; returns observation, reward, done, and more about it."""

    @abstractmethod
    def reset(self) -> Any:
        """Begin a new episode; returns the first observation."""

    @abstractmethod
    def render(self) -> Any:
        """Show the present state, or return what shows it."""

    def close(self) -> None:  # noqa: B027  most have nothing to end
        """End the environment."""

    def preprocess(self) -> None:  # noqa: B027  most give what a network can take
        """Prepare an observation for the network."""
