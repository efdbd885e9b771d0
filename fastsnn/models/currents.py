# SPDX-License-Identifier: Apache-2.0
"""Leaky integrate-and-fire neurons with synaptic currents, integrated exactly.

    c_m dv/dt = c_m / tau_m (v_rest - v) + i_ex + i_inh + i_offset + i_syn

Units: ms, mV, pF, pA.  `i_syn` (external currents, projections without a receptor) is constant
over a step.  Order of a step: v moves with the currents of its beginning; they decay; what arrives
is added to them; the threshold is tested.  A neuron that fired is held at v_reset for
t_refrac / dt steps, to the nearest, while its currents go on.
Source: Rotter, Diesmann 1999; Diesmann, Gewaltig, Rotter, Aertsen 2001; the order is that of NEST.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fastsnn.models import propagators
from fastsnn.models.declare import Neuron, Param, Receptor, Var
from fastsnn.models.language import where


class LIFDelta(Neuron):
    """LIF whose membrane jumps by the weight, mV, of every spike that arrives.

    What arrives at a refractory neuron is lost.
    """

    v_thresh, v_rest, v_reset = Param(-50.0, "mV"), Param(-65.0, "mV"), Param(-65.0, "mV")
    c_m, tau_m = Param(250.0, "pF", gt=0), Param(10.0, "ms", gt=0)
    t_refrac, i_offset = Param(2.0, "ms", ge=0), Param(0.0, "pA")
    ex, inh = Receptor("mV"), Receptor("mV")
    v, refrac = Var("mV", init="v_rest"), Var("")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            "leak": propagators.leak(dt, p.tau_m),
            "per_pa": propagators.leak(dt, p.tau_m) * p.tau_m / p.c_m,
            "n_refrac": propagators.steps(p.t_refrac, dt),
        }

    def step(
        v, refrac, i_syn, ex, inh, leak, per_pa, n_refrac, v_thresh, v_rest, v_reset, i_offset
    ):  # fmt: skip
        moved = v + ((v_rest - v) * leak + (i_offset + i_syn) * per_pa) + (ex + inh)
        v = where(refrac > 0.0, v, moved)
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        spike = v >= v_thresh
        v = where(spike, v_reset, v)
        refrac = where(spike, n_refrac, refrac)
        return v, refrac, spike


class _Currents(Neuron):
    """What those with currents that decay have."""

    v_thresh, v_rest, v_reset = Param(-50.0, "mV"), Param(-65.0, "mV"), Param(-65.0, "mV")
    c_m, tau_m = Param(250.0, "pF", gt=0), Param(10.0, "ms", gt=0)
    tau_syn_ex, tau_syn_inh = Param(2.0, "ms", gt=0), Param(2.0, "ms", gt=0)
    t_refrac, i_offset = Param(2.0, "ms", ge=0), Param(0.0, "pA")
    ex, inh = Receptor("pA"), Receptor("pA")
    v, refrac = Var("mV", init="v_rest"), Var("")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            "leak": propagators.leak(dt, p.tau_m),
            "per_pa": propagators.leak(dt, p.tau_m) * p.tau_m / p.c_m,
            "decay_ex": propagators.decay(dt, p.tau_syn_ex),
            "decay_inh": propagators.decay(dt, p.tau_syn_inh),
            "from_ex": propagators.from_exponential(dt, p.tau_m, p.tau_syn_ex, p.c_m),
            "from_inh": propagators.from_exponential(dt, p.tau_m, p.tau_syn_inh, p.c_m),
            "n_refrac": propagators.steps(p.t_refrac, dt),
        }


class LIFExp(_Currents):
    """LIF with exponential currents: a spike adds its weight, pA, to a current that decays."""

    i_ex, i_inh = Var("pA"), Var("pA")

    def step(
        v, refrac, i_ex, i_inh, i_syn, ex, inh, leak, per_pa, decay_ex, decay_inh, from_ex,
        from_inh, n_refrac, v_thresh, v_rest, v_reset, i_offset,
    ):  # fmt: skip
        synaptic = i_ex * from_ex + i_inh * from_inh
        moved = v + ((v_rest - v) * leak + (i_offset + i_syn) * per_pa + synaptic)
        v = where(refrac > 0.0, v, moved)
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        i_ex = i_ex * decay_ex + ex
        i_inh = i_inh * decay_inh + inh
        spike = v >= v_thresh
        v = where(spike, v_reset, v)
        refrac = where(spike, n_refrac, refrac)
        return v, refrac, i_ex, i_inh, spike


class LIFAlpha(_Currents):
    """LIF with alpha currents w t/tau exp(1 - t/tau), which peak at the weight w, pA, after tau.

    di_ex, di_inh: slopes with which the currents rise, pA/ms.
    """

    i_ex, i_inh, di_ex, di_inh = Var("pA"), Var("pA"), Var("pA/ms"), Var("pA/ms")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            **_Currents.constants(p, dt),
            "slope_ex": propagators.from_slope(dt, p.tau_m, p.tau_syn_ex, p.c_m),
            "slope_inh": propagators.from_slope(dt, p.tau_m, p.tau_syn_inh, p.c_m),
            "rise_ex": propagators.rise(p.tau_syn_ex),
            "rise_inh": propagators.rise(p.tau_syn_inh),
        }

    def step(
        v, refrac, i_ex, i_inh, di_ex, di_inh, i_syn, ex, inh, leak, per_pa, decay_ex, decay_inh,
        from_ex, from_inh, slope_ex, slope_inh, rise_ex, rise_inh, n_refrac, v_thresh, v_rest,
        v_reset, i_offset, dt,
    ):  # fmt: skip
        synaptic = (i_ex * from_ex + di_ex * slope_ex) + (i_inh * from_inh + di_inh * slope_inh)
        moved = v + ((v_rest - v) * leak + (i_offset + i_syn) * per_pa + synaptic)
        v = where(refrac > 0.0, v, moved)
        refrac = where(refrac > 0.0, refrac - 1.0, 0.0)
        i_ex = (i_ex + di_ex * dt) * decay_ex
        i_inh = (i_inh + di_inh * dt) * decay_inh
        di_ex = di_ex * decay_ex + ex * rise_ex
        di_inh = di_inh * decay_inh + inh * rise_inh
        spike = v >= v_thresh
        v = where(spike, v_reset, v)
        refrac = where(spike, n_refrac, refrac)
        return v, refrac, i_ex, i_inh, di_ex, di_inh, spike


__all__ = ["LIFAlpha", "LIFDelta", "LIFExp"]
