# SPDX-License-Identifier: Apache-2.0
"""Readouts beyond votes: the order in which neurons spike, and logistic regression."""

from __future__ import annotations

import itertools
import operator
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
    by_step = itertools.groupby(spikes.nonzero().tolist(), key=operator.itemgetter(0))
    active = [[neuron for _, neuron in group] for _, group in by_step]
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
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_labels):
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}, expected 0 to {n_labels - 1}"
        )
    found: dict[Ngram, int] = {}
    pairs = [
        (found.setdefault(gram, len(found)), int(label))
        for sample, label in zip(spikes, labels.tolist(), strict=True)
        for gram in ngrams(sample, n)
    ]
    counts = torch.zeros(len(found), n_labels)
    if pairs:
        place = tuple(torch.tensor(pairs).T)
        counts.index_put_(place, torch.ones(len(pairs)), accumulate=True)
    for gram, row in zip(found, counts, strict=True):
        scores[gram] = scores[gram].add_(row) if gram in scores else row
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


def count_spikes(spikes: Tensor) -> Tensor:
    """Sum recordings [n_samples, n_steps, n] over time: [n_samples, n].

    Sparse recordings are not made dense; of spikes as bool or 0 and 1 in uint8 the counts are
    int32, of others they are what `sum` gives.
    """
    if spikes.layout == torch.sparse_coo:
        spikes = spikes.coalesce()
        sample, _, neuron = spikes.indices()
        n_samples, _, n = spikes.shape
        flat = torch.zeros(n_samples * n, device=spikes.device)
        flat.index_add_(0, sample * n + neuron, spikes.values().float())
        return flat.view(n_samples, n)
    if spikes.dtype == torch.bool:
        spikes = spikes.view(torch.uint8)
    if spikes.dtype != torch.uint8 or (spikes.numel() and spikes.max() > 1):
        return spikes.sum(1)
    # bytes are added up as bytes, a hundred times as fast, in parts that cannot overflow
    parts = [part.sum(1, dtype=torch.uint8).int() for part in spikes.split(255, 1)]
    return torch.stack(parts).sum(0, dtype=torch.int32)


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
    counts = count_spikes(counts) if counts.ndim == 3 else counts
    if counts.ndim != 2:
        raise ValueError(f"counts are {tuple(counts.shape)}, expected [n_samples, n]")
    return counts.to_dense().cpu().numpy()
