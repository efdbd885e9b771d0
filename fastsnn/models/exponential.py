# SPDX-License-Identifier: Apache-2.0
"""Adaptive exponential integrate-and-fire neurons (AdEx).

    c_m dv/dt = g_leak (v_rest - v) + g_leak delta_t exp((v - v_thresh) / delta_t) - w + I
    tau_w dw/dt = a (v - v_rest) - w,    with g_leak = c_m / tau_m

Where v reaches v_spike the neuron fires: v = v_reset, w = w + b.  It is then held at v_reset for
t_refrac / dt steps, to the nearest, while w and the synapses go on.
Units: ms, mV, pF, nS, pA.  `i_syn` is constant over a step.
Integration: classical Runge-Kutta of fourth order, one stage set a step, v above v_spike counting
as v_spike in it; synapses exact, at the times of the stages; at most one spike a step.
Source: Brette, Gerstner 2005; Naud, Marcille, Clopath, Gerstner 2008 (current-based).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fastsnn.models import propagators
from fastsnn.models.declare import Neuron, Param, Receptor, Var
from fastsnn.models.language import exp, minimum, where


class _AdEx(Neuron):
    """What all of them have."""

    v_thresh, v_rest, v_reset = Param(-50.4, "mV"), Param(-70.6, "mV"), Param(-70.6, "mV")
    v_spike, delta_t = Param(-40.0, "mV"), Param(2.0, "mV", gt=0)
    c_m, tau_m = Param(281.0, "pF", gt=0), Param(9.3667, "ms", gt=0)
    a, b, tau_w = Param(4.0, "nS"), Param(80.5, "pA"), Param(144.0, "ms", gt=0)
    tau_syn_ex, tau_syn_inh = Param(5.0, "ms", gt=0), Param(5.0, "ms", gt=0)
    t_refrac, i_offset = Param(0.0, "ms", ge=0), Param(0.0, "pA")
    v, w, refrac = Var("mV", init="v_rest"), Var("pA"), Var("")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            "g_leak": p.c_m / p.tau_m,
            "per_pa": dt / p.c_m,
            "per_w": dt / p.tau_w,
            "half_ex": propagators.decay(0.5 * dt, p.tau_syn_ex),
            "half_inh": propagators.decay(0.5 * dt, p.tau_syn_inh),
            "decay_ex": propagators.decay(dt, p.tau_syn_ex),
            "decay_inh": propagators.decay(dt, p.tau_syn_inh),
            "n_refrac": propagators.steps(p.t_refrac, dt),
        }


class _AdExCond(_AdEx):
    """With conductances."""

    e_rev_ex, e_rev_inh = Param(0.0, "mV"), Param(-80.0, "mV")
    ex, inh = Receptor("nS", sign=1), Receptor("nS", sign=1)


class AdExCondExp(_AdExCond):
    """AdEx with exponential conductances.  I = g_ex (e_rev_ex - v) + g_inh (e_rev_inh - v) + ..."""

    g_ex, g_inh = Var("nS"), Var("nS")

    def step(
        v, w, refrac, g_ex, g_inh, i_syn, ex, inh, g_leak, per_pa, per_w, half_ex,
        half_inh, decay_ex, decay_inh, n_refrac, v_thresh, v_rest, v_reset, v_spike,
        delta_t, a, b, e_rev_ex, e_rev_inh, i_offset,
    ):  # fmt: skip
        free = where(refrac > 0.0, 0.0, per_pa)
        i = i_offset + i_syn
        half_g_ex = g_ex * half_ex
        half_g_inh = g_inh * half_inh
        next_g_ex = g_ex * decay_ex
        next_g_inh = g_inh * decay_inh
        x = minimum(v, v_spike)
        s = g_ex * (e_rev_ex - x) + g_inh * (e_rev_inh - x) + i
        k1 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - w + s) * free
        l1 = (a * (x - v_rest) - w) * per_w
        x = minimum(v + 0.5 * k1, v_spike)
        y = w + 0.5 * l1
        s = half_g_ex * (e_rev_ex - x) + half_g_inh * (e_rev_inh - x) + i
        k2 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l2 = (a * (x - v_rest) - y) * per_w
        x = minimum(v + 0.5 * k2, v_spike)
        y = w + 0.5 * l2
        s = half_g_ex * (e_rev_ex - x) + half_g_inh * (e_rev_inh - x) + i
        k3 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l3 = (a * (x - v_rest) - y) * per_w
        x = minimum(v + k3, v_spike)
        y = w + l3
        s = next_g_ex * (e_rev_ex - x) + next_g_inh * (e_rev_inh - x) + i
        k4 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l4 = (a * (x - v_rest) - y) * per_w
        v = v + (k1 + 2.0 * (k2 + k3) + k4) * 0.16666667
        w = w + (l1 + 2.0 * (l2 + l3) + l4) * 0.16666667
        g_ex = next_g_ex + ex
        g_inh = next_g_inh + inh
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        spike = v >= v_spike
        v = where(spike, v_reset, v)
        w = where(spike, w + b, w)
        refrac = where(spike, n_refrac, refrac)
        return v, w, refrac, g_ex, g_inh, spike


class AdExCondAlpha(_AdExCond):
    """AdEx with alpha conductances, which peak at the weight, nS; dg_ex, dg_inh: their slopes."""

    g_ex, g_inh, dg_ex, dg_inh = Var("nS"), Var("nS"), Var("nS/ms"), Var("nS/ms")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            **_AdEx.constants(p, dt),
            "half_dt": 0.5 * dt,
            "rise_ex": propagators.rise(p.tau_syn_ex),
            "rise_inh": propagators.rise(p.tau_syn_inh),
        }

    def step(
        v, w, refrac, g_ex, g_inh, dg_ex, dg_inh, i_syn, ex, inh, g_leak, per_pa, per_w,
        half_dt, half_ex, half_inh, decay_ex, decay_inh, rise_ex, rise_inh, n_refrac,
        v_thresh, v_rest, v_reset, v_spike, delta_t, a, b, e_rev_ex, e_rev_inh, i_offset,
        dt,
    ):  # fmt: skip
        free = where(refrac > 0.0, 0.0, per_pa)
        i = i_offset + i_syn
        half_g_ex = (g_ex + dg_ex * half_dt) * half_ex
        half_g_inh = (g_inh + dg_inh * half_dt) * half_inh
        next_g_ex = (g_ex + dg_ex * dt) * decay_ex
        next_g_inh = (g_inh + dg_inh * dt) * decay_inh
        x = minimum(v, v_spike)
        s = g_ex * (e_rev_ex - x) + g_inh * (e_rev_inh - x) + i
        k1 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - w + s) * free
        l1 = (a * (x - v_rest) - w) * per_w
        x = minimum(v + 0.5 * k1, v_spike)
        y = w + 0.5 * l1
        s = half_g_ex * (e_rev_ex - x) + half_g_inh * (e_rev_inh - x) + i
        k2 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l2 = (a * (x - v_rest) - y) * per_w
        x = minimum(v + 0.5 * k2, v_spike)
        y = w + 0.5 * l2
        s = half_g_ex * (e_rev_ex - x) + half_g_inh * (e_rev_inh - x) + i
        k3 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l3 = (a * (x - v_rest) - y) * per_w
        x = minimum(v + k3, v_spike)
        y = w + l3
        s = next_g_ex * (e_rev_ex - x) + next_g_inh * (e_rev_inh - x) + i
        k4 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l4 = (a * (x - v_rest) - y) * per_w
        v = v + (k1 + 2.0 * (k2 + k3) + k4) * 0.16666667
        w = w + (l1 + 2.0 * (l2 + l3) + l4) * 0.16666667
        g_ex = next_g_ex
        dg_ex = dg_ex * decay_ex + ex * rise_ex
        g_inh = next_g_inh
        dg_inh = dg_inh * decay_inh + inh * rise_inh
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        spike = v >= v_spike
        v = where(spike, v_reset, v)
        w = where(spike, w + b, w)
        refrac = where(spike, n_refrac, refrac)
        return v, w, refrac, g_ex, g_inh, dg_ex, dg_inh, spike


class AdExExp(_AdEx):
    """AdEx with exponential currents.  I = i_ex + i_inh + i_offset + i_syn."""

    ex, inh = Receptor("pA"), Receptor("pA")
    i_ex, i_inh = Var("pA"), Var("pA")

    def step(
        v, w, refrac, i_ex, i_inh, i_syn, ex, inh, g_leak, per_pa, per_w, half_ex,
        half_inh, decay_ex, decay_inh, n_refrac, v_thresh, v_rest, v_reset, v_spike,
        delta_t, a, b, i_offset,
    ):  # fmt: skip
        free = where(refrac > 0.0, 0.0, per_pa)
        i = i_offset + i_syn
        half_i_ex = i_ex * half_ex
        half_i_inh = i_inh * half_inh
        next_i_ex = i_ex * decay_ex
        next_i_inh = i_inh * decay_inh
        x = minimum(v, v_spike)
        s = i_ex + i_inh + i
        k1 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - w + s) * free
        l1 = (a * (x - v_rest) - w) * per_w
        x = minimum(v + 0.5 * k1, v_spike)
        y = w + 0.5 * l1
        s = half_i_ex + half_i_inh + i
        k2 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l2 = (a * (x - v_rest) - y) * per_w
        x = minimum(v + 0.5 * k2, v_spike)
        y = w + 0.5 * l2
        s = half_i_ex + half_i_inh + i
        k3 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l3 = (a * (x - v_rest) - y) * per_w
        x = minimum(v + k3, v_spike)
        y = w + l3
        s = next_i_ex + next_i_inh + i
        k4 = (g_leak * (v_rest - x + delta_t * exp((x - v_thresh) / delta_t)) - y + s) * free
        l4 = (a * (x - v_rest) - y) * per_w
        v = v + (k1 + 2.0 * (k2 + k3) + k4) * 0.16666667
        w = w + (l1 + 2.0 * (l2 + l3) + l4) * 0.16666667
        i_ex = next_i_ex + ex
        i_inh = next_i_inh + inh
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        spike = v >= v_spike
        v = where(spike, v_reset, v)
        w = where(spike, w + b, w)
        refrac = where(spike, n_refrac, refrac)
        return v, w, refrac, i_ex, i_inh, spike


__all__ = ["AdExCondAlpha", "AdExCondExp", "AdExExp"]
