# SPDX-License-Identifier: Apache-2.0
"""Statistics of spike trains whose statistics are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from fastsnn.errors import ShapeError
from fastsnn.statistics import Window, ks_distance, ks_limit, summarize

STOP = 20_000.0


def renewal(n: int, rate: float, shape: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Trains with Gamma intervals of mean 1000 / rate ms, past their beginning."""
    draw = np.random.default_rng(seed)
    length = int(STOP * rate / 1000.0 * 1.5) + 60
    intervals = draw.gamma(shape, 1000.0 / rate / shape, (n, length))
    times = intervals.cumsum(1) - 20.0 * 1000.0 / rate
    ids = np.repeat(np.arange(n), length)
    order = draw.permutation(len(ids))
    return times.reshape(-1)[order], ids[order]


def test_poisson_trains_have_their_rate_cv_one_and_no_correlation():
    n, rate = 100, 20.0
    window = Window.of(*renewal(n, rate, 1.0), n, 0.0, STOP)
    expected = rate * STOP / 1000.0
    assert abs(window.rates().mean() - rate) < 4 * rate / np.sqrt(n * expected)
    assert window.rates().std() == pytest.approx(np.sqrt(expected) / STOP * 1000, rel=0.3)
    # of m intervals the CV is 1 to 1 / sqrt(m) in sd, and too low by about 1 / m
    assert abs(window.cv().mean() - 1.0) < 1.0 / expected + 4 / np.sqrt(n * expected)
    pairs = window.correlations(2.0)
    bins = STOP / 2.0
    assert len(pairs) == n * (n - 1) / 2
    assert pairs.std() == pytest.approx(1 / np.sqrt(bins), rel=0.1)
    assert abs(pairs.mean()) < 5 / np.sqrt(bins * len(pairs))
    assert window.synchrony() == pytest.approx(1.0, abs=4 * np.sqrt(2 * 3.0 / STOP))


@pytest.mark.parametrize("shape", [0.5, 2.0, 9.0])
def test_gamma_trains_have_cv_one_over_the_root_of_their_shape(shape):
    n, rate = 50, 25.0
    cv = Window.of(*renewal(n, rate, shape), n, 0.0, STOP).cv()
    intervals = n * rate * STOP / 1000.0
    # a sample CV of m gamma intervals spreads by less than 2 / sqrt(m) of itself
    assert cv.mean() == pytest.approx(shape**-0.5, rel=8 / np.sqrt(intervals) + 2 * n / intervals)


def test_regular_trains_have_cv_zero_and_known_counts():
    step = np.arange(0, 1000, 10.0)
    times, ids = np.concatenate((step, step + 5.0)), np.repeat([0, 2], len(step))
    window = Window.of(times, ids, 3, 0.0, 1000.0)
    assert window.rates().tolist() == [100.0, 0.0, 100.0]
    np.testing.assert_allclose(window.cv(), [0.0, np.nan, 0.0], atol=1e-12)
    assert window.counts(10.0).tolist() == [[1, 0, 1]] * 100
    assert window.counts(5.0)[:2].tolist() == [[1, 0, 0], [0, 0, 1]]
    # in bins of half a period one spikes exactly where the other does not
    np.testing.assert_allclose(window.correlations(5.0), [-1.0])
    assert window.population_rate(10.0).tolist() == pytest.approx([200 / 3] * 100)
    assert window.synchrony(10.0) == pytest.approx(0.0, abs=1e-12)


def test_copies_of_a_train_correlate_fully_and_are_n_times_as_synchronous():
    n, rate = 40, 10.0
    times, _ = renewal(1, rate, 1.0)
    all_times, ids = np.tile(times, n), np.repeat(np.arange(n), len(times))
    window = Window.of(all_times, ids, n, 0.0, STOP)
    np.testing.assert_allclose(window.correlations(2.0), 1.0)
    assert window.synchrony() == pytest.approx(n, rel=4 * np.sqrt(2 * 3.0 / STOP))


def test_spectrum_of_poisson_trains_is_flat_and_shows_a_common_rhythm():
    n, rate = 200, 10.0
    times, ids = renewal(n, rate, 1.0)
    frequency, power = Window.of(times, ids, n, 0.0, STOP).spectrum()
    assert frequency[0] == pytest.approx(1000.0 / STOP)
    assert frequency[-1] == pytest.approx(500.0)
    assert power.mean() == pytest.approx(2 * rate / n, rel=4 / np.sqrt(len(power)))
    # thinned by 1 + cos at 40 Hz
    keep = np.random.default_rng(1).random(len(times)) < 0.5 + 0.5 * np.cos(0.08 * np.pi * times)
    frequency, power = Window.of(times[keep], ids[keep], n, 0.0, STOP).spectrum()
    assert frequency[power.argmax()] == pytest.approx(40.0, abs=0.1)


def test_bins_hold_times_that_are_multiples_of_dt():
    step = np.arange(600)
    window = Window.of(step * 0.1, np.zeros(600, int), 1, 0.0, 60.0)
    assert window.counts(0.3)[:, 0].tolist() == [3] * 200


def test_window_leaves_out_what_lies_outside():
    window = Window.of([4.9, 5.0, 9.9, 10.0], [0, 1, 1, 0], 2, 5.0, 10.0)
    assert window.rates().tolist() == [0.0, 400.0]
    assert window.counts(2.0).shape == (2, 2)


def test_summary_of_silence_is_nan_where_nothing_can_be_told():
    silence = summarize(np.zeros(0), np.zeros(0, int), 7, 0.0, 100.0)
    assert (silence.rate, silence.silent) == (0.0, 1.0)
    assert np.isnan([silence.cv, silence.correlation, silence.synchrony]).all()


def test_summary_of_poisson_trains():
    n = 60
    summary = summarize(*renewal(n, 20.0, 1.0), n, 0.0, STOP)
    assert summary.rate == pytest.approx(20.0, rel=0.03)
    assert summary.cv == pytest.approx(1.0, rel=0.03)
    assert summary.silent == 0.0


def test_ks_distance_of_shifted_uniforms_is_the_shift():
    a, b = np.linspace(0, 1, 1001), np.linspace(0.25, 1.25, 1001)
    assert ks_distance(a, b) == pytest.approx(0.25, abs=0.002)
    assert ks_distance(a, a) == 0.0
    assert ks_distance([1.0, np.nan], [2.0]) == 1.0
    draw = np.random.default_rng(0)
    beyond = [
        ks_distance(draw.random(80), draw.random(120)) > ks_limit(80, 120, 0.1) for _ in "a" * 300
    ]
    assert np.mean(beyond) < 0.1 + 4 * np.sqrt(0.1 * 0.9 / 300)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Window.of([1.0], [0, 1], 2, 0, 1), "1 times and 2 ids"),
        (lambda: Window.of([1.0], [2], 2, 0, 1), r"ids reach 2..2, expected 0..1"),
        (lambda: Window.of([1.0], [0], 2, 1, 1), "is empty"),
        (lambda: Window.of([1.0], [0], 2, 0, 1).counts(2.0), "do not fit"),
        (lambda: ks_distance([], [1.0]), "expected some"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
