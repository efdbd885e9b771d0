# SPDX-License-Identifier: Apache-2.0
"""Brunel's network of excitatory and inhibitory neurons under Poisson drive.

10,000 excitatory and 2,500 inhibitory neurons, each with 1,000 and 250 of them as inputs and as
many external Poisson trains as excitatory ones.  g: inhibitory over excitatory weight; eta:
external rate over the one that would just reach the threshold without noise.  At a scale below
1, neurons and their inputs shrink alike; weights grow by 1 / sqrt(scale), and a current makes up
for the mean input that this takes away, so that mean and variance of the input stay.
"""

from __future__ import annotations

import math
from typing import Any

from fastsnn.models.currents import LIFAlpha, LIFDelta
from fastsnn.models.declare import Neuron
from fastsnn.network import Network
from fastsnn.networks.recipe import Expected, Recipe, size, uniform
from fastsnn.sparse import FixedInDegree, PoissonDrive

DT, DELAY = 0.1, 1.5  # ms
N_E, N_I, K_E, K_I = 10_000, 2_500, 1_000, 250
J, THETA, TAU_M, T_REFRAC = 0.1, 20.0, 20.0, 2.0  # mV, mV, ms, ms; potentials from rest
V_RESET = 10.0  # mV
C_M, TAU_SYN = 250.0, 0.5  # pF, ms; of the alpha version
_ROOT_PI = math.sqrt(math.pi)
# synchronous regular, fast and slow synchronous irregular, asynchronous irregular: (g, eta)
STATES = {"AI": (5.0, 2.0), "SR": (3.0, 2.0), "SI-fast": (6.0, 4.0), "SI-slow": (4.5, 0.9)}


def _build(scale: float, state: str, model: type[Neuron], w: float, **options: Any) -> Network:
    """w: excitatory weight at scale 1."""
    numbers, net = options.pop("numbers"), Network(dt=DT, **options)
    g, eta = STATES[state]
    fewer = min(1.0, scale)
    w, k_e, k_i = w / math.sqrt(fewer), size(K_E, fewer), size(K_I, fewer)
    lost = (1.0 - math.sqrt(fewer)) * _mean_input(state, mean_field_rate(state))
    offset = lost * C_M / TAU_M
    for name, n in (("E", N_E), ("I", N_I)):
        made = model(
            v_rest=0.0, v_thresh=THETA, tau_m=TAU_M, c_m=C_M, t_refrac=T_REFRAC, i_offset=offset,
            **numbers,
        )  # fmt: skip
        net.population(name, made, size(n, scale))
        net.populations[name].v = uniform(net, name, 0.0, THETA)
    for target in net.populations:
        for source, k, weight, port in (("E", k_e, w, "ex"), ("I", k_i, -g * w, "inh")):
            wiring = FixedInDegree(k, w=weight, delay=DELAY)
            net.projection(source, target, wiring, receptor=port)
        rate = eta * 1000.0 * THETA / (J * TAU_M) * fewer
        net.drive(target, PoissonDrive(rate, w), receptor="ex")
    return net


def delta(scale: float = 1.0, variant: str = "AI", **options: Any) -> Network:
    """Spikes make the membrane jump by J.  options: seed, backend, threads."""
    return _build(scale, variant, LIFDelta, J, numbers={"v_reset": V_RESET}, **options)


def alpha(scale: float = 1.0, variant: str = "AI", **options: Any) -> Network:
    """Alpha currents whose potentials have the area of a jump by J.

    options: seed, backend, threads.
    """
    numbers = {"v_reset": V_RESET, "tau_syn_ex": TAU_SYN, "tau_syn_inh": TAU_SYN}
    # a jump by J and an alpha current of the charge J c_m displace the mean potential alike
    w = J * C_M / (math.e * TAU_SYN)
    return _build(scale, variant, LIFAlpha, w, numbers=numbers, **options)


def mean_field_rate(state: str) -> float:
    """Rate of every neuron of the delta version by mean-field theory, Hz, without synchrony.

    Source: Brunel 2000, eqs 19-23 (without delays); Siegert 1951.
    """
    g, eta = STATES[state]

    def again(rate: float) -> float:
        variance = J * (eta * THETA + K_E * J * TAU_M / 1000.0 * (1.0 + g * g * K_I / K_E) * rate)
        return _siegert(_mean_input(state, rate), math.sqrt(variance))

    low, high = 0.0, 1000.0 / T_REFRAC
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if again(middle) > middle else (low, middle)
    return low


def _mean_input(state: str, rate: float) -> float:
    """Mean potential, mV, that the inputs would bring about without a threshold."""
    g, eta = STATES[state]
    return eta * THETA + K_E * J * TAU_M / 1000.0 * (1.0 - g * K_I / K_E) * rate


def _siegert(mean: float, sd: float, points: int = 2_000) -> float:
    """Rate, Hz, of an integrate-and-fire neuron whose input is white noise, mV."""
    low, high = (V_RESET - mean) / sd, (THETA - mean) / sd
    step = (high - low) / points
    total = 0.0
    for k in range(points):
        u = low + (k + 0.5) * step
        # exp(u^2) erfc(-u), by its asymptotic series where the factors leave the range of floats
        total += (
            math.exp(u * u) * math.erfc(-u) if u > -5.0 else (0.5 / u**2 - 1.0) / (_ROOT_PI * u)
        )
    return 1000.0 / (T_REFRAC + TAU_M * _ROOT_PI * step * total)


def _all(rate: float, cv: float | None, within: float) -> dict[str, Expected]:
    return {name: Expected(rate, cv, within=within) for name in ("E", "I")}


RECIPES = (
    Recipe(
        "brunel",
        "Brunel's network, delta synapses",
        "Brunel 2000",
        "NEST 3.10, two networks of full size, 0.2 to 1 s (SR: one, 0.2 to 0.5 s)",
        delta,
        variants=tuple(STATES),
        # within: about four times the difference of the two; the CV follows the rhythm of SI-fast
        expected={
            "AI": _all(37.9, 0.417, 0.03),
            "SR": _all(333.3, 0.001, 0.01),
            "SI-fast": _all(58.9, None, 0.05),
            "SI-slow": _all(6.1, 0.487, 0.15),
        },
    ),
    Recipe(
        "brunel-alpha",
        "Brunel's network, alpha currents",
        "Brunel 2000, with the alpha currents of NEST's example",
        "the delta version: mean and variance of the input are alike",
        alpha,
        variants=tuple(STATES),
    ),
)
