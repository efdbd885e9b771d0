# SPDX-License-Identifier: Apache-2.0
"""Sparse wirings: who is joined to whom, and that the native engine draws the same."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from sparse_rows import SIZES, expected, isas, rows
from torch import Tensor

from fastsnn import Network
from fastsnn.errors import FastsnnError, ModelError, ShapeError
from fastsnn.models.conductances import LIFCondExp
from fastsnn.sparse.distributions import Exponential, LogNormal, Normal, Uniform
from fastsnn.sparse.draw import Edges
from fastsnn.sparse.drives import PoissonDrive
from fastsnn.sparse.edge_list import EdgeList
from fastsnn.sparse.wirings import (
    AllToAll,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    FixedTotalNumber,
    Pairs,
    Wiring,
)

VALUES: dict[str, Any] = {"w": Normal(5.0, 1.0, low=0.0), "delay": Normal(1.5, 0.75, low=0.1)}


def listed(n: int, **values: Any) -> EdgeList:
    draw = torch.Generator().manual_seed(3)
    ends = (torch.randint(0, size, (n,), generator=draw) for size in SIZES)
    return EdgeList(*list(ends)[:2], **values)


# between populations of 37 and 100 neurons
WIRINGS: dict[str, Wiring] = {
    "total": FixedTotalNumber(3000, **VALUES),
    "total, few distinct": FixedTotalNumber(300, multapses=False, **VALUES),
    "total, most distinct": FixedTotalNumber(3400, multapses=False, **VALUES),
    "probability": FixedProbability(0.1, **VALUES),
    "high probability": FixedProbability(0.9, **VALUES),
    "certain": FixedProbability(1.0, **VALUES),
    "never": FixedProbability(0.0, **VALUES),
    "probability, multapses": FixedProbability(0.3, multapses=True, **VALUES),
    "out-degree": FixedOutDegree(30, **VALUES),
    "out-degree, few distinct": FixedOutDegree(30, multapses=False, **VALUES),
    "out-degree, most distinct": FixedOutDegree(90, multapses=False, **VALUES),
    "in-degree": FixedInDegree(30, **VALUES),
    "in-degree, few distinct": FixedInDegree(10, multapses=False, **VALUES),
    "in-degree, most distinct": FixedInDegree(30, multapses=False, **VALUES),
    "all": AllToAll(w=-LogNormal(2.0, 1.0, high=20.0), delay=Uniform(0.1, 2.0)),
    "list": listed(500, w=torch.linspace(-3.0, 5.0, 500), delay=torch.linspace(0.1, 3.0, 500)),
    "list, drawn": listed(500, w=Exponential(2.0), delay=1.5),
    "constant": FixedOutDegree(20, w=2.0, delay=1.0),
    "one step": FixedOutDegree(20, w=Uniform(-1.0, 1.0)),
    "rare delays": FixedOutDegree(2, delay=Uniform(1.0, 100.0)),
}


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("name", WIRINGS)
def test_native_rows_are_the_edges_bit_for_bit(name: str, isa: str) -> None:
    WIRINGS[name].check(name, SIZES[0], SIZES[1])
    joined = [(0, 1, WIRINGS[name])]
    got, places = rows(joined, isa)
    assert got == expected(joined, places)


RECURRENT = [
    FixedTotalNumber(3000, **VALUES),
    FixedTotalNumber(3000, multapses=False, **VALUES),
    FixedTotalNumber(7000, multapses=False, **VALUES),
    FixedProbability(0.1, **VALUES),
    FixedInDegree(20, **VALUES),
    FixedInDegree(70, multapses=False, **VALUES),
    FixedOutDegree(20, **VALUES),
    AllToAll(**VALUES),
]


@pytest.mark.parametrize("autapses", [True, False])
@pytest.mark.parametrize("wiring", RECURRENT, ids=lambda w: type(w).__name__)
def test_autapses_exist_where_they_are_allowed(wiring: Any, autapses: bool) -> None:
    wiring = replace(wiring, autapses=autapses)
    joined = [(1, 1, wiring)]
    got, places = rows(joined)
    assert got == expected(joined, places)
    e = wiring.edges(1, 0, 0.1, 100, 100, same=True)
    assert bool((e.pre == e.post).any()) == autapses
    # two populations of one size share no neuron
    apart = wiring.edges(1, 0, 0.1, 100, 100)
    assert bool((apart.pre == apart.post).any())


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("tiles", [1, 5])
def test_many_projections_share_rows_whatever_threads(threads: int, tiles: int) -> None:
    joined = [
        (0, 0, FixedProbability(0.5, **VALUES)),
        (0, 1, FixedInDegree(5, **VALUES)),
        (1, 1, FixedTotalNumber(3000, **VALUES)),
        (2, 2, Pairs(**VALUES)),
        (2, 1, FixedOutDegree(3, **VALUES)),
        (0, 1, listed(500, w=Exponential(2.0))),
        (1, 2, AllToAll(**VALUES)),
    ]
    got, places = rows(joined, threads=threads, tiles=tiles, seed=2**40 + 7)
    assert got == expected(joined, places, 2**40 + 7)


def test_seed_and_projection_make_other_synapses() -> None:
    wiring = FixedTotalNumber(1000)
    first = wiring.edges(1, 0, 0.1, 50, 50)
    for seed, stream in ((2, 0), (1, 1), (1 + 2**32, 0)):
        other = wiring.edges(seed, stream, 0.1, 50, 50)
        assert not torch.equal(first.post, other.post)
    again = wiring.edges(1, 0, 0.1, 50, 50)
    assert torch.equal(first.pre, again.pre)
    assert torch.equal(first.post, again.post)


def chi_square(counts: Tensor, mean: float | Tensor) -> float:
    """How many standard deviations the chi-square of counts lies above its mean."""
    expected = torch.as_tensor(mean, dtype=torch.float64)
    value = float(((counts - expected) ** 2 / expected).sum())
    return (value - (counts.numel() - 1)) / math.sqrt(2 * (counts.numel() - 1))


def edges_of(wiring: Wiring, n_pre: int, n_post: int, same: bool = False) -> Edges:
    wiring.check("wiring", n_pre, n_post, same)
    return wiring.edges(11, 0, 0.1, n_pre, n_post, same)


def degrees(e: Edges, n_pre: int, n_post: int) -> tuple[Tensor, Tensor]:
    out, into = torch.bincount(e.pre, minlength=n_pre), torch.bincount(e.post, minlength=n_post)
    return out.double(), into.double()


def test_fixed_total_number_draws_both_ends_uniformly() -> None:
    e = edges_of(FixedTotalNumber(200_000), 150, 200)
    assert len(e.pre) == 200_000
    pairs = torch.bincount(e.pre * 200 + e.post, minlength=150 * 200).double()
    assert abs(chi_square(pairs, 200_000 / pairs.numel())) < 5
    out, into = degrees(e, 150, 200)
    assert abs(chi_square(out, 200_000 / 150)) < 5
    assert abs(chi_square(into, 1000.0)) < 5


@pytest.mark.parametrize("n", [3_000, 22_000])
def test_distinct_total_number_has_hypergeometric_degrees(n: int) -> None:
    e = edges_of(FixedTotalNumber(n, multapses=False), 150, 200)
    pairs = torch.bincount(e.pre * 200 + e.post, minlength=150 * 200)
    assert int(pairs.max()) == 1
    assert int(pairs.sum()) == n
    share = n / (150 * 200)
    # of a row: 200 of the 30,000 pairs, n of which are taken
    variance = 200 * share * (1 - share) * (30_000 - 200) / (30_000 - 1)
    out, into = degrees(e, 150, 200)
    assert float(out.mean()) == pytest.approx(n / 150)
    assert 0.65 < float(out.var()) / variance < 1.45
    assert 0.65 < float(into.var()) / (150 * share * (1 - share)) < 1.45


@pytest.mark.parametrize("p", [0.03, 0.4, 0.8])
def test_fixed_probability_has_binomial_degrees_and_no_multapses(p: float) -> None:
    e = edges_of(FixedProbability(p), 1000, 300)
    pairs = torch.bincount(e.pre * 300 + e.post, minlength=300_000)
    assert int(pairs.max()) == 1
    total = len(e.pre)
    assert abs(total - 300_000 * p) < 5 * math.sqrt(300_000 * p * (1 - p))
    for degree, partners in zip(degrees(e, 1000, 300), (300, 1000), strict=True):
        assert 0.7 < float(degree.var()) / (partners * p * (1 - p)) < 1.35
    # every pair alike: blocks of 10 x 10 pairs
    blocks = pairs.reshape(100, 10, 30, 10).sum((1, 3)).double()
    spread = float(((blocks - 100 * p) ** 2).mean()) / (100 * p * (1 - p))
    assert abs(spread - 1.0) < 5 * math.sqrt(2 / blocks.numel())


def test_numbers_of_fixed_probability_follow_the_binomial_distribution() -> None:
    e = edges_of(FixedProbability(0.3), 40_000, 12)
    out = torch.bincount(e.pre, minlength=40_000)
    seen = torch.bincount(out, minlength=13).double()
    chance = [math.comb(12, k) * 0.3**k * 0.7 ** (12 - k) for k in range(13)]
    usual = torch.tensor([c * 40_000 > 5 for c in chance])
    assert abs(chi_square(seen[usual], 40_000 * torch.tensor(chance).double()[usual])) < 5


@pytest.mark.parametrize("multapses", [True, False])
def test_fixed_degrees_are_fixed(multapses: bool) -> None:
    into = edges_of(FixedInDegree(40, multapses=multapses), 100, 400)
    out = edges_of(FixedOutDegree(40, multapses=multapses), 400, 100)
    for drawn, other in ((into.post, into.pre), (out.pre, out.post)):
        assert torch.equal(torch.bincount(drawn), torch.full((400,), 40))
        pairs = torch.bincount(drawn * 100 + other, minlength=40_000).double()
        assert (float(pairs.max()) > 1) == multapses
        found = torch.bincount(other, minlength=100).double()
        # without multapses a draw of 40 of 100 has 0.6 of the variance
        spread = float(((found - 160) ** 2).mean()) / (400 * 0.4 * (1.0 if multapses else 0.6))
        assert abs(spread - 1.0) < 5 * math.sqrt(2 / 100)


def test_order_of_edges_is_by_source() -> None:
    for wiring in WIRINGS.values():
        assert bool((edges_of(wiring, 37, 100).pre.diff() >= 0).all())


def test_weights_and_delays_have_their_moments() -> None:
    wiring = FixedTotalNumber(
        200_000, w=Normal(87.8, 8.78, low=0.0), delay=Normal(1.5, 0.75, low=0.05)
    )
    e = edges_of(wiring, 100, 100)
    assert abs(float(e.w.mean()) - 87.8) < 5 * 8.78 / math.sqrt(200_000)
    assert float(e.w.std()) == pytest.approx(8.78, rel=0.01)
    assert float(e.w.min()) >= 0.0
    # cut off at a = (0.05 - 1.5) / 0.75
    a = (0.05 - 1.5) / 0.75
    ratio = math.exp(-a * a / 2) / math.sqrt(2 * math.pi) / (0.5 * math.erfc(a / math.sqrt(2)))
    assert float(e.delay.double().mean()) == pytest.approx(15.0 + 7.5 * ratio, abs=0.1)
    assert int(e.delay.min()) == 1
    assert wiring.largest_delay(0.1) >= int(e.delay.max())
    assert e.w.dtype == torch.float32
    assert e.delay.dtype == torch.int32


def test_weights_delays_and_targets_are_independent() -> None:
    e = edges_of(FixedTotalNumber(100_000, w=Uniform(0, 1), delay=Uniform(1.0, 9.0)), 100, 1000)
    numbers = torch.stack([e.pre.double(), e.post.double(), e.w.double(), e.delay.double()])
    apart = torch.corrcoef(numbers) - torch.eye(4, dtype=torch.float64)
    assert float(apart.abs().max()) < 5 / math.sqrt(100_000)
    # nor are neighbours in a row
    near = torch.corrcoef(torch.stack([e.w[1:].double(), e.w[:-1].double()]))[0, 1]
    assert abs(float(near)) < 5 / math.sqrt(100_000)


def test_delays_are_whole_steps_of_at_least_one() -> None:
    e = edges_of(FixedOutDegree(50, delay=0.04), 20, 20)
    assert set(e.delay.tolist()) == {1}
    assert set(edges_of(FixedOutDegree(50), 20, 20).delay.tolist()) == {1}
    assert set(edges_of(FixedOutDegree(50, delay=1.5), 20, 20).delay.tolist()) == {15}


def test_listed_synapses_stay_as_given() -> None:
    e = edges_of(EdgeList([2, 0, 2], [1, 4, 1], w=[1.0, 2.0, 3.0], delay=[0.1, 0.2, 0.5]), 3, 5)
    assert e.pre.tolist() == [0, 2, 2]
    assert e.post.tolist() == [4, 1, 1]
    assert e.w.tolist() == [2.0, 1.0, 3.0]
    assert e.delay.tolist() == [2, 1, 5]


def test_expected_number_of_synapses() -> None:
    for wiring in WIRINGS.values():
        n = len(edges_of(wiring, 37, 100).pre)
        mean = wiring.expected_synapses(37, 100)
        assert n == mean if not isinstance(wiring, FixedProbability) else abs(n - mean) < 150


def test_largest_weight_is_no_less_than_any() -> None:
    for wiring in WIRINGS.values():
        e = edges_of(wiring, 37, 100)
        assert not len(e.w) or float(e.w.abs().max()) <= wiring.largest_weight()


def test_dales_law_is_checked() -> None:
    FixedOutDegree(1, w=Normal(1.0, 0.5, low=0.0)).check_sign("p", 1)
    FixedOutDegree(1, w=-LogNormal(1.0, 0.5)).check_sign("p", -1)
    with pytest.raises(ModelError, match=r"Dale.*low=0\.0"):
        FixedOutDegree(1, w=Normal(1.0, 0.5)).check_sign("p", 1)
    with pytest.raises(ModelError, match="no positive"):
        EdgeList([0], [0], w=[1.0]).check_sign("p", -1)


def test_receptors_ask_for_signs() -> None:
    net = Network(dt=0.1)
    net.population("A", LIFCondExp(), 5)
    net.projection("A", "A", FixedOutDegree(2, w=Normal(1.0, 0.5, low=0.0)), receptor="ex")
    with pytest.raises(ModelError, match=r"Projection 'negative'.*Dale"):
        net.projection("A", "A", FixedOutDegree(2, w=-1.0), receptor="inh", name="negative")


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        (FixedOutDegree(-1), "whole number of 0 or more"),
        (FixedOutDegree(2.5), "whole number"),  # type: ignore[arg-type]
        (FixedOutDegree(11, multapses=False), "11 different partners of 10"),
        (FixedInDegree(9, multapses=False), "9 different partners of 8"),
        (FixedInDegree(2**31), "Split the target"),
        (FixedTotalNumber(81, multapses=False), "11 different partners of 10"),
        (FixedProbability(1.5), "probability, 0 to 1"),
        (FixedOutDegree(1, w=math.nan), "finite number or a distribution"),
        (FixedOutDegree(1, w="x"), "finite number or a distribution"),  # type: ignore[arg-type]
        (FixedOutDegree(1, delay=-1.0), "more than 0 ms"),
        (FixedOutDegree(1, w=Normal(0.0, -1.0)), "sd >= 0"),
        (FixedOutDegree(1, w=Normal(0.0, 1.0, low=9.0)), "near the mean"),
        (FixedOutDegree(1, w=LogNormal(-1.0, 1.0)), "-LogNormal"),
        (Pairs(), "populations of one size"),
        (EdgeList([0, 1], [0]), "2 ids in pre and 1 in post"),
        (EdgeList([8], [0]), "pre holds other ids"),
        (EdgeList([0], [-1]), "post holds other ids"),
        (EdgeList([0.5], [1]), "whole numbers"),  # type: ignore[list-item]
        (EdgeList([0], [1], w=[1.0, 2.0]), "w is"),  # type: ignore[arg-type]
        (EdgeList([0], [1], delay=[0.0]), "0 ms or less"),  # type: ignore[arg-type]
        (EdgeList([0], [1], w=[math.inf]), "NaN or infinity"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_told(wiring: Wiring, message: str) -> None:
    with pytest.raises(FastsnnError, match=message):
        wiring.check("Projection 'a->b'", 8, 10)


def test_one_neuron_has_no_other_partner() -> None:
    with pytest.raises(ShapeError, match="no partner"):
        FixedOutDegree(3, autapses=False).check("p", 1, 1, same=True)


def test_delays_beyond_a_row_are_refused() -> None:
    with pytest.raises(ModelError, match="65,535"):
        FixedOutDegree(1, delay=10_000.0).largest_delay(0.1)


@pytest.mark.parametrize("threads", [1, 2])
def test_procedural_synapses_act_as_stored_ones(threads: int) -> None:
    pytest.importorskip("fastsnn._native")
    seen = []
    for backend, procedural in (("cpu", True), ("cpu", False), ("torch", True)):
        net = Network(dt=0.1, seed=3, backend=backend, threads=threads)
        net.population("A", LIFCondExp(), 90)
        net.population("B", LIFCondExp(), 250)
        net.drive("A", PoissonDrive(rate=9000.0, w=2.0), receptor="ex")
        values = {"w": Normal(3.0, 1.0, low=0.0), "delay": Uniform(0.1, 4.0)}
        for k, wiring in enumerate(
            (
                FixedTotalNumber(4000, procedural=procedural, **values),
                FixedProbability(0.2, procedural=procedural, **values),
                FixedInDegree(10, **values),
            )
        ):
            net.projection("A", "B", wiring, receptor="ex", name=f"c{k}")
        recorder = net.record_spikes("A", "B")
        net.run(60.0)
        seen.append((recorder.steps("B"), recorder.ids("B"), recorder.steps("A")))
    assert len(seen[0][0]) > 100
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))
