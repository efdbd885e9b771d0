# SPDX-License-Identifier: Apache-2.0
"""The network of "Polychronization": 1,000 neurons, delays up to 20 ms, STDP.

Every neuron has 100 targets; excitatory ones any neuron, with 5 synapses at each delay; inhibitory
ones excitatory neurons, after 1 ms.  Each ms one neuron gets a thalamic spike.  STDP changes the
derivative of a weight; each second the weight moves by it and by 0.01 mV, and the derivative falls
to nine tenths.
Source: Izhikevich 2006, "Polychronization: computation with spikes", and its program.
"""

from __future__ import annotations

from typing import Any

import torch

from fastsnn.inputs import Current
from fastsnn.models import Izhikevich2003, Param, Rule, Var
from fastsnn.models.language import over_batch
from fastsnn.network import Network
from fastsnn.networks.recipe import INITIAL, Expected, Recipe, size
from fastsnn.random import network_uniform, philox
from fastsnn.structured import Sparse

N_E, N_I, TARGETS, LONGEST = 800, 200, 100, 20  # LONGEST: ms
W_E, W_I, W_MAX = 6.0, -5.0, 10.0  # mV/ms
THALAMUS, V_REST = 20.0, -65.0  # mV/ms, mV
# numbers of draws, beside those of the initial state
_TARGETS, _THALAMUS = 1 << 20, 1 << 21


class DerivativeSTDP(Rule):
    """Pair STDP, nearest spikes of both sides, of a variable e beside the weight: its derivative.

    A postsynaptic spike adds a_plus * decay**k, k ms after the first step in which a presynaptic
    one could have caused it; a presynaptic one takes a_minus * decay**k, k ms after the target
    fired, where k = 0 is the step in which it arrives.  The order is that of the program, whose
    neurons fire at the beginning of a step: their spikes belong to the step before here.
    Each `interval` the weight moves by e + drift, and e falls to e * kept.
    """

    a_plus, a_minus = Param(0.1), Param(0.12)
    decay = Param(0.95)
    drift, kept = Param(0.01), Param(0.9)
    interval = Param(1000.0, "ms", gt=0)
    # p_minus: as it will be a step later
    p_plus, p_minus = Var(at="pre"), Var(at="post")
    e = Var(at="synapse")

    def learn(w, e, pre, post, p_plus, p_minus, a_plus, a_minus):
        ltp = over_batch(p_plus * post)
        ltd = over_batch(pre * p_minus)
        # the nearest spike of a target that fires now is this one
        now = over_batch(pre * post) - over_batch(pre * post * p_minus)
        e = e + (a_plus * ltp - a_minus * (ltd + now))
        return w, e

    def consolidate(w, e, drift, kept):
        return w + (e + drift), e * kept

    def advance_pre(p_plus, pre, decay):
        return p_plus * decay * (1.0 - pre) + pre

    def advance_post(p_minus, post, decay):
        return (p_minus * (1.0 - post) + post) * decay


def polychronization(scale: float = 1.0, variant: str = "", **options: Any) -> Network:
    """Build it.  scale: of the numbers of neurons.  options: seed, backend, threads."""
    net = Network(dt=1.0, **options)
    n_e, n_i = size(N_E, scale), size(N_I, scale)
    net.population("E", Izhikevich2003(a=0.02, b=0.2, c=-65.0, d=8.0, v_rest=V_REST), n_e)
    net.population("I", Izhikevich2003(a=0.1, b=0.2, c=-65.0, d=2.0, v_rest=V_REST), n_i)
    pre, post = _pairs(net.seed, n_e, n_e + n_i, _TARGETS)
    delay = torch.arange(TARGETS).repeat(n_e) * LONGEST // TARGETS + 1.0
    for target, first, last in (("E", 0, n_e), ("I", n_e, n_e + n_i)):
        mine = (post >= first) & (post < last)
        wiring = Sparse(
            torch.full((int(mine.sum()),), W_E), pre[mine], post[mine] - first, delay=delay[mine],
            multapses=True,
        )  # fmt: skip
        net.projection("E", target, wiring, rule=DerivativeSTDP(), w_min=0.0, w_max=W_MAX)
    pre, post = _pairs(net.seed, n_i, n_e, _TARGETS + 1)
    wiring = Sparse(torch.full((len(pre),), W_I), pre, post, multapses=True)
    net.projection("I", "E", wiring)
    return net


def _pairs(seed: int, n_pre: int, n_post: int, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """TARGETS random targets of every neuron, uniformly."""
    drawn = network_uniform(seed, (n_pre * TARGETS,), INITIAL, number)
    return torch.arange(n_pre).repeat_interleave(TARGETS), (drawn * n_post).long()


def _thalamus(net: Network, steps: int) -> dict[str, Any]:
    """One neuron each ms, whichever run the ms belongs to."""
    sizes = [p.n for p in net.populations.values()]
    index = torch.arange(net.step, net.step + steps)
    chosen = philox(net.seed, INITIAL, _THALAMUS, index)[0] * sum(sizes) >> 32
    current = torch.zeros(steps, sum(sizes))
    current[torch.arange(steps), chosen] = THALAMUS
    parts = current.split(sizes, dim=1)
    return {name: Current(c) for name, c in zip(net.populations, parts, strict=True)}


RECIPES = (
    Recipe(
        "polychronization",
        "Delays, STDP and polychronous groups",
        "Izhikevich 2006",
        "a transcription of the published program, 24 networks, 5 to 10 s",
        polychronization,
        warm_up=5_000.0,
        time=5_000.0,
        # within: three times the spread of those networks, 0.20 and 1.19 Hz
        expected={"": {"E": Expected(1.90, within=0.31), "I": Expected(8.24, within=0.43)}},
        inputs=_thalamus,
        plastic=("E->E", "E->I"),
    ),
)
