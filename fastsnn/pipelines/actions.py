# SPDX-License-Identifier: Apache-2.0
"""Actions out of the spikes of an output population, and what happens to them on their way.

spikes: [n_steps, ..., n]; with n a multiple of the number of actions, neighbours speak together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Select = Callable[[Tensor, int], int]


def counts_by_action(spikes: Tensor, n_actions: int) -> Tensor:
    """Spikes for each action, float [n_actions]."""
    n = spikes.shape[-1]
    if n_actions < 1 or n % n_actions:
        raise ValueError(
            f"the output has {n} neurons, expected a multiple of the {n_actions} actions"
        )
    return spikes.float().reshape(-1, n_actions, n // n_actions).sum((0, 2)).cpu()


def softmax(spikes: Tensor, n_actions: int) -> int:
    """Draw an action with probability exp(spikes for it) over the sum of all."""
    return int(torch.softmax(counts_by_action(spikes, n_actions), 0).multinomial(1))


def multinomial(spikes: Tensor, n_actions: int) -> int:
    """Draw an action in proportion to the spikes for it; without spikes, any."""
    counts = counts_by_action(spikes, n_actions)
    return int((counts if counts.any() else torch.ones(n_actions)).multinomial(1))


def highest(spikes: Tensor, n_actions: int) -> int:
    """The action with most spikes; of equal ones the first."""
    return int(counts_by_action(spikes, n_actions).argmax())


def first_spike(spikes: Tensor, n_actions: int) -> int:
    """The action whose spike comes first; of equal ones, and without spikes, the first."""
    group = spikes.shape[-1] // n_actions
    counts_by_action(spikes[:1], n_actions)
    steps = spikes.reshape(len(spikes), -1, spikes.shape[-1]).bool().any(1).nonzero()
    return int(steps[0, 1]) // group if len(steps) else 0


def uniform(spikes: Tensor, n_actions: int) -> int:
    """Any action."""
    return int(torch.randint(n_actions, (1,)))


class Explorer:
    """Now and then replaces an action by one at random.

    probability: of doing so in any step.
    after:       do so where the same action came more than this often in a row; None: never.
    """

    def __init__(self, probability: float = 0.0, after: int | None = None) -> None:
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"probability is {probability}, expected 0 to 1")
        self.probability, self.after = probability, after
        self.last: int | None = None
        self.repeats = 0

    def __call__(self, action: int, n_actions: int) -> int:
        stuck = self.after is not None and action == self.last and self.repeats > self.after
        # no number is drawn where none is asked for
        if stuck or (self.probability > 0.0 and torch.rand(1).item() < self.probability):
            action = uniform(torch.empty(0), n_actions)
        self.repeats = self.repeats + 1 if action == self.last else 0
        self.last = action
        return action

    def reset(self) -> None:
        """Forget which action came last."""
        self.last, self.repeats = None, 0


class Delay:
    """Gives a reward a number of steps later; 0 until the first arrives."""

    def __init__(self, n_steps: int = 0) -> None:
        if n_steps < 0:
            raise ValueError(f"the delay is {n_steps} steps, expected 0 or more")
        self.n_steps = n_steps
        self.reset()

    def __call__(self, reward: Any) -> Any:
        self._waiting.append(reward)
        return self._waiting.popleft()

    def reset(self) -> None:
        """Forget what is on its way."""
        self._waiting: deque[Any] = deque([0.0] * self.n_steps)


class Overlay:
    """Lays the trails of what vanished in the last n - 1 frames over each other.

    The result is the sum of k / n times what vanished at frame k of n (the first frame counts as
    having been there all the time); so a still picture is bright at first and then gone.
    """

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ValueError(f"the overlay is of {n} frames, expected 1 or more")
        self.weights = torch.arange(1, n + 1) / n
        self._last: Tensor | None = None
        self._trail = torch.empty(0)

    def __call__(self, frame: Tensor) -> Tensor:
        if self._last is None:
            self._trail = frame[..., None].repeat(*[1] * frame.ndim, len(self.weights))
        else:
            gone = (self._last - frame).clamp(0.0, 1.0)
            self._trail = torch.cat((self._trail[..., 1:], gone[..., None]), -1)
        self._last = frame.clone()
        return self._trail @ self.weights.to(frame)

    def reset(self) -> None:
        """Begin with the next frame."""
        self._last = None
