# SPDX-License-Identifier: Apache-2.0
"""Neurons driven by a graded current, in the discretisations of training libraries and of NIR.

Times are in the unit of `dt`.  What all have in common:

    spike = v > v_thresh (fires="above") or v >= v_thresh (fires="at")
    reset="value": v = v_reset;  "subtract": v = v - v_thresh;  "none": v stays

`integrator` says what a step of `tau dv/dt = v_inf - v` is, which moves v by decay * (v_inf - v):
"euler" has decay = dt / tau, "exact" (for v_inf constant during the step) 1 - exp(-dt / tau).

The reset is written with the numbers `keep` and `jump`, v = keep * v + jump, so that one function
serves all three, and the threshold with `margin`, which is the largest negative number where
equality fires (a difference of two floats is zero only if they are equal).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fastsnn.models.declare import Choice, Neuron, Param, Var
from fastsnn.models.language import exp, where

_MARGIN = {"above": 0.0, "at": -(2.0**-126)}


def _firing(p: SimpleNamespace) -> dict[str, Any]:
    keep = 0.0 if p.reset == "value" else 1.0
    jump = {"value": p.v_reset, "subtract": -p.v_thresh, "none": 0.0}[p.reset]
    return {"margin": _MARGIN[p.fires], "keep": keep, "jump": jump}


def _decay(p: SimpleNamespace, tau: Any, dt: float) -> Any:
    return dt / tau if p.integrator == "euler" else 1.0 - exp(-dt / tau)


class _Driven(Neuron):
    v_thresh, v_reset = Param(1.0), Param(0.0)
    reset = Choice("value", ("value", "subtract", "none"))
    fires = Choice("above", ("above", "at"))


class DrivenIF(_Driven):
    """Integrator without leak: dv/dt = r I.  Source: NIR's I and IF."""

    r = Param(1.0)
    v = Var()

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"gain": p.r * dt, **_firing(p)}

    def step(v, i_syn, gain, v_thresh, margin, keep, jump):
        v = v + gain * i_syn
        spike = v - v_thresh > margin
        v = where(spike, keep * v + jump, v)
        return v, spike


class DrivenLIF(_Driven):
    """Leaky integrator: tau_m dv/dt = v_rest - v + r I.  Source: NIR's LI and LIF."""

    tau_m, r, v_rest = Param(20.0, "dt", gt=0), Param(1.0), Param(0.0)
    integrator = Choice("euler", ("euler", "exact"))
    v = Var()

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"decay": _decay(p, p.tau_m, dt), **_firing(p)}

    def step(v, i_syn, decay, r, v_rest, v_thresh, margin, keep, jump):
        v = v + decay * ((v_rest - v) + r * i_syn)
        spike = v - v_thresh > margin
        v = where(spike, keep * v + jump, v)
        return v, spike


class DrivenCubaLIF(_Driven):
    """Leaky integrator behind a low-pass filter; v sees the new current of the step.

    tau_syn di/dt = -i + w_in I;   tau_m dv/dt = v_rest - v + r i.  Source: NIR's CubaLI, CubaLIF.
    """

    tau_m, tau_syn = Param(20.0, "dt", gt=0), Param(5.0, "dt", gt=0)
    r, v_rest, w_in = Param(1.0), Param(0.0), Param(1.0)
    integrator = Choice("euler", ("euler", "exact"))
    v, i = Var(), Var()

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        decays = {"decay": _decay(p, p.tau_m, dt), "decay_syn": _decay(p, p.tau_syn, dt)}
        return {**decays, **_firing(p)}

    def step(v, i, i_syn, decay, decay_syn, r, v_rest, w_in, v_thresh, margin, keep, jump):
        i = i + decay_syn * (w_in * i_syn - i)
        v = v + decay * ((v_rest - v) + r * i)
        spike = v - v_thresh > margin
        v = where(spike, keep * v + jump, v)
        return v, i, spike


class JumpCubaLIF(_Driven):
    """Leaky integrator of a current that jumps by the input, then acts, then decays.

    i = i + I;   v = v + decay (v_rest - v + i);   i = i - decay_syn i.  Source: Norse's LIFCell.
    """

    tau_m, tau_syn, v_rest = Param(10.0, "dt", gt=0), Param(5.0, "dt", gt=0), Param(0.0)
    integrator = Choice("euler", ("euler", "exact"))
    v, i = Var(init="v_rest"), Var()

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        decays = {"decay": _decay(p, p.tau_m, dt), "decay_syn": _decay(p, p.tau_syn, dt)}
        return {**decays, **_firing(p)}

    def step(v, i, i_syn, decay, decay_syn, v_rest, v_thresh, margin, keep, jump):
        i = i + i_syn
        v = v + decay * ((v_rest - v) + i)
        i = i - decay_syn * i
        spike = v - v_thresh > margin
        v = where(spike, keep * v + jump, v)
        return v, i, spike


class Leaky(_Driven):
    """v = beta v + I, then the spike, then the reset in the same step.

    With delayed=1 the reset comes in the next step, and is told by the potential before it:
    "subtract": v = beta v + I - v_thresh;  "value" (to 0): v = I.  Source: snnTorch's Leaky.
    """

    beta, delayed = Param(0.9, ge=0, le=1), Param(0.0, ge=0, le=1)
    v = Var()

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return _firing(p)

    def step(v, i_syn, beta, delayed, v_thresh, margin, keep, jump):
        held = (v - v_thresh > margin) & (delayed > 0.0)
        v = beta * where(held, keep * v, v) + i_syn
        v = v + where(held, jump, 0.0)
        spike = v - v_thresh > margin
        v = where(delayed > 0.0, v, where(spike, keep * v + jump, v))
        return v, spike


class Synaptic(_Driven):
    """i = decay_syn i + I;  v = beta v + i;  else as `Leaky`.  Source: snnTorch's Synaptic.

    As there, a delayed reset to zero takes the current that arrives with it.
    """

    decay_syn, beta = Param(0.8, ge=0, le=1), Param(0.9, ge=0, le=1)
    delayed = Param(0.0, ge=0, le=1)
    v, i = Var(), Var()

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return _firing(p)

    def step(v, i, i_syn, decay_syn, beta, delayed, v_thresh, margin, keep, jump):
        held = (v - v_thresh > margin) & (delayed > 0.0)
        i = decay_syn * i + i_syn
        v = beta * v + i
        v = where(held, keep * v + jump, v)
        spike = v - v_thresh > margin
        v = where(delayed > 0.0, v, where(spike, keep * v + jump, v))
        return v, i, spike


MODELS = (DrivenIF, DrivenLIF, DrivenCubaLIF, JumpCubaLIF, Leaky, Synaptic)
