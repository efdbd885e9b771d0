# SPDX-License-Identifier: Apache-2.0
"""What is drawn at random obeys its law, on every backend.  Seeds are fixed; bounds are 4 sigma and
wider where many numbers are looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fastsnn import Bernoulli, Dense, Network, Poisson, models
from fastsnn.random import network_uniform, philox


def drawn(source, n: int, steps: int, backend: str, *, dt=1.0, batch=1, seed=0) -> np.ndarray:
    """Spikes of an Input population, [T, B, n]."""
    net = Network(dt=dt, batch_size=batch, seed=seed, backend=backend)
    net.population("in", models.Input(), n)
    seen = net.monitor("in", "spike")
    net.run(steps * dt, {"in": source})
    return seen.get().numpy()


def sigmas(count, trials, p) -> float:
    """Distance of a binomial count from its mean, in standard deviations."""
    return abs(count - trials * p) / math.sqrt(trials * p * (1 - p))


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, words):
    index, low, high, stream = counter
    got = philox(key[0] + (key[1] << 32), stream, low + (high << 32), torch.tensor([index]))
    assert tuple(int(w) for w in got) == words


@pytest.mark.parametrize("dt", [1.0, 0.5])
def test_poisson_rates_are_met(dt, backend):
    rates = torch.tensor([0.0, 5.0, 20.0, 63.75, 128.0, 500.0]).repeat_interleave(63)
    spikes = drawn(Poisson(rates), len(rates), 400, backend, dt=dt, batch=3)
    for k, rate in enumerate((0.0, 5.0, 20.0, 63.75, 128.0, 500.0)):
        part = spikes[:, :, 63 * k : 63 * k + 63]
        if rate == 0:
            assert not part.any()
        else:
            assert sigmas(part.sum(), part.size, rate * dt / 1000) < 4


def test_intervals_are_geometric_and_steps_are_independent(backend):
    p = 0.08
    spikes = drawn(Bernoulli(torch.full((130,), p)), 130, 1500, backend)[:, 0]
    gaps = np.concatenate([np.diff(np.flatnonzero(train)) for train in spikes.T])
    # geometric law: mean 1/p, coefficient of variation sqrt(1 - p)
    assert abs(gaps.mean() - 1 / p) < 5 * math.sqrt(1 - p) / p / math.sqrt(len(gaps))
    # the CV of a sample varies about as that of an exponential law; ends of trains cut long gaps
    assert abs(gaps.std() / gaps.mean() - math.sqrt(1 - p)) < 4 / math.sqrt(len(gaps)) + 0.01
    for lag in (1, 2, 3, 4, 5, 8):
        both = (spikes[:-lag] & spikes[lag:]).sum()
        assert sigmas(both, spikes[lag:].size, p * p) < 5, lag


def test_neurons_batch_elements_and_populations_are_independent(backend):
    net = Network(batch_size=3, backend=backend)
    monitors = []
    for name in ("a", "b"):
        net.population(name, models.Input(), 31)
        monitors.append(net.monitor(name, "spike"))
    half = Bernoulli(torch.full((31,), 0.5))
    net.run(1000, {"a": half, "b": half})
    net.run(1000, {"a": half, "b": half})
    trains = np.concatenate([m.get().numpy().reshape(2000, -1) for m in monitors], axis=1)
    # the second run goes on in the stream: rows 0..999 and 1000..1999 are other trains
    trains = np.concatenate([trains[:1000], trains[1000:]], axis=1)
    correlation = np.corrcoef(trains.T)
    np.fill_diagonal(correlation, 0.0)
    # about 69,000 pairs: 5.5 sigma happens once in 4e-8 * 69,000
    assert np.abs(correlation).max() < 5.5 / math.sqrt(1000)
    assert 0.9 < correlation[np.triu_indices(372, 1)].std() * math.sqrt(1000) < 1.1


def test_probability_zero_never_and_one_always_spikes(backend):
    p = torch.tensor([0.0, 1.0] * 31 + [0.0])
    assert (drawn(Bernoulli(p), 63, 300, backend, batch=3) == p.numpy().astype(bool)).all()
    for dt in (1.0, 0.5, 0.1):  # one spike a step is the highest rate
        rates = p * 1000.0 / dt
        assert (drawn(Poisson(rates), 63, 60, backend, dt=dt) == p.numpy().astype(bool)).all()


def test_every_batch_element_and_sample_has_its_own_rate(backend):
    p = torch.zeros(4, 3, 5)
    p[0, 1, 2] = p[2, 0, 4] = p[3, 2, 0] = 1.0
    net = Network(batch_size=3, backend=backend)
    net.population("in", models.Input(), 5)
    counts = net.present({"in": Bernoulli(p)}, 17, count=["in"]).counts["in"]
    assert torch.equal(counts, (17 * p).to(torch.int32))


def test_seed_decides_every_train(backend):
    def train(seed):
        return drawn(Poisson(torch.full((63,), 200.0)), 63, 100, backend, seed=seed)

    assert (train(7) == train(7)).all()
    for other in (8, 7 + 2**32, 7 + 2**63):
        differ = (train(7) != train(other)).mean()
        assert abs(differ - 2 * 0.2 * 0.8) < 0.05


def test_spikes_of_srm0_come_with_the_escape_probability(backend):
    n, steps = 1000, 60
    net = Network(dt=0.5, backend=backend)
    rest = torch.linspace(-80.0, -40.0, 5).repeat_interleave(n // 5)
    model = models.SRM0(v_rest=rest, v_reset=rest, rho_0=0.8, d_thresh=6.0)
    net.population("srm", model, n)
    spike, probability = net.monitor("srm", "spike"), net.monitor("srm", "s_prob")
    net.run(steps * 0.5)
    v = rest.double()
    want = 1 - torch.exp(-0.8 * torch.exp((v + 50.0) / 6.0) * 0.5)
    # exponents below 3 of a float32 quotient, then 1 - y: a few ulp of 1
    assert (probability.get() - want).abs().max() <= 16 * 2.0**-24
    counts = spike.get().sum((0, 1))
    for k in range(5):
        part = slice(k * n // 5, (k + 1) * n // 5)
        p = float(want[part][0])
        assert sigmas(int(counts[part].sum()), steps * n // 5, p) < 4


def test_srm0_integrates_and_is_reset_like_a_leaky_neuron(backend):
    net = Network(backend=backend)
    net.population("srm", models.SRM0(eps_0=2.0, rho_0=0.02), 63)
    v, s = net.monitor("srm", "v"), net.monitor("srm", "spike")
    net.run(80, {"srm": torch.full((63,), 1.5)})
    spikes, seen = s.get()[:, 0].numpy(), v.get()[:, 0].double().numpy()
    assert 63 < spikes.sum() < 80 * 63 / 6
    v_want, since = np.full(63, -70.0), np.full(63, 99)
    for t in range(80):
        v_want = np.exp(-0.1) * (v_want + 70.0) - 70.0 + np.where(since > 5, 3.0, 0.0)
        v_want = np.where(spikes[t], -70.0, v_want)
        since = np.where(spikes[t], 1, since + 1)
        # the leak forgets after 1 / (1 - e^-0.1) = 11 steps of three roundings
        assert np.abs(seen[t] - v_want).max() <= 3 * 11 * 70 * 2.0**-24


def test_winner_is_drawn_evenly_among_the_candidates(backend):
    net = Network(batch_size=3, backend=backend)
    net.population("dc", models.DiehlAndCook(t_refrac=0.0, theta_plus=0.0), 5)
    drive = torch.full((1200, 3, 5), 20.0)
    drive[:, 1, 0] = drive[:, 2, :4] = 0.0  # five, four and one candidate
    seen = net.monitor("dc", "spike")
    net.run(1200, {"dc": drive})
    spikes = seen.get().numpy()
    assert (spikes.sum(2) == 1).all()
    counts = spikes.sum(0)
    assert counts[2].tolist() == [0, 0, 0, 0, 1200]
    assert counts[1, 0] == 0
    assert all(sigmas(c, 1200, 1 / 5) < 4 for c in counts[0])
    assert all(sigmas(c, 1200, 1 / 4) < 4 for c in counts[1, 1:])
    # batch elements do not choose alike: the same neuron wins in both with probability 1/5
    assert sigmas((spikes[:, 0] & spikes[:, 1]).sum(), 1200, 1 / 5) < 4


def test_initial_weights_are_uniform_between_the_bounds_and_differ():
    net = Network(seed=3)
    net.population("a", models.Input(), 130)
    net.population("b", models.LIF(), 63)
    drawn_w = [
        net.projection("a", "b", Dense(), name=f"c{k}", w_min=low, w_max=high).w.double()
        for k, (low, high) in enumerate([(0.0, 0.3), (-1.0, 1.0), (-torch.inf, torch.inf)])
    ]
    for w, (low, high) in zip(drawn_w, [(0.0, 0.3), (-1.0, 1.0), (0.0, 1.0)], strict=True):
        unit = (w - low) / (high - low)
        assert unit.min() >= 0
        assert unit.max() < 1 + 1e-6
        assert abs(unit.mean() - 0.5) < 4 * math.sqrt(1 / 12 / w.numel())
        assert abs(unit.std() - math.sqrt(1 / 12)) < 0.01
    assert abs(np.corrcoef(drawn_w[0].reshape(-1), drawn_w[1].reshape(-1))[0, 1]) < 0.05
    assert not torch.equal(network_uniform(3, (5,)), network_uniform(4, (5,)))
