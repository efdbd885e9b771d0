# SPDX-License-Identifier: Apache-2.0
"""What all pipelines have: steps that are counted, plotted, saved and tested."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fastsnn.bindsnet.network import Network
from fastsnn.bindsnet.network.monitors import Monitor

__all__ = ["BasePipeline", "Monitor", "Network", "recursive_to"]


def recursive_to(item: Any, device: torch.device | str) -> Any:
    """Copy tensors to a device, in lists, tuples and dicts too."""
    if isinstance(item, Tensor):
        return item.to(device)
    if isinstance(item, Mapping):
        return {key: recursive_to(value, device) for key, value in item.items()}
    if isinstance(item, tuple | list):
        moved = [recursive_to(value, device) for value in item]
        # a tuple with names takes its values one by one
        return type(item)(*moved) if hasattr(item, "_fields") else type(item)(moved)
    return item


class BasePipeline:
    """Runs `step_` of a subclass for every batch.

    Keywords: save_interval, save_dir ("network.pt"), print_interval, plot_interval, test_interval
    (each a number of steps; None: never), allow_gpu (True), and plot_config: data_step (None: do
    not record spikes and voltages), data_length (100: steps recorded).
    """

    def __init__(self, network: Network, **kwargs: Any) -> None:
        self.network = network
        self.save_dir = kwargs.get("save_dir", "network.pt")
        self.save_interval = kwargs.get("save_interval")
        self.plot_config = {
            "data_step": True,
            "data_length": 100,
            **(kwargs.get("plot_config") or {}),
        }
        self.print_interval = kwargs.get("print_interval")
        self.test_interval = kwargs.get("test_interval")
        self.plot_interval = kwargs.get("plot_interval")
        self.step_count = 0
        self.clock = time.time()
        self.allow_gpu = kwargs.get("allow_gpu", True)
        on_gpu = self.allow_gpu and torch.cuda.is_available()
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self.network.to(self.device)
        if self.plot_config["data_step"] is not None:
            self._record(self.plot_config["data_length"])
        self.init_fn()

    def reset_state_variables(self) -> None:
        """Put the network at its initial state and count steps anew."""
        self.network.reset_state_variables()
        self.step_count = 0

    def step(self, batch: Any, **kwargs: Any) -> Any:
        """One step: `step_`, and what is due after so many; returns what `step_` does."""
        self.step_count += 1
        out = self.step_(recursive_to(batch, self.device), **kwargs)
        if self._due(self.print_interval):
            print(f"Iteration: {self.step_count} (Time: {time.time() - self.clock:.4f})")
            self.clock = time.time()
        if self._due(self.plot_interval):
            self.plots(batch, out)
        if self._due(self.save_interval):
            self.network.save(self.save_dir)
        if self._due(self.test_interval):
            self.test()
        return out

    def get_spike_data(self) -> dict[str, Tensor]:
        """Recorded spikes of every layer that has some yet."""
        return self._recorded("s", "spikes")

    def get_voltage_data(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Recorded voltages of the layers that have some, and the thresholds of these."""
        voltages = self._recorded("v", "voltages")
        thresholds = {}
        for name in voltages:
            layer = self.network.layers[name]
            if hasattr(layer, "thresh"):
                thresholds[name] = layer.thresh + getattr(layer, "theta", 0.0)
        return voltages, thresholds

    def step_(self, batch: Any, **kwargs: Any) -> Any:
        """Run the network on a batch; a subclass says how."""
        raise NotImplementedError("a pipeline needs a method step_(batch, **kwargs)")

    def train(self) -> None:
        """Learn; a subclass says how."""
        raise NotImplementedError("a pipeline needs a method train()")

    def test(self) -> None:
        """Test; a subclass says how."""
        raise NotImplementedError("a pipeline needs a method test()")

    def init_fn(self) -> None:
        """Called at the end of construction."""

    def plots(self, batch: Any, step_out: Any) -> None:
        """Plot a step; a subclass says what."""
        raise NotImplementedError("a pipeline with plot_interval needs plots(batch, step_out)")

    def _due(self, interval: int | None) -> bool:
        return interval is not None and interval > 0 and self.step_count % interval == 0

    def _recorded(self, variable: str, what: str) -> dict[str, Tensor]:
        monitors = self.network.monitors
        found = {
            name: monitors[f"{name}_{what}"].get(variable)
            for name in self.network.layers
            if f"{name}_{what}" in monitors
        }
        return {name: rows for name, rows in found.items() if len(rows)}

    def _record(self, length: int) -> None:
        for name, layer in self.network.layers.items():
            for variable, what in (("s", "spikes"), ("v", "voltages")):
                if hasattr(layer, variable):
                    self.network.add_monitor(
                        Monitor(layer, [variable], time=length), f"{name}_{what}"
                    )
