# SPDX-License-Identifier: Apache-2.0
"""PyNN's synapse types; names of parameters are PyNN's, units too."""

from __future__ import annotations

import math
from typing import Any

from pyNN.standardmodels import build_translations, synapses

from fastsnn.models import PairSTDP, PowerSTDP
from fastsnn.models.declare import Rule
from fastsnn.pynn.simulator import state


def _same(*names: str) -> dict[str, Any]:
    return build_translations(*((name, name) for name in names))


class _Delayed:
    def _get_minimum_delay(self) -> float:
        return state.default_delay


class StaticSynapse(_Delayed, synapses.StaticSynapse):
    __doc__ = synapses.StaticSynapse.__doc__
    translations = _same("weight", "delay")


class TsodyksMarkramSynapse(_Delayed, synapses.TsodyksMarkramSynapse):
    __doc__ = synapses.TsodyksMarkramSynapse.__doc__
    translations = _same("weight", "delay", "U", "tau_rec", "tau_facil")


class SimpleStochasticSynapse(_Delayed, synapses.SimpleStochasticSynapse):
    __doc__ = synapses.SimpleStochasticSynapse.__doc__
    translations = _same("weight", "delay", "p")


class STDPMechanism(_Delayed, synapses.STDPMechanism):
    __doc__ = synapses.STDPMechanism.__doc__
    base_translations = _same("weight", "delay", "dendritic_delay_fraction")


def _pairs(given: dict[str, float], per: float, bound: str) -> PairSTDP:
    return PairSTDP(
        a_plus=given["A_plus"] * per, a_minus=given["A_minus"] * per,
        tau_plus=given["tau_plus"], tau_minus=given["tau_minus"], bound=bound,
    )  # fmt: skip


class AdditiveWeightDependence(synapses.AdditiveWeightDependence):
    __doc__ = synapses.AdditiveWeightDependence.__doc__
    translations = _same("w_min", "w_max")

    def rule(self, given: dict[str, float], top: float) -> tuple[Rule, float]:
        """The rule for parameters of PyNN, with the largest weight; the least weight it takes."""
        return _pairs(given, top, "additive"), -math.inf


class MultiplicativeWeightDependence(synapses.MultiplicativeWeightDependence):
    __doc__ = synapses.MultiplicativeWeightDependence.__doc__
    translations = _same("w_min", "w_max")

    def rule(self, given: dict[str, float], top: float) -> tuple[Rule, float]:
        """See AdditiveWeightDependence."""
        return _pairs(given, 1.0, "multiplicative"), -math.inf


class AdditivePotentiationMultiplicativeDepression(
    synapses.AdditivePotentiationMultiplicativeDepression
):
    __doc__ = synapses.AdditivePotentiationMultiplicativeDepression.__doc__
    translations = _same("w_min", "w_max")

    def rule(self, given: dict[str, float], top: float) -> tuple[Rule, float]:
        """See AdditiveWeightDependence; a power of 0 has no value at a weight of 0."""
        made = PowerSTDP(
            lam=1.0, alpha=given["A_minus"], mu=0.0, w_0=max(given["A_plus"] * top, 1e-30),
            tau_plus=given["tau_plus"], tau_minus=given["tau_minus"],
        )  # fmt: skip
        return made, 1e-9 * top


class SpikePairRule(synapses.SpikePairRule):
    __doc__ = synapses.SpikePairRule.__doc__
    translations = _same("tau_plus", "tau_minus", "A_plus", "A_minus")


__all__ = [
    "AdditivePotentiationMultiplicativeDepression",
    "AdditiveWeightDependence",
    "MultiplicativeWeightDependence",
    "STDPMechanism",
    "SimpleStochasticSynapse",
    "SpikePairRule",
    "StaticSynapse",
    "TsodyksMarkramSynapse",
]
