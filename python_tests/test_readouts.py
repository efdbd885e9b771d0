# SPDX-License-Identifier: Apache-2.0
"""Readouts from the order of spikes and by logistic regression."""

from __future__ import annotations

import itertools

import pytest
import torch

from fastsnn import readouts


def train(*steps, n=4, n_steps=8):
    """Spikes [1, n_steps, n] of (step, neurons)."""
    spikes = torch.zeros(1, n_steps, n)
    for step, neurons in steps:
        spikes[0, step, list(neurons)] = 1
    return spikes


def test_ngrams_take_a_neuron_of_each_of_n_steps_with_spikes():
    sample = train((0, [1]), (1, [0, 2]), (3, [1]))[0]
    assert list(readouts.ngrams(sample, 2)) == [(1, 0), (1, 2), (0, 1), (2, 1)]
    assert list(readouts.ngrams(sample, 3)) == [(1, 0, 1), (1, 2, 1)]
    assert list(readouts.ngrams(sample, 4)) == []
    with pytest.raises(ValueError, match="n is 0, expected 1 or more"):
        list(readouts.ngrams(sample, 0))


def test_order_alone_tells_two_classes_apart():
    forward, backward = train((0, [0]), (1, [1]), (2, [2])), train((0, [2]), (1, [1]), (2, [0]))
    spikes, labels = torch.cat([forward, backward]), torch.tensor([0, 1])
    scores = readouts.count_ngrams(spikes, labels, 2, n=2)
    assert scores[0, 1].tolist() == [1.0, 0.0]
    assert readouts.predict_by_ngrams(spikes, scores, 2, n=2).tolist() == [0, 1]
    assert readouts.predict_by_ngrams(spikes.to_sparse(), scores, 2, n=2).tolist() == [0, 1]
    more = readouts.count_ngrams(forward, torch.tensor([1]), 2, n=2, scores=scores)
    assert more is scores
    assert scores[0, 1].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="labels go from -1 to 2, expected 0 to 1"):
        readouts.count_ngrams(spikes, torch.tensor([-1, 2]), 2, n=2)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_ngrams_of_many_samples_are_those_of_loops(n):
    torch.manual_seed(n)
    spikes, labels = (torch.rand(9, 12, 6) < 0.15).byte(), torch.arange(9) % 3
    spikes[4] = 0
    want: dict = {}
    for sample, label in zip(spikes, labels, strict=True):
        active = [s.nonzero().flatten().tolist() for s in sample if s.any()]
        for k in range(len(active) - n + 1):
            for gram in itertools.product(*active[k : k + n]):
                want.setdefault(gram, [0.0] * 3)[label] += 1
    scores = readouts.count_ngrams(spikes, labels, 3, n)
    assert {gram: row.tolist() for gram, row in scores.items()} == want


@pytest.mark.parametrize("n_steps", [1, 255, 256, 700])
def test_spikes_of_long_recordings_are_counted_exactly(n_steps):
    spikes = torch.rand(3, n_steps, 5) < 0.9
    spikes[0] = True
    want = spikes.long().sum(1)
    for recorded in (spikes, spikes.byte(), spikes.float(), spikes.to_sparse(), 3 * spikes.byte()):
        scale = int(recorded.to_dense().max())
        assert torch.equal(readouts.count_spikes(recorded).long(), scale * want)
    assert readouts.count_spikes(spikes[:0]).shape == (0, 5)


def test_logistic_readout_separates_what_is_separable():
    pytest.importorskip("sklearn")
    labels = torch.arange(60) % 3
    spikes = torch.zeros(60, 5, 3)
    spikes[torch.arange(60), torch.arange(60) % 5, labels] = 1
    model = readouts.fit_logistic(spikes, labels)
    assert torch.equal(readouts.predict_logistic(spikes.sum(1), model), labels)


def test_logistic_readout_that_is_not_fitted_says_minus_one():
    linear = pytest.importorskip("sklearn.linear_model")
    predicted = readouts.predict_logistic(torch.zeros(4, 3), linear.LogisticRegression())
    assert predicted.tolist() == [-1] * 4
