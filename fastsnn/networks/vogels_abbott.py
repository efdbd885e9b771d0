# SPDX-License-Identifier: Apache-2.0
"""The balanced networks of Vogels & Abbott 2005 as benchmarks 1 and 2 of Brette et al. 2007.

4,000 neurons, four fifths of them excitatory, joined with a probability of 2 %.  At other scales
the number of neurons changes and the 80 synapses of a neuron stay.  Activity sustains itself;
random initial potentials take the place of the initial stimulus.
"""

from __future__ import annotations

from typing import Any

from fastsnn.models.conductances import LIFCondExp
from fastsnn.models.currents import LIFExp
from fastsnn.models.declare import Neuron
from fastsnn.network import Network
from fastsnn.networks.recipe import Expected, Recipe, size, uniform
from fastsnn.sparse import FixedProbability

DT = 0.1  # ms, also the delay
N_E, N_I, P = 3200, 800, 0.02
V_RESET, V_THRESH = -60.0, -50.0  # mV
COMMON = {
    "v_thresh": V_THRESH,
    "v_reset": V_RESET,
    "c_m": 200.0,  # pF
    "tau_m": 20.0,
    "tau_syn_ex": 5.0,
    "tau_syn_inh": 10.0,
    "t_refrac": 5.0,  # ms
}
CUBA = {"v_rest": -49.0, **COMMON}
CUBA_W = (16.2, -90.0)  # pA: 1.62 mV and -9 mV over a leak of 10 nS
COBA = {"v_rest": -60.0, "e_rev_ex": 0.0, "e_rev_inh": -80.0, **COMMON}
COBA_W = (6.0, 67.0)  # nS
COBA_G0 = (20.0, 200.0)  # nS, largest initial conductances: with others it falls silent at times


def _build(scale: float, model: Neuron, w: tuple[float, float], options: Any) -> Network:
    net = Network(dt=DT, **options)
    for name, n in (("E", N_E), ("I", N_I)):
        net.population(name, model, size(n, scale))
        net.populations[name].v = uniform(net, name, V_RESET, V_THRESH)
    p = min(1.0, P * (N_E + N_I) / sum(part.n for part in net.populations.values()))
    for source, weight, receptor in (("E", w[0], "ex"), ("I", w[1], "inh")):
        for target in net.populations:
            wiring = FixedProbability(p, w=weight, delay=DT)
            net.projection(source, target, wiring, receptor=receptor)
    return net


def cuba(scale: float = 1.0, variant: str = "", **options: Any) -> Network:
    """Synaptic currents.  options: seed, backend, threads."""
    return _build(scale, LIFExp(**CUBA), CUBA_W, options)


def coba(scale: float = 1.0, variant: str = "", **options: Any) -> Network:
    """Synaptic conductances.  options: seed, backend, threads."""
    net = _build(scale, LIFCondExp(**COBA), COBA_W, options)
    for name, part in net.populations.items():
        part.g_ex = uniform(net, name, 0.0, COBA_G0[0], 1)
        part.g_inh = uniform(net, name, 0.0, COBA_G0[1], 2)
    return net


_SOURCE = "Vogels, Abbott 2005; Brette et al. 2007, benchmark {}"
_CHECKED = "Brian2 2.9, three networks of 4,000 neurons, 10 s each"
RECIPES = (
    Recipe(
        "cuba",
        "Balanced network with synaptic currents",
        _SOURCE.format(2),
        _CHECKED,
        cuba,
        expected={
            "": {"E": Expected(5.51, 0.716, 0.0007), "I": Expected(5.57, 0.706, 0.0004)},
        },
        holds=0.5,
    ),
    Recipe(
        "coba",
        "Balanced network with synaptic conductances",
        _SOURCE.format(1),
        _CHECKED,
        coba,
        expected={
            "": {"E": Expected(19.4, 1.79, 0.0016, 0.15), "I": Expected(19.5, 1.77, 0.0009, 0.15)},
        },
        holds=0.5,
    ),
)
