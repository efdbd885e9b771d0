# SPDX-License-Identifier: Apache-2.0
"""A network in an environment."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.bindsnet.environment import Environment
from fastsnn.bindsnet.network import Network
from fastsnn.bindsnet.network.monitors import Monitor
from fastsnn.bindsnet.network.nodes import AbstractInput
from fastsnn.bindsnet.pipeline.base_pipeline import BasePipeline
from fastsnn.pipelines.actions import Delay, Explorer, Overlay

if TYPE_CHECKING:
    from fastsnn.bindsnet.analysis.pipeline_analysis import MatplotlibAnalyzer

__all__ = ["AbstractInput", "BasePipeline", "Environment", "EnvironmentPipeline", "Monitor"]

Answer = tuple[Tensor, float, bool, dict[str, Any]]


class EnvironmentPipeline(BasePipeline):
    """Steps of an environment and runs of a network in turn.

    action_function: (pipeline, output=...) -> action; see `fastsnn.bindsnet.pipeline.action`.
    encoding:        (observation, time, device=...) -> input of the network.

    Keywords besides those of BasePipeline: num_episodes (100), output (name of the layer that
    acts), render_interval, reward_delay (steps), time (ms a step; the network's dt),
    overlay_input (1: no overlay), encode_factor (1), percent_of_random_action (0; a share, 0..1),
    random_action_after (5 repeats; only where an action function is given), device.
    """

    def __init__(
        self,
        network: Network,
        environment: Environment,
        action_function: Callable[..., int] | None = None,
        encoding: Callable[..., Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        self.env, self.episode = environment, 0
        self.action_function, self.encoding = action_function, encoding
        self.accumulated_reward: Any = 0.0
        self.reward_list: list[float] = []
        self.num_episodes = kwargs.get("num_episodes", 100)
        self.output = kwargs.get("output")
        self.render_interval = kwargs.get("render_interval")
        self.reward_delay = kwargs.get("reward_delay")
        self.time = int(kwargs.get("time", network.dt)) or 1
        self.encode_factor = kwargs.get("encode_factor", 1.0)
        self.overlay_t = kwargs.get("overlay_input", 1)
        self.percent_of_random_action = kwargs.get("percent_of_random_action", 0.0)
        self.random_action_after = kwargs.get("random_action_after", 5)
        self._delay = Delay(self.reward_delay or 0)
        self._overlay = Overlay(self.overlay_t)
        self._explorer = Explorer(self.percent_of_random_action, self.random_action_after)
        self.action: Any = torch.tensor(-1)
        super().__init__(network, **kwargs)
        if kwargs.get("device") is not None:
            self.device = torch.device(kwargs["device"])
            network.to(self.device)
        self.inputs = [
            name for name, layer in network.layers.items() if isinstance(layer, AbstractInput)
        ]
        self.spike_record: dict[str, Tensor] = {}
        if self.output is not None:
            layer, steps = network.layers[self.output], int(self.time / network.dt)
            network.add_monitor(Monitor(layer, ["s"], time=steps), self.output)
            self.spike_record[self.output] = torch.zeros(steps, 1, *layer.shape)

    @cached_property
    def analyzer(self) -> MatplotlibAnalyzer:
        """Windows for the plots, opened when they are first used."""
        from fastsnn.bindsnet.analysis.pipeline_analysis import MatplotlibAnalyzer

        return MatplotlibAnalyzer(**self.plot_config)

    def init_fn(self) -> None:
        """Nothing to prepare."""

    def train(self, **kwargs: Any) -> None:
        """Play num_episodes episodes."""
        while self.episode < self.num_episodes:
            self.reset_state_variables()
            done = False
            while not done:
                answer = self.env_step()
                self.step(answer, **kwargs)
                done = answer[2]
            total = float(self.accumulated_reward)
            print(f"Episode: {self.episode} - accumulated reward: {total:.2f}")
            self.episode += 1

    def env_step(self) -> Answer:
        """Choose an action and do it; returns observation, reward, done, info."""
        if self.render_interval is not None and self.step_count % self.render_interval == 0:
            self.env.render()
        if self.action_function is not None:
            chosen = int(self.action_function(self, output=self.output))
            self.action = self._explorer(chosen, self.env.action_space.n)
        obs, reward, done, info = self.env.step(self.action)
        reward = self._delay(reward)
        self.accumulated_reward = self.accumulated_reward + reward
        info = info if isinstance(info, dict) else {"info": info}
        info["accumulated_reward"] = self.accumulated_reward
        return obs, reward, done, info

    def step_(self, gym_batch: Answer, **kwargs: Any) -> None:
        """Run the network on an observation, with its reward."""
        obs, reward, done, _ = gym_batch
        inputs = self._encode(torch.as_tensor(obs).to(self.device))
        self.network.run(
            inputs=dict.fromkeys(self.inputs, inputs), time=self.time, reward=reward, **kwargs
        )
        if self.output is not None:
            self.spike_record[self.output] = self.network.monitors[self.output].get("s").float()
        if done:
            if self.network.reward_fn is not None:
                self.network.reward_fn.update(
                    accumulated_reward=self.accumulated_reward, steps=self.step_count, **kwargs
                )
            self.reward_list.append(float(self.accumulated_reward))

    def reset_state_variables(self) -> None:
        """Begin an episode."""
        super().reset_state_variables()
        self.env.reset()
        self.accumulated_reward = 0.0
        self._delay.reset()
        self._overlay.reset()
        self._explorer.reset()

    def plots(self, gym_batch: Answer, *args: Any) -> None:
        """Show the observation, rewards, spikes and voltages in windows."""
        obs, _, done, info = gym_batch
        shown = torch.as_tensor(info.get("gym_obs", obs)).float()
        self.analyzer.plot_obs(shown if shown.ndim > 1 else shown[None], step=self.step_count)
        spikes = self.get_spike_data()
        if spikes:
            self.analyzer.plot_spikes(spikes, step=self.step_count)
        voltages, thresholds = self.get_voltage_data()
        if voltages:
            self.analyzer.plot_voltages(voltages, thresholds, step=self.step_count)
        if done:
            self.analyzer.plot_reward(self.reward_list, 10, step=self.episode)
        self.analyzer.finalize_step()

    def _encode(self, obs: Tensor) -> Tensor:
        if self.overlay_t > 1:
            if obs.ndim != 4:
                raise ValueError(
                    f"overlay_input is {self.overlay_t} and an observation {tuple(obs.shape)}, "
                    f"expected an image [1, 1, height, width]"
                )
            obs = self._overlay(obs[0, 0])
        obs = obs[None] * self.encode_factor
        if self.encoding is None:
            steps = int(self.time / self.network.dt)
            return obs.expand(steps, *obs.shape).clone()
        return self.encoding(obs, self.time, device=self.device)


def __getattr__(name: str) -> Any:
    # plots are slow to import, and may never be asked for
    if name == "MatplotlibAnalyzer":
        from fastsnn.bindsnet.analysis import pipeline_analysis

        return pipeline_analysis.MatplotlibAnalyzer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
