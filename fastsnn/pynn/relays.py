# SPDX-License-Identifier: Apache-2.0
"""Neurons between a source and its targets: synapses that fail, and delays of axons."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from fastsnn.models.declare import Neuron, Param, Var
from fastsnn.models.language import exp, rand, where


class Relay(Neuron):
    """Passes a spike on, in the step in which it comes, with probability p."""

    p = Param(0.5, ge=0, le=1)

    def step(i_syn, p):
        spike = (i_syn > 0.0) & (rand() < p)
        return spike


class ReleaseSite(Neuron):
    """Passes a spike on by a vesicle that has to be replaced; it is released with probability u.

    At a spike u += u_0 * (1 - u); in between du/dt = -u / tau_facil (u = u_0 at every spike where
    tau_facil is 0), and an empty site (r = 0) is filled again with rate 1 / tau_rec.

    Source: Fuhrmann, Segev, Markram, Tsodyks 2002, "Coding of temporal information by
    activity-dependent synapses": on average TsodyksMarkram.
    """

    u_0 = Param(0.5, gt=0, le=1)
    tau_rec, tau_facil = Param(800.0, "ms", gt=0), Param(0.0, "ms", ge=0)
    u, r = Var(), Var(init=1.0)

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        tau_facil = torch.as_tensor(p.tau_facil, dtype=torch.float64)
        return {"decay_u": exp(-dt / tau_facil), "p_empty": exp(-dt / p.tau_rec)}

    def step(u, r, i_syn, u_0, decay_u, p_empty):
        came = i_syn > 0.0
        u = u * decay_u
        u = where(came, u + u_0 * (1.0 - u), u)
        r = where(rand() < p_empty, r, 1.0)
        spike = came & (r > 0.0) & (rand() < u)
        r = where(spike, 0.0, r)
        return u, r, spike


__all__ = ["Relay", "ReleaseSite"]
