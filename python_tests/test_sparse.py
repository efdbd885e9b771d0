# SPDX-License-Identifier: Apache-2.0
"""Sparse projections, drives, recorded spikes: torch and the engine, by bits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fastsnn
from fastsnn import models
from fastsnn.errors import FastsnnError, ModelError, ShapeError
from fastsnn.models.currents import LIFExp
from fastsnn.sparse import (
    AllToAll,
    EdgeList,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    FixedTotalNumber,
    Normal,
    PoissonDrive,
    Uniform,
)

native = pytest.mark.skipif(
    "cpu" not in fastsnn.backends.usable(), reason="the native engine is not built"
)
SIZES = (1, 17, 130)
NAMES = "abc"


@st.composite
def wirings(draw):
    w = draw(st.sampled_from([3.0, -1.5, Normal(2.0, 0.5, low=0.0), Uniform(-2.0, 3.0)]))
    delay = draw(
        st.sampled_from([1.0, 4.0, Uniform(1.0, 9.0), Normal(30.0, 20.0, low=1.0, high=70.0)])
    )
    k = draw(st.integers(0, 30))
    make = draw(
        st.sampled_from([FixedOutDegree, FixedInDegree, FixedTotalNumber, FixedProbability])
    )
    amount = {FixedTotalNumber: 40 * k, FixedProbability: k / 100}.get(make, k)
    return make(amount, w=w, delay=delay)


@st.composite
def networks(draw):
    """A function that makes the same network on any backend."""
    sizes = [draw(st.sampled_from(SIZES)) for _ in NAMES]
    ends = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), wirings())
    joins = draw(st.lists(ends, min_size=1, max_size=4))
    rates = [draw(st.sampled_from([0.0, 60.0, 900.0])) for _ in NAMES]
    uneven = draw(st.booleans())

    def make(backend: str, threads: int | None = None) -> fastsnn.Network:
        net = fastsnn.Network(dt=1.0, seed=7, backend=backend, threads=threads)
        for name, n, rate in zip(NAMES, sizes, rates, strict=True):
            net.population(name, models.LIF(t_refrac=2.0), n)
            each = torch.linspace(0.0, rate, n) if uneven else rate
            net.drive(name, PoissonDrive(each, 4.0))
        for k, (source, target, wiring) in enumerate(joins):
            net.projection(source, target, wiring, name=f"p{k}")
        net.drive("b", PoissonDrive(300.0, -1.0))
        return net

    return make


def state(net: fastsnn.Network) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items()}


def assert_same(one: fastsnn.Network, other: fastsnn.Network) -> None:
    for (name, a), b in zip(state(one).items(), state(other).values(), strict=True):
        assert torch.equal(a, b), name


def run_alike(*nets: fastsnn.Network, times: tuple[float, ...] = (20.0, 1.0, 15.0)) -> None:
    """Run both, several times: the same state and the same spikes."""
    recorders = [net.record_spikes() for net in nets]
    for net in nets:
        for time in times:
            net.run(time)
    assert_same(*nets)
    for name in NAMES:
        assert torch.equal(recorders[0].ids(name), recorders[1].ids(name))
        assert torch.equal(recorders[0].steps(name), recorders[1].steps(name))


@native
@settings(max_examples=15, deadline=None)
@given(networks(), st.integers(1, 3))
def test_engine_equals_torch(make, threads):
    run_alike(make("torch"), make("cpu", threads))


def assert_goes_on(make, path: Path, *ways: tuple[str, str, str], times=(8.0, 5.0, 17.0)) -> None:
    """Run in three parts, each on another backend, which goes on from the file of the last one."""
    whole = make("cpu", 2)
    whole.run(sum(times))
    for way in ways:
        part = make(way[0])
        part.run(times[0])
        for backend, time in zip(way[1:], times[1:], strict=True):
            part.save(path)
            part = fastsnn.Network.load(path, backend=backend)
            part.run(time)
        assert_same(whole, part)


@native
@settings(max_examples=8, deadline=None)
@given(make=networks())
def test_a_run_goes_on_from_its_file_on_any_backend(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    assert_goes_on(make, path, ("cpu", "torch", "cpu"), ("torch", "cpu", "torch"))


def receptive(model: models.Neuron, backend: str) -> fastsnn.Network:
    """Two populations with receptors; sparse projections, a dense one, drives."""
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


def assert_receptors_agree(model: models.Neuron, backend: str, ms: float = 20.0) -> None:
    """Run `receptive` on torch and on a backend, with an input and without it."""
    nets = [receptive(model, name) for name in ("torch", backend)]
    draw = torch.Generator().manual_seed(1)
    spikes = torch.rand(round(ms / 0.1), 1, 40, generator=draw) < 0.02
    counts = []
    for net in nets:
        recorder = net.record_spikes("e", "i")
        net.run(ms, {"in": spikes})
        net.run(ms / 4)
        counts.append(len(recorder.ids("e")))
    assert counts[0] == counts[1] > 20
    assert_same(*nets)


def assert_reset_forgets(backend: str, ms: float = 10.0) -> None:
    """Show three samples, with a reset before each."""
    nets = [receptive(LIFExp(), name) for name in ("torch", backend)]
    rates = torch.full((3, 40), 100.0)
    for net in nets:
        net.present({"in": fastsnn.Poisson(rates)}, ms, reset=True)
    assert_same(*nets)


def dense_receptors(backend: str, steps: int = 100) -> fastsnn.Network:
    """Receptors without anything sparse, after a run with a batch."""
    net = fastsnn.Network(dt=0.1, batch_size=2, backend=backend)
    net.population("in", models.Input(), 40)
    net.population("out", LIFExp(), 50)
    net.projection("in", "out", fastsnn.Dense(torch.full((40, 50), 30.0)), receptor="ex")
    spikes = torch.rand(steps, 2, 40, generator=torch.Generator().manual_seed(1)) < 0.05
    net.run(steps * net.dt, {"in": spikes})
    return net


@pytest.fixture(params=["torch", pytest.param("cpu", marks=native), "triton"])
def where(request, monkeypatch):
    """A backend of the CPU; Triton's interpreter stands in for a GPU."""
    if request.param == "triton":
        interpreting = pytest.importorskip("interpreting")
        if interpreting.OBSTACLE:
            pytest.skip(interpreting.OBSTACLE)
        interpreting.switch_on(monkeypatch)
    return request.param


def pair(backend: str, wiring, n: int = 3, dt: float = 0.5) -> fastsnn.Network:
    """An input that reaches neurons that add up what arrives."""
    net = fastsnn.Network(dt=dt, backend=backend)
    net.population("in", models.Input(), n)
    net.population("out", models.IF(v_thresh=1e9, v_reset=0.0), n)
    net.projection("in", "out", wiring)
    return net


def test_a_spike_acts_after_its_delay_and_weighs_its_weight(where):
    edges = EdgeList([0, 0, 2], [0, 1, 1], w=[2.0, -3.0, 0.5], delay=[0.5, 2.0, 40.0])
    net = pair(where, edges)
    v = net.monitor("out", "v")
    spikes = torch.zeros(200, 1, 3, dtype=torch.bool)
    spikes[4, 0, 0] = spikes[5, 0, 2] = True
    net.run(100.0, {"in": spikes})
    jumps = v.get()[:, 0].diff(dim=0)
    found = {(int(t) + 1, int(j)): float(jumps[t, j]) for t, j in jumps.nonzero()}
    assert found == {(5, 0): 2.0, (8, 1): -3.0, (85, 1): 0.5}


def test_what_is_under_way_crosses_runs_and_is_forgotten_by_a_reset(where):
    net = pair(where, EdgeList([0], [1], w=2.0, delay=[3.0]))
    spike = torch.zeros(2, 1, 3, dtype=torch.bool)
    spike[0, 0, 0] = True
    net.run(1.0, {"in": spike})
    assert int(net.populations["out"].arriving["i_syn"].count_nonzero()) == 1
    for _ in range(6):
        net.run(0.5)
    assert net.populations["out"].v.tolist() == [[0.0, 2.0, 0.0]]
    net.run(1.0, {"in": spike})
    net.reset_state()
    net.run(5.0)
    assert net.populations["out"].v.tolist() == [[0.0, 0.0, 0.0]]


def test_weights_are_whole_numbers_of_the_grain(where):
    net = pair(where, EdgeList([0, 0], [0, 1], w=[1.0, 1 / 3]))
    net.run(1.0, {"in": torch.ones(2, 1, 3, dtype=torch.bool)})
    grain = net.populations["out"].grains["i_syn"]
    assert grain == 2.0**-14  # the least power of two with 1.0 / grain <= 32767
    assert net.populations["out"].v[0].tolist()[:2] == [1.0, round(1 / 3 / grain) * grain]


def test_poisson_drive_has_mean_and_variance_of_its_rate(where):
    net = fastsnn.Network(dt=0.5, backend=where, seed=3)
    net.population("a", models.IF(v_thresh=1e9, v_reset=0.0), 2000)
    rates = torch.linspace(0.0, 8000.0, 2000)
    net.drive("a", PoissonDrive(rates, 1.0))
    net.run(20.0)
    counts, mean = net.populations["a"].v[0].double(), rates.double() * 0.02
    z = (counts - mean)[1:] / mean[1:].sqrt()
    # 40 steps of 2,000 neurons: 5 standard errors
    assert abs(float(z.mean())) < 5 / math.sqrt(1999)
    assert abs(float(z.var()) - 1) < 5 * math.sqrt(2 / 1999)
    assert float(counts[0]) == 0.0


def test_recorders_keep_the_latest_or_write_to_files(where, tmp_path):
    net = pair(where, AllToAll(w=0.0))
    all_of, latest, filed = (
        net.record_spikes("in"),
        net.record_spikes("in", capacity=4),
        net.record_spikes("in", to=tmp_path / "spikes"),
    )
    spikes = torch.rand(40, 1, 3, generator=torch.Generator().manual_seed(0)) < 0.3
    net.run(10.0, {"in": spikes[:20]})
    net.run(10.0, {"in": spikes[20:]})
    steps, ids = spikes[:, 0].nonzero().T
    for recorder, keep in ((all_of, len(ids)), (latest, 4), (filed, len(ids))):
        assert torch.equal(recorder.ids("in"), ids[-keep:].int())
        assert torch.equal(recorder.steps("in"), steps[-keep:])
    assert torch.equal(all_of.times("in"), (steps + 1) * 0.5)
    with pytest.raises(FastsnnError, match="'out' is not recorded; in are"):
        all_of.ids("out")


def test_receptors_take_what_is_sent_to_them(where):
    net = fastsnn.Network(dt=0.1, backend=where)
    net.population("in", models.Input(), 1)
    net.population("out", LIFExp(tau_syn_ex=2.0, tau_syn_inh=5.0), 1)
    net.projection("in", "out", AllToAll(w=8.0), receptor="ex", name="e")
    net.projection("in", "out", AllToAll(w=-4.0, delay=0.2), receptor="inh", name="i")
    net.projection("in", "out", fastsnn.Dense(torch.tensor([[16.0]])), receptor="ex", name="d")
    spike = torch.zeros(2, 1, 1, dtype=torch.bool)
    spike[0] = True
    net.run(0.2, {"in": spike})
    out = net.populations["out"]
    assert (float(out.i_ex), float(out.i_inh)) == (24.0, 0.0)
    net.run(0.1)
    assert float(out.i_ex) == pytest.approx(24.0 * math.exp(-0.05), rel=1e-6)
    assert float(out.i_inh) == -4.0


def test_mistakes_are_named():
    net = fastsnn.Network(dt=1.0)
    net.population("a", models.LIF(), 5)
    net.population("x", models.Input(), 5)
    wiring = FixedInDegree(2)
    with pytest.raises(ModelError, match="LIF has no receptor 'ex'; it has none but i_syn"):
        net.projection("x", "a", wiring, receptor="ex")
    with pytest.raises(ModelError, match="target is an Input population"):
        net.projection("a", "x", wiring)
    for option in ({"norm": 2.0}, {"w_max": torch.ones(5)}, {"bias": torch.ones(5)}):
        with pytest.raises(ModelError, match="means nothing to a static sparse projection"):
            net.projection("a", "a", wiring, **option)
    with pytest.raises(ModelError, match="expected PoissonDrive"):
        net.drive("a", 3.0)
    with pytest.raises(ModelError, match=r"Drive 'drive1->a': rate=-1"):
        net.drive("a", PoissonDrive(-1.0, 1.0))
    with pytest.raises(ShapeError, match=r"rate has shape \(3,\), expected \(\) or \(5,\)"):
        net.drive("a", PoissonDrive(torch.ones(3), 1.0))
    with pytest.raises(ModelError, match="spikes a step; expected at most 5000"):
        net.drive("a", PoissonDrive(1e7, 1.0))
    assert not net.sparse
    assert not net.drives
    net.projection("x", "a", wiring)
    with pytest.raises(FastsnnError, match="need batch_size=1"):
        net.set_batch_size(2)
    batch = fastsnn.Network(batch_size=2)
    batch.population("a", models.LIF(), 5)
    with pytest.raises(ModelError, match="needs batch_size=1, the network has 2"):
        batch.projection("a", "a", wiring)
    with pytest.raises(ShapeError, match="record 'spike' with"):
        batch.record_spikes("a")


def test_print_tells_of_sparse_projections_and_drives():
    net = fastsnn.Network()
    net.population("a", models.LIF(), 50)
    net.projection("a", "a", FixedInDegree(2, w=Normal(1.0, 0.1)))
    net.drive("a", PoissonDrive(10.0, 1.0))
    text = str(net)
    assert "FixedInDegree" in text
    assert "PoissonDrive" in text
