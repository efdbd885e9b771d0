# SPDX-License-Identifier: Apache-2.0
"""Wirings by distance and on a ring."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from sparse_rows import expected, isas, rows

from fastsnn import Network
from fastsnn.errors import FastsnnError
from fastsnn.models import LIF
from fastsnn.sparse import (
    DiscKernel,
    DistanceDependent,
    ExponentialKernel,
    GaussianKernel,
    Normal,
    SmallWorld,
    grid,
)

VALUES: dict[str, Any] = {"w": Normal(5.0, 1.0, low=0.0), "delay": Normal(1.5, 0.75, low=0.1)}
KERNELS = [GaussianKernel(0.8, 1.0), ExponentialKernel(0.5, 0.7), DiscKernel(1.0, 3.0)]


def scattered(n: int, dimensions: int, seed: int) -> torch.Tensor:
    return 10.0 * torch.rand(n, dimensions, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)
@pytest.mark.parametrize("period", [None, 10.0, [12.0, 11.0, 10.0]])
def test_native_rows_are_the_edges_bit_for_bit(
    isa: str, dimensions: int, kernel: Any, period: Any
) -> None:
    space = {"period": period[:dimensions] if isinstance(period, list) else period}
    wiring = DistanceDependent(
        kernel, scattered(37, dimensions, 1), targets=scattered(100, dimensions, 2),
        velocity=None if period is None else 2.0, **space, **VALUES,
    )  # fmt: skip
    wiring.check("wiring", 37, 100)
    joined = [(0, 1, wiring)]
    got, places = rows(joined, isa, threads=2)
    assert got == expected(joined, places)


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize(("k", "p"), [(6, 0.0), (6, 0.3), (10, 1.0), (98, 0.5), (0, 0.1)])
def test_ring_has_distinct_targets_bit_for_bit(isa: str, k: int, p: float) -> None:
    wiring = SmallWorld(k, p, **VALUES)
    wiring.check("wiring", 100, 100, same=True)
    e = wiring.edges(1, 0, 0.1, 100, 100, same=True)
    assert torch.equal(torch.bincount(e.pre, minlength=100), torch.full((100,), k))
    assert not bool((e.pre == e.post).any())
    assert len(torch.unique(e.pre * 100 + e.post)) == len(e.pre)
    joined = [(1, 1, wiring)]
    got, places = rows(joined, isa)
    assert got == expected(joined, places)


def test_small_world_rewires_its_share() -> None:
    n, k, p = 2000, 10, 0.2
    e = SmallWorld(k, p).edges(3, 0, 0.1, n, n, same=True)
    apart = (e.post - e.pre).remainder(n)
    near = torch.minimum(apart, n - apart) <= k // 2
    share = 1.0 - float(near.double().mean())
    # a rewired synapse may fall on a place that another one has left
    assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / (n * k)) + p * k / n
    into = torch.bincount(e.post, minlength=n).double()
    # (1 - p) k stay or not, each with probability p; those rewired arrive as a Poisson process
    assert float(into.var()) == pytest.approx(k * p * (1 - p) + k * p, rel=0.15)


def test_disc_joins_all_within_and_none_beyond() -> None:
    here, there = scattered(40, 2, 3), scattered(60, 2, 4)
    e = DistanceDependent(DiscKernel(1.0, 2.5), here, targets=there).edges(1, 0, 0.1, 40, 60)
    apart = torch.cdist(here.double(), there.double())
    assert torch.equal(torch.stack([e.pre, e.post], 1), (apart <= 2.5).nonzero())


def test_chance_falls_as_the_kernel_says() -> None:
    places = torch.rand(2000, 1, generator=torch.Generator().manual_seed(5))
    kernel = GaussianKernel(0.6, 0.08)
    wiring = DistanceDependent(kernel, places, period=1.0)
    e = wiring.edges(2, 0, 0.1, 2000, 2000, same=True)
    assert len(e.pre) == pytest.approx(wiring.expected_synapses(2000, 2000), rel=0.01)
    apart = (places - places.T).abs()
    apart = torch.minimum(apart, 1.0 - apart)
    joined = torch.zeros(2000, 2000, dtype=torch.bool)
    joined[e.pre, e.post] = True
    for low in (0.0, 0.05, 0.1, 0.2):
        ring = (apart >= low) & (apart < low + 0.01)
        chance = float(kernel(apart[ring].double()).mean())
        n = int(ring.sum())
        assert abs(float(joined[ring].double().mean()) - chance) < 5 * math.sqrt(chance / n)


def test_delays_grow_with_distance() -> None:
    line = grid(50, spacing=1.0)
    e = DistanceDependent(DiscKernel(1.0, 20.0), line, delay=0.5, velocity=2.0).edges(
        1, 0, 0.1, 50, 50, same=True
    )
    assert torch.equal(e.delay, (5 + 5 * (e.pre - e.post).abs()).to(torch.int32))


def test_periodic_space_has_no_border() -> None:
    places = grid(20, 20, spacing=1.0)
    whole = DistanceDependent(DiscKernel(1.0, 3.0), places, period=20.0, autapses=False)
    e = whole.edges(1, 0, 0.1, 400, 400, same=True)
    # lattice points within 3, without the middle
    assert set(torch.bincount(e.pre).tolist()) == {28}
    border = DistanceDependent(DiscKernel(1.0, 3.0), places).edges(1, 0, 0.1, 400, 400)
    assert int(torch.bincount(border.pre).min()) < 28


def test_any_function_is_a_kernel() -> None:
    wiring = DistanceDependent(
        lambda d: 0.5 * (1.0 + torch.cos(d)), grid(30), cutoff=3.0, period=30.0
    )
    wiring.check("wiring", 30, 30)
    assert wiring.expected_synapses(30, 30) == pytest.approx(
        30 * (1 + (1 + math.cos(1)) + (1 + math.cos(2)) + (1 + math.cos(3))), rel=1e-4
    )


def test_places_and_kernels_are_kept_in_files(tmp_path: Path) -> None:
    net = Network(dt=0.1, seed=4)
    net.population("A", LIF(), 25)
    wiring = DistanceDependent(GaussianKernel(0.9, 1.5), grid(5, 5), delay=0.5, period=5.0)
    net.projection("A", "A", wiring)
    net.save(tmp_path / "net")
    again = Network.load(tmp_path / "net").sparse["A->A"].edges()
    for name in ("pre", "post", "w", "delay"):
        assert torch.equal(getattr(again, name), getattr(net.sparse["A->A"].edges(), name))


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        (SmallWorld(3, 0.1), "even number"),
        (SmallWorld(10, 0.1), "below the 10"),
        (SmallWorld(2, 1.5), "p_rewire"),
        (DistanceDependent(DiscKernel(1.0, 1.0), grid(9)), r"expected \(10, 1 to 3\)"),
        (DistanceDependent(DiscKernel(1.5, 1.0), grid(10)), "probabilities"),
        (DistanceDependent(lambda d: d, grid(10)), "cutoff=None"),
        (DistanceDependent(DiscKernel(1.0, -1.0), grid(10)), "cutoff=-1.0"),
        (DistanceDependent(DiscKernel(1.0, 1.0), grid(10), velocity=0.0), "velocity"),
        (DistanceDependent(DiscKernel(1.0, 1.0), grid(10), period=5.0), "beyond the period"),
        (DistanceDependent(DiscKernel(1.0, 1.0), grid(10), period=[9.0, 9.0]), "1 of them"),
        (DistanceDependent(DiscKernel(1.0, 1.0), grid(10), targets=grid(5, 2)), "1 dimensions"),
        (DistanceDependent(DiscKernel(1.0, 1.0), math.nan * grid(10)), "NaN"),
    ],
)
def test_what_does_not_fit_is_told(wiring: Any, message: str) -> None:
    with pytest.raises(FastsnnError, match=message):
        wiring.check("Projection 'a->b'", 10, 10, same=True)
