# SPDX-License-Identifier: Apache-2.0
"""Neurons with receptors of one's own, made from models with ex and inh."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from driven import run
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsnn import Dense, ModelError, Network, Poisson
from fastsnn.models import (
    AdExCondAlpha,
    AdExCondExp,
    AdExExp,
    Input,
    LIFAlpha,
    LIFCondAlpha,
    LIFCondExp,
    LIFExp,
    Neuron,
    with_receptors,
)

C_M, TAU_M = 200.0, 10.0
TIME = 0.1 * np.arange(1, 601)
FAMILIES = [(LIFExp, LIFAlpha), (LIFCondExp, LIFCondAlpha), (AdExExp, AdExCondExp, AdExCondAlpha)]


def end_of(model: Neuron, ports: list[str], backend: str, dt: float = 0.1) -> dict:
    """State after 30 ms of noise onto all receptors."""
    net = Network(dt=dt, batch_size=2, seed=3, backend=backend)
    draw = torch.Generator().manual_seed(1)
    net.population("m", model, 17)
    net.population("in", Input(), 11)
    sign = -1.0 if any(k.startswith("i_") for k in net.populations["m"].variables()) else 1.0
    for k, port in enumerate(ports):
        # eighths: their sums are exact in any order
        w = torch.randint(1, 40, (11, 17), generator=draw) / 8 * (sign if k % 2 else 1.0)
        net.projection("in", "m", Dense(w), receptor=port, name=port)
    net.run(30.0, {"in": Poisson(torch.full((11,), 300.0))})
    return net.state_dict()


@pytest.mark.parametrize("model", [m for family in FAMILIES for m in family])
def test_two_of_one_kind_are_the_model_itself(model, backend):
    made = with_receptors({"ex": model, "inh": model})
    neurons = model(), made(**model().values)
    want, got = (end_of(neuron, ["ex", "inh"], backend) for neuron in neurons)
    assert want["m.v"].unique().numel() > 5
    assert want.keys() == got.keys()
    for name, tensor in want.items():
        assert torch.equal(got[name], tensor), name


def test_potentials_of_many_currents_are_exact(backend):
    taus = {"AMPA": 1.5, "GABAA": 6.0, "GABAB": 25.0}
    cell = with_receptors(dict.fromkeys(taus, LIFExp))
    neuron = cell(
        c_m=C_M, tau_m=TAU_M, v_thresh=1e6, **{f"tau_syn_{k}": v for k, v in taus.items()}
    )
    arrivals = {10: {"AMPA": 150.0}, 57: {"GABAA": -90.0, "AMPA": 40.0}, 200: {"GABAB": -70.0}}
    got = run(neuron, 600, backend=backend, arrivals=arrivals)["v"][:, 0]
    want = np.full(600, -65.0)
    for at, weights in arrivals.items():
        t = np.maximum(TIME - 0.1 * (at + 1), 0.0)
        for port, w in weights.items():
            tau = taus[port]
            fall = np.exp(-t / TAU_M) - np.exp(-t / tau)
            want += w / C_M * TAU_M * tau / (TAU_M - tau) * fall
    assert np.abs(want + 65.0).max() > 0.3
    # one rounding of v a step, each forgotten with tau_m
    assert np.abs(got - want).max() < 0.5 * 2.0**-17 * TAU_M / 0.1


@pytest.mark.parametrize("family", [(LIFCondExp, LIFCondAlpha), (AdExCondExp, AdExCondAlpha)])
def test_kinds_of_conductances_mix(family, backend):
    cell = with_receptors({"AMPA": family[0], "NMDA": family[1], "GABA": family[0]})
    neuron = cell(tau_syn_AMPA=2.0, tau_syn_NMDA=20.0, tau_syn_GABA=8.0, e_rev_GABA=-75.0)
    arrivals = {10: {"AMPA": 6.0, "NMDA": 2.0}, 60: {"GABA": 9.0}}
    got = run(neuron, 600, backend=backend, arrivals=arrivals, watch=("g_AMPA", "g_NMDA", "g_GABA"))
    t = np.maximum(TIME - 1.1, 0.0)
    want = {
        "g_AMPA": np.where(TIME > 1.05, 6.0 * np.exp(-t / 2.0), 0.0),
        "g_NMDA": 2.0 * t / 20.0 * np.exp(1.0 - t / 20.0),
        "g_GABA": np.where(TIME > 6.05, 9.0 * np.exp(-(TIME - 6.1) / 8.0), 0.0),
    }
    for name, values in want.items():
        assert np.abs(got[name][:, 0] - values).max() < 1e-4 * values.max(), name


@settings(max_examples=6)
@given(st.data())
def test_mixtures_are_the_same_on_every_backend(data):
    family = data.draw(st.sampled_from(FAMILIES[:2]))
    ports = data.draw(st.lists(st.sampled_from(["A", "B", "fast"]), min_size=1, unique=True))
    cell = with_receptors({port: data.draw(st.sampled_from(family)) for port in sorted(ports)})
    numbers = {f"tau_syn_{port}": data.draw(st.floats(0.5, 30.0)) for port in ports}
    want, got = (end_of(cell(**numbers), ports, b) for b in ("torch", "cpu"))
    for name, tensor in want.items():
        assert torch.equal(got[name], tensor), name


def test_a_membrane_is_that_of_all_receptors():
    with pytest.raises(ModelError, match=r"LIFExp \('a'\) and LIFCondExp \('b'\) differ"):
        with_receptors({"a": LIFExp, "b": LIFCondExp})
    with pytest.raises(ModelError, match=r"LIFCondExp .* and AdExCondExp .* differ"):
        with_receptors({"a": LIFCondExp, "b": AdExCondExp})


def test_names_that_are_taken_are_refused():
    for taken in ("leak", "i", "v", "exp", "spike"):
        with pytest.raises(ModelError, match="is taken"):
            with_receptors({taken: LIFCondExp})
    with pytest.raises(ModelError, match="expected a name"):
        with_receptors({"no name": LIFCondExp})
    with pytest.raises(ModelError, match="expected a name and a model with the receptors ex and"):
        with_receptors({"a": Input})
    with pytest.raises(ModelError, match="one receptor at least"):
        with_receptors({})
