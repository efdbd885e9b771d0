# SPDX-License-Identifier: Apache-2.0
"""The network of Diehl & Cook (2015), ready-made."""

from __future__ import annotations

import fastsnn
from fastsnn import Network
from fastsnn.models import LIF, CompetitiveLIF, DiehlAndCook, Input, PostPre
from fastsnn.random import network_uniform


def diehl_and_cook(
    n_neurons: int = 100,
    *,
    n_input: int = 784,
    exc: float = 22.5,
    inh: float = 120.0,
    adapt: str = "all",
    theta_plus: float = 0.05,
    tau_theta: float = 1e7,
    nu_pre: float = 1e-4,
    nu_post: float = 1e-2,
    norm: float = 78.4,
    w_max: float = 1.0,
    dt: float = 1.0,
    batch_size: int = 1,
    seed: int = 0,
    device: str | None = None,
    backend: str = "auto",
    threads: int | None = None,
) -> Network:
    """Build input X -> excitatory Ae <-> inhibitory Ai, with STDP from X to Ae.

    Every spike of Ae makes its partner in Ai spike, which inhibits all others of Ae; an adaptive
    threshold keeps any neuron from always being first.

    exc, inh: weights Ae -> Ai and Ai -> Ae, mV; inh is taken as negative.
    adapt:    which of the neurons that reach their threshold in one step raise it: "all", or
              the "winner", whose spike is sent.

    Source: Diehl, Cook 2015, doi:10.3389/fncom.2015.00099, with current-based synapses as in
    BindsNET's DiehlAndCook2015.
    """
    net = Network(
        dt=dt, batch_size=batch_size, seed=seed, device=device, backend=backend, threads=threads
    )
    net.population("X", Input(), n=n_input, traces=True)
    excitatory = (CompetitiveLIF if adapt == "winner" else DiehlAndCook)(
        v_rest=-65.0,
        v_reset=-60.0,
        v_thresh=-52.0,
        t_refrac=5.0,
        tau_m=100.0,
        theta_plus=theta_plus,
        tau_theta=tau_theta,
    )
    inhibitory = LIF(v_rest=-60.0, v_reset=-45.0, v_thresh=-40.0, tau_m=10.0, t_refrac=2.0)
    net.population("Ae", excitatory, n=n_neurons, traces=True)
    net.population("Ai", inhibitory, n=n_neurons)
    net.projection(
        "X",
        "Ae",
        fastsnn.Dense(0.3 * network_uniform(seed, (n_input, n_neurons))),
        rule=PostPre(nu_pre=nu_pre, nu_post=nu_post),
        w_min=0.0,
        w_max=w_max,
        norm=norm,
    )
    net.projection("Ae", "Ai", fastsnn.OneToOne(exc))
    net.projection("Ai", "Ae", fastsnn.AllButOne(-inh))
    return net
