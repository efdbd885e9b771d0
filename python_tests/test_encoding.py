# SPDX-License-Identifier: Apache-2.0
"""Encodings: equal to BindsNET's golden trains, true to their formulas, without side effects."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from fastsnn import encoding, trains

GOLDEN = np.load(Path(__file__).parent / "golden" / "encodings.npz")


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("poisson", partial(encoding.poisson, time=100)),
        ("poisson_dt05", partial(encoding.poisson, time=50, dt=0.5)),
        ("poisson_approx", partial(encoding.poisson, time=100, approx=True)),
        ("bernoulli", partial(encoding.bernoulli, time=100)),
        ("bernoulli_notime", encoding.bernoulli),
        ("single", partial(encoding.single, time=20, sparsity=0.3)),
        ("rank_order", partial(encoding.rank_order, time=50)),
        ("repeat", partial(encoding.repeat, time=7)),
    ],
)
def test_encoding_equals_golden_train_and_leaves_datum_alone(name, encode):
    datum = torch.from_numpy(GOLDEN["datum"].copy())
    torch.manual_seed(133)
    spikes = encode(datum)
    assert np.array_equal(spikes.numpy(), GOLDEN[name])
    assert spikes.numpy().dtype == GOLDEN[name].dtype
    assert np.array_equal(datum.numpy(), GOLDEN["datum"])


def test_bernoulli_with_max_prob_equals_golden_train():
    datum = torch.from_numpy(GOLDEN["datum"].copy()) / 128.0
    torch.manual_seed(133)
    spikes = encoding.bernoulli(datum, time=100, max_prob=0.3)
    assert np.array_equal(spikes.numpy(), GOLDEN["bernoulli_maxprob"])


@pytest.mark.parametrize("skip", [0, 1, 2, 623, 624, 1000])
@pytest.mark.parametrize(
    "encode",
    [
        partial(encoding.poisson, time=131),
        partial(encoding.poisson, time=40, dt=0.1),
        partial(encoding.bernoulli, time=77),
        partial(encoding.bernoulli, max_prob=0.2),
    ],
)
def test_the_engine_draws_what_torch_draws_and_stops_where_it_would(monkeypatch, encode, skip):
    datum = torch.cat([torch.zeros(7), torch.rand(240) * 500.0, torch.tensor([1e-3, 1e-30, 1e6])])

    def drawn():
        torch.manual_seed(skip)
        torch.rand(skip)
        return encode(datum.view(10, 25)), encode(datum), torch.rand(5)

    if not trains.agrees():
        pytest.skip("the engine is not built")
    ours = drawn()
    monkeypatch.setattr(trains, "agrees", lambda: False)
    for got, want in zip(ours, drawn(), strict=True):
        assert torch.equal(got, want)


def test_a_train_that_is_refused_draws_nothing():
    torch.manual_seed(3)
    before = torch.default_generator.get_state()
    with pytest.raises(ValueError, match="value of -2"):
        encoding.poisson(torch.tensor([3.0, -2.0]), 10)
    assert torch.equal(torch.default_generator.get_state(), before)


def test_poisson_intervals_have_the_mean_and_variance_of_whole_steps():
    torch.manual_seed(0)
    spikes = encoding.poisson(torch.full((500,), 50.0), time=4000)
    intervals = torch.cat([train.nonzero().flatten().diff() for train in spikes.T]).float()
    # mean 1000 / 50 = 20 steps, variance 20; 10 standard errors over about 10^5 intervals
    assert abs(intervals.mean() - 20.0) < 0.15
    assert abs(intervals.var() - 20.0) < 0.9


def test_poisson_never_spikes_at_rate_zero_and_always_at_a_huge_rate():
    spikes = encoding.poisson(torch.tensor([0.0, 1e-45, 1e-20, 1e9]), time=30)
    assert spikes.sum(0).tolist() == [0, 0, 0, 30]


def test_bernoulli_rate_is_the_probability():
    torch.manual_seed(0)
    spikes = encoding.bernoulli(torch.tensor([0.0, 0.25, 1.0]), time=10_000)
    rate = spikes.float().mean(0)
    assert rate[0] == 0.0
    assert rate[2] == 1.0
    assert abs(rate[1] - 0.25) < 0.02


def test_rank_order_spikes_largest_first_and_never_the_smallest():
    datum = torch.tensor([0.0, 1.0, 2.0, 4.0, 10.0])
    spikes = encoding.rank_order(datum, time=100)
    assert spikes.sum(0).tolist() == [0, 0, 1, 1, 1]
    # ceil(100 * 1 / datum) - 1
    assert spikes[:, 2:].argmax(0).tolist() == [49, 24, 9]


def test_rank_order_of_nothing_is_silent():
    assert encoding.rank_order(torch.zeros(3), time=10).sum() == 0


def test_single_puts_the_chosen_fraction_in_the_first_step():
    spikes = encoding.single(torch.arange(100.0), time=10, sparsity=0.2)
    assert spikes[0].sum() == 20
    assert spikes[0, 80:].all()
    assert spikes[1:].sum() == 0


def test_images_of_bytes_are_taken():
    image = torch.randint(0, 256, (28, 28), dtype=torch.uint8)
    for encode in (encoding.poisson, encoding.bernoulli, encoding.rank_order, encoding.single):
        assert encode(image, time=5).shape == (5, 28, 28)


def test_steps_are_rounded_not_cut_off():
    # 0.7 / 0.1 is 6.999... in floating point
    assert len(encoding.repeat(torch.ones(2), time=0.7, dt=0.1)) == 7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: encoding.poisson(-x, 10), "value of -1, expected"),
        (lambda x: encoding.bernoulli(x * torch.nan, 10), "value of nan, expected"),
        (lambda x: encoding.bernoulli(x, 10, max_prob=1.5), "max_prob is 1.5"),
        (lambda x: encoding.single(x, 10, sparsity=-1), "sparsity is -1"),
        (lambda x: encoding.repeat(x, 0), "time is 0 ms"),
        (lambda x: encoding.repeat(x, 10, dt=0), "dt is 0 ms"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(3))
