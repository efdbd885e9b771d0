# SPDX-License-Identifier: Apache-2.0
"""Neurons driven by spikes at given steps through their receptors, and by currents."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fastsnn import Current, Dense, Events, Network, models


def net_of(
    model: models.Neuron, n: int, dt: float, backend: str, arrivals: dict,
    dtype: torch.dtype = torch.float32,
) -> tuple:  # fmt: skip
    """A network with a population "m" of n neurons, and its inputs.

    arrivals: step in which weights arrive -> receptor -> weight, the same for all neurons.
    """
    net = Network(dt=dt, backend=backend, dtype=dtype)
    net.population("m", model, n)
    inputs: dict[str, Any] = {}
    for at, weights in arrivals.items():
        # a spike acts in the step after its own
        net.population(f"at{at}", models.Input(), 1)
        inputs[f"at{at}"] = Events([at - 1], [0])
        for receptor, w in weights.items():
            net.projection(
                f"at{at}", "m", Dense(torch.full((1, n), float(w), dtype=dtype)), receptor=receptor,
                name=f"{receptor} at {at}",
            )  # fmt: skip
    return net, inputs


def run(
    model: models.Neuron, steps: int, *, n: int = 1, dt: float = 0.1, backend: str = "torch",
    arrivals: dict | None = None, current: Any = None, start: dict | None = None,
    watch: tuple[str, ...] = ("v",), dtype: torch.dtype = torch.float32,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Variables at the end of each step, float64 [steps, n]; "spike": bool.

    current: pA, anything that `Current` takes.   start: values of variables before the run.
    """
    net, inputs = net_of(model, n, dt, backend, arrivals or {}, dtype)
    if current is not None:
        inputs["m"] = Current(current)
    for name, value in (start or {}).items():
        setattr(net.populations["m"], name, value)
    seen = {name: net.monitor("m", name) for name in (*watch, "spike")}
    net.run(steps * dt, inputs)
    found = {name: monitor.get()[:, 0].numpy() for name, monitor in seen.items()}
    return {k: v if k == "spike" else v.astype(np.float64) for k, v in found.items()}


__all__ = ["net_of", "run"]
