# SPDX-License-Identifier: Apache-2.0
"""PyNN's standard cell types and the models that run them.

`model` is the class of ours, `variables` gives for what PyNN calls a variable its name here and
the factor from PyNN's unit to ours; `weight_scale` is that of weights.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pyNN.standardmodels import build_translations, cells

from fastsnn import models

# nF, nA, uS to pF, pA, nS
MILLI = 1000.0
MEMBRANE = (
    ("tau_m", "tau_m"),
    ("cm", "c_m", MILLI),
    ("v_rest", "v_rest"),
    ("v_thresh", "v_thresh"),
    ("v_reset", "v_reset"),
    ("tau_refrac", "t_refrac"),
    ("i_offset", "i_offset", MILLI),
)
_TAU_SYN = (("tau_syn_E", "tau_syn_ex"), ("tau_syn_I", "tau_syn_inh"))
_REVERSAL = (("e_rev_E", "e_rev_ex"), ("e_rev_I", "e_rev_inh"))
ADAPTATION = (
    ("v_spike", "v_spike"),
    ("delta_T", "delta_t"),
    ("a", "a"),
    ("b", "b", MILLI),
    ("tau_w", "tau_w"),
)
V = {"v": ("v", 1.0)}
_CURRENTS = {"isyn_exc": ("i_ex", MILLI), "isyn_inh": ("i_inh", MILLI)}
_CONDUCTANCES = {"gsyn_exc": ("g_ex", MILLI), "gsyn_inh": ("g_inh", MILLI)}
_PORTS = {"excitatory": "ex", "inhibitory": "inh"}


def port(receptor_type: str) -> str:
    """Our name of a receptor."""
    return _PORTS.get(receptor_type, receptor_type)


class Cell:
    model: ClassVar[type]
    variables: ClassVar[dict[str, tuple[str, float]]] = V
    weight_scale: ClassVar[float] = MILLI


def _with_currents(base: Any) -> dict[str, Any]:
    """What a cell that can record synaptic currents has beyond PyNN's."""
    return {
        "recordable": [*base.recordable, "isyn_exc", "isyn_inh"],
        "units": {**base.units, "isyn_exc": "nA", "isyn_inh": "nA"},
        "default_initial_values": {
            **base.default_initial_values,
            "isyn_exc": 0.0,
            "isyn_inh": 0.0,
        },
    }


class IF_curr_exp(Cell, cells.IF_curr_exp):
    __doc__ = cells.IF_curr_exp.__doc__
    model, variables = models.LIFExp, V | _CURRENTS
    locals().update(_with_currents(cells.IF_curr_exp))
    translations = build_translations(*MEMBRANE, *_TAU_SYN)


class IF_curr_alpha(Cell, cells.IF_curr_alpha):
    __doc__ = cells.IF_curr_alpha.__doc__
    model, variables = models.LIFAlpha, V | _CURRENTS
    locals().update(_with_currents(cells.IF_curr_alpha))
    translations = build_translations(*MEMBRANE, *_TAU_SYN)


class IF_curr_delta(Cell, cells.IF_curr_delta):
    __doc__ = cells.IF_curr_delta.__doc__
    model, weight_scale = models.LIFDelta, 1.0
    translations = build_translations(*MEMBRANE)


class IF_cond_exp(Cell, cells.IF_cond_exp):
    __doc__ = cells.IF_cond_exp.__doc__
    model, variables = models.LIFCondExp, V | _CONDUCTANCES
    translations = build_translations(*MEMBRANE, *_TAU_SYN, *_REVERSAL)


class IF_cond_alpha(Cell, cells.IF_cond_alpha):
    __doc__ = cells.IF_cond_alpha.__doc__
    model, variables = models.LIFCondAlpha, V | _CONDUCTANCES
    translations = build_translations(*MEMBRANE, *_TAU_SYN, *_REVERSAL)


class IF_cond_exp_gsfa_grr(Cell, cells.IF_cond_exp_gsfa_grr):
    __doc__ = cells.IF_cond_exp_gsfa_grr.__doc__
    model = models.LIFCondExpSfaRr
    variables = V | _CONDUCTANCES | {"g_s": ("g_sfa", 1.0), "g_r": ("g_rr", 1.0)}
    translations = build_translations(
        *MEMBRANE, *_TAU_SYN, *_REVERSAL,
        *((name, name) for name in ("tau_sfa", "e_rev_sfa", "q_sfa", "tau_rr", "e_rev_rr", "q_rr")),
    )  # fmt: skip


class EIF_cond_exp_isfa_ista(Cell, cells.EIF_cond_exp_isfa_ista):
    __doc__ = cells.EIF_cond_exp_isfa_ista.__doc__
    model, variables = models.AdExCondExp, V | _CONDUCTANCES | {"w": ("w", MILLI)}
    translations = build_translations(*MEMBRANE, *_TAU_SYN, *_REVERSAL, *ADAPTATION)


class EIF_cond_alpha_isfa_ista(Cell, cells.EIF_cond_alpha_isfa_ista):
    __doc__ = cells.EIF_cond_alpha_isfa_ista.__doc__
    model, variables = models.AdExCondAlpha, V | _CONDUCTANCES | {"w": ("w", MILLI)}
    translations = build_translations(*MEMBRANE, *_TAU_SYN, *_REVERSAL, *ADAPTATION)


class HH_cond_exp(Cell, cells.HH_cond_exp):
    __doc__ = cells.HH_cond_exp.__doc__
    model = models.HHCondExp
    variables = V | _CONDUCTANCES | {"m": ("m", 1.0), "h": ("h", 1.0), "n": ("n_gate", 1.0)}
    # the gates start at equilibrium at e_rev_leak
    default_initial_values: ClassVar[dict[str, float]] = {
        k: v for k, v in cells.HH_cond_exp.default_initial_values.items() if k not in "mhn"
    }
    receptor_types = ("excitatory", "inhibitory")
    translations = build_translations(
        ("gbar_Na", "g_na", MILLI),
        ("gbar_K", "g_k", MILLI),
        ("g_leak", "g_leak", MILLI),
        ("cm", "c_m", MILLI),
        ("v_offset", "v_offset"),
        ("e_rev_Na", "e_rev_na"),
        ("e_rev_K", "e_rev_k"),
        ("e_rev_leak", "e_rev_leak"),
        *_REVERSAL,
        *_TAU_SYN,
        ("i_offset", "i_offset", MILLI),
    )


class Izhikevich(Cell, cells.Izhikevich):
    __doc__ = cells.Izhikevich.__doc__
    model, weight_scale = models.IzhikevichDelta, 1.0
    variables = V | {"u": ("u", 1.0)}
    translations = build_translations(
        ("a", "a"), ("b", "b"), ("c", "c"), ("d", "d"), ("i_offset", "i_offset", MILLI)
    )


class _SpikeSource(Cell):
    model, variables = models.Input, {}


class SpikeSourcePoisson(_SpikeSource, cells.SpikeSourcePoisson):
    __doc__ = cells.SpikeSourcePoisson.__doc__
    translations = build_translations(
        ("rate", "rate"), ("start", "start"), ("duration", "duration")
    )


class SpikeSourcePoissonRefractory(_SpikeSource, cells.SpikeSourcePoissonRefractory):
    __doc__ = cells.SpikeSourcePoissonRefractory.__doc__
    translations = build_translations(
        ("rate", "rate"),
        ("tau_refrac", "t_refrac"),
        ("start", "start"),
        ("duration", "duration"),
    )


class SpikeSourceGamma(_SpikeSource, cells.SpikeSourceGamma):
    __doc__ = cells.SpikeSourceGamma.__doc__
    translations = build_translations(
        ("alpha", "alpha"), ("beta", "beta"), ("start", "start"), ("duration", "duration")
    )


class SpikeSourceInhGamma(_SpikeSource, cells.SpikeSourceInhGamma):
    __doc__ = cells.SpikeSourceInhGamma.__doc__
    translations = build_translations(
        *((name, name) for name in ("a", "b", "tbins", "start", "duration"))
    )


class SpikeSourceArray(_SpikeSource, cells.SpikeSourceArray):
    __doc__ = cells.SpikeSourceArray.__doc__
    translations = build_translations(("spike_times", "spike_times"))


__all__ = [
    "EIF_cond_alpha_isfa_ista",
    "EIF_cond_exp_isfa_ista",
    "HH_cond_exp",
    "IF_cond_alpha",
    "IF_cond_exp",
    "IF_cond_exp_gsfa_grr",
    "IF_curr_alpha",
    "IF_curr_delta",
    "IF_curr_exp",
    "Izhikevich",
    "SpikeSourceArray",
    "SpikeSourceGamma",
    "SpikeSourceInhGamma",
    "SpikeSourcePoisson",
    "SpikeSourcePoissonRefractory",
]
