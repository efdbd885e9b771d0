# SPDX-License-Identifier: Apache-2.0
"""Neurons with ion channels (Hodgkin-Huxley).

Units: ms, mV, pF, nS, pA.  A step is two equal substeps, each staggered: the gates of the channels
move with the rates at v, then v with those gates and the exact means of the synaptic conductances;
of second order in dt.  Gates and v are relaxed by the approximation of 1 - exp(-x) that
`conductances` describes.  A step of 0.1 ms is the longest that follows an action potential well.
Source: Hodgkin, Huxley 1952; Hines 1984 (staggered steps).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from fastsnn.models import propagators
from fastsnn.models.declare import Neuron, Param, Receptor, Var
from fastsnn.models.language import abs, exp, minimum, where


def _linoid(x: Any) -> torch.Tensor:
    """x / (exp(x) - 1), and 1 at 0."""
    return torch.exp(-torch.as_tensor(x, dtype=torch.float64)) / propagators.phi(x)


def traub_miles(v: Any) -> dict[str, torch.Tensor]:
    """Gates m, h, n at equilibrium at v, mV above v_offset."""
    v = torch.as_tensor(v, dtype=torch.float64)
    alpha_m, beta_m = 1.28 * _linoid((13.0 - v) / 4.0), 1.4 * _linoid((v - 40.0) / 5.0)
    alpha_h, beta_h = 0.128 * torch.exp((17.0 - v) / 18.0), 4.0 / (1.0 + torch.exp((40.0 - v) / 5))
    alpha_n, beta_n = 0.16 * _linoid((15.0 - v) / 5.0), 0.5 * torch.exp((10.0 - v) / 40.0)
    return {
        "m_rest": alpha_m / (alpha_m + beta_m),
        "h_rest": alpha_h / (alpha_h + beta_h),
        "n_rest": alpha_n / (alpha_n + beta_n),
    }


class HHCondExp(Neuron):
    """Hodgkin-Huxley neuron of a hippocampal pyramidal cell, with exponential conductances.

        c_m dv/dt = g_leak (e_rev_leak - v) + g_na m^3 h (e_rev_na - v) + g_k n^4 (e_rev_k - v)
                    + g_ex (e_rev_ex - v) + g_inh (e_rev_inh - v) + i_offset + i_syn
        dm/dt = alpha_m (1 - m) - beta_m m,  and so for h, n

    The rates are those of Traub, Miles at v - v_offset.  It fires where v passes a maximum that is
    at least 30 mV above v_offset, not again within t_refrac; nothing is reset.
    Source: Traub, Miles 1991, as in Brette et al. 2007 (benchmark 3) and NEST.
    """

    v_offset = Param(-63.0, "mV")
    c_m = Param(200.0, "pF", gt=0)
    g_leak, g_na, g_k = Param(10.0, "nS"), Param(20000.0, "nS"), Param(6000.0, "nS")
    e_rev_leak, e_rev_na, e_rev_k = Param(-65.0, "mV"), Param(50.0, "mV"), Param(-90.0, "mV")
    tau_syn_ex, tau_syn_inh = Param(0.2, "ms", gt=0), Param(2.0, "ms", gt=0)
    e_rev_ex, e_rev_inh = Param(0.0, "mV"), Param(-80.0, "mV")
    t_refrac, i_offset = Param(2.0, "ms", ge=0), Param(0.0, "pA")
    ex, inh = Receptor("nS", sign=1), Receptor("nS", sign=1)
    v, refrac = Var("mV", init="e_rev_leak"), Var("")
    m, h, n_gate = Var("", init="m_rest"), Var("", init="h_rest"), Var("", init="n_rest")
    g_ex, g_inh = Var("nS"), Var("nS")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            **traub_miles(p.e_rev_leak - p.v_offset),
            "half_dt": 0.5 * dt,
            "per_pa": 0.5 * dt / p.c_m,
            "decay_ex": propagators.decay(0.5 * dt, p.tau_syn_ex),
            "decay_inh": propagators.decay(0.5 * dt, p.tau_syn_inh),
            "mean_ex": propagators.phi(0.5 * dt / p.tau_syn_ex),
            "mean_inh": propagators.phi(0.5 * dt / p.tau_syn_inh),
            "n_refrac": propagators.steps(p.t_refrac, dt),
        }

    def step(
        v, refrac, m, h, n_gate, g_ex, g_inh, i_syn, ex, inh, half_dt, per_pa, decay_ex, decay_inh,
        mean_ex, mean_inh, n_refrac, v_offset, g_leak, g_na, g_k, e_rev_leak, e_rev_na, e_rev_k,
        e_rev_ex, e_rev_inh, i_offset,
    ):  # fmt: skip
        before = v
        # substep 1
        u = v - v_offset
        x = (13.0 - u) * 0.25
        alpha = 1.28 * where(abs(x) < 0.1, 1.0 - x * (0.5 - x * 0.083333336), x / (exp(x) - 1.0))
        x = (u - 40.0) * 0.2
        rate = alpha + 1.4 * where(
            abs(x) < 0.1, 1.0 - x * (0.5 - x * 0.083333336), x / (exp(x) - 1.0)
        )
        x = rate * half_dt
        m = m + (alpha - rate * m) * half_dt / (1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5)))
        alpha = 0.128 * exp((17.0 - u) * 0.055555556)
        rate = alpha + 4.0 / (1.0 + exp((40.0 - u) * 0.2))
        x = rate * half_dt
        h = h + (alpha - rate * h) * half_dt / (1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5)))
        x = (15.0 - u) * 0.2
        alpha = 0.16 * where(abs(x) < 0.1, 1.0 - x * (0.5 - x * 0.083333336), x / (exp(x) - 1.0))
        rate = alpha + 0.5 * exp((10.0 - u) * 0.025)
        x = rate * half_dt
        n_gate = n_gate + (alpha - rate * n_gate) * half_dt / (
            1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5))
        )
        na = g_na * (m * m * m * h)
        k = g_k * ((n_gate * n_gate) * (n_gate * n_gate))
        g_e = g_ex * mean_ex
        g_i = g_inh * mean_inh
        i = g_leak * (e_rev_leak - v) + na * (e_rev_na - v) + k * (e_rev_k - v)
        i = i + (g_e * (e_rev_ex - v) + g_i * (e_rev_inh - v)) + (i_offset + i_syn)
        x = (g_leak + na + k + g_e + g_i) * per_pa
        v = v + i * per_pa / (1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5)))
        g_ex = g_ex * decay_ex
        g_inh = g_inh * decay_inh
        # substep 2
        u = v - v_offset
        x = (13.0 - u) * 0.25
        alpha = 1.28 * where(abs(x) < 0.1, 1.0 - x * (0.5 - x * 0.083333336), x / (exp(x) - 1.0))
        x = (u - 40.0) * 0.2
        rate = alpha + 1.4 * where(
            abs(x) < 0.1, 1.0 - x * (0.5 - x * 0.083333336), x / (exp(x) - 1.0)
        )
        x = rate * half_dt
        m = m + (alpha - rate * m) * half_dt / (1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5)))
        alpha = 0.128 * exp((17.0 - u) * 0.055555556)
        rate = alpha + 4.0 / (1.0 + exp((40.0 - u) * 0.2))
        x = rate * half_dt
        h = h + (alpha - rate * h) * half_dt / (1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5)))
        x = (15.0 - u) * 0.2
        alpha = 0.16 * where(abs(x) < 0.1, 1.0 - x * (0.5 - x * 0.083333336), x / (exp(x) - 1.0))
        rate = alpha + 0.5 * exp((10.0 - u) * 0.025)
        x = rate * half_dt
        n_gate = n_gate + (alpha - rate * n_gate) * half_dt / (
            1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5))
        )
        na = g_na * (m * m * m * h)
        k = g_k * ((n_gate * n_gate) * (n_gate * n_gate))
        g_e = g_ex * mean_ex
        g_i = g_inh * mean_inh
        i = g_leak * (e_rev_leak - v) + na * (e_rev_na - v) + k * (e_rev_k - v)
        i = i + (g_e * (e_rev_ex - v) + g_i * (e_rev_inh - v)) + (i_offset + i_syn)
        x = (g_leak + na + k + g_e + g_i) * per_pa
        v = v + i * per_pa / (1.0 + x * (0.5 + minimum(x * 0.083333336, 0.5)))
        g_ex = g_ex * decay_ex
        g_inh = g_inh * decay_inh
        g_ex = g_ex + ex
        g_inh = g_inh + inh
        spike = (refrac <= 0.0) & (before > v) & (v >= v_offset + 30.0)
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        refrac = where(spike, n_refrac, refrac)
        return v, refrac, m, h, n_gate, g_ex, g_inh, spike


__all__ = ["HHCondExp"]
