# SPDX-License-Identifier: Apache-2.0
"""Learning rules for dense projections, pair-based and reward-modulated.

Traces already hold the spike of the step, so a pair of coincident spikes is depressed and
potentiated.  Terms are reduced over the batch (`reduction` of the projection).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fastsnn.models.declare import Choice, Param, Rule, Var
from fastsnn.models.language import exp, log, maximum, over_batch, where


class PostPre(Rule):
    """Pair STDP: a presynaptic spike depresses by the postsynaptic trace, and the reverse.

    w -= nu_pre * pre * x_post;  w += nu_post * x_pre * post.
    Source: Morrison, Diesmann, Gerstner 2008, section 4.1.
    """

    nu_pre, nu_post = Param(0.0), Param(0.0)

    def learn(w, pre, post, x_pre, x_post, nu_pre, nu_post):
        w = w - nu_pre * over_batch(pre * x_post)
        w = w + nu_post * over_batch(x_pre * post)
        return w


class WeightDependentPostPre(Rule):
    """Pair STDP with soft bounds; needs finite w_min and w_max.

    w += nu_post * x_pre * post * (w_max - w) - nu_pre * pre * x_post * (w - w_min).
    Source: van Rossum, Bi, Turrigiano 2000; Morrison et al. 2008, section 4.1.2.
    """

    needs_bounds = True
    nu_pre, nu_post = Param(0.0), Param(0.0)

    def learn(w, pre, post, x_pre, x_post, nu_pre, nu_post, w_min, w_max):
        ltd = over_batch(pre * x_post)
        ltp = over_batch(x_pre * post)
        w = w + (nu_post * ltp * (w_max - w) - nu_pre * ltd * (w - w_min))
        return w


class Hebbian(Rule):
    """Both orders of a pair potentiate: w += nu_pre * pre * x_post + nu_post * x_pre * post."""

    nu_pre, nu_post = Param(0.0), Param(0.0)

    def learn(w, pre, post, x_pre, x_post, nu_pre, nu_post):
        w = w + nu_pre * over_batch(pre * x_post)
        w = w + nu_post * over_batch(x_pre * post)
        return w


class MSTDP(Rule):
    """Reward-modulated STDP: the pairs of the step before, times the reward.

    Source: Florian 2007, eqs 5-9 (MSTDP).
    """

    lag = 1
    nu = Param(0.0)
    a_plus, a_minus = Param(1.0), Param(-1.0)
    tau_plus, tau_minus = Param(20.0, "ms", gt=0), Param(20.0, "ms", gt=0)
    p_plus, p_minus = Var(at="pre"), Var(at="post")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"decay_plus": exp(-dt / p.tau_plus), "decay_minus": exp(-dt / p.tau_minus)}

    def learn(w, pre, post, p_plus, p_minus, reward, nu):
        potentiation = over_batch(p_plus * post * reward)
        depression = over_batch(pre * p_minus * reward)
        w = w + nu * (potentiation + depression)
        return w

    def advance_pre(p_plus, pre, decay_plus, a_plus):
        return p_plus * decay_plus + a_plus * pre

    def advance_post(p_minus, post, decay_minus, a_minus):
        return p_minus * decay_minus + a_minus * post


class MSTDPET(MSTDP):
    """Reward-modulated STDP with an eligibility trace e per synapse; one reward for all samples.

    Source: Florian 2007, eqs 10-12 (MSTDPET).
    """

    tau_e = Param(25.0, "ms", gt=0)
    e = Var(at="synapse")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {
            "decay_plus": exp(-dt / p.tau_plus),
            "decay_minus": exp(-dt / p.tau_minus),
            "decay_e": exp(-dt / p.tau_e),
        }

    def learn(w, e, pre, post, p_plus, p_minus, reward, nu, tau_e, decay_e, dt):
        pairs = over_batch(p_plus * post) + over_batch(pre * p_minus)
        e = e * decay_e + pairs / tau_e
        w = w + nu * dt * reward * e
        return w, e


class Rmax(Rule):
    """Reward maximisation for SRM0 targets; needs additive traces at the source.

    Source: Vasilaki et al. 2009, eq. 6; one reward for all samples.
    """

    nu = Param(0.0)
    tau_c, tau_e = Param(5.0, "ms", gt=0), Param(25.0, "ms", gt=0)
    e = Var(at="synapse")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"leak_e": 1 - dt / p.tau_e, "tau_c_steps": p.tau_c / dt}

    def learn(w, e, x_pre, post, s_prob_post, reward, nu, leak_e, tau_c_steps):
        surprise = post - s_prob_post / (1.0 + tau_c_steps * s_prob_post)
        e = e * leak_e + over_batch(surprise * x_pre)
        w = w + nu * reward * e
        return w, e


def _trace_constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
    return {
        "decay_plus": exp(-dt / p.tau_plus),
        "decay_minus": exp(-dt / p.tau_minus),
        "forget": float(p.pairing == "nearest"),
    }


class _Pairs(Rule):
    """Traces of either side of the rule's own, of all spikes or of the nearest."""

    tau_plus, tau_minus = Param(20.0, "ms", gt=0), Param(20.0, "ms", gt=0)
    pairing = Choice("all", ("all", "nearest"))
    p_plus, p_minus = Var(at="pre"), Var(at="post")
    constants = _trace_constants

    def advance_pre(p_plus, pre, decay_plus, forget):
        return p_plus * decay_plus * (1.0 - forget * pre) + pre

    def advance_post(p_minus, post, decay_minus, forget):
        return p_minus * decay_minus * (1.0 - forget * post) + post


class PairSTDP(_Pairs):
    """Pair STDP with traces of its own, for delays of more than a step, too.

    A presynaptic spike depresses by a_minus * exp(-dt / tau_minus) * f(w) for every postsynaptic
    spike that reached the synapse dt before it, a postsynaptic one potentiates by
    a_plus * exp(-dt / tau_plus) * g(w) for every presynaptic one; spikes of one step are no pair.

    pairing: "all" pairs, or the "nearest" of either side only.
    bound:   "additive": f = g = 1; "multiplicative": f = w - w_min, g = w_max - w.

    Source: Morrison, Diesmann, Gerstner 2008, sections 4.1.1 and 4.1.2.
    """

    a_plus, a_minus = Param(0.01), Param(0.012)
    bound = Choice("additive", ("additive", "multiplicative"))

    @property
    def needs_bounds(self) -> bool:
        """Whether w_min and w_max must be finite."""
        return self.values["bound"] == "multiplicative"

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        c = _trace_constants(p, dt)
        # traces hold the spikes up to the step before, as they were then
        c |= {"nu_plus": p.a_plus * c["decay_plus"], "nu_minus": p.a_minus * c["decay_minus"]}
        return c | {"soft": float(p.bound == "multiplicative")}

    def learn(w, pre, post, p_plus, p_minus, w_min, w_max, nu_plus, nu_minus, soft):
        ltd = over_batch(pre * p_minus)
        ltp = over_batch(p_plus * post)
        up = where(soft > 0.0, w_max - w, 1.0)
        down = where(soft > 0.0, w - w_min, 1.0)
        w = w + (nu_plus * ltp * up - nu_minus * ltd * down)
        return w


class TripletSTDP(Rule):
    """Triplet STDP: pairs, and triplets of two spikes of one side with one of the other.

    w -= o1 * (a2_minus + a3_minus * r2) at a presynaptic spike,
    w += r1 * (a2_plus + a3_plus * o2)   at a postsynaptic spike,

    where r1, r2 (o1, o2) are traces of the presynaptic (postsynaptic) spikes up to just before,
    with tau_plus, tau_x (tau_minus, tau_y).  Defaults: all-to-all, visual cortex, as in table 4.

    pairing: "all" spikes, or the "nearest" only.   Source: Pfister & Gerstner 2006, eqs 2-4.
    """

    a2_plus, a3_plus = Param(5e-10), Param(6.2e-3)
    a2_minus, a3_minus = Param(7e-3), Param(2.3e-4)
    tau_plus, tau_x = Param(16.8, "ms", gt=0), Param(101.0, "ms", gt=0)
    tau_minus, tau_y = Param(33.7, "ms", gt=0), Param(125.0, "ms", gt=0)
    pairing = Choice("all", ("all", "nearest"))
    r1, r2, o1, o2 = Var(at="pre"), Var(at="pre"), Var(at="post"), Var(at="post")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        decay_r1, decay_r2 = exp(-dt / p.tau_plus), exp(-dt / p.tau_x)
        decay_o1, decay_o2 = exp(-dt / p.tau_minus), exp(-dt / p.tau_y)
        return {
            "decay_r1": decay_r1,
            "decay_r2": decay_r2,
            "decay_o1": decay_o1,
            "decay_o2": decay_o2,
            # traces hold the spikes up to the step before, as they were then
            "nu2_plus": p.a2_plus * decay_r1,
            "nu3_plus": p.a3_plus * decay_r1 * decay_o2,
            "nu2_minus": p.a2_minus * decay_o1,
            "nu3_minus": p.a3_minus * decay_o1 * decay_r2,
            "forget": float(p.pairing == "nearest"),
        }

    def learn(w, pre, post, r1, r2, o1, o2, nu2_plus, nu3_plus, nu2_minus, nu3_minus):
        w = w - over_batch(pre * o1 * (nu2_minus + nu3_minus * r2))
        w = w + over_batch(post * r1 * (nu2_plus + nu3_plus * o2))
        return w

    def advance_pre(r1, r2, pre, decay_r1, decay_r2, forget):
        keep = 1.0 - forget * pre
        return r1 * decay_r1 * keep + pre, r2 * decay_r2 * keep + pre

    def advance_post(o1, o2, post, decay_o1, decay_o2, forget):
        keep = 1.0 - forget * post
        return o1 * decay_o1 * keep + post, o2 * decay_o2 * keep + post


class PowerSTDP(_Pairs):
    """Pair STDP whose potentiation grows with a power of the weight, depression with the weight.

    w += lam * w_0**(1 - mu) * w**mu * exp(-dt / tau_plus),
    w -= lam * alpha * w * exp(-dt / tau_minus); for weights of 0 or more.

    Backends agree to rounding.  Source: Morrison, Aertsen, Diesmann 2007, eqs 6-8.
    """

    lam, alpha = Param(0.1), Param(0.11)
    mu, w_0 = Param(0.4, ge=0), Param(1.0, gt=0)

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        c = _trace_constants(p, dt)
        scale = p.w_0 ** (1.0 - p.mu)
        c["nu_plus"] = p.lam * scale * c["decay_plus"]
        c["nu_minus"] = p.lam * p.alpha * c["decay_minus"]
        return c

    def learn(w, pre, post, p_plus, p_minus, nu_plus, nu_minus, mu):
        ltd = over_batch(pre * p_minus)
        ltp = over_batch(p_plus * post)
        grown = exp(mu * log(maximum(w, 0.0)))
        w = w + (nu_plus * ltp * grown - nu_minus * ltd * w)
        return w


class NonlinearSTDP(_Pairs):
    """Pair STDP whose steps are powers of the distance to the bounds; needs finite ones.

    w += a_plus * (w_max - w_min) * (1 - x)**mu_plus * exp(-dt / tau_plus),
    w -= a_minus * (w_max - w_min) * x**mu_minus * exp(-dt / tau_minus),

    with x = (w - w_min) / (w_max - w_min): additive for powers of 0, multiplicative for 1.

    Backends agree to rounding.  Source: Guetig, Aharonov, Rotter, Sompolinsky 2003.
    """

    needs_bounds = True
    a_plus, a_minus = Param(0.01), Param(0.012)
    mu_plus, mu_minus = Param(0.5, ge=0), Param(0.5, ge=0)

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        c = _trace_constants(p, dt)
        return c | {
            "nu_plus": p.a_plus * c["decay_plus"],
            "nu_minus": p.a_minus * c["decay_minus"],
        }

    def learn(
        w, pre, post, p_plus, p_minus, w_min, w_max, nu_plus, nu_minus, mu_plus, mu_minus
    ):  # fmt: skip
        ltd = over_batch(pre * p_minus)
        ltp = over_batch(p_plus * post)
        span = w_max - w_min
        x = (w - w_min) / span
        # no logarithm of 0: a power of 0 is 1 everywhere
        up = exp(mu_plus * log(maximum(1.0 - x, 1e-30)))
        down = exp(mu_minus * log(maximum(x, 1e-30)))
        w = w + span * (nu_plus * ltp * up - nu_minus * ltd * down)
        return w


class InhibitorySTDP(Rule):
    """Symmetric STDP that makes inhibition balance excitation, so that targets fire at rate rho.

    w += eta * (x_post - 2 rho tau)  at a presynaptic spike,   w += eta * x_pre  at a postsynaptic,

    where x are traces of the spikes before, with tau; two spikes of one step are one pair.
    Source: Vogels, Sprekeler, Zenke, Clopath, Gerstner 2011, supplement on inhibitory plasticity.
    """

    eta = Param(0.005)
    tau, rho = Param(20.0, "ms", gt=0), Param(3.0, "Hz", ge=0)
    # always: 1, for what a presynaptic spike does whatever the target did
    p_plus, p_minus, always = Var(at="pre"), Var(at="post"), Var(at="post", init=1.0)

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        decay = exp(-dt / p.tau)
        # traces hold the spikes up to the step before, as they were then
        return {"decay": decay, "nu": p.eta * decay, "cost": p.eta * 2e-3 * p.rho * p.tau}

    def learn(w, pre, post, p_plus, p_minus, always, eta, nu, cost):
        pairs = over_batch(pre * p_minus) + over_batch(p_plus * post)
        same = over_batch(pre * always * post)
        w = w + (nu * pairs + eta * same - cost * over_batch(pre * always))
        return w

    def advance_pre(p_plus, pre, decay):
        return p_plus * decay + pre

    def advance_post(p_minus, always, post, decay):
        return p_minus * decay + post, always


class RewardSTDP(_Pairs):
    """Pairs leave an eligibility e that fades slowly; reward turns it into weight.

    de/dt = -e / tau_e + pairs of PairSTDP (additive),   dw/dt = nu * reward * e.

    The reward (dopamine) is that of `run`; e fades and w moves once an interval, for as long as the
    interval is, so that in between only spikes cost.   Source: Izhikevich 2007, eqs 1-3.
    """

    nu = Param(1e-3)
    a_plus, a_minus = Param(0.1), Param(0.15)
    tau_e = Param(1000.0, "ms", gt=0)
    interval = Param(10.0, "ms", gt=0)
    e = Var(at="synapse")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        c = _trace_constants(p, dt)
        c |= {"nu_plus": p.a_plus * c["decay_plus"], "nu_minus": p.a_minus * c["decay_minus"]}
        decay_e = exp(-max(1, round(p.interval / dt)) * dt / p.tau_e)
        # the integral of what fades over an interval
        return c | {"decay_e": decay_e, "gain": p.nu * p.tau_e * (1.0 - decay_e)}

    def learn(w, e, pre, post, p_plus, p_minus, nu_plus, nu_minus):
        ltd = over_batch(pre * p_minus)
        ltp = over_batch(p_plus * post)
        e = e + (nu_plus * ltp - nu_minus * ltd)
        return w, e

    def consolidate(w, e, reward, gain, decay_e):
        return w + gain * reward * e, e * decay_e
