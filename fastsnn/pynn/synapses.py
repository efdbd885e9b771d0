# SPDX-License-Identifier: Apache-2.0
"""PyNN's synapse types; names of parameters are PyNN's, units too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pyNN import errors
from pyNN.standardmodels import build_translations, synapses

from fastsnn.models import InhibitorySTDP, NonlinearSTDP, PairSTDP, PowerSTDP
from fastsnn.models.declare import Neuron, Rule
from fastsnn.pynn.relays import Relay, ReleaseSite
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


class Stochastic(_Delayed):
    """Synapses that transmit by chance: what passes a spike on at each of their release sites."""

    def relay(self, given: dict[str, Any]) -> Neuron:
        """Neurons with the parameters of sites."""
        return ReleaseSite(u_0=given["U"], tau_rec=given["tau_rec"], tau_facil=given["tau_facil"])

    def sites(self, given: dict[str, np.ndarray]) -> np.ndarray:
        """Number of sites of each synapse."""
        return np.ones(len(given["weight"]), dtype=np.int64)


class SimpleStochasticSynapse(Stochastic, synapses.SimpleStochasticSynapse):
    __doc__ = synapses.SimpleStochasticSynapse.__doc__
    translations = _same("weight", "delay", "p")

    def relay(self, given: dict[str, Any]) -> Neuron:
        """See Stochastic."""
        return Relay(p=given["p"])


class StochasticTsodyksMarkramSynapse(Stochastic, synapses.StochasticTsodyksMarkramSynapse):
    __doc__ = synapses.StochasticTsodyksMarkramSynapse.__doc__
    translations = _same("weight", "delay", "U", "tau_rec", "tau_facil")


class MultiQuantalSynapse(Stochastic, synapses.MultiQuantalSynapse):
    """n release sites, each of which delivers weight / n on its own."""

    translations = _same("weight", "delay", "U", "n", "tau_rec", "tau_facil")

    def sites(self, given: dict[str, np.ndarray]) -> np.ndarray:
        """See Stochastic."""
        n = np.rint(given["n"]).astype(np.int64)
        if (n < 1).any() or (n != given["n"]).any():
            wrong = given["n"][(n < 1) | (n != given["n"])][0]
            raise ValueError(f"MultiQuantalSynapse(n={wrong}): expected a whole number, 1 or more.")
        return n


class STDPMechanism(_Delayed, synapses.STDPMechanism):
    __doc__ = synapses.STDPMechanism.__doc__
    base_translations = _same("weight", "delay", "dendritic_delay_fraction")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        timing, weights = self.timing_dependence, self.weight_dependence
        symmetric = isinstance(timing, Vogels2011Rule)
        if symmetric and not isinstance(weights, AdditiveWeightDependence):
            raise errors.NoModelAvailableError(
                f"STDPMechanism: Vogels2011Rule with {type(weights).__name__}, expected "
                f"AdditiveWeightDependence."
            )

    def rule(self, given: dict[str, float], scale: float) -> tuple[Rule, float]:
        """The rule for parameters of PyNN; the least weight that it takes.

        scale: from PyNN's unit of weights to ours.
        """
        if isinstance(self.timing_dependence, Vogels2011Rule):
            eta = given["eta"] * scale
            return InhibitorySTDP(eta=eta, tau=given["tau"], rho=given["rho"]), -math.inf
        return self.weight_dependence.rule(given, given["w_max"] * scale)


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


class GutigWeightDependence(synapses.GutigWeightDependence):
    __doc__ = synapses.GutigWeightDependence.__doc__
    translations = _same("w_min", "w_max", "mu_plus", "mu_minus")

    def rule(self, given: dict[str, float], top: float) -> tuple[Rule, float]:
        """See AdditiveWeightDependence."""
        made = NonlinearSTDP(
            a_plus=given["A_plus"], a_minus=given["A_minus"],
            mu_plus=given["mu_plus"], mu_minus=given["mu_minus"],
            tau_plus=given["tau_plus"], tau_minus=given["tau_minus"],
        )  # fmt: skip
        return made, -math.inf


class Vogels2011Rule(synapses.Vogels2011Rule):
    """Symmetric STDP of inhibitory synapses (Vogels et al. 2011); rho in Hz, eta a weight."""

    translations = _same("tau", "eta", "rho")


class SpikePairRule(synapses.SpikePairRule):
    __doc__ = synapses.SpikePairRule.__doc__
    translations = _same("tau_plus", "tau_minus", "A_plus", "A_minus")


__all__ = [
    "AdditivePotentiationMultiplicativeDepression",
    "AdditiveWeightDependence",
    "GutigWeightDependence",
    "MultiQuantalSynapse",
    "MultiplicativeWeightDependence",
    "STDPMechanism",
    "SimpleStochasticSynapse",
    "SpikePairRule",
    "StaticSynapse",
    "StochasticTsodyksMarkramSynapse",
    "TsodyksMarkramSynapse",
    "Vogels2011Rule",
]
