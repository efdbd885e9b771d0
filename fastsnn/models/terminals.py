# SPDX-License-Identifier: Apache-2.0
"""Short-term plasticity: what a presynaptic terminal releases, per spike and neuron."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from fastsnn.models.declare import Neuron, Param, Var
from fastsnn.models.language import exp, where


class Terminal(Neuron):
    """A model of the terminals of a projection, `Network.projection(short_term=...)`.

    Written as a neuron that takes its source's spikes as `i_syn`, 0 or 1, as they arrive; its
    variable `efficacy` multiplies the weight that a spike then delivers.
    """


class TsodyksMarkram(Terminal):
    """Depression by resources r that are used up, facilitation by a running utilisation u.

    At a spike u += u_0 * (1 - u), then efficacy = u * r and r -= u * r; in between
    dr/dt = (1 - r) / tau_rec, du/dt = -u / tau_facil (u = u_0 at every spike where tau_facil is 0).

    Exact between spikes.   Source: Tsodyks, Pawelzik, Markram 1998, eqs 2.2 and 2.4.
    """

    u_0 = Param(0.5, gt=0, le=1)
    tau_rec, tau_facil = Param(800.0, "ms", gt=0), Param(0.0, "ms", ge=0)
    u, r, efficacy = Var(), Var(init=1.0), Var()

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        tau_facil = torch.as_tensor(p.tau_facil, dtype=torch.float64)
        return {"decay_u": exp(-dt / tau_facil), "decay_r": exp(-dt / p.tau_rec)}

    def step(u, r, efficacy, i_syn, u_0, decay_u, decay_r):
        spike = i_syn > 0.0
        u = u * decay_u
        u = where(spike, u + u_0 * (1.0 - u), u)
        r = 1.0 + (r - 1.0) * decay_r
        efficacy = where(spike, u * r, efficacy)
        r = where(spike, r - efficacy, r)
        return u, r, efficacy, spike


__all__ = ["Terminal", "TsodyksMarkram"]
