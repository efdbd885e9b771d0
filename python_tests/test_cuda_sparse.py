# SPDX-License-Identifier: Apache-2.0
"""Sparse projections, drives and receptors on the emulated CUDA engine: the bits of torch."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuda import MODULE, spreads
from test_sparse import (
    assert_goes_on,
    assert_receptors_agree,
    assert_reset_forgets,
    assert_same,
    dense_receptors,
    networks,
    run_alike,
)

import fastsnn
from fastsnn import BackendError, models
from fastsnn.backends import cuda, cuda_sparse
from fastsnn.models.currents import LIFDelta, LIFExp
from fastsnn.sparse import AllToAll, EdgeList

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
    ways = ("cuda-grid-3", "cpu", "cuda-grid-6"), ("cuda-grid-3", "cuda-grid-1", "torch")
    assert_goes_on(make, path, *ways)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("model", [LIFExp, LIFDelta])
def test_receptors_are_bit_identical(model, grid):
    assert_receptors_agree(model(), grid)


def test_a_reset_forgets_what_is_under_way():
    assert_reset_forgets("cuda-grid-3")


def test_receptors_without_anything_sparse_are_bit_identical():
    for grid in ("cuda-grid-3", "cuda-auto"):
        assert_same(dense_receptors("torch"), dense_receptors(grid))


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
