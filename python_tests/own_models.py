# SPDX-License-Identifier: Apache-2.0
"""Models that a user might write; compiled once for the native engine, and kept."""

from __future__ import annotations

from fastsnn.models import Neuron, Param, Rule, Var
from fastsnn.models.language import (
    abs,
    exp,
    floor,
    maximum,
    minimum,
    over_batch,
    rand,
    sqrt,
    where,
)  # fmt: skip


class Restless(Neuron):
    """A leaky neuron with noise, a soft floor, a spike count, and a threshold that adapts."""

    tau_m, v_thresh, noise = Param(20.0, "ms", gt=0), Param(5.0, "mV"), Param(1.0, "mV", ge=0)
    theta_plus, tau_theta = Param(0.25, "mV"), Param(50.0, "ms", gt=0)
    v, fired, struct = Var("mV", init="v_start"), Var(""), Var("")
    theta = Var("mV", shared=True, init=0.5)

    def constants(p, dt):
        return {
            "decay": exp(-dt / p.tau_m), "decay_theta": exp(-dt / p.tau_theta), "v_start": 0.25,
        }  # fmt: skip

    def step(
        v, fired, struct, theta, i_syn, spike, learning,
        decay, decay_theta, v_thresh, noise, theta_plus, dt,
    ):  # fmt: skip
        theta = where(learning, theta * decay_theta, theta)
        kick = noise * (rand() - 0.5) + noise * (rand() - 0.5) * dt
        v = where(spike, 0.0, v) * decay + i_syn + kick
        v = maximum(minimum(v, 2.0 * v_thresh), -abs(v_thresh) - sqrt(abs(v)))
        spike = (v >= v_thresh + theta) & ~(fired > 60.0) | (v > 1.9 * v_thresh)
        fired = fired + where(spike, 1.0, 0.0)
        struct = floor(v) / 2.0 - -struct * 0.5
        theta = where(learning, theta + theta_plus * over_batch(spike), theta)
        return v, fired, struct, theta, spike


class Triplet(Rule):
    """Triplet STDP.  Source: Pfister, Gerstner 2006, with a synaptic variable that follows w."""

    lag = 1
    a2, a3 = Param(0.01), Param(0.02)
    tau_plus, tau_minus, tau_slow = Param(16.8, "ms"), Param(33.7, "ms"), Param(114.0, "ms")
    r1, o1, o2 = Var(at="pre"), Var(at="post"), Var(at="post")
    catch = Var(at="synapse")

    def constants(p, dt):
        return {
            "d_plus": exp(-dt / p.tau_plus), "d_minus": exp(-dt / p.tau_minus),
            "d_slow": exp(-dt / p.tau_slow),
        }  # fmt: skip

    def learn(w, catch, pre, post, r1, o1, o2, a2, a3, w_max):
        rest = w_max - w
        w = w - a2 * over_batch(pre * o1) * where(w > 0.0, 1.0, 0.5)
        w = w + a3 * over_batch(r1 * post * (1.0 + o2)) * rest
        catch = catch * 0.5 + w
        return w, catch

    def advance_pre(r1, pre, d_plus):
        return r1 * d_plus + pre

    def advance_post(o1, o2, post, d_minus, d_slow):
        slow = o2 * d_slow
        return o1 * d_minus + post, slow + post


class Square(Rule):
    """A rule that is neither event-driven nor linear in its terms."""

    nu = Param(0.01)

    def learn(w, pre, post, x_pre, v_post, nu, dt):
        term = over_batch(post * x_pre - 0.01 * v_post)
        w = w * (1.0 - 0.001 * dt) + nu * term * term
        return w


class Watchful(Rule):
    """Pair STDP, written another way than ours: event-driven, and against coincidences."""

    gain = Param(0.05)

    def learn(w, pre, post, x_pre, x_post, gain):
        both = over_batch(x_pre * post)
        coincident = over_batch(pre * post)
        w = w + gain * (both - over_batch(pre * x_post) * 0.5 - coincident * 0.25)
        return w


__all__ = ["Restless", "Square", "Triplet", "Watchful"]
