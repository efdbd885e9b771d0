# SPDX-License-Identifier: Apache-2.0
"""Leaky integrate-and-fire neurons with synaptic conductances.

    c_m dv/dt = c_m / tau_m (v_rest - v) + g_ex (e_rev_ex - v) + g_inh (e_rev_inh - v)
                + i_offset + i_syn

Units: ms, mV, pF, nS, pA; weights of both receptors are conductances, nS, none negative.

The conductances are exact.  The membrane moves with their exact means over the step, towards the
voltage where all currents cancel, by 1 - exp(-x) with x = dt g / c_m: of second order in dt and
stable at any x.  1 - exp(-x) is x / (1 + x/2 + x^2/12), a Pade approximant (relative error below
x^4/720), so that every backend gives the same bits; beyond x = 6, where that would fall again, it
is x / (1 + x).  It never overshoots.
Order of a step and refractoriness: as in `currents`, and as in NEST.
Source: Destexhe, Mainen, Sejnowski 1998; Vogels, Abbott 2005;
Hochbruck, Ostermann 2010 (exponential integrators).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fastsnn.models import propagators
from fastsnn.models.declare import Neuron, Param, Receptor, Var
from fastsnn.models.language import minimum, where


class _LIFCond(Neuron):
    """What both have."""

    v_thresh, v_rest, v_reset = Param(-50.0, "mV"), Param(-65.0, "mV"), Param(-65.0, "mV")
    c_m, tau_m = Param(250.0, "pF", gt=0), Param(20.0, "ms", gt=0)
    tau_syn_ex, tau_syn_inh = Param(5.0, "ms", gt=0), Param(5.0, "ms", gt=0)
    e_rev_ex, e_rev_inh = Param(0.0, "mV"), Param(-70.0, "mV")
    t_refrac, i_offset = Param(2.0, "ms", ge=0), Param(0.0, "pA")
    ex, inh = Receptor("nS", sign=1), Receptor("nS", sign=1)
    v, refrac = Var("mV", init="v_rest"), Var("")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            "g_leak": p.c_m / p.tau_m,
            "per_pa": dt / p.c_m,
            "decay_ex": propagators.decay(dt, p.tau_syn_ex),
            "decay_inh": propagators.decay(dt, p.tau_syn_inh),
            "mean_ex": propagators.phi(dt / p.tau_syn_ex),
            "mean_inh": propagators.phi(dt / p.tau_syn_inh),
            "n_refrac": propagators.steps(p.t_refrac, dt),
        }


class LIFCondExp(_LIFCond):
    """LIF with exponential conductances: a spike adds its weight, nS, to one that decays."""

    g_ex, g_inh = Var("nS"), Var("nS")

    def step(
        v, refrac, g_ex, g_inh, i_syn, ex, inh, g_leak, per_pa, decay_ex, decay_inh, mean_ex,
        mean_inh, n_refrac, v_thresh, v_rest, v_reset, e_rev_ex, e_rev_inh, i_offset,
    ):  # fmt: skip
        g_e = g_ex * mean_ex
        g_i = g_inh * mean_inh
        i = g_leak * (v_rest - v) + g_e * (e_rev_ex - v) + g_i * (e_rev_inh - v)
        x = (g_leak + g_e + g_i) * per_pa
        moved = v + (i + (i_offset + i_syn)) * per_pa / (
            1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5))
        )
        v = where(refrac > 0.0, v, moved)
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        g_ex = g_ex * decay_ex + ex
        g_inh = g_inh * decay_inh + inh
        spike = v >= v_thresh
        v = where(spike, v_reset, v)
        refrac = where(spike, n_refrac, refrac)
        return v, refrac, g_ex, g_inh, spike


class LIFCondAlpha(_LIFCond):
    """LIF with alpha conductances w t/tau exp(1 - t/tau), which peak at the weight w, nS.

    dg_ex, dg_inh: slopes with which the conductances rise, nS/ms.
    """

    tau_syn_ex, tau_syn_inh = Param(0.5, "ms", gt=0), Param(2.0, "ms", gt=0)
    g_ex, g_inh, dg_ex, dg_inh = Var("nS"), Var("nS"), Var("nS/ms"), Var("nS/ms")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            **_LIFCond.constants(p, dt),
            "slope_ex": dt * propagators.psi(dt / p.tau_syn_ex),
            "slope_inh": dt * propagators.psi(dt / p.tau_syn_inh),
            "rise_ex": propagators.rise(p.tau_syn_ex),
            "rise_inh": propagators.rise(p.tau_syn_inh),
        }

    def step(
        v, refrac, g_ex, g_inh, dg_ex, dg_inh, i_syn, ex, inh, g_leak, per_pa, decay_ex, decay_inh,
        mean_ex, mean_inh, slope_ex, slope_inh, rise_ex, rise_inh, n_refrac, v_thresh, v_rest,
        v_reset, e_rev_ex, e_rev_inh, i_offset, dt,
    ):  # fmt: skip
        g_e = g_ex * mean_ex + dg_ex * slope_ex
        g_i = g_inh * mean_inh + dg_inh * slope_inh
        i = g_leak * (v_rest - v) + g_e * (e_rev_ex - v) + g_i * (e_rev_inh - v)
        x = (g_leak + g_e + g_i) * per_pa
        moved = v + (i + (i_offset + i_syn)) * per_pa / (
            1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5))
        )
        v = where(refrac > 0.0, v, moved)
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        g_ex = (g_ex + dg_ex * dt) * decay_ex
        g_inh = (g_inh + dg_inh * dt) * decay_inh
        dg_ex = dg_ex * decay_ex + ex * rise_ex
        dg_inh = dg_inh * decay_inh + inh * rise_inh
        spike = v >= v_thresh
        v = where(spike, v_reset, v)
        refrac = where(spike, n_refrac, refrac)
        return v, refrac, g_ex, g_inh, dg_ex, dg_inh, spike


class LIFCondExpSfaRr(_LIFCond):
    """LIF with exponential conductances, and two of its own that every spike raises.

    g_sfa, which decays slowly, adapts the rate; g_rr, large and fast, makes the neuron relatively
    refractory:  c_m dv/dt = ... + g_sfa (e_rev_sfa - v) + g_rr (e_rev_rr - v).
    Source: Muller, Buesing, Schemmel, Meier 2007, "Spike-frequency adapting neural ensembles".
    """

    v_thresh, v_rest, v_reset = Param(-57.0, "mV"), Param(-70.0, "mV"), Param(-70.0, "mV")
    c_m, tau_m = Param(289.5, "pF", gt=0), Param(10.0, "ms", gt=0)
    tau_syn_ex, tau_syn_inh = Param(1.5, "ms", gt=0), Param(10.0, "ms", gt=0)
    e_rev_inh, t_refrac = Param(-75.0, "mV"), Param(0.5, "ms", ge=0)
    tau_sfa, tau_rr = Param(110.0, "ms", gt=0), Param(1.97, "ms", gt=0)
    e_rev_sfa, e_rev_rr = Param(-70.0, "mV"), Param(-70.0, "mV")
    q_sfa, q_rr = Param(14.48, "nS", ge=0), Param(3214.0, "nS", ge=0)
    g_ex, g_inh, g_sfa, g_rr = Var("nS"), Var("nS"), Var("nS"), Var("nS")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            **_LIFCond.constants(p, dt),
            "decay_sfa": propagators.decay(dt, p.tau_sfa),
            "decay_rr": propagators.decay(dt, p.tau_rr),
            "mean_sfa": propagators.phi(dt / p.tau_sfa),
            "mean_rr": propagators.phi(dt / p.tau_rr),
        }

    def step(
        v, refrac, g_ex, g_inh, g_sfa, g_rr, i_syn, ex, inh, g_leak, per_pa, decay_ex, decay_inh,
        decay_sfa, decay_rr, mean_ex, mean_inh, mean_sfa, mean_rr, n_refrac, v_thresh, v_rest,
        v_reset, e_rev_ex, e_rev_inh, e_rev_sfa, e_rev_rr, q_sfa, q_rr, i_offset,
    ):  # fmt: skip
        g_e = g_ex * mean_ex
        g_i = g_inh * mean_inh
        g_s = g_sfa * mean_sfa
        g_r = g_rr * mean_rr
        i = g_leak * (v_rest - v) + g_e * (e_rev_ex - v) + g_i * (e_rev_inh - v)
        i = i + g_s * (e_rev_sfa - v) + g_r * (e_rev_rr - v)
        x = (g_leak + g_e + g_i + g_s + g_r) * per_pa
        moved = v + (i + (i_offset + i_syn)) * per_pa / (
            1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5))
        )
        v = where(refrac > 0.0, v, moved)
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        g_ex = g_ex * decay_ex + ex
        g_inh = g_inh * decay_inh + inh
        spike = v >= v_thresh
        v = where(spike, v_reset, v)
        refrac = where(spike, n_refrac, refrac)
        g_sfa = g_sfa * decay_sfa + where(spike, q_sfa, 0.0)
        g_rr = g_rr * decay_rr + where(spike, q_rr, 0.0)
        return v, refrac, g_ex, g_inh, g_sfa, g_rr, spike


__all__ = ["LIFCondAlpha", "LIFCondExp", "LIFCondExpSfaRr"]
