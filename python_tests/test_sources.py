# SPDX-License-Identifier: Apache-2.0
"""Spike trains and currents drawn by counters: their statistics, and that runs go on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fastsnn import (
    GammaProcess,
    InhomogeneousPoisson,
    Network,
    NoisyCurrent,
    RefractoryPoisson,
    ShapeError,
    SineCurrent,
    SpikeTimes,
    StepCurrent,
    models,
)

DT = 0.1


def spikes(source, time: float, n: int, backend: str = "torch", parts: int = 1, batch: int = 1):
    """Spikes [T, B, n] of an Input population, in one run or several."""
    net = Network(dt=DT, seed=5, backend=backend, batch_size=batch)
    net.population("in", models.Input(), n)
    seen = net.monitor("in", "spike")
    for _ in range(parts):
        net.run(time / parts, {"in": source})
    return seen.get()


def intervals(s: torch.Tensor) -> np.ndarray:
    """Intervals of all neurons, ms."""
    return DT * np.concatenate([np.diff(np.flatnonzero(x)) for x in s[:, 0].T.numpy()])


def distance(sample: np.ndarray, cdf) -> float:
    """Kolmogorov-Smirnov distance times the root of the sample size."""
    x = np.sort(sample)
    f, k = cdf(x), np.arange(len(x))
    return math.sqrt(len(x)) * max((f - k / len(x)).max(), ((k + 1) / len(x) - f).max())


def gamma_cdf(x: np.ndarray, shape: float, mean: float) -> np.ndarray:
    """The lower incomplete gamma function."""
    y = torch.as_tensor(x * shape / mean, dtype=torch.float64)
    return torch.special.gammainc(torch.full_like(y, shape), y).numpy()


def test_given_times_are_the_spikes_of_the_steps_that_end_there(backend):
    times = [[0.1, 5.0, 5.04, 9.96], [], [7.3, 0.3, 25.0]]
    for source in (
        SpikeTimes(times),
        SpikeTimes([t for train in times for t in train], ids=[0, 0, 0, 0, 2, 2, 2]),
    ):
        for parts in (1, 4):
            s = spikes(source, 20.0, 3, backend, parts)[:, 0]
            found = [(s[:, k].nonzero()[:, 0] + 1).tolist() for k in range(3)]
            assert found == [[1, 50, 100], [], [3, 73]]


def test_given_times_that_cannot_be_are_refused():
    for given, told in (
        (SpikeTimes([[1.0]]), "holds 1 trains, expected 2, one per neuron"),
        (SpikeTimes([1.0, 2.0], ids=[0]), "2 times and 1 ids"),
        (SpikeTimes([[0.0], []]), "expected finite times from 0.1 ms"),
        (SpikeTimes([[math.inf], []]), "expected finite times"),
        (SpikeTimes([1.0], ids=[2]), "ids reaches 2..2, expected 0..1"),
        (InhomogeneousPoisson([1.0, 2.0, 3.0]), "rate of 'in' has shape"),
        (InhomogeneousPoisson(-1.0), "negative or infinite"),
        (InhomogeneousPoisson([1.0, 2.0], every=0.0), "every=0.0 ms, expected a time above 0"),
    ):
        with pytest.raises(ShapeError, match=told):
            spikes(given, 5.0, 2)
    with pytest.raises(ShapeError, match="shape=0"):
        GammaProcess(10.0, shape=0)
    with pytest.raises(ShapeError, match="less than 1000 / rate"):
        RefractoryPoisson(200.0, t_refrac=5.0)


@pytest.mark.parametrize("shape", [0.5, 1.0, 1.7, 3.0, 20.0])
def test_gamma_intervals_have_their_distribution_from_the_first_spike_on(shape):
    s = spikes(GammaProcess(20.0, shape=shape), 2000.0, 300)
    count = s.sum(0)[0].double()
    # a renewal process in equilibrium: exactly rate * time on average, about time * rate / shape
    sd = math.sqrt(40.0 / shape / 300)
    assert abs(float(count.mean()) - 40.0) < 4 * sd + 0.05
    # spikes of one step count once, which cuts off short intervals
    x = intervals(s)
    short = {0.5: 2.0, 1.0: 1.0}.get(shape, 0.0)
    x = x[x > short]
    low = gamma_cdf(np.array([short]), shape, 50.0)[0]
    cdf = lambda y: (gamma_cdf(y, shape, 50.0) - low) / (1 - low)  # noqa: E731
    # 2.2: a chance of about 1e-4; the grid adds dt / 2 times the density's height
    assert distance(x, cdf) < 2.2 + math.sqrt(len(x)) * 0.05 * max(1.0, shape**0.5) / 50.0
    if shape == 3.0:
        # the first spike comes in equilibrium, too: with density (1 - F(x)) / mean
        first = DT * (s[:, 0].int().argmax(0) + 1).numpy()
        y = np.linspace(0, 400, 4001)
        grown = np.concatenate([[0], np.cumsum(1 - gamma_cdf(y + 0.05, 3.0, 50.0))[:-1]]) * 0.1 / 50
        assert distance(first, lambda t: np.interp(t, y, grown)) < 2.2
        late = spikes(GammaProcess(20.0, shape=3.0, equilibrium=False), 300.0, 300)
        first = DT * (late[:, 0].int().argmax(0) + 1).numpy()
        assert distance(first, lambda t: gamma_cdf(t, 3.0, 50.0)) < 2.2


def test_refractory_trains_keep_their_rate_and_their_distance():
    rate = torch.tensor([20.0, 100.0]).repeat_interleave(100)
    s = spikes(RefractoryPoisson(rate, t_refrac=4.0), 2000.0, 200)
    assert intervals(s).min() >= 4.0
    for half, hertz in ((slice(0, 100), 20.0), (slice(100, 200), 100.0)):
        count = float(s[:, 0, half].sum()) / 100
        cv = 1 - hertz * 0.004
        assert abs(count - 2 * hertz) < 4 * math.sqrt(2 * hertz / 100) * cv
        x = intervals(s[:, :, half]) - 4.0
        mean = 1000 / hertz - 4.0
        cdf = lambda y, m=mean: 1 - np.exp(-(y + 0.05) / m)  # noqa: E731
        assert distance(x, cdf) < 2.2 + math.sqrt(len(x)) * 0.05 / mean


@pytest.mark.parametrize("form", ["function", "table"])
def test_inhomogeneous_trains_follow_their_rate(form):
    n, period = 400, 200.0

    def rate(t: torch.Tensor) -> torch.Tensor:
        return 40.0 * (1.0 + torch.sin(2 * math.pi * t / period))

    if form == "function":
        source = InhomogeneousPoisson(rate)
    else:
        middle = torch.arange(1000, dtype=torch.float64) + 0.5
        source = InhomogeneousPoisson(rate(middle)[:, None].expand(1000, n), every=1.0)
    s = spikes(source, 1000.0, n)[:, 0]
    by_phase = s.reshape(5, 20, 100, n).sum((0, 2, 3)).double().numpy()
    edges = np.linspace(0, period, 21)
    grown = edges - period / (2 * np.pi) * np.cos(2 * np.pi * edges / period)
    want = 0.040 * np.diff(grown) * n * 5
    # two spikes in a step of 0.1 ms at 80 Hz: 0.4 % of them at most
    assert (np.abs(by_phase - want) < 4.5 * np.sqrt(want) + 0.004 * want + 3).all()
    variance = s.reshape(10, 1000, n).sum(1).double().var(1)
    assert float((variance / s.reshape(10, 1000, n).sum(1).double().mean(1)).mean()) < 1.15


@pytest.mark.parametrize(
    "source",
    [
        lambda: InhomogeneousPoisson(lambda t: 30.0 + 20.0 * torch.cos(t / 10.0)),
        lambda: GammaProcess(torch.linspace(5.0, 90.0, 23), shape=2.5),
        lambda: RefractoryPoisson(50.0, t_refrac=3.0),
    ],
)
def test_trains_go_on_from_run_to_run_and_are_the_same_on_every_backend(source, backend):
    want = spikes(source(), 100.0, 23)
    assert want.sum() > 50
    assert torch.equal(spikes(source(), 100.0, 23, backend, parts=5), want)
    # a source that has never seen the runs before
    net = Network(dt=DT, seed=5, backend=backend)
    net.population("in", models.Input(), 23)
    net.run(60.0)
    seen = net.monitor("in", "spike")
    net.run(40.0, {"in": source()})
    assert torch.equal(seen.get(), want[600:])
    batch = spikes(source(), 100.0, 23, backend, batch=2)
    assert torch.equal(batch[:, 0], want[:, 0])
    assert not torch.equal(batch[:, 1], want[:, 0])


def given(source, time: float, n: int, parts: int = 1, batch: int = 1) -> torch.Tensor:
    """What a source adds to i_syn, [T, B, n]."""
    net = Network(dt=DT, seed=9, backend="torch", batch_size=batch)
    net.population("m", models.McCullochPitts(v_thresh=1e9), n)
    seen = net.monitor("m", "v")
    for _ in range(parts):
        net.run(time / parts, {"m": source})
    return seen.get()


def test_step_currents_change_in_the_step_that_begins_then():
    got = given(StepCurrent([1.0, 2.3, 5.0], [2.0, -1.0, 0.0]), 8.0, 3, parts=2)
    want = torch.zeros(80)
    want[10:23], want[23:50] = 2.0, -1.0
    assert torch.equal(got, want[:, None, None].expand(80, 1, 3))
    two = StepCurrent([0.0], [[1.0, 2.0]], neurons=[2, 0]) + StepCurrent([4.0], [0.5])
    got = given(two, 8.0, 3, batch=2)
    assert got[0, 1].tolist() == [2.0, 0.0, 1.0]
    assert got[-1, 0].tolist() == [2.5, 0.5, 1.5]
    assert given(StepCurrent([], []), 1.0, 2).abs().sum() == 0.0


def test_sine_currents_are_the_formula():
    source = SineCurrent([1.0, 3.0], 50.0, offset=0.5, phase=0.3, start=2.0, stop=7.0)
    got = given(source, 10.0, 2)[:, 0].double().numpy()
    t = DT * np.arange(100)
    want = 0.5 + np.sin(2 * np.pi * 0.05 * (t - 2.0) + 0.3)[:, None] * [1.0, 3.0]
    want[:20], want[70:] = 0.0, 0.0
    assert np.abs(got - want).max() < 1e-6


def test_noisy_currents_are_normal_and_redrawn_as_often_as_asked():
    source = NoisyCurrent(3.0, 2.0, every=0.5, start=1.0)
    got = given(source, 101.0, 500)
    assert got[:10].abs().sum() == 0.0
    blocks = got[10:, 0].reshape(200, 5, 500)
    assert (blocks == blocks[:, :1]).all()
    x = ((blocks[:, 0] - 3.0) / 2.0).double().flatten().numpy()
    assert distance(x, lambda y: 0.5 * torch.special.erfc(torch.tensor(-y / 2**0.5)).numpy()) < 2.2
    # neurons, and what follows what, have nothing to do with each other
    pairs = [(x[500:], x[:-500]), (x[1:], x[:-1])]
    assert all(abs(np.mean(a * b)) < 5 / math.sqrt(len(x)) for a, b in pairs)
    assert torch.equal(given(source, 101.0, 500, parts=2), got)
    both = given(NoisyCurrent(0.0, 1.0) + NoisyCurrent(0.0, 1.0), 100.0, 100)
    assert abs(float(both.std()) - 2**0.5) < 0.01
    split = given(NoisyCurrent(0.0, 1.0, every=0.3), 10.2, 1)
    whole = given(NoisyCurrent(0.0, 1.0, every=0.3), 10.2, 1, parts=2)
    assert torch.equal(split, whole)


def test_currents_that_cannot_be_are_refused():
    for source, told in (
        (StepCurrent([1.0, 0.5], [1.0, 2.0]), "expected ascending times"),
        (StepCurrent([1.0], [[1.0, 2.0]]), "one amplitude for each, or 3"),
        (StepCurrent([1.0], [1.0], neurons=[3]), "expected different ones of 0..2"),
        (NoisyCurrent(0.0, 1.0, every=0.25), "expected a whole number of steps of 0.1 ms"),
        (SineCurrent([1.0, 2.0], 5.0), "expected one finite number, or 3 of them"),
    ):
        with pytest.raises(ShapeError, match=told):
            given(source, 5.0, 3)
