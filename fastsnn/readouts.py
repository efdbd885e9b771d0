# SPDX-License-Identifier: Apache-2.0
"""Readouts beyond votes: the order in which neurons spike, and logistic regression."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.optional import need

Ngram = tuple[int, ...]


def ngrams(spikes: Tensor, n: int) -> Iterator[Ngram]:
    """All n-grams of one sample [n_steps, neurons]: a neuron from each of n consecutive steps
    that have spikes.

    A step in which many neurons spike gives many: their number grows with the product.
    """
    if n < 1:
        raise ValueError(f"n is {n}, expected 1 or more")
    active = [row.nonzero().flatten().tolist() for row in spikes if row.any()]
    for start in range(len(active) - n + 1):
        yield from itertools.product(*active[start : start + n])


def count_ngrams(
    spikes: Tensor,
    labels: Tensor,
    n_labels: int,
    n: int,
    scores: dict[Ngram, Tensor] | None = None,
) -> dict[Ngram, Tensor]:
    """Count n-grams by class: n-gram -> float [n_labels].

    spikes: [n_samples, n_steps, neurons], dense or sparse.
    scores: of an earlier call; the counts are added to it, in place.
    """
    scores = {} if scores is None else scores
    spikes = _samples(spikes)
    if len(labels) != len(spikes):
        raise ValueError(f"{len(labels)} labels, expected {len(spikes)}: one a sample")
    for sample, label in zip(spikes, labels.tolist(), strict=True):
        for gram in ngrams(sample, n):
            scores.setdefault(gram, torch.zeros(n_labels))[int(label)] += 1
    return scores


def predict_by_ngrams(
    spikes: Tensor, scores: Mapping[Ngram, Tensor], n_labels: int, n: int
) -> Tensor:
    """Predict, for each sample, the class for which its n-grams were counted most often.

    Returns [n_samples] int64; 0 where no n-gram is known.
    """
    return torch.stack(
        [sum_scores(ngrams(sample, n), scores, n_labels).argmax() for sample in _samples(spikes)]
    )


def sum_scores(grams: Iterator[Ngram], scores: Mapping[Ngram, Tensor], n_labels: int) -> Tensor:
    """The counts of all these n-grams together, [n_labels]."""
    total = torch.zeros(n_labels)
    for gram in grams:
        if gram in scores:
            total += scores[gram].cpu()
    return total


def fit_logistic(counts: Tensor, labels: Tensor, model: Any = None, **options: Any) -> Any:
    """Fit a logistic regression from spike counts to classes; needs scikit-learn.

    counts:  [n_samples, n], or spikes [n_samples, n_steps, n] to be summed.
    model:   an estimator of scikit-learn to fit anew; default: LogisticRegression(**options).
    """
    if model is None:
        linear = need("sklearn.linear_model", "scikit-learn", "The logistic readout")
        model = linear.LogisticRegression(**{"max_iter": 1000, **options})
    return model.fit(_counts(counts), labels.cpu().numpy())


def predict_logistic(counts: Tensor, model: Any) -> Tensor:
    """Predict with a fitted model; -1 for all samples where it is not fitted yet."""
    values = _counts(counts)
    if not hasattr(model, "coef_"):
        return torch.full((len(values),), -1, dtype=torch.int64)
    return torch.from_numpy(np.asarray(model.predict(values))).long()


def _samples(spikes: Tensor) -> Tensor:
    spikes = spikes.to_dense() if spikes.layout != torch.strided else spikes
    if spikes.ndim != 3:
        raise ValueError(
            f"spikes are {tuple(spikes.shape)}, expected [n_samples, n_steps, neurons]"
        )
    return spikes.cpu()


def _counts(counts: Tensor) -> np.ndarray:
    counts = counts.to_dense() if counts.layout != torch.strided else counts
    counts = counts.sum(1) if counts.ndim == 3 else counts
    if counts.ndim != 2:
        raise ValueError(f"counts are {tuple(counts.shape)}, expected [n_samples, n]")
    return counts.cpu().numpy()
