# SPDX-License-Identifier: Apache-2.0
"""Cues and a question: was the target among them?

Source: Miconi et al. 2019 (Backpropamine), section 4.1; https://openreview.net/pdf?id=r1lrAiA5Ym.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.environments.base import Discrete, Environment

_N_CUES = 4


class CueReward(Environment):
    """In each trial two of four cues are shown in turn, or nothing.

    Then all bits ask for an answer: 1 where the target cue was shown, else 0.  The next step gives
    the reward, 1 or -1.

    An observation is [cuebits + 4]: the cue, the steps since the episode began over its length,
    whether the last answer was 0, whether it was 1, and the last reward.

    epdur:  steps of an episode.   cuebits: bits of a cue.   zprob: chance of nothing in a step.
    trial:  steps from the first cue to the question.
    """

    def __init__(
        self,
        epdur: int = 200,
        cuebits: int = 20,
        seed: int | None = None,
        zprob: float = 0.6,
        trial: int = 10,
    ) -> None:
        for what, value in (("epdur", epdur), ("cuebits", cuebits), ("trial", trial)):
            if value < 1:
                raise ValueError(f"{what} is {value}, expected 1 or more")
        if not 0.0 <= zprob <= 1.0:
            raise ValueError(f"zprob is {zprob}, expected a probability, 0 to 1")
        if 2**cuebits < _N_CUES:
            raise ValueError(f"cuebits is {cuebits}, expected 2 or more: there are four cues")
        self.ep_duration, self.cuebits, self.zeroprob, self.trial = epdur, cuebits, zprob, trial
        self.action_space = Discrete(2)
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self.reset()

    def reset(self) -> np.ndarray:
        """Begin an episode, the same one each time: new cues, one of them the target."""
        self.chance = np.random.default_rng(self.seed)
        cues: set[tuple[int, ...]] = set()
        while len(cues) < _N_CUES:
            cues.add(tuple(self.chance.integers(0, 2, self.cuebits).tolist()))
        self.cues = self.chance.permutation(np.array(sorted(cues)))
        self.target = int(self.chance.integers(_N_CUES))
        self.tstep, self.reward, self.shown = 0, torch.zeros(1), False
        self._new_trial()
        self.obs = np.zeros(self.cuebits + 4)
        return self.obs

    def step(self, a: int) -> tuple[np.ndarray, Tensor, bool, dict[str, Any]]:
        """Answer, and see what comes next; returns observation, reward [1], done, info."""
        answer = int(a)
        if answer not in (0, 1):
            raise ValueError(f"action is {answer}, expected 0 or 1")
        self.reward = torch.zeros(1)
        if self.place > self.trial:
            self.reward[0] = 1.0 if (answer == 1) == self.shown else -1.0
            self._new_trial()
        if self.place == self.trial:
            cue = np.ones(self.cuebits)
        elif self.chance.random() < self.zeroprob:
            cue = np.zeros(self.cuebits)
        else:
            which = self.pair[self.place % 2]
            cue = self.cues[which]
            self.shown |= which == self.target
        self.place += 1
        self.tstep += 1
        rest = [self.tstep / self.ep_duration, answer == 0, answer == 1, float(self.reward)]
        self.obs = np.concatenate((cue, np.array(rest, float)))
        info = {"target": self.target, "pairmask": self.pair, "targ_disp": int(self.shown)}
        return self.obs, self.reward, self.tstep >= self.ep_duration, info

    def render(self) -> str:
        """The observation as text."""
        return " ".join(f"{value:g}" for value in self.obs)

    def _new_trial(self) -> None:
        self.pair = np.sort(self.chance.choice(_N_CUES, 2, replace=False))
        self.place, self.shown = 0, False
