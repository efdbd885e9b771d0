# SPDX-License-Identifier: Apache-2.0
"""Sparse projections, drives and receptors on Triton, interpreted: the bits of torch."""

from __future__ import annotations

import interpreting
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreting import INTERPRETER, SMALL
from test_models_parity import assert_model_agrees
from test_replicas import SEEDS, same_state
from test_sparse import (
    assert_goes_on,
    assert_receptors_agree,
    assert_reset_forgets,
    assert_same,
    dense_receptors,
    networks,
    run_alike,
)
from test_triton import Recorded, on_a_pretended_gpu

import fastsnn
from fastsnn import BackendError, Poisson, Replicas, models
from fastsnn.backends import native, triton_jit, triton_sparse
from fastsnn.lowering.header import built_in
from fastsnn.models import Neuron
from fastsnn.models.currents import LIFDelta, LIFExp
from fastsnn.sparse import EdgeList, FixedInDegree, FixedOutDegree, PoissonDrive, Uniform

pytestmark = [
    interpreting.needed,
    pytest.mark.skipif(
        "cpu" not in fastsnn.backends.usable(), reason="the native engine, which draws, is missing"
    ),
]


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    interpreting.switch_on(monkeypatch)


@settings(max_examples=8, deadline=None)
@given(
    make=networks(),
    tiling=st.sampled_from([SMALL, INTERPRETER]),
    neurons=st.sampled_from([16, 64, 60_000]),
)
def test_random_network_is_bit_identical_however_it_is_cut(make, tiling, neurons):
    with pytest.MonkeyPatch.context() as patch, interpreting.tiled(tiling):
        patch.setattr(triton_sparse, "NEURONS_OF_A_TILE", neurons)
        run_alike(make("torch"), make("triton"), times=(4.0, 1.0, 3.0))


@settings(max_examples=3, deadline=None)
@given(make=networks())
def test_a_run_goes_on_from_its_file_on_any_backend(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    ways = ("triton", "cpu", "triton"), ("torch", "triton", "torch")
    assert_goes_on(make, path, *ways, times=(5.0, 2.0, 4.0))


@pytest.mark.parametrize("model", [LIFExp, LIFDelta])
def test_sparse_receptors_are_bit_identical(model):
    assert_receptors_agree(model(), "triton", 8.0)


@pytest.mark.parametrize(
    "model", [m for m in built_in(Neuron) if m.ports], ids=lambda m: m.__name__
)
def test_every_model_with_receptors_is_that_of_torch(model):
    assert_model_agrees(model, "triton", steps=6)


def test_receptors_without_anything_sparse_are_bit_identical():
    assert_same(dense_receptors("torch", 20), dense_receptors("triton", 20))


def test_a_reset_forgets_what_is_under_way():
    assert_reset_forgets("triton", 2.0)


def crowd(seed: int, backend: str) -> fastsnn.Network:
    """One that wins, a dense and a sparse projection, rates and delays of its own for each seed."""
    net = fastsnn.Network(dt=1.0, seed=seed, backend=backend, device="cpu")
    net.population("X", models.Input(), 20)
    net.population("Y", models.LIF(t_refrac=2.0), 50, one_spike=True)
    net.population("Z", models.LIF(t_refrac=1.0), 35)
    net.projection("X", "Y", FixedOutDegree(9, w=4.0, delay=Uniform(1.0, 2.0 + seed)))
    net.projection("Y", "Z", FixedInDegree(20, w=9.0))
    net.projection("Y", "Y", fastsnn.Dense(torch.full((50, 50), -0.5)))
    net.projection("Z", "Z", EdgeList([0, 1], [1, 2], w=[3.0, seed + 1.0]), name="listed")
    net.drive("Z", PoissonDrive(torch.linspace(0.0, 90.0 * seed, 35), 6.0))
    return net


def test_replicas_equal_networks_of_their_own():
    shown = [{"X": Poisson(torch.full((2, 20), 100.0 + 40.0 * k))} for k in range(len(SEEDS))]
    with interpreting.tiled(SMALL):
        together = Replicas(lambda seed: crowd(seed, "triton"), SEEDS)
        together.present(shown, 5.0, reset=True)
        together.run(4.0, shown[0] | {"X": Poisson(torch.full((20,), 300.0))})
    for r, seed in enumerate(SEEDS):
        net = crowd(seed, "torch")
        net.present(shown[r], 5.0, reset=True)
        net.run(4.0, {"X": Poisson(torch.full((20,), 300.0))})
        assert same_state(together[r], net)
        assert any(bool(t.any()) for p in net.populations.values() for t in p.arriving.values())


def test_replicas_have_the_same_projections_and_drives():
    def build(seed: int) -> fastsnn.Network:
        net = fastsnn.Network(dt=1.0, seed=seed, backend="torch")
        net.population("a", models.LIF(), 5)
        net.population("b", models.LIF(), 5)
        net.projection("a", "b" if seed else "a", FixedInDegree(2))
        return net

    with pytest.raises(fastsnn.ShapeError, match="replica 1 differs from replica 0"):
        Replicas(build, [0, 1])


def test_captured_blocks_replay_to_the_same_bits(monkeypatch):
    net, want = crowd(3, "triton"), crowd(3, "torch")
    on_a_pretended_gpu(monkeypatch, net)
    for each in (net, want):
        each.run(14.0, {"X": Poisson(torch.full((20,), 300.0))})
    assert same_state(net, want)
    assert [graph.replays for graph in Recorded.made] == [2]


def test_a_clamp_is_sent_and_a_held_spike_is_not():
    nets = []
    for backend in ("torch", "triton"):
        net = crowd(3, backend)
        clamp = {"Z": torch.arange(35) % 3 == 0}
        unclamp = {"Y": torch.arange(50) % 2 == 0, "Z": torch.arange(35) % 2 == 0}
        given = {"X": Poisson(torch.full((20,), 300.0))}
        net.run(6.0, given, clamp=clamp, unclamp=unclamp)
        nets.append(net)
    assert_same(*nets)


def test_the_memory_of_synapses_is_told_before_it_is_taken():
    net = crowd(3, "triton")
    # 4 bytes each, one tile for each of the ports of Y and Z, 105 sources
    expected = net.plan.expected_synapses
    assert expected == 20 * 9 + 35 * 20 + 2
    assert triton_jit.synapse_bytes(net.plan) == 4.3 * expected + 8 * 2 * 105


def test_what_does_not_run_is_told_with_the_reason(monkeypatch):
    net = crowd(3, "triton")
    monkeypatch.setattr(native, "usable", lambda: "the native engine is not built.")
    with pytest.raises(BackendError, match="rows of sparse projections are drawn by the native"):
        net.run(1.0)
    monkeypatch.undo()
    interpreting.switch_on(monkeypatch)
    monkeypatch.setattr(triton_sparse, "_MOST_SOURCES", 104)
    with pytest.raises(BackendError, match="need at most 104 neurons, the network has 105"):
        net.run(1.0)
