# SPDX-License-Identifier: Apache-2.0
"""Sparse projections, drives and receptors on the emulated CUDA engine: the bits of torch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuda import MODULE, spreads
from test_sparse import assert_same, networks, run_alike

import fastsnn
from fastsnn import BackendError, models
from fastsnn.backends import cuda, cuda_sparse
from fastsnn.models.currents import LIFDelta, LIFExp
from fastsnn.sparse import AllToAll, EdgeList, FixedInDegree, FixedOutDegree, Normal, PoissonDrive

pytestmark = pytest.mark.skipif(
    "cpu" not in fastsnn.backends.usable(), reason="the native engine, which draws, is not built"
)
GRIDS = ("cuda-grid-1", "cuda-grid-3", "cuda-grid-6", "cuda-auto")

__all__ = ["spreads"]  # a fixture


@settings(max_examples=25, deadline=None)
@given(
    make=networks(),
    grid=st.sampled_from(GRIDS),
    steps=st.sampled_from([1, 7, 4096]),
    shared=st.sampled_from([20_000, 232_448]),
    places=st.sampled_from([64, 320, 60_000]),
)
def test_random_network_is_bit_identical_however_it_is_spread(make, grid, steps, shared, places):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "STEPS_OF_A_LAUNCH", steps)
        patch.setattr(cuda_sparse, "PLACES_OF_A_TILE", places)
        patch.setenv("FASTSNN_EMULATED_SHARED", str(shared))
        run_alike(make("torch"), make(grid))


@settings(max_examples=8, deadline=None)
@given(make=networks())
def test_a_run_goes_on_from_its_file_on_any_backend(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    whole, first = make("cpu", 1), make("cuda-grid-3")
    whole.run(30.0)
    first.run(8.0)
    first.save(path)
    for backends in (["cpu", "cuda-grid-6"], ["cuda-grid-1", "torch"]):
        file = path
        for backend, time in zip(backends, (5.0, 17.0), strict=True):
            rest = fastsnn.Network.load(file, backend=backend)
            rest.run(time)
            file = path.with_suffix(f".{backend}")
            rest.save(file)
        assert_same(whole, rest)


def receptive(model, backend: str) -> fastsnn.Network:
    net = fastsnn.Network(dt=0.1, seed=3, backend=backend)
    net.population("in", models.Input(), 40)
    net.population("e", model, 90)
    net.population("i", model, 33)
    for name in ("e", "i"):
        wiring = FixedInDegree(6, w=Normal(60.0, 20.0, low=0.0), delay=Normal(1.5, 0.7, low=0.1))
        net.projection("e", name, wiring, receptor="ex")
        net.projection("i", name, FixedOutDegree(9, w=-40.0, delay=0.3), receptor="inh")
        net.projection("in", name, FixedOutDegree(5, w=90.0), receptor="ex")
        net.drive(name, PoissonDrive(9000.0, 50.0), receptor="ex")
    net.projection("in", "e", fastsnn.Dense(torch.full((40, 90), 2.0)), receptor="ex", name="dense")
    return net


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("model", [LIFExp, LIFDelta])
def test_receptors_are_bit_identical(model, grid):
    nets = [receptive(model(), backend) for backend in ("torch", grid)]
    spikes = torch.rand(200, 1, 40, generator=torch.Generator().manual_seed(1)) < 0.02
    counts = []
    for net in nets:
        recorder = net.record_spikes("e", "i")
        net.run(20.0, {"in": spikes})
        net.run(5.0)
        counts.append(len(recorder.ids("e")))
    assert counts[0] == counts[1] > 20
    assert_same(*nets)


def test_a_reset_forgets_what_is_under_way():
    found = []
    for backend in ("torch", "cuda-grid-3"):
        net = receptive(LIFExp(), backend)
        rates = torch.full((3, 40), 100.0)
        net.present({"in": fastsnn.Poisson(rates)}, 10.0, reset=True)
        found.append(net)
    assert_same(*found)


def test_receptors_without_anything_sparse_are_bit_identical():
    nets = []
    for backend in ("torch", "cuda-grid-3", "cuda-auto"):
        net = fastsnn.Network(dt=0.1, batch_size=2, backend=backend)
        net.population("in", models.Input(), 40)
        net.population("out", LIFExp(), 50)
        net.projection("in", "out", fastsnn.Dense(torch.full((40, 50), 30.0)), receptor="ex")
        spikes = torch.rand(100, 2, 40, generator=torch.Generator().manual_seed(1)) < 0.05
        net.run(10.0, {"in": spikes})
        nets.append(net)
    assert_same(*nets[:2])
    assert_same(*nets[::2])


def test_what_does_not_run_is_told_with_the_reason():
    net = fastsnn.Network(backend="cuda-grid-3")
    net.population("a", models.LIF(), 5, one_spike=True)
    net.projection("a", "a", AllToAll(w=1.0))
    with pytest.raises(BackendError, match="'a' has one_spike, and sends to the sparse projection"):
        net.run(5.0)
    net = fastsnn.Network(backend="torch")
    net.population("a", models.LIF(), 5)
    net.projection("a", "a", EdgeList([0], [1], w=2.0, delay=[3.0]))
    with pytest.raises(ValueError, match="policy 'cluster': a network with sparse projections"):
        cuda.Engine(MODULE, "cpu", policy="cluster").program(net.plan)
