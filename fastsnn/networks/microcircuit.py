# SPDX-License-Identifier: Apache-2.0
"""The cortical microcircuit of Potjans & Diesmann 2014: 77,169 neurons, 0.3 billion synapses.

Numbers in `microcircuit_data`.  The number of synapses between two populations is fixed, sources
and targets are drawn uniformly (multapses and autapses occur).  At a scale below 1, neurons and
their inputs shrink alike; weights grow by 1 / sqrt(scale), and a current makes up for the mean
input that this takes away, so that the rates stay (van Albada et al. 2015).
"""

from __future__ import annotations

import math
from typing import Any

from fastsnn.models.currents import LIFExp
from fastsnn.network import Network
from fastsnn.networks import microcircuit_data as data
from fastsnn.networks.recipe import Expected, Recipe, normal, size
from fastsnn.sparse import FixedTotalNumber, Normal, PoissonDrive

DT = 0.1  # ms
DRIVES = ("poisson", "dc")


def current_of_potential() -> float:
    """Peak current over the peak potential that it makes, pA/mV: about 585."""
    tau_m, tau_s = data.TAU_M, data.TAU_SYN
    ratio = tau_m / tau_s
    shape = ratio ** (tau_m / (tau_s - tau_m)) - ratio ** (tau_s / (tau_s - tau_m))
    return data.C_M * (tau_s - tau_m) / (tau_m * tau_s * shape)


def synapses(target: int, source: int) -> int:
    """Number of synapses at scale 1: so many random pairs join two neurons with probability p."""
    pairs, p = data.N[target] * data.N[source], data.P_CONNECTION[target][source]
    # not log1p: rounding as in the reference implementation gives its numbers
    return round(math.log(1.0 - p) / math.log(1.0 - 1.0 / pairs))


def weight(target: int, source: int) -> float:
    """Mean weight, pA."""
    names = data.POPULATIONS[target], data.POPULATIONS[source]
    psp = data.PSP_L4E_L23E if names == ("L23E", "L4E") else data.PSP
    return psp * current_of_potential() * (1.0 if names[1].endswith("E") else data.G)


def _compensation(target: int, fewer: float, poisson: bool) -> float:
    """Current, pA, of the input lost by fewer inputs (a factor) with stronger weights."""
    recurrent = sum(
        weight(target, s) * synapses(target, s) / data.N[target] * data.RATES[s]
        for s in range(len(data.N))
    )
    external = _external(target) if poisson else 0.0
    return (1.0 - math.sqrt(fewer)) * (1e-3 * data.TAU_SYN * recurrent + external)


def _external(target: int) -> float:
    """Mean current of the background, pA."""
    charge = data.PSP * current_of_potential() * data.TAU_SYN
    return 1e-3 * data.RATE_EXT * data.K_EXT[target] * charge


def microcircuit(
    scale: float = 1.0, variant: str = "poisson", inputs: float | None = None, **options: Any
) -> Network:
    """Build it.

    variant: background as "poisson" trains, or "dc", a constant current (silent at scales of 0.1
             and less, where nothing else kindles activity).
    inputs:  inputs of a neuron, as a factor; default: as scale.   options: seed, backend, threads.
    """
    fewer = min(1.0, scale) if inputs is None else inputs
    poisson = variant == "poisson"
    net = Network(dt=DT, **options)
    for k, name in enumerate(data.POPULATIONS):
        current = _compensation(k, fewer, poisson) + (0.0 if poisson else _external(k))
        model = LIFExp(
            v_rest=data.E_L, v_reset=data.V_RESET, v_thresh=data.V_THRESH, c_m=data.C_M,
            tau_m=data.TAU_M, tau_syn_ex=data.TAU_SYN, tau_syn_inh=data.TAU_SYN,
            t_refrac=data.T_REFRAC, i_offset=current,
        )  # fmt: skip
        net.population(name, model, size(data.N[k], scale))
        net.populations[name].v = normal(net, name, data.V0_MEAN[k], data.V0_SD[k])
        if poisson:
            w = data.PSP * current_of_potential() / math.sqrt(fewer)
            rate = data.RATE_EXT * data.K_EXT[k] * fewer
            net.drive(name, PoissonDrive(rate, w), receptor="ex")
    for t, target in enumerate(data.POPULATIONS):
        for s, source in enumerate(data.POPULATIONS):
            if (n := round(synapses(t, s) * scale * fewer)) > 0:
                _connect(net, source, target, n, weight(t, s) / math.sqrt(fewer))
    return net


def _connect(net: Network, source: str, target: str, n: int, w: float) -> None:
    """Join two populations by n synapses; both signs share a time constant, hence a receptor."""
    excites = w > 0.0
    mean = data.DELAY_E if excites else data.DELAY_I
    net.projection(
        source,
        target,
        FixedTotalNumber(
            n,
            w=Normal(w, data.W_SD * abs(w), **({"low": 0.0} if excites else {"high": 0.0})),
            delay=Normal(mean, data.DELAY_SD * mean, low=0.5 * DT),
        ),
        receptor="ex",
    )


_EXPECTED = {
    name: Expected(
        data.RATES[k],
        data.CV[k],
        data.CORRELATION[k],
        within=0.06 if name in ("L23E", "L6E") else 0.03,
    )
    for k, name in enumerate(data.POPULATIONS)
}
RECIPES = (
    Recipe(
        "microcircuit",
        "Cortical microcircuit",
        "Potjans, Diesmann 2014",
        "NEST at full scale (rates); recordings of Knight, Nowotny 2018 (CV, correlation)",
        microcircuit,
        time=10_000.0,
        variants=DRIVES,
        expected=dict.fromkeys(DRIVES, _EXPECTED),
    ),
)
