# SPDX-License-Identifier: Apache-2.0
"""Analyzers: one set of calls that a training loop makes, and where their pictures go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fastsnn.analysis.activity import plot_spikes, plot_voltages
from fastsnn.analysis.curves import plot_reward
from fastsnn.analysis.events import EventWriter
from fastsnn.analysis.mosaics import kernels
from fastsnn.analysis.views import View, array
from fastsnn.analysis.weights import plot_weights

Recording = Mapping[str, Tensor]


class Analyzer(ABC):
    """Takes what a loop has to show; `tag` names a picture, the same one for the same tag."""

    def __init__(self, lines: bool = False) -> None:
        self.lines = lines
        self.views: dict[str, View] = {}
        self._fresh: dict[str, int | None] = {}

    def plot_obs(self, obs: Tensor, tag: str = "obs", step: int | None = None) -> None:
        """Show an observation: [height, width], or with leading axes of size 1 or 3 channels."""
        values = array(obs)
        values = (
            values.reshape(values.shape[-2:])
            if values.size == np.prod(values.shape[-2:])
            else values.reshape(-1, values.shape[-1])
        )
        self._draw(
            tag, step, plot_weights, values, heading="Observation", quantity="value", colours="gray"
        )

    def plot_reward(
        self,
        reward_list: Sequence[float],
        reward_window: int | None = None,
        tag: str = "reward",
        step: int | None = None,
    ) -> None:
        """Show the reward of each episode, and its mean over a window."""
        self._draw(tag, step, plot_reward, reward_list, reward_window)

    def plot_spikes(
        self, spike_record: Recording, tag: str = "spike", step: int | None = None
    ) -> None:
        """Show the spikes of every layer, [n_steps, ...]."""
        self._draw(tag, step, plot_spikes, spike_record)

    def plot_voltages(
        self,
        voltage_record: Recording,
        thresholds: Mapping[str, Tensor] | None = None,
        tag: str = "voltage",
        step: int | None = None,
    ) -> None:
        """Show the membrane potentials of every layer, [n_steps, ...]."""
        self._draw(
            tag, step, plot_voltages, voltage_record, thresholds=thresholds, lines=self.lines
        )

    def plot_conv2d_weights(
        self, weights: Tensor, tag: str = "conv2d", step: int | None = None
    ) -> None:
        """Show kernels [n_out, n_in, height, width]."""
        self._draw(tag, step, plot_weights, kernels(weights.detach()), heading="Kernels")

    def finalize_step(self) -> None:
        """Send the pictures of this step to where they belong."""
        for tag, step in self._fresh.items():
            self.publish(tag, self.views[tag], step)
        self._fresh.clear()

    @abstractmethod
    def publish(self, tag: str, view: View, step: int | None) -> None:
        """Bring one picture to the eye."""

    def _figure(self) -> Any:
        """The figure for a new picture; None: one without a window."""
        return None

    def _draw(self, tag: str, step: int | None, plot: Any, *data: Any, **options: Any) -> None:
        known = self.views.get(tag)
        figure = self._figure() if known is None else None
        self.views[tag] = plot(*data, view=known, figure=figure, **options)
        self._fresh[tag] = step


class WindowAnalyzer(Analyzer):
    """Shows the pictures in windows of pyplot, where there is a display."""

    def __init__(self, lines: bool = False) -> None:
        super().__init__(lines)
        from matplotlib import pyplot

        pyplot.ion()
        self._pyplot = pyplot

    def _figure(self) -> Any:
        return self._pyplot.figure(figsize=(8.0, 4.5))

    def publish(self, tag: str, view: View, step: int | None) -> None:
        """Draw the window anew."""
        view.show()

    def close(self) -> None:
        """Close the windows."""
        for view in self.views.values():
            self._pyplot.close(view.figure)
        self.views.clear()


class FileAnalyzer(Analyzer):
    """Writes each picture to FOLDER/TAG.png, over the one of the step before."""

    def __init__(self, folder: str | Path, lines: bool = False) -> None:
        super().__init__(lines)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def publish(self, tag: str, view: View, step: int | None) -> None:
        """Write the file."""
        view.figure.savefig(self.folder / f"{tag.replace('/', '-')}.png")


class EventAnalyzer(Analyzer):
    """Logs the pictures for TensorBoard, the reward also as a curve."""

    def __init__(self, folder: str | Path = "./logs", lines: bool = False) -> None:
        super().__init__(lines)
        self.writer = EventWriter(folder)

    def plot_reward(
        self,
        reward_list: Sequence[float],
        reward_window: int | None = None,
        tag: str = "reward",
        step: int | None = None,
    ) -> None:
        """Log the mean of the last `reward_window` rewards as one point of a curve."""
        if len(reward_list):
            recent = list(reward_list)[-(reward_window or 1) :]
            at = len(reward_list) if step is None else step
            self.writer.add_scalar(tag, sum(map(float, recent)) / len(recent), at)

    def publish(self, tag: str, view: View, step: int | None) -> None:
        """Log the picture."""
        self.writer.add_figure(tag, view.figure, step)

    def finalize_step(self) -> None:
        """Log the pictures of this step and let readers see them."""
        super().finalize_step()
        self.writer.flush()
