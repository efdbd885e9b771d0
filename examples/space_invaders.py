# SPDX-License-Identifier: Apache-2.0
"""Space Invaders by reward-modulated STDP: the network finds a key that pays, and keeps it."""

from __future__ import annotations

from functools import partial
from typing import Any

import click
import numpy as np
import torch
from common import Gallery, options

from fastsnn import Current, Dense, Network, Poisson, analysis, environments
from fastsnn.environments import atari
from fastsnn.models import LIF, MSTDPET, Input
from fastsnn.pipelines import EnvironmentPipeline, actions, passing

GROUP = 10  # neurons of each action


class Player(EnvironmentPipeline):
    """A hit is worth 1, less what a step gives anyway; points only count in the score."""

    usual = 0.0

    def learn(self, observation: torch.Tensor, reward: float) -> None:
        """Run the network with what the last step was worth."""
        hit = float(reward > 0.0)
        worth = hit - self.usual
        self.usual += 0.005 * worth
        super().learn(observation, worth if self.net.learning else 0.0)


def coarse(frame: np.ndarray) -> np.ndarray:
    """The field in 13 x 14 cells: how much of each is lit."""
    field = torch.as_tensor(atari.space_invaders(frame)).float()
    return torch.nn.functional.avg_pool2d(field[None], 6).numpy()


def build(n_inputs: int, n_actions: int, seed: int, backend: str) -> Network:
    """X drives a group for each action; one group silences the others, so that it alone learns.

    A shot takes some ten steps of the game to arrive: synapses stay eligible that long.
    """
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), n_inputs)
    n = GROUP * n_actions
    net.population("R", LIF(v_rest=0.0, v_reset=0.0, v_thresh=5.0, tau_m=10.0, t_refrac=2.0), n)
    net.projection(
        "X", "R", Dense(0.5 + 0.1 * torch.rand(n_inputs, n)),
        rule=MSTDPET(nu=0.02, a_minus=0.0, tau_e=150.0), w_min=0.0, w_max=2.0,
    )  # fmt: skip
    others = 1.0 - torch.block_diag(*[torch.ones(GROUP, GROUP)] * n_actions)
    net.projection("R", "R", Dense(-3.0 * others))
    return net


def drive(net: Network, observation: torch.Tensor) -> dict[str, Any]:
    """What the network is given; while it learns, one step in ten also a push to some group.

    An action that is tried so is one that synapses take part in, and can be rewarded for.
    """
    push = torch.zeros(net.populations["R"].n)
    if net.learning and torch.rand(()) < 0.1:
        push.view(-1, GROUP)[torch.randint(len(push) // GROUP, ())] = 20.0
    return {"X": Poisson(20.0 + 200.0 * observation.flatten()), "R": Current(push)}


@options
@click.option("--episodes", default=14, show_default=True, help="To learn in.")
@click.option("--tests", default=10, show_default=True, help="Episodes before and after.")
def main(quick: bool, seed: int, backend: str, gallery: Gallery, episodes: int, tests: int) -> None:
    """Play at random, learn, then play with learning off; the score is the game's own."""
    world = environments.Gym(
        "ALE/SpaceInvaders-v5", seed=seed, preprocess=coarse, clip_rewards=False
    )
    n_inputs, n_actions = world.reset().numel(), int(world.action_space.n)
    net = build(n_inputs, n_actions, seed, backend)
    play = Player(
        net, world, partial(drive, net), "R",
        select=actions.highest, time=10.0, explore=actions.Explorer(1.0),
    )  # fmt: skip
    episodes, tests, most = (1, 1, 30) if quick else (episodes, tests, None)
    at_random = play.test(tests, most)
    play.explore = actions.Explorer()
    for _ in passing(range(episodes), "learning", "episodes"):
        play.train(1, most, progress=False)
        gallery.draw(
            "score", analysis.plot_reward, play.episode_rewards[tests:],
            "What each episode gave while learning.", window=5,
        )  # fmt: skip
    after = play.test(tests, most)
    numbers = {
        "score at random": f"{sum(at_random) / tests:.1f}",
        "score after": f"{sum(after) / tests:.1f}",
        "episodes": f"{episodes}",
    }
    gallery.finish("Space Invaders, reward-modulated STDP", numbers, net)
    play.close()


if __name__ == "__main__":
    main()
