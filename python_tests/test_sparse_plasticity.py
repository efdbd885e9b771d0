# SPDX-License-Identifier: Apache-2.0
"""Plastic sparse projections: rules against closed forms, delays, equal bits everywhere."""

from __future__ import annotations

import math

import pytest
import torch

from fastsnn import Current, Events, Network, Poisson, Sparse, models
from fastsnn.errors import FastsnnError, ModelError, ShapeError
from fastsnn.sparse import FixedInDegree

HALF_ULP = 2.0**-24
SILENT = {"v_thresh": 90.0}  # spikes when it is told to, by a current


def told(rule, pre: dict, post: dict, backend: str, *, dt=1.0, steps=400, **options) -> Network:
    """Synapses i -> i from given spike steps {neuron: steps}; run."""
    n = 1 + max([*pre, *post])
    net = Network(dt=dt, backend=backend)
    net.population("pre", models.Input(), n)
    net.population("post", models.McCullochPitts(**SILENT), n)
    wiring = {k: options.pop(k) for k in ("delay", "w") if k in options}
    ids = torch.arange(n)
    net.projection(
        "pre", "post", Sparse(wiring.get("w", 0.5), ids, ids, delay=wiring.get("delay")),
        rule=rule, name="c", **options,
    )  # fmt: skip
    pairs = [(t, i) for i, times in pre.items() for t in times]
    current = torch.zeros(steps, 1, n)
    for j, times in post.items():
        current[list(times), 0, j] = 100.0
    times, ids = torch.tensor(sorted(pairs), dtype=torch.long).reshape(-1, 2).T
    net.run(steps * dt, {"pre": Events(times, ids), "post": Current(current)})
    return net


def window(rule, differences, backend: str, **options) -> tuple[torch.Tensor, Network]:
    """Weights after one pair t_post - t_pre each, in steps."""
    post = {k: [60] for k in range(len(differences))}
    pre = {k: [60 - d] for k, d in enumerate(differences)}
    net = told(rule, pre, post, backend, steps=130, **options)
    return net.projections["c"].w.double(), net


DIFFERENCES = list(range(-40, 41))


def exact(differences, a_plus, a_minus, tau_plus, tau_minus) -> torch.Tensor:
    d = torch.tensor(differences, dtype=torch.float64)
    up = a_plus * torch.exp(-d / tau_plus)
    down = -a_minus * torch.exp(d / tau_minus)
    return torch.where(d > 0, up, torch.where(d < 0, down, 0.0))


PAIR = {"a_plus": 0.1, "a_minus": 0.12, "tau_plus": 10.0, "tau_minus": 15.0}
# a trace rounds twice a step, over 40 steps; the weight is rounded some times
ROUNDED = 100 * 0.12 * HALF_ULP + 8 * HALF_ULP


@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_window_of_pairs_is_two_exponentials(pairing, backend):
    w, _ = window(models.PairSTDP(**PAIR, pairing=pairing), DIFFERENCES, backend)
    assert (w - 0.5 - exact(DIFFERENCES, **PAIR)).abs().max() <= ROUNDED
    assert w.min() < 0.4
    assert w.max() > 0.59


@pytest.mark.parametrize("w", [0.0, 0.3, 1.0])
def test_multiplicative_window_shrinks_towards_the_bounds(w, backend):
    rule = models.PairSTDP(**PAIR, bound="multiplicative")
    got, _ = window(rule, DIFFERENCES, backend, w=w, w_min=0.0, w_max=1.0)
    change = exact(DIFFERENCES, **PAIR)
    want = torch.where(change > 0, change * (1.0 - w), change * w)
    assert (got - w - want).abs().max() <= ROUNDED


@pytest.mark.parametrize("w", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("mu_plus", "mu_minus"), [(0.0, 0.0), (1.0, 1.0), (0.02, 0.5), (3.0, 0.0)])
def test_steps_are_powers_of_the_distance_to_the_bounds(w, mu_plus, mu_minus, backend):
    rule = models.NonlinearSTDP(**PAIR, mu_plus=mu_plus, mu_minus=mu_minus)
    got, _ = window(rule, DIFFERENCES, backend, w=4.0 * w - 1.0, w_min=-1.0, w_max=3.0)
    change = 4.0 * exact(DIFFERENCES, **PAIR)
    want = torch.where(change > 0, change * (1.0 - w) ** mu_plus, change * w**mu_minus)
    want = (want + 4.0 * w - 1.0).clamp(-1.0, 3.0)
    # the position between the bounds is rounded, a logarithm and a power of it twice
    assert (got - want).abs().max() <= 4 * (ROUNDED + 16 * HALF_ULP)
    assert (got - (4.0 * w - 1.0)).abs().max() > 0.1


@pytest.mark.parametrize("delay", [1, 5])
def test_inhibition_grows_with_coincidence_and_falls_with_presynaptic_spikes(delay, backend):
    rule = models.InhibitorySTDP(eta=0.1, tau=10.0, rho=15.0)
    w, _ = window(rule, DIFFERENCES, backend, delay=float(delay), delay_kind="dendritic")
    apart = torch.tensor(DIFFERENCES, dtype=torch.float64) + delay
    # 2 rho tau = 0.3; a pair in one step counts once
    want = 0.1 * (torch.exp(-apart.abs() / 10.0) - 0.3)
    assert (w - 0.5 - want).abs().max() <= ROUNDED
    alone = told(rule, {0: [0, 50]}, {}, backend, delay=float(delay), delay_kind="dendritic")
    # the very first step, too
    assert float(alone.projections["c"].w) == pytest.approx(0.5 - 2 * 0.03, abs=ROUNDED)


def test_inhibition_brings_a_neuron_to_its_rate(backend):
    """A neuron that 20 mV of drive fires too fast is slowed down to rho."""
    net = Network(dt=1.0, seed=2, backend=backend)
    net.population("in", models.Input(), 50)
    net.population("cell", models.LIF(tau_m=20.0, t_refrac=2.0), 1)
    wiring = Sparse(0.0, torch.arange(50), torch.zeros(50).long())
    rule = models.InhibitorySTDP(eta=-0.02, tau=20.0, rho=20.0)
    net.projection("in", "cell", wiring, rule=rule, w_min=-2.0, w_max=0.0)
    spikes = net.record_spikes()
    inputs = {
        "in": Poisson(torch.full((50,), 40.0)),
        "cell": Current(torch.full((4000, 1, 1), 1.5)),
    }
    net.run(4000.0, inputs)
    times = spikes.steps("cell")
    assert int((times < 200).sum()) > 2 * 4
    late = int((times >= 2000).sum()) / 2.0
    assert 10.0 < late < 30.0


@pytest.mark.parametrize("delay", [1, 2, 7])
@pytest.mark.parametrize("kind", ["axonal", "dendritic"])
def test_delays_shift_the_window(kind, delay, backend):
    w, _ = window(
        models.PairSTDP(**PAIR), DIFFERENCES, backend, delay=float(delay), delay_kind=kind
    )
    # on its way to the soma a spike takes its last step behind the synapse
    shift = delay if kind == "dendritic" else 1 - delay
    assert (w - 0.5 - exact([d + shift for d in DIFFERENCES], **PAIR)).abs().max() <= ROUNDED


@pytest.mark.parametrize("kind", ["axonal", "dendritic"])
def test_each_synapse_may_have_its_delay(kind, backend):
    delays = torch.tensor([1 + (k * 7) % 5 for k in range(len(DIFFERENCES))])
    w, net = window(models.PairSTDP(**PAIR), DIFFERENCES, backend, delay=delays, delay_kind=kind)
    shift = delays if kind == "dendritic" else 1 - delays
    seen = [d + int(s) for d, s in zip(DIFFERENCES, shift, strict=True)]
    assert (w - 0.5 - exact(seen, **PAIR)).abs().max() <= ROUNDED
    assert torch.equal(net.projections["c"].synapses.delays, delays.int())


@pytest.mark.parametrize("kind", ["axonal", "dendritic"])
def test_current_comes_after_the_delay_with_the_weight_of_its_time(kind, backend):
    """A weight that grows from a spike to its arrival acts as it is then (axonal), or as it was."""
    net = Network(dt=0.5, backend=backend)
    net.population("pre", models.Input(), 1)
    net.population("post", models.McCullochPitts(**SILENT), 1, sum_input=True)
    rule = models.PairSTDP(a_plus=0.25, a_minus=0.0, tau_plus=1e9)
    wiring = Sparse(0.5, [0], [0], delay=3.0)
    net.projection("pre", "post", wiring, rule=rule, delay_kind=kind, name="c")
    summed, w = net.monitor("post", "summed"), net.monitor("c", "w")
    current = torch.zeros(30, 1, 1)
    current[[3, 10]] = 100.0
    net.run(15.0, {"pre": Events([2, 7], [0, 0]), "post": Current(current)})
    came = summed.get()[:, 0, 0].diff(prepend=torch.zeros(1)) - current[:, 0, 0]
    assert came.nonzero()[:, 0].tolist() == [8, 13]  # six steps later
    seen = w.get()[:, 0]
    # axonal: as after the step before it acts; dendritic: as after the step of the spike
    assert came[8] == (seen[7] if kind == "axonal" else seen[2])
    assert came[13] == (seen[12] if kind == "axonal" else seen[7])
    assert seen[12] > seen[7]


def test_nearest_spikes_only(backend):
    for pairing, terms in (("nearest", [5]), ("all", [5, 12, 30])):
        rule = models.PairSTDP(**PAIR, pairing=pairing)
        net = told(rule, {0: [70, 88, 95]}, {0: [100]}, backend)
        want = sum(0.1 * math.exp(-d / 10.0) for d in terms)
        assert abs(float(net.projections["c"].w) - 0.5 - want) <= ROUNDED


def triplets(rho: float, delta: float, n: int, p: dict) -> float:
    """Change of w by n pairs, t_post - t_pre = delta, at rho Hz: eqs 2-4 in float64."""
    period = 1000.0 / rho
    events = sorted(
        [(k * period, 0) for k in range(n)] + [(k * period + delta, 1) for k in range(n)]
    )
    x, last, w = [0.0] * 4, 0.0, 0.0
    taus = [p["tau_plus"], p["tau_x"], p["tau_minus"], p["tau_y"]]
    for t, post in events:
        x = [v * math.exp(-(t - last) / tau) for v, tau in zip(x, taus, strict=True)]
        last = t
        if post:
            w += x[0] * (p["a2_plus"] + p["a3_plus"] * x[3])
            x[2], x[3] = x[2] + 1, x[3] + 1
        else:
            w -= x[2] * (p["a2_minus"] + p["a3_minus"] * x[1])
            x[0], x[1] = x[0] + 1, x[1] + 1
    return w


@pytest.mark.parametrize("delta", [10, -10])
def test_triplets_depend_on_the_frequency_of_pairs(delta, backend):
    """60 pairs at 10 to 50 Hz, as in Pfister & Gerstner 2006, fig. 5."""
    rule = models.TripletSTDP()
    grown = []
    for rho in (10.0, 20.0, 40.0, 50.0):
        period = round(1000.0 / rho)
        pre = [20 + k * period for k in range(60)]
        post = [t + delta for t in pre]
        net = told(rule, {0: pre}, {0: post}, backend, steps=60 * period + 100)
        got = float(net.projections["c"].w) - 0.5
        assert abs(got - triplets(1000.0 / period, delta, 60, rule.values)) <= 60 * 8 * HALF_ULP
        grown.append(got)
    assert grown[-1] > 0.3  # potentiation at a high frequency, whatever the order
    assert grown[-1] == max(grown)


@pytest.mark.parametrize("mu", [0.0, 0.4, 1.0])
def test_power_law_of_potentiation(mu, backend):
    rule = models.PowerSTDP(lam=0.1, alpha=0.5, mu=mu, w_0=2.0, tau_plus=10.0, tau_minus=15.0)
    for w in (0.25, 1.0, 7.0):
        got, _ = window(rule, DIFFERENCES, backend, w=w)
        up, down = 0.1 * 2.0 ** (1.0 - mu) * w**mu, 0.1 * 0.5 * w
        want = exact(DIFFERENCES, up, down, 10.0, 15.0)
        assert (got - w - want).abs().max() <= 200 * HALF_ULP * max(w, 1.0)


def eligible(backend: str, **options) -> Network:
    """One pair, 5 ms apart, completed in step 20 of 1 ms."""
    values = {"a_plus": 0.2, "tau_plus": 10.0, "tau_e": 50.0, "nu": 0.01, **options}
    net = Network(backend=backend)
    net.population("pre", models.Input(), 1)
    net.population("post", models.McCullochPitts(**SILENT), 1)
    net.projection("pre", "post", Sparse(0.5, [0], [0]), rule=models.RewardSTDP(**values), name="c")
    current = torch.zeros(30, 1, 1)
    current[20] = 100.0
    net.run(30.0, {"pre": Events([15], [0]), "post": Current(current)}, reward=0.0)
    return net


def test_reward_acts_on_what_is_left_of_the_eligibility(backend):
    net = eligible(backend)
    c, left = net.projections["c"], 0.2 * math.exp(-5 / 10.0)
    # it fades at the end of every interval of 10 ms
    assert abs(float(c.state["e"]) - left * math.exp(-10 / 50.0)) <= 1e-7
    assert float(c.w) == 0.5
    net.run(40.0, reward=3.0)
    area = left * 50.0 * (math.exp(-10 / 50.0) - math.exp(-50 / 50.0))
    assert abs(float(c.w) - 0.5 - 0.01 * 3.0 * area) <= 1e-6
    net.run(1000.0, reward=-3.0)
    area -= left * 50.0 * math.exp(-50 / 50.0)
    assert abs(float(c.w) - 0.5 - 0.01 * 3.0 * area) <= 1e-6


def test_a_shorter_interval_changes_little(backend):
    weights = []
    for interval in (1.0, 5.0, 10.0):
        net = eligible(backend, interval=interval, tau_e=1000.0)
        net.run(500.0, reward=1.0)
        weights.append(float(net.projections["c"].w) - 0.5)
    assert weights[0] > 0.1
    assert max(weights) - min(weights) <= 10.0 / 1000.0 * weights[0]


def released(intervals, u_0, tau_rec, tau_facil) -> list[float]:
    """Efficacy of spikes some ms apart, Tsodyks, Pawelzik, Markram 1998, in float64."""
    u, r, out = 0.0, 1.0, []
    for dt in (math.inf, *intervals):
        u = u * math.exp(-dt / tau_facil) if tau_facil else 0.0
        r = 1.0 - (1.0 - r) * math.exp(-dt / tau_rec)
        u += u_0 * (1.0 - u)
        out.append(u * r)
        r -= u * r
    return out


@pytest.mark.parametrize("tau_facil", [0.0, 300.0])
@pytest.mark.parametrize(
    ("kind", "delay"),
    [("axonal", None), ("axonal", 4.0), ("dendritic", 4.0), ("dendritic", "each")],
)
def test_terminals_release_what_recovered(kind, delay, tau_facil, backend):
    net = Network(backend=backend)
    net.population("pre", models.Input(), 2)
    net.population("post", models.McCullochPitts(**SILENT), 2, sum_input=True)
    model = models.TsodyksMarkram(u_0=0.2, tau_rec=150.0, tau_facil=tau_facil)
    delay = torch.tensor([4, 6]) if delay == "each" else delay
    wiring = Sparse(torch.tensor([8.0, 4.0]), [0, 1], [0, 1], delay=delay)
    net.projection("pre", "post", wiring, short_term=model, delay_kind=kind, name="c")
    summed = net.monitor("post", "summed")
    intervals = [5, 20, 20, 20, 150]
    times = [10, *(10 + sum(intervals[: k + 1]) for k in range(len(intervals)))]
    net.run(260.0, {"pre": Events(times, [0] * len(times))})
    came = summed.get()[:, 0, :].diff(dim=0, prepend=torch.zeros(1, 2))
    first = 1 if delay is None else 4
    assert came[:, 0].nonzero()[:, 0].tolist() == [t + first for t in times]
    assert not came[:, 1].any()
    got = came[[t + first for t in times], 0].double() / 8.0
    want = torch.tensor(released(intervals, 0.2, 150.0, tau_facil), dtype=torch.float64)
    # u and r are rounded every step, the sum at every spike
    assert (got - want).abs().max() <= 260 * 4 * HALF_ULP


def test_steady_state_of_depression_and_facilitation(backend):
    net = Network(backend=backend)
    net.population("pre", models.Input(), 1)
    net.population("post", models.McCullochPitts(**SILENT), 1)
    model = models.TsodyksMarkram(u_0=0.1, tau_rec=100.0, tau_facil=500.0)
    net.projection("pre", "post", Sparse(1.0, [0], [0]), short_term=model, name="c")
    net.run(4010.0, {"pre": Events(range(0, 4001, 20), [0] * 201)})
    f, d = math.exp(-20 / 500.0), math.exp(-20 / 100.0)
    u = 0.1 / (1.0 - 0.9 * f)
    r = (1.0 - d) / (1.0 - (1.0 - u) * d)
    assert abs(float(net.projections["c"].state["efficacy"]) - u * r) <= 1e-5
    net.reset_state()
    assert float(net.projections["c"].state["r"]) == 1.0


# ---- mistakes ----


def test_mistakes_are_named(backend):
    net = Network(backend=backend)
    net.population("A", models.LIF(), 4, traces=True)
    net.population("B", models.LIF(), 4, traces=True)

    def connect(delay, rule=None, w=1.0, **options):
        return net.projection(
            "A", "B", Sparse(w, [0, 1], [1, 2], delay=delay), rule=rule, **options
        )

    with pytest.raises(ModelError, match="delay_kind='slow', expected one of axonal, dendritic"):
        connect(1.0, delay_kind="slow")
    with pytest.raises(ModelError, match=r"delay=-1\.0, expected finite ms"):
        connect(-1.0)
    with pytest.raises(ModelError, match="expected finite ms"):
        connect(math.nan)
    with pytest.raises(ShapeError, match="3 delays, expected one number or 2"):
        connect([1.0, 2.0, 3.0])
    with pytest.raises(ModelError, match=r"PostPre reads 'x_pre' of the population.*PairSTDP"):
        connect(3.0, models.PostPre())
    with pytest.raises(ModelError, match="MSTDP reads spikes of the step before"):
        connect(3.0, models.MSTDP())
    with pytest.raises(ModelError, match="PairSTDP needs finite w_min and w_max"):
        connect(1.0, models.PairSTDP(bound="multiplicative"))
    with pytest.raises(ModelError, match="RewardSTDP needs listed synapses"):
        connect(1.0, models.RewardSTDP(), norm=1.0)
    with pytest.raises(ModelError, match="TsodyksMarkram needs listed synapses"):
        connect([2.0, 3.0], short_term=models.TsodyksMarkram())
    with pytest.raises(ModelError, match=r"short_term=LIF.*expected e\.g\. TsodyksMarkram"):
        connect(1.0, short_term=models.LIF())
    with pytest.raises(ShapeError, match="given twice, expected once; multapses=True"):
        net.projection("A", "B", Sparse(1.0, [0, 0], [1, 1]))
    c = net.projection("B", "A", Sparse(1.0, [0], [1]), rule=models.RewardSTDP())
    with pytest.raises(ModelError, match="the interval of its rule stays 10 steps"):
        net.set_rule(c, models.RewardSTDP(interval=5.0))
    connect(3.0, models.PairSTDP())
    with pytest.raises(FastsnnError, match="need batch_size=1, got 2"):
        net.set_batch_size(2)
    assert net.batch_size == 1


def test_wirings_of_fastsnn_sparse_learn(backend):
    def make(**options):
        net = Network(dt=0.1, seed=4, backend=backend)
        net.population("E", models.LIF(), 50)
        wiring = FixedInDegree(10, w=0.5, delay=1.5)
        return net.projection("E", "E", wiring, rule=models.PairSTDP(), **options)

    c = make(delay_kind="dendritic")
    assert torch.bincount(c.synapses.post.long(), minlength=50).tolist() == [10] * 50
    assert (c.synapses.delay, c.kind) == (15, "indexed")
    assert torch.equal(make().synapses.pre, c.synapses.pre)
