# SPDX-License-Identifier: Apache-2.0
"""Competitive learning: neurons whose inputs compete through additive STDP.

1,000 excitatory Poisson inputs learn, 200 inhibitory ones do not.  Weights start at random and end
near their bounds, so that the neuron fires irregularly at a moderate rate, whatever the rate of
its inputs.  At scale 1 there are ten target neurons, which share inputs and differ in their initial
weights.
Source: Song, Miller, Abbott 2000.
"""

from __future__ import annotations

from typing import Any

from fastsnn.connectivity import Dense
from fastsnn.inputs import Poisson
from fastsnn.models import Input, LIFCondExp, PostPre
from fastsnn.network import Network
from fastsnn.networks.recipe import INITIAL, Expected, Recipe, size
from fastsnn.random import network_uniform

DT = 1.0  # ms
N_E, N_I, N_POST = 1000, 200, 10
RATE_E, RATE_I = 15.0, 10.0  # Hz
G_LEAK = 10.0  # nS; conductances of the paper are in units of it
G_MAX, G_INH = 0.015 * G_LEAK, 0.05 * G_LEAK  # nS
NEURON = {
    "v_rest": -70.0, "v_reset": -60.0, "v_thresh": -54.0, "tau_m": 20.0, "c_m": 20.0 * G_LEAK,
    "tau_syn_ex": 5.0, "tau_syn_inh": 5.0, "e_rev_ex": 0.0, "e_rev_inh": -70.0, "t_refrac": 0.0,
}  # fmt: skip
A_PLUS, A_RATIO, TAU = 0.005, 1.05, 20.0  # of G_MAX; depression over potentiation; ms


def song_miller_abbott(scale: float = 1.0, variant: str = "", **options: Any) -> Network:
    """Build it.  options: seed, backend, threads."""
    net = Network(dt=DT, **options)
    traces = {"traces": True, "traces_additive": True, "tau_trace": TAU}
    net.population("exc", Input(), N_E, **traces)
    net.population("inh", Input(), N_I)
    post = net.population("post", LIFCondExp(**NEURON), size(N_POST, scale), **traces)
    w = G_MAX * network_uniform(net.seed, (N_E, post.n), INITIAL, 0)
    rule = PostPre(nu_post=A_PLUS * G_MAX, nu_pre=A_RATIO * A_PLUS * G_MAX)
    net.projection("exc", "post", Dense(w), receptor="ex", rule=rule, w_min=0.0, w_max=G_MAX)
    net.projection("inh", "post", Dense(G_INH), receptor="inh")
    return net


def _inputs(net: Network, steps: int) -> dict[str, Any]:
    return {"exc": Poisson([RATE_E] * N_E), "inh": Poisson([RATE_I] * N_I)}


RECIPES = (
    Recipe(
        "song-miller-abbott",
        "Competition through STDP",
        "Song, Miller, Abbott 2000",
        "the paper: weights end near their bounds",
        song_miller_abbott,
        warm_up=200_000.0,
        time=100_000.0,
        expected={"": {"exc": Expected(RATE_E), "inh": Expected(RATE_I)}},
        plastic=("exc->post",),
        inputs=_inputs,
    ),
)
