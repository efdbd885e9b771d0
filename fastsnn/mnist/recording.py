# SPDX-License-Identifier: Apache-2.0
"""Watch a trained network while it is shown one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastsnn import Network, Poisson
from fastsnn.mnist.presentation import rates
from fastsnn.mnist.settings import Settings


@dataclass(frozen=True, eq=False)
class Recording:
    """Every step of one presentation.

    spikes:      of layers X, Ae and Ai, bool [n_steps, n].
    v_exc, v_inh: membrane potentials of Ae and Ai, mV [n_steps, n].
    """

    spikes: dict[str, np.ndarray]
    v_exc: np.ndarray
    v_inh: np.ndarray


def record(net: Network, image: np.ndarray, settings: Settings) -> Recording:
    """Show one image without learning; net's batch size becomes 1 and its state is reset."""
    net.set_batch_size(1)
    net.train(False)
    monitors = {layer: net.monitor(layer, "spike") for layer in ("X", "Ae", "Ai")}
    potentials = [net.monitor(layer, "v") for layer in ("Ae", "Ai")]
    net.run(settings.time, {"X": Poisson(rates(image[None], settings))})
    spikes = {layer: m.get()[:, 0].bool().cpu().numpy() for layer, m in monitors.items()}
    v_exc, v_inh = (monitor.get()[:, 0].cpu().numpy() for monitor in potentials)
    for monitor in (*monitors.values(), *potentials):
        net.remove_monitor(monitor)
    return Recording(spikes, v_exc, v_inh)
