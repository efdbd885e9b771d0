# SPDX-License-Identifier: Apache-2.0
"""Izhikevich's neuron as published, and as NEST and PyNN run it.

`fastsnn.models.Izhikevich` keeps the threshold of 45 mV of BindsNET, whose results it reproduces.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fastsnn.models.declare import Neuron, Param, Receptor, Var
from fastsnn.models.language import where
from fastsnn.models.neurons import Izhikevich


class Izhikevich2003(Izhikevich):
    """Izhikevich's neuron in the steps of the published programs: two half steps for v, at 30 mV.

    The programs of 2003 and 2006 reset a neuron at the beginning of the step after its spike, the
    step in which the spike arrives elsewhere with the shortest delay: so does this one.  Weights
    and drives are currents of one step, mV/ms; dt = 1 ms.
    Source: Izhikevich 2003, "Simple model of spiking neurons"; 2006, "Polychronization".
    """

    v_thresh = Param(30.0, "mV")


class IzhikevichDelta(Neuron):
    """Izhikevich's neuron whose membrane jumps by the weight, mV, of every spike that arrives.

    dv/dt = 0.04 v^2 + 5 v + 140 - u + i_offset + i_syn;  du/dt = a (b v - u), forward Euler from
    the values at the beginning of the step; where v reaches v_thresh, v = c, u = u + d at once.
    i_syn, i_offset: mV/ms (a current over a capacitance).
    Source: Izhikevich 2003, integrated as in NEST's `izhikevich` and PyNN's `Izhikevich`.
    """

    a, b = Param(0.02, "1/ms"), Param(0.2, "1/ms")
    c, d = Param(-65.0, "mV"), Param(2.0, "mV/ms")
    v_thresh, v_rest = Param(30.0, "mV"), Param(-70.0, "mV")
    i_offset = Param(0.0, "mV/ms")
    ex, inh = Receptor("mV"), Receptor("mV")
    v, u = Var("mV", init="v_rest"), Var("mV/ms", init="u_rest")

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {"u_rest": p.b * p.v_rest}

    def step(v, u, i_syn, ex, inh, a, b, c, d, v_thresh, i_offset, dt):
        du = (b * v - u) * a * dt
        dv = (0.04 * (v * v) + 5.0 * v + 140.0 - u + (i_offset + i_syn)) * dt
        v = v + dv + (ex + inh)
        u = u + du
        spike = v >= v_thresh
        v = where(spike, c, v)
        u = where(spike, u + d, u)
        return v, u, spike


__all__ = ["Izhikevich2003", "IzhikevichDelta"]
