# SPDX-License-Identifier: Apache-2.0
"""The networks that ship with fastsnn, at reduced size: their numbers and their activity."""

from __future__ import annotations

import importlib
import math
import re
import sys
from functools import lru_cache

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fastsnn import backends
from fastsnn.errors import FastsnnError
from fastsnn.networks import NETWORKS, brunel, microcircuit
from fastsnn.networks import microcircuit_data as data
from fastsnn.networks.recipe import normal, uniform
from fastsnn.statistics import Summary, Window, summarize

FAST = "cpu" if "cpu" in backends.usable() else None
needs_engine = pytest.mark.skipif(FAST is None, reason="needs the native engine")
TINY = dict.fromkeys(NETWORKS, 0.02) | {
    "izhikevich-2003": 0.05,
    "polychronization": 0.2,
    "hpc-benchmark": 0.1,
}


@lru_cache
def activity(
    name: str, scale: float, variant: str | None = None, time: float = 1000.0, warm_up: float = 300
) -> dict[str, Window]:
    """Spikes of a run on the engine, population by population."""
    recipe = NETWORKS[name]
    net = recipe.make(scale, variant, seed=1, backend="cpu")
    recipe.run(net, warm_up)
    recorder = net.record_spikes()
    recipe.run(net, time)
    return {
        k: Window.of(recorder.steps(k) * net.dt, recorder.ids(k), p.n, warm_up, warm_up + time)
        for k, p in net.populations.items()
    }


def summaries(name: str, *run: object) -> dict[str, Summary]:
    return {
        k: summarize(w.times, w.ids, w.n, w.start, w.stop) for k, w in activity(name, *run).items()
    }


# ---- all of them ----


# a rule that takes powers agrees to rounding only
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "hpc-benchmark"])
def test_every_backend_and_thread_count_gives_the_same_spikes(name: str) -> None:
    recipe, found = NETWORKS[name], []
    for backend, threads in (("torch", None), ("cpu", 1), ("cpu", 2)):
        if backend not in backends.usable():
            continue
        net = recipe.make(TINY[name], seed=5, backend=backend, threads=threads)
        recorder = net.record_spikes()
        recipe.run(net, 40.0)
        found.append({k: (recorder.steps(k), recorder.ids(k)) for k in net.populations})
    for other in found[1:]:
        for k, (steps, ids) in found[0].items():
            assert torch.equal(steps, other[k][0])
            assert torch.equal(ids, other[k][1])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_says_where_it_comes_from_and_what_to_expect(name: str) -> None:
    recipe = NETWORKS[name]
    assert recipe.title
    assert recipe.source
    assert recipe.checked
    assert set(recipe.expected) <= set(recipe.variants)
    for variant in recipe.variants:
        if variant == "full":
            continue  # as many inputs at any scale: too much here
        net = recipe.make(TINY[name], variant)
        assert set(recipe.expected.get(variant, {})) <= set(net.populations)


def test_wrong_scale_and_variant_are_named() -> None:
    with pytest.raises(FastsnnError, match="scale is 0, expected"):
        NETWORKS["cuba"].make(0)
    with pytest.raises(FastsnnError, match="variant is 'XX', expected one of: AI, SR"):
        NETWORKS["brunel"].make(0.1, "XX")
    with pytest.raises(FastsnnError, match="no whole number of steps"):
        NETWORKS["cuba"].run(NETWORKS["cuba"].make(0.01), 0.25)


def test_initial_values_have_the_distribution_asked_for() -> None:
    net = NETWORKS["cuba"].make(2.0, seed=3)
    drawn = normal(net, "E", -60.0, 5.0, 3)
    n = len(drawn)
    assert abs(drawn.mean() + 60.0) < 4 * 5.0 / math.sqrt(n)
    assert abs(drawn.std() - 5.0) < 4 * 5.0 / math.sqrt(2 * n)
    assert not torch.equal(uniform(net, "E", 0.0, 1.0, 4), uniform(net, "E", 0.0, 1.0, 5))


# ---- balanced networks ----


@needs_engine
def test_cuba_fires_as_in_another_simulator() -> None:
    for name, found in summaries("cuba", 1.0).items():
        known = NETWORKS["cuba"].expected[""][name]
        # three networks of the other simulator spread by 1.3 %; one second adds 3 %
        assert found.rate == pytest.approx(known.rate, rel=0.12)
        assert abs(found.correlation) < 0.003


@needs_engine
def test_coba_fires_in_bursts_as_in_another_simulator() -> None:
    for name, found in summaries("coba", 1.0).items():
        known = NETWORKS["coba"].expected[""][name]
        # ten networks of ours spread by 6 %
        assert found.rate == pytest.approx(known.rate, rel=0.2)
        # short windows bias the CV downwards
        assert 1.2 < found.cv < known.cv + 0.1


# ---- Brunel ----


def test_mean_field_rates_answer_themselves() -> None:
    for state, (g, eta) in brunel.STATES.items():
        rate = brunel.mean_field_rate(state)
        recurrent = 2.0 * rate  # mV a second: 1,000 synapses of 0.1 mV, 20 ms
        mean = 20.0 * eta + recurrent * (1.0 - g / 4.0)
        sd = math.sqrt(2.0 * eta + 0.1 * recurrent * (1.0 + g * g / 4.0))
        u = torch.linspace((10.0 - mean) / sd, (20.0 - mean) / sd, 100_001, dtype=torch.float64)
        passage = 0.020 * math.sqrt(math.pi) * torch.trapezoid(torch.special.erfcx(-u), u)
        assert rate == pytest.approx(1.0 / (0.002 + float(passage)), rel=1e-3), state


@needs_engine
def test_brunel_at_full_size_fires_as_in_nest() -> None:
    for name, found in summaries("brunel", 1.0, "AI", 300.0).items():
        known = NETWORKS["brunel"].expected["AI"][name]
        assert found.rate == pytest.approx(known.rate, rel=known.within)


@needs_engine
# slow synapses lower it to 35.5 Hz (Fourcaud, Brunel 2002), fewer inputs both by another 5 %
@pytest.mark.parametrize(("name", "rate"), [("brunel", 37.9), ("brunel-alpha", 35.5)])
def test_asynchronous_irregular_state_follows_mean_field_theory(name: str, rate: float) -> None:
    for found in summaries(name, 0.2, "AI").values():
        assert found.rate == pytest.approx(rate, rel=0.1)
        assert 0.3 < found.cv < 0.6


@needs_engine
def test_states_of_brunel_differ_as_in_the_paper() -> None:
    windows = {state: activity("brunel", 0.2, state, 600.0)["E"] for state in brunel.STATES}
    cv = {state: np.nanmean(w.cv()) for state, w in windows.items()}
    rate = {state: w.rates().mean() for state, w in windows.items()}
    assert cv["SR"] < 0.1 < 0.3 < min(cv["AI"], cv["SI-fast"], cv["SI-slow"])
    # in step, every 3 ms
    assert windows["SR"].synchrony(0.5) > 10 * windows["AI"].synchrony(0.5)
    assert rate["SI-slow"] < 10.0 < rate["AI"] < rate["SI-fast"] < rate["SR"]
    frequency, power = windows["SI-fast"].spectrum()
    smooth = np.convolve(power, np.ones(9) / 9, "same")
    # the population oscillates faster than any neuron fires
    assert frequency[smooth.argmax()] > 1.5 * rate["SI-fast"]


# ---- microcircuit ----


def test_microcircuit_has_the_published_numbers() -> None:
    counts = [[microcircuit.synapses(t, s) for s in range(8)] for t in range(8)]
    assert counts[0] == [45499805, 22323577, 20253647, 9670918, 3293578, 0, 2271404, 0]
    assert counts[7] == [2260836, 17207, 220033, 8078, 401638, 25218, 2888426, 1354320]
    assert sum(map(sum, counts)) == 298_880_968
    assert sum(data.N) == 77_169
    assert microcircuit.current_of_potential() == pytest.approx(585.3899568613896)
    assert microcircuit.weight(0, 2) == pytest.approx(175.61698705841687)
    assert microcircuit.weight(4, 1) == pytest.approx(-351.23397411683374)
    net = microcircuit.microcircuit(0.001, "dc", inputs=1.0)
    currents = [float(p.model.values["i_offset"]) for p in net.populations.values()]
    assert currents[0] == pytest.approx(561.9743585869339)
    assert currents[6] == pytest.approx(1018.5785249388178)


def test_microcircuit_of_a_tenth_has_a_hundredth_of_the_synapses() -> None:
    net = NETWORKS["microcircuit"].make(0.1)
    made = sum(c.n_synapses for c in net.sparse.values())
    assert made == pytest.approx(2_988_810, abs=64)


@needs_engine
def test_microcircuit_fires_as_published_layer_by_layer() -> None:
    found = summaries("microcircuit", 0.1, "poisson")
    for name, known in NETWORKS["microcircuit"].expected["poisson"].items():
        # fewer and stronger synapses lower the rates: most where they are low
        low = 0.4 if name == "L23E" else 0.6 if name in ("L23I", "L6E") else 0.8
        assert low * known.rate < found[name].rate < 1.05 * known.rate, name
        assert abs(found[name].correlation) < 0.02
    order = [found[name].rate for name in ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I")]
    assert order == sorted(order)


# ---- Izhikevich ----


@needs_engine
def test_izhikevich_2003_fires_as_the_published_program_with_an_alpha_rhythm() -> None:
    windows = activity("izhikevich-2003", 1.0, None, 4000.0)
    for name, known in NETWORKS["izhikevich-2003"].expected[""].items():
        # five networks of that program spread by 1 %
        assert windows[name].rates().mean() == pytest.approx(known.rate, rel=0.06)
    frequency, power = windows["E"].spectrum()
    slow = frequency < 20.0
    smooth = np.convolve(power[slow], np.ones(9) / 9, "same")
    assert 6.0 < frequency[slow][smooth.argmax()] < 12.0


# ---- plasticity ----


@needs_engine
def test_inputs_compete_until_weights_lie_near_their_bounds() -> None:
    recipe = NETWORKS["song-miller-abbott"]
    net = recipe.make(0.5, seed=1, backend="cpu")
    c = net.projections["exc->post"]
    before = ((c.w < 0.1 * c.w_max) | (c.w > 0.9 * c.w_max)).float().mean()
    for _ in range(30):
        recipe.run(net, 10_000.0)
    w = c.w / c.w_max
    lowest, highest = (float(x.float().mean()) for x in (w < 0.1, w > 0.9))
    assert before == pytest.approx(0.2, abs=0.03)
    # bimodal: the outer fifth holds more than half, on both sides more than its share
    assert lowest + highest > 0.5
    assert min(lowest, highest) > 0.11
    recorder = net.record_spikes("post")
    recipe.run(net, 10_000.0)
    # a moderate rate, irregular
    n = net.populations["post"].n
    window = Window.of(recorder.steps("post"), recorder.ids("post"), n, 3e5, 3.1e5)
    assert 4.0 < window.rates().mean() < 25.0
    assert 0.6 < np.nanmean(window.cv()) < 1.3


@needs_engine
def test_power_law_stdp_leaves_weights_in_one_heap_as_in_nest() -> None:
    recipe = NETWORKS["hpc-benchmark"]
    net = recipe.make(0.3, seed=1, backend="cpu")
    c = net.projections["E->E"]
    recipe.run(net, 100.0)
    early = c.w.clone()
    recorder = net.record_spikes()
    recipe.run(net, 400.0)
    w = c.w
    # NEST 3.10, the same network with seeds 1 and 2: means grow by 0.29 and 0.23 %, relative sd
    # 0.0765 and 0.0777 at the end, no weight at a bound
    assert 0.001 < float(w.mean() / early.mean() - 1.0) < 0.005
    assert float(w.std() / w.mean()) == pytest.approx(0.0771, rel=0.03)
    assert 0.0 < float(w.min()) < float(w.max()) < c.w_max
    for name, part in net.populations.items():
        window = Window.of(recorder.steps(name) * net.dt, recorder.ids(name), part.n, 100.0, 500.0)
        # 40.4 and 41.1 Hz of E, 40.3 and 40.7 of I; 100 ms of a network spread by 3 Hz
        assert window.rates().mean() == pytest.approx(40.6, rel=0.12)
        # from 200 ms on NEST's is 0.89 to 0.91
        assert np.nanmean(window.cv()) == pytest.approx(0.9, abs=0.1)


def test_derivatives_of_polychronization_are_those_of_the_published_program() -> None:
    recipe, steps = NETWORKS["polychronization"], 400
    net = recipe.make(0.3, seed=1)
    recorder = net.record_spikes()
    recipe.run(net, steps)
    # a neuron of the program fires at the beginning of the step after it passed its threshold
    fired, first = np.zeros((steps + 1, 300), bool), {"E": 0, "I": 240}
    for name, start in first.items():
        fired[recorder.steps(name) + 1, recorder.ids(name) + start] = True
    ltp, ltd = np.zeros((steps + 1, 300)), np.zeros((steps + 1, 300))
    for t in range(1, steps + 1):
        ltp[t] = np.where(fired[t], 0.1, 0.95 * ltp[t - 1])
        ltd[t] = np.where(fired[t], 0.12, 0.95 * ltd[t - 1])
    for name, start in first.items():
        c = net.projections[f"E->{name}"]
        s = c.synapses
        pre, post, late = s.pre.numpy(), s.post.numpy() + start, s.delays.numpy()
        known = np.zeros(len(pre))
        for t in range(1, steps + 1):
            # what a spike of t - late + 1 delivers acts in t, and can make a neuron fire in t + 1
            caused, arrives = np.maximum(t - late, 0), np.maximum(t - late + 1, 0)
            known += fired[t, post] * ltp[caused, pre] - fired[arrives, pre] * ltd[t, post]
        assert np.count_nonzero(known) > 1_000
        np.testing.assert_allclose(c.variables()["e"].reshape(-1).numpy(), known, atol=1e-6)


@needs_engine
def test_polychronization_network_settles_at_the_rates_of_the_published_program() -> None:
    recipe, seeds = NETWORKS["polychronization"], range(1, 9)
    found: dict[str, list[float]] = {"E": [], "I": []}
    for seed in seeds:
        net = recipe.make(1.0, seed=seed, backend="cpu")
        recipe.run(net, recipe.warm_up)
        recorder = net.record_spikes()
        recipe.run(net, recipe.time)
        for name, rates in found.items():
            rates.append(len(recorder.ids(name)) / net.populations[name].n / recipe.time * 1000.0)
    for name, known in recipe.expected[""].items():
        # `within` is for one network
        close = known.within / math.sqrt(len(seeds))
        assert np.mean(found[name]) == pytest.approx(known.rate, rel=close)


def test_polychronization_network_has_five_synapses_at_each_delay() -> None:
    net = NETWORKS["polychronization"].make(1.0)
    found = [net.projections[f"E->{target}"].synapses for target in "EI"]
    pre = torch.cat([s.pre for s in found])
    delays = torch.cat([s.delays for s in found])
    assert torch.equal(pre.bincount(), torch.full((800,), 100))
    assert torch.equal((delays - 1).bincount(), torch.full((20,), 5 * 800))
    current = NETWORKS["polychronization"].inputs(net, 50)
    both = torch.cat([c.data for c in current.values()], dim=1)
    assert torch.equal((both > 0).sum(1), torch.ones(50, dtype=torch.int64))


# ---- examples ----


@needs_engine
@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("cuba", ["--time=500"], r"E: [45]\.\d\d Hz"),
        ("microcircuit", ["--scale=0.05", "--ms=200"], r"L5I +\d\.\d\d Hz, published at scale 1"),
    ],
)
def test_examples_of_networks_run(root, monkeypatch, name: str, options: list, line: str) -> None:
    monkeypatch.syspath_prepend(str(root / "examples"))
    command = importlib.import_module(name).main
    sys.modules.pop(name)
    result = CliRunner().invoke(command, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert re.search(line, result.output), result.output
