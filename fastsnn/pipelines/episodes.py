# SPDX-License-Identifier: Apache-2.0
"""A network that acts in an environment and learns from its reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.environments import Environment
from fastsnn.network import Network
from fastsnn.pipelines import actions
from fastsnn.pipelines.progress import passing
from fastsnn.pipelines.rewards import RewardPrediction

if TYPE_CHECKING:
    from fastsnn.analysis.analyzers import Analyzer


class EnvironmentPipeline:
    """Steps of an environment and runs of a network in turn.

    A step: the spikes of `output` choose an action; the environment answers with an observation and
    a reward; the network runs for `time` ms, driven by the observation, with that reward.

    encode:   observation -> inputs of the network: {population: Poisson(...), ...}.
    output:   the population that acts, of as many neurons as there are actions (or a multiple).
    select:   spikes [n_steps, B, n], number of actions -> action; see `fastsnn.pipelines.actions`.
    explore:  what may change the action, e.g. `Explorer(probability=0.05)`.
    reward_delay: steps after which a reward reaches the network.
    prediction: the network learns from the reward's excess over it, see `RewardPrediction`.
    reset_state: potentials, spikes and traces begin anew in each step.
    analyzer: is shown spikes and rewards every `plot_every` steps and after each episode.

    episode_rewards: what each finished episode gave.
    """

    def __init__(
        self,
        net: Network,
        environment: Environment,
        encode: Callable[[Any], Mapping[str, Any]],
        output: str,
        *,
        select: actions.Select = actions.softmax,
        explore: actions.Explorer | None = None,
        time: float = 100.0,
        reward_delay: int = 0,
        prediction: RewardPrediction | None = None,
        reset_state: bool = False,
        analyzer: Analyzer | None = None,
        plot_every: int = 0,
    ) -> None:
        self.net, self.environment, self.encode = net, environment, encode
        self.output, self.select, self.time = output, select, time
        self.explore = explore or actions.Explorer()
        self.delay, self.prediction = actions.Delay(reward_delay), prediction
        self.reset_state, self.analyzer, self.plot_every = reset_state, analyzer, plot_every
        self.n_actions = int(environment.action_space.n)
        n = net.find(output).n
        if n % self.n_actions:
            raise ValueError(
                f"'{output}' has {n} neurons, expected a multiple of the environment's "
                f"{self.n_actions} actions"
            )
        self.spikes = torch.zeros(1, net.batch_size, n)
        self.episode_rewards: list[float] = []
        self.n_steps = 0
        shown = list(net.populations) if analyzer is not None and plot_every else [output]
        self.monitors = {name: net.monitor(name, "spike") for name in shown}

    def close(self) -> None:
        """Stop recording and end the environment."""
        for monitor in self.monitors.values():
            self.net.remove_monitor(monitor)
        self.environment.close()

    def act(self) -> tuple[Any, float, bool, dict[str, Any]]:
        """Choose an action from the last spikes and do it: observation, reward, done, info."""
        action = self.explore(self.select(self.spikes, self.n_actions), self.n_actions)
        observation, reward, done, info = self.environment.step(action)
        return observation, float(reward), bool(done), info if isinstance(info, dict) else {}

    def learn(self, observation: Any, reward: float) -> None:
        """Run the network on an observation, with a reward."""
        if self.reset_state:
            self.net.reset_state()
        for monitor in self.monitors.values():
            monitor.clear()
        self.net.run(self.time, self.encode(observation), reward=self.delay(reward))
        self.spikes = self.monitors[self.output].get()
        self.n_steps += 1
        if self.analyzer is not None and self.plot_every and self.n_steps % self.plot_every == 0:
            record: dict[str, Tensor] = {k: m.get() for k, m in self.monitors.items()}
            self.analyzer.plot_spikes(record, step=self.n_steps)
            self.analyzer.finalize_step()

    def episode(self, max_steps: int | None = None) -> float:
        """Play until the environment ends, or for max_steps; returns the sum of rewards."""
        self.net.reset_state()
        self.delay.reset()
        self.explore.reset()
        self.learn(self.environment.reset(), 0.0)
        total, steps, done = 0.0, 0, False
        while not done and (max_steps is None or steps < max_steps):
            observation, reward, done, _ = self.act()
            told = self.prediction.error(reward) if self.prediction else reward
            self.learn(observation, told)
            total, steps = total + reward, steps + 1
        self.episode_rewards.append(total)
        if self.prediction and self.net.learning:
            self.prediction.update(total, steps)
        if self.analyzer is not None:
            self.analyzer.plot_reward(self.episode_rewards, 10, step=len(self.episode_rewards))
            self.analyzer.finalize_step()
        return total

    def train(
        self, n_episodes: int, max_steps: int | None = None, progress: bool = True
    ) -> list[float]:
        """Play episodes with learning on; returns the reward of each."""
        return self._play(n_episodes, max_steps, progress, learning=True)

    def test(
        self, n_episodes: int, max_steps: int | None = None, progress: bool = True
    ) -> list[float]:
        """Play episodes with learning off; returns the reward of each."""
        return self._play(n_episodes, max_steps, progress, learning=False)

    def _play(
        self, n_episodes: int, max_steps: int | None, progress: bool, learning: bool
    ) -> list[float]:
        self.net.train(learning)
        title, first = "learning" if learning else "testing", len(self.episode_rewards)
        for _ in passing(range(n_episodes), title, "episodes", progress, self._facts):
            self.episode(max_steps)
        return self.episode_rewards[first:]

    def _facts(self) -> str:
        return f"last reward {self.episode_rewards[-1]:.4g}" if self.episode_rewards else ""
