# SPDX-License-Identifier: Apache-2.0
"""Readouts against plain loops over the definitions, and against cases that can be done by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsnn import evaluation

DTYPES = [torch.uint8, torch.int16, torch.int32, torch.int64]


def random_case(seed, n_samples, n, n_labels, dtype=torch.int32):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 9, (n_samples, n), generator=generator, dtype=dtype)
    # silent neurons, and neurons that all classes drive alike
    counts[:, ::7] = 0
    counts[:, 1::7] = 3
    return counts, torch.randint(0, n_labels, (n_samples,), generator=generator)


def plain_labels(counts, labels, n_labels):
    n = counts.shape[1]
    rates = np.zeros((n, n_labels), np.float32)
    for label in range(n_labels):
        chosen = counts[labels == label].numpy()
        if len(chosen):
            rates[:, label] = chosen.sum(0) / len(chosen)
    assignments = [int(r.argmax()) if r.sum() > 0 else -1 for r in rates]
    return rates, assignments


def plain_vote(counts, assignments, weights, n_labels):
    predictions = []
    for sample in counts.double():
        scores = []
        for label in range(n_labels):
            own = assignments == label
            total = (sample[own] * weights[own, label]).sum().item()
            scores.append(total / max(1, int(own.sum())))
        predictions.append(scores)
    return np.array(predictions)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_samples=st.integers(1, 40),
    n=st.integers(1, 30),
    n_labels=st.integers(1, 6),
    dtype=st.sampled_from(DTYPES),
)
def test_readouts_equal_plain_loops(seed, n_samples, n, n_labels, dtype):
    counts, labels = random_case(seed, n_samples, n, n_labels, dtype)
    assignments, proportions, rates = evaluation.assign_labels(counts, labels, n_labels)
    want_rates, want_assignments = plain_labels(counts, labels, n_labels)
    assert np.allclose(rates, want_rates, rtol=1e-6)
    assert assignments.tolist() == want_assignments
    for got, weights in (
        (evaluation.all_activity(counts, assignments, n_labels), torch.ones(n, n_labels)),
        (
            evaluation.proportion_weighting(counts, assignments, proportions, n_labels),
            proportions.double(),
        ),
    ):
        scores = plain_vote(counts, assignments, weights, n_labels)
        chosen = scores[np.arange(n_samples), got.numpy()]
        # equal up to the rounding of a float32 sum of at most 30 terms of at most 8
        assert (scores.max(1) - chosen <= 1e-4).all()


def test_proportions_of_a_neuron_add_up_to_one_or_to_nothing():
    counts, labels = random_case(1, 200, 21, 5)
    assignments, proportions, _ = evaluation.assign_labels(counts, labels, 5)
    total = proportions.sum(1)
    assert torch.allclose(total[assignments >= 0], torch.ones(18))
    assert (total[assignments < 0] == 0).all()
    assert (assignments < 0).sum() == 3


def test_case_by_hand():
    counts = torch.tensor([[4, 0, 1, 0], [2, 0, 1, 0], [0, 3, 1, 0]])
    labels = torch.tensor([0, 0, 1])
    assignments, proportions, rates = evaluation.assign_labels(counts, labels, 2)
    assert rates.tolist() == [[3, 0], [0, 3], [1, 1], [0, 0]]
    assert assignments.tolist() == [0, 1, 0, -1]
    assert proportions.tolist() == [[1, 0], [0, 1], [0.5, 0.5], [0, 0]]
    # class 0 is the mean of neurons 0 and 2, class 1 neuron 1
    seen = torch.tensor([[2, 1, 1, 99], [1, 1, 0, 99]])
    assert evaluation.all_activity(seen, assignments, 2).tolist() == [0, 1]
    # weighted, class 0 of the first is (2 + 0.5) / 2
    assert evaluation.proportion_weighting(seen, assignments, proportions, 2).tolist() == [0, 1]


def test_weighted_evidence_is_its_formula():
    counts, labels = random_case(3, 50, 14, 4)
    _, proportions, _ = evaluation.assign_labels(counts, labels, 4)
    want = [
        max(range(4), key=lambda c: float((row.sqrt() * (proportions[:, c] + 0.02).log()).sum()))
        for row in counts.double()
    ]
    assert evaluation.weighted_evidence(counts, proportions).tolist() == want


def test_silent_sample_goes_to_the_first_class():
    assignments = torch.tensor([2, 1, 0])
    assert evaluation.all_activity(torch.zeros(1, 3, dtype=torch.int32), assignments, 3) == 0


def test_rates_of_earlier_calls_are_kept_by_alpha():
    counts, labels = random_case(2, 60, 10, 3)
    _, _, first = evaluation.assign_labels(counts[:30], labels[:30], 3)
    _, _, alone = evaluation.assign_labels(counts[30:], labels[30:], 3)
    _, _, both = evaluation.assign_labels(counts[30:], labels[30:], 3, rates=first, alpha=0.5)
    assert torch.allclose(both, 0.5 * first + alone)


def test_class_without_samples_keeps_its_rate():
    rates = torch.tensor([[1.0, 5.0]])
    _, _, new = evaluation.assign_labels(
        torch.tensor([[2]]), torch.tensor([0]), 2, rates=rates, alpha=0.5
    )
    assert new.tolist() == [[2.5, 5.0]]


def test_many_counts_need_little_memory():
    counts = torch.ones(20_000, 1000, dtype=torch.uint8)
    labels = torch.arange(20_000) % 10
    chunks = [chunk.numel() for _, chunk in evaluation._chunks(counts)]
    assert max(chunks) <= 1 << 22
    sums, sizes = evaluation.sum_by_label(counts, labels, 10)
    assert (sums == 2000).all()
    assert (sizes == 2000).all()


def test_confusion_matrix_counts_class_by_prediction():
    matrix = evaluation.confusion_matrix(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 2, 1, 0]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_accuracy_is_the_fraction_that_is_right():
    assert evaluation.accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 0])) == 0.75


@pytest.mark.parametrize(
    ("counts", "labels", "message"),
    [
        (torch.zeros(3, 2), [0, 1], r"counts are \(3, 2\) and labels \(2,\)"),
        (torch.zeros(2), [0, 1], "expected"),
        (torch.zeros(2, 2), [0, 3], "labels go from 0 to 3, expected 0 to 2"),
        (torch.zeros(2, 2), [-1, 0], "labels go from -1 to 0"),
    ],
)
def test_counts_and_labels_that_do_not_fit_are_refused(counts, labels, message):
    with pytest.raises(ValueError, match=message):
        evaluation.assign_labels(counts, torch.tensor(labels), 3)


def test_counts_of_other_neurons_are_refused():
    with pytest.raises(ValueError, match=r"counts are \(2, 4\), expected \[n_samples, 3\]"):
        evaluation.all_activity(torch.zeros(2, 4), torch.zeros(3, dtype=torch.int64), 2)
