# SPDX-License-Identifier: Apache-2.0
"""Neuron models.  Units: ms, mV; input adds to the membrane potential in mV a step.

The order of the operations inside a step is that of BindsNET, so that results agree with it.
Refractoriness blocks the input, not the threshold.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from fastsnn.models.declare import Choice, Neuron, Param, Var
from fastsnn.models.language import dot, exp, maximum, over_batch, rand, where

_NO_BOUND = -torch.inf


class Input(Neuron):
    """Spikes given from outside, see `fastsnn.inputs`."""

    is_input = True

    def step(i_syn):
        spike = i_syn != 0.0
        return spike


class McCullochPitts(Neuron):
    """Threshold unit without memory.  Source: McCulloch, Pitts 1943."""

    v_thresh = Param(1.0, "mV")
    v = Var("mV")

    def step(i_syn, v_thresh):
        v = i_syn + 0.0
        spike = v >= v_thresh
        return v, spike


class IF(Neuron):
    """Integrate-and-fire without leak: dv/dt = input.

    lbound: lowest value of v, mV; None: no bound.
    """

    v_thresh, v_reset = Param(-52.0, "mV"), Param(-65.0, "mV")
    t_refrac = Param(5.0, "ms", ge=0)
    lbound = Param(None, "mV", absent=_NO_BOUND)
    v, refrac = Var("mV", init="v_reset"), Var("ms")

    def step(v, refrac, i_syn, v_thresh, v_reset, t_refrac, lbound, dt):
        v = v + where(refrac <= 0.0, i_syn, 0.0)
        refrac = refrac - dt
        spike = v >= v_thresh
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, v_reset, v)
        v = maximum(v, lbound)
        return v, refrac, spike


class SubtractiveIF(Neuron):
    """Integrate-and-fire whose threshold is subtracted at a spike; used for converted ANNs.

    Source: Rueckauer et al. 2017, reset by subtraction.
    """

    v_thresh, v_reset = Param(-52.0, "mV"), Param(-65.0, "mV")
    t_refrac = Param(5.0, "ms", ge=0)
    lbound = Param(None, "mV", absent=_NO_BOUND)
    v, refrac = Var("mV", init="v_reset"), Var("ms")

    def step(v, refrac, i_syn, v_thresh, t_refrac, lbound, dt):
        v = v + where(refrac == 0.0, i_syn, 0.0)
        refrac = where(refrac > 0.0, refrac - dt, 0.0)
        spike = v >= v_thresh
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, v - v_thresh, v)
        v = maximum(v, lbound)
        return v, refrac, spike


class LIF(Neuron):
    """Leaky integrate-and-fire, exact between inputs: tau_m dv/dt = v_rest - v; input jumps v."""

    v_thresh, v_rest, v_reset = Param(-52.0, "mV"), Param(-65.0, "mV"), Param(-65.0, "mV")
    t_refrac, tau_m = Param(5.0, "ms", ge=0), Param(100.0, "ms", gt=0)
    lbound = Param(None, "mV", absent=_NO_BOUND)
    v, refrac = Var("mV", init="v_rest"), Var("ms")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"decay": exp(-dt / p.tau_m)}

    def step(v, refrac, i_syn, decay, v_thresh, v_rest, v_reset, t_refrac, lbound, dt):
        v = decay * (v - v_rest) + v_rest
        i_syn = where(refrac > 0.0, 0.0, i_syn)
        refrac = refrac - dt
        v = v + i_syn
        spike = v >= v_thresh
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, v_reset, v)
        v = maximum(v, lbound)
        return v, refrac, spike, i_syn


class BoostedLIF(Neuron):
    """LIF with rest and reset at zero and no lower bound: the cheapest leaky neuron."""

    v_thresh = Param(13.0, "mV")
    t_refrac, tau_m = Param(5.0, "ms", ge=0), Param(100.0, "ms", gt=0)
    v, refrac = Var("mV"), Var("ms")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"decay": exp(-dt / p.tau_m)}

    def step(v, refrac, i_syn, decay, v_thresh, t_refrac, dt):
        v = v * decay
        i_syn = where(refrac > 0.0, 0.0, i_syn)
        refrac = refrac - dt
        v = v + i_syn
        spike = v >= v_thresh
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, 0.0, v)
        return v, refrac, spike, i_syn


class CurrentLIF(Neuron):
    """LIF with an exponentially decaying synaptic current i, exact between inputs.

    Blocked for one step less than the other models after a spike (refrac counts down first).
    """

    v_thresh, v_rest, v_reset = Param(-52.0, "mV"), Param(-65.0, "mV"), Param(-65.0, "mV")
    t_refrac, tau_m = Param(5.0, "ms", ge=0), Param(100.0, "ms", gt=0)
    tau_i = Param(2.0, "ms", gt=0)
    lbound = Param(None, "mV", absent=_NO_BOUND)
    v, refrac, i = Var("mV", init="v_rest"), Var("ms"), Var("mV")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"decay": exp(-dt / p.tau_m), "decay_i": exp(-dt / p.tau_i)}

    def step(v, refrac, i, i_syn, decay, decay_i, v_thresh, v_rest, v_reset, t_refrac, lbound, dt):
        v = decay * (v - v_rest) + v_rest
        i = i * decay_i
        refrac = refrac - dt
        i = i + i_syn
        v = v + where(refrac <= 0.0, i, 0.0)
        spike = v >= v_thresh
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, v_reset, v)
        v = maximum(v, lbound)
        return v, refrac, i, spike


class AdaptiveLIF(Neuron):
    """LIF whose threshold v_thresh + theta rises by theta_plus at a spike and decays slowly.

    theta is shared by the batch, kept by reset, and frozen while the network does not learn.
    Source: Diehl, Cook 2015, section 2.4 (homoeostasis).
    """

    v_thresh, v_rest, v_reset = Param(-52.0, "mV"), Param(-65.0, "mV"), Param(-65.0, "mV")
    t_refrac, tau_m = Param(5.0, "ms", ge=0), Param(100.0, "ms", gt=0)
    theta_plus, tau_theta = Param(0.05, "mV"), Param(1e7, "ms", gt=0)
    lbound = Param(None, "mV", absent=_NO_BOUND)
    v, refrac = Var("mV", init="v_rest"), Var("ms")
    theta = Var("mV", shared=True)

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"decay": exp(-dt / p.tau_m), "decay_theta": exp(-dt / p.tau_theta)}

    def step(
        v, refrac, theta, i_syn, learning,
        decay, decay_theta, v_thresh, v_rest, v_reset, t_refrac, theta_plus, lbound, dt,
    ):  # fmt: skip
        v = decay * (v - v_rest) + v_rest
        theta = where(learning, theta * decay_theta, theta)
        v = v + where(refrac <= 0.0, i_syn, 0.0)
        refrac = refrac - dt
        spike = v >= v_thresh + theta
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, v_reset, v)
        v = maximum(v, lbound)
        theta = where(learning, theta + theta_plus * over_batch(spike), theta)
        return v, refrac, theta, spike


class DiehlAndCook(AdaptiveLIF):
    """Adaptive LIF of which at most one neuron of a population spikes a step, drawn at random.

    All candidates are reset, refractory and adapt; only the winner's spike is sent and traced.
    Source: Diehl, Cook 2015.
    """

    one_spike = True


class CompetitiveLIF(AdaptiveLIF):
    """Like `DiehlAndCook`, but only the spike that is sent raises a threshold, a step later.

    Neurons that lose every draw keep a low threshold and win at last, so that a large population
    leaves none of its neurons unused.
    """

    one_spike = True

    def step(
        v, refrac, theta, i_syn, spike, learning,
        decay, decay_theta, v_thresh, v_rest, v_reset, t_refrac, theta_plus, lbound, dt,
    ):  # fmt: skip
        theta = where(learning, theta * decay_theta + theta_plus * over_batch(spike), theta)
        v = decay * (v - v_rest) + v_rest
        v = v + where(refrac <= 0.0, i_syn, 0.0)
        refrac = refrac - dt
        spike = v >= v_thresh + theta
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, v_reset, v)
        v = maximum(v, lbound)
        return v, refrac, theta, spike


class Izhikevich(Neuron):
    """Izhikevich's quadratic neuron, two half steps of forward Euler for v a step.

    dv/dt = 0.04 v^2 + 5 v + 140 - u + input;  du/dt = a (b v - u).
    Source: Izhikevich 2003, eqs 1-3.  The reset is applied at the beginning of the next step, so
    that v shows the overshoot.
    """

    a, b = Param(0.02, "1/ms"), Param(0.2, "1/ms")
    c, d = Param(-65.0, "mV"), Param(8.0, "mV/ms")
    v_thresh, v_rest = Param(45.0, "mV"), Param(-65.0, "mV")
    lbound = Param(None, "mV", absent=_NO_BOUND)
    v, u = Var("mV", init="v_rest"), Var("mV/ms", init="u_rest")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"u_rest": p.b * p.v_rest, "half_dt": dt * 0.5}

    def step(v, u, i_syn, spike, a, b, c, d, v_thresh, lbound, dt, half_dt):
        v = where(spike, c, v)
        u = where(spike, u + d, u)
        v = v + half_dt * (0.04 * (v * v) + 5.0 * v + 140.0 - u + i_syn)
        v = v + half_dt * (0.04 * (v * v) + 5.0 * v + 140.0 - u + i_syn)
        u = u + dt * a * (b * v - u)
        v = maximum(v, lbound)
        spike = v >= v_thresh
        return v, u, spike


class SRM0(Neuron):
    """Simplified spike response model with escape noise (stochastic threshold).

    rho = rho_0 exp((v - v_thresh) / d_thresh); it spikes with probability 1 - exp(-rho dt).
    Source: Gerstner, Kistler 2002, sections 4.2.3 and 5.3.
    """

    v_thresh, v_rest, v_reset = Param(-50.0, "mV"), Param(-70.0, "mV"), Param(-70.0, "mV")
    t_refrac, tau_m = Param(5.0, "ms", ge=0), Param(10.0, "ms", gt=0)
    eps_0, rho_0 = Param(1.0, ""), Param(1.0, "1/ms", ge=0)
    d_thresh = Param(5.0, "mV", gt=0)
    lbound = Param(None, "mV", absent=_NO_BOUND)
    v, refrac, s_prob = Var("mV", init="v_rest"), Var("ms"), Var("")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"decay": exp(-dt / p.tau_m)}

    def step(
        v, refrac, i_syn, decay,
        v_thresh, v_rest, v_reset, t_refrac, eps_0, rho_0, d_thresh, lbound, dt,
    ):  # fmt: skip
        v = decay * (v - v_rest) + v_rest
        v = v + where(refrac <= 0.0, eps_0 * i_syn, 0.0)
        rho = rho_0 * exp((v - v_thresh) / d_thresh)
        s_prob = 1.0 - exp(-rho * dt)
        refrac = refrac - dt
        spike = rand() < s_prob
        refrac = where(spike, t_refrac, refrac)
        v = where(spike, v_reset, v)
        v = maximum(v, lbound)
        return v, refrac, s_prob, spike


def response(name: str, tau: float, t: torch.Tensor) -> torch.Tensor:
    """A response kernel of CSRM by its name, at the ages t, ms."""
    return {
        "alpha": lambda: t / tau**2 * torch.exp(-t / tau),
        "alpha_slayer": lambda: t / tau * torch.exp(1 - t / tau),
        "laplacian": lambda: torch.exp(-t / tau) / (2 * tau),
        "exponential": lambda: torch.exp(-t / tau) / tau,
        "triangular": lambda: (1 - t / tau) / tau,
        "rectangular": lambda: torch.where(t < tau, 1 / tau, 0.0).to(t.dtype),
    }[name]()


class CSRM(Neuron):
    """Cumulative spike response model: input and own spikes act through finite kernels.

    v = decay v + sum_k K(k) i_syn(t-k) - reset_const sum_k e^{-k/tau} spike(t-1-k).
    Source: Gerstner, van Hemmen, Cowan 1996; Gerstner, Kistler 2002, section 4.2.

    res_window, ref_window: lengths of the kernels, ms.
    """

    v_thresh, v_rest = Param(-52.0, "mV"), Param(-65.0, "mV")
    tau_m, tau = Param(100.0, "ms", gt=0), Param(1.0, "ms", gt=0)
    res_window, ref_window = Param(20.0, "ms", gt=0), Param(10.0, "ms", gt=0)
    reset_const = Param(50.0, "mV")
    theta_plus, tau_theta = Param(0.05, "mV"), Param(1e7, "ms", gt=0)
    lbound = Param(None, "mV", absent=_NO_BOUND)
    response_kernel = Choice(
        "exponential",
        ("exponential", "alpha", "alpha_slayer", "laplacian", "triangular", "rectangular"),
    )
    v = Var("mV", init="v_rest")
    theta = Var("mV", shared=True)
    i_window, spike_window = Var(window="n_res", of="i_syn"), Var(window="n_ref", of="spike")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        n_res, n_ref = max(1, round(p.res_window / dt)), max(1, round(p.ref_window / dt))
        age = torch.arange(max(n_res, n_ref), dtype=torch.float64) * dt
        return {
            "decay": exp(-dt / p.tau_m),
            "decay_theta": exp(-dt / p.tau_theta),
            "n_res": n_res,
            "n_ref": n_ref,
            "res_kernel": response(p.response_kernel, p.tau, age[:n_res]).flip(0),
            "ref_kernel": -p.reset_const * torch.exp(-age[:n_ref] / p.tau).flip(0),
        }

    def step(
        v, theta, i_window, spike_window, learning,
        decay, decay_theta, res_kernel, ref_kernel, v_thresh, theta_plus, lbound,
    ):  # fmt: skip
        v = v * decay
        theta = where(learning, theta * decay_theta, theta)
        v = v + (dot(res_kernel, i_window) + dot(ref_kernel, spike_window))
        spike = v >= v_thresh + theta
        v = maximum(v, lbound)
        theta = where(learning, theta + theta_plus * over_batch(spike), theta)
        return v, theta, spike


__all__ = [
    "CSRM",
    "IF",
    "LIF",
    "SRM0",
    "AdaptiveLIF",
    "BoostedLIF",
    "CompetitiveLIF",
    "CurrentLIF",
    "DiehlAndCook",
    "Input",
    "Izhikevich",
    "McCullochPitts",
    "SubtractiveIF",
]
