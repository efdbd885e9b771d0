# SPDX-License-Identifier: Apache-2.0
"""The network of "Simple model of spiking neurons": 1,000 different neurons, all joined.

Noise of the thalamus in every step of 1 ms; alpha and gamma rhythms arise.  At other scales the
number of neurons changes and weights with it, so that the input of a neuron stays.
Source: Izhikevich 2003, the program at the end of the paper.
"""

from __future__ import annotations

from typing import Any

from fastsnn.connectivity import Dense
from fastsnn.injection import NoisyCurrent
from fastsnn.models.quadratic import Izhikevich2003
from fastsnn.network import Network
from fastsnn.networks.recipe import INITIAL, Expected, Recipe, size
from fastsnn.random import network_uniform

N_E, N_I = 800, 200
W_E, W_I = 0.5, -1.0  # mV/ms, largest weights, uniform from 0
NOISE_E, NOISE_I = 5.0, 2.0  # mV/ms
V_REST = -65.0  # mV
# numbers of draws, beside those of the initial state
_NEURONS, _WEIGHTS = 1 << 20, 1 << 21


def izhikevich_2003(scale: float = 1.0, variant: str = "", **options: Any) -> Network:
    """Build it.  options: seed, backend, threads."""
    net = Network(dt=1.0, **options)
    # the neurons differ by a number in [0, 1) each
    r = {
        name: network_uniform(net.seed, (size(n, scale),), INITIAL, _NEURONS + n)
        for name, n in (("E", N_E), ("I", N_I))
    }
    models = {
        "E": Izhikevich2003(
            a=0.02, b=0.2, c=-65.0 + 15.0 * r["E"] ** 2, d=8.0 - 6.0 * r["E"] ** 2, v_rest=V_REST
        ),
        "I": Izhikevich2003(
            a=0.02 + 0.08 * r["I"], b=0.25 - 0.05 * r["I"], c=-65.0, d=2.0, v_rest=V_REST
        ),
    }
    for name, model in models.items():
        net.population(name, model, len(r[name]))
    for source, largest in (("E", W_E), ("I", W_I)):
        for target in net.populations:
            shape = (len(r[source]), len(r[target]))
            number = _WEIGHTS + len(net.projections)
            w = largest / scale * network_uniform(net.seed, shape, INITIAL, number)
            net.projection(source, target, Dense(w))
    return net


def _noise(net: Network, steps: int) -> dict[str, Any]:
    return {"E": NoisyCurrent(0.0, NOISE_E), "I": NoisyCurrent(0.0, NOISE_I)}


RECIPES = (
    Recipe(
        "izhikevich-2003",
        "Izhikevich's 1,000 neurons",
        "Izhikevich 2003",
        "the published program, five networks, 9 s each",
        izhikevich_2003,
        time=10_000.0,
        expected={"": {"E": Expected(7.31), "I": Expected(6.67)}},
        inputs=_noise,
    ),
)
