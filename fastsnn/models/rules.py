# SPDX-License-Identifier: Apache-2.0
"""Learning rules for dense projections, pair-based and reward-modulated.

Traces already hold the spike of the step, so a pair of coincident spikes is depressed and
potentiated.  Terms are reduced over the batch (`reduction` of the projection).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fastsnn.models.declare import Param, Rule, Var
from fastsnn.models.language import exp, over_batch


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
