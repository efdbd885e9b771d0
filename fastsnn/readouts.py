# SPDX-License-Identifier: Apache-2.0
"""Readouts beyond votes: the order in which neurons spike, and logistic regression."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    return iter(_ngrams(spikes[None], n)[0])


def _ngrams(spikes: Tensor, n: int) -> tuple[list[Ngram], np.ndarray]:
    """The n-grams of samples [n_samples, n_steps, neurons], and the sample of each."""
    if n < 1:
        raise ValueError(f"n is {n}, expected 1 or more")
    # flat and of bools, numpy finds them tens of times as fast
    moment, neuron = np.divmod(np.flatnonzero(spikes.bool().numpy()), spikes.shape[2])
    start = np.flatnonzero(np.diff(moment, prepend=-1))
    size = np.diff(start, append=len(moment))  # spikes of each step that has some
    owner = moment[start] // spikes.shape[1]
    # every n-gram so far, and the step of its last neuron
    grams = neuron[:, None]
    last = np.repeat(np.arange(len(start)), size)
    for _ in range(n - 1):
        goes_on = last + 1 < len(start)
        goes_on[goes_on] = owner[last[goes_on] + 1] == owner[last[goes_on]]
        grams, last = grams[goes_on], last[goes_on] + 1
        many = size[last]
        # the spikes of the next step, one after another, behind each n-gram
        next_spike = np.arange(many.sum()) - np.repeat(many.cumsum() - many, many)
        next_spike += np.repeat(start[last], many)
        grams = np.column_stack((np.repeat(grams, many, axis=0), neuron[next_spike]))
        last = np.repeat(last, many)
    return list(zip(*grams.T.tolist(), strict=True)), owner[last]


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
    grams, sample = _ngrams(spikes, n)
    found = {gram: k for k, gram in enumerate(dict.fromkeys(grams))}
    place = torch.tensor([found[gram] for gram in grams], dtype=torch.int64) * n_labels
    place += labels.cpu().long()[torch.from_numpy(sample)]
    counts = torch.bincount(place, minlength=len(found) * n_labels).float().view(-1, n_labels)
    for gram, row in zip(found, counts.unbind(), strict=True):
        scores[gram] = scores[gram].add_(row) if gram in scores else row
    return scores


def predict_by_ngrams(
    spikes: Tensor, scores: Mapping[Ngram, Tensor], n_labels: int, n: int
) -> Tensor:
    """Predict, for each sample, the class for which its n-grams were counted most often.

    Returns [n_samples] int64; 0 where no n-gram is known.
    """
    spikes = _samples(spikes)
    return best_by_ngrams(*_ngrams(spikes, n), scores, (len(spikes), n_labels))


def best_by_ngrams(
    grams: Iterable[Ngram],
    sample: np.ndarray,
    scores: Mapping[Ngram, Tensor],
    shape: tuple[int, int],
) -> Tensor:
    """The class with the largest sum of scores, for each sample [n_samples].

    sample: of each n-gram.   shape: numbers of samples and of classes.
    """
    total = torch.zeros(shape)
    found = [scores.get(gram) for gram in grams]
    known = [row for row in found if row is not None]
    if known:
        owner = torch.tensor(sample[[row is not None for row in found]])
        total.index_add_(0, owner, torch.stack(known).cpu().float())
    return total.argmax(1)


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
