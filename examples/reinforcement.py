# SPDX-License-Identifier: Apache-2.0
"""A network that balances a pole, taught by reward: reward-modulated STDP in CartPole."""

from __future__ import annotations

import click
import torch
from common import Gallery, options

from fastsnn import Dense, Network, Poisson, analysis, environments
from fastsnn.environments import atari
from fastsnn.models import LIF, MSTDPET, Input
from fastsnn.pipelines import EnvironmentPipeline, actions, passing

CELLS = 12  # place cells for each of angle and angular velocity


class Trial(EnvironmentPipeline):
    """Pays for an action before the network sees what came of it: nothing is shown meanwhile, so
    that synapses are eligible for that action alone."""

    tilt: float | None = None

    def episode(self, max_steps: int | None = None) -> float:
        """Play until the end."""
        self.tilt = None
        return super().episode(max_steps)

    def learn(self, observation: torch.Tensor, reward: float) -> None:
        """Run the network with what the last action was worth, then on what came of it."""
        observation = observation.flatten()
        if observation.numel() == 4:  # CartPole pays 1 for any action: how much did the pole rise?
            last, self.tilt = self.tilt, float(abs(observation[2] + 0.5 * observation[3]))
            reward = 0.0 if last is None else last - self.tilt
        if self.net.learning and reward:
            self.net.run(10.0, reward=reward)
        super().learn(observation, 0.0)


def place_cells(observation: torch.Tensor) -> torch.Tensor:
    """Rates [CELLS * CELLS], Hz: each cell is for one angle and one angular velocity."""
    at = torch.linspace(-1.0, 1.0, CELLS)
    angle, velocity = (torch.tanh(observation[k] / s) for k, s in ((2, 0.1), (3, 1.0)))
    near = [torch.exp(-0.5 * ((x - at) * CELLS / 2) ** 2) for x in (angle, velocity)]
    return 300.0 * torch.outer(*near).flatten()


def build(n_inputs: int, n_actions: int, seed: int, backend: str) -> Network:
    """X drives groups of neurons, one for each action, that inhibit each other."""
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), n_inputs)
    n, size = 10 * n_actions, 10
    net.population("R", LIF(v_rest=0.0, v_reset=0.0, v_thresh=5.0, tau_m=10.0, t_refrac=2.0), n)
    net.projection(
        "X", "R", Dense(1.0 + 0.2 * torch.rand(n_inputs, n)),
        rule=MSTDPET(nu=1.0, a_minus=0.0, tau_e=20.0), w_min=0.0, w_max=3.0,
    )  # fmt: skip
    others = 1.0 - torch.block_diag(*[torch.ones(size, size)] * n_actions)
    net.projection("R", "R", Dense(-0.5 * others))
    return net


@options
@click.option("--env", default="CartPole-v1", show_default=True, help="Or ALE/SpaceInvaders-v5.")
@click.option("--episodes", default=None, type=int, help="To learn in; default: 100.")
def main(
    quick: bool, seed: int, backend: str, gallery: Gallery, env: str, episodes: int | None
) -> None:
    """Play untrained, learn, then play again with learning off.

    Settings are for CartPole; other games run, but nothing was tuned to learn them.
    """
    world = environments.Gym(env, seed=seed, preprocess=atari.of_game(env))
    n_inputs = world.reset().numel()
    cart = n_inputs == 4
    encode = place_cells if cart else (lambda frame: 100.0 * frame.flatten())
    net = build(CELLS**2 if cart else n_inputs, int(world.action_space.n), seed, backend)
    play = Trial(
        net, world, lambda seen: {"X": Poisson(encode(seen))}, "R",
        select=actions.highest, time=20.0, reset_state=True,
    )  # fmt: skip
    episodes = episodes or (15 if quick else 100)
    tests = 5 if quick else 20
    before = play.test(tests)
    play.explore = actions.Explorer(0.05)
    for _ in passing(range(episodes), "learning", "episodes"):
        play.train(1, progress=False)
        gallery.draw(
            "reward", analysis.plot_reward, play.episode_rewards[tests:],
            "What each episode gave while learning.", window=10,
        )  # fmt: skip
    play.explore = actions.Explorer()
    after = play.test(tests)
    numbers = {
        "return before": f"{sum(before) / tests:.1f}",
        "return after": f"{sum(after) / tests:.1f}",
        "episodes": f"{episodes}",
    }
    gallery.finish(f"{env}, reward-modulated STDP", numbers, net)
    play.close()


if __name__ == "__main__":
    main()
