# SPDX-License-Identifier: Apache-2.0
"""Read classes out of spike counts: label the neurons, let them vote, count what was right.

Counts are integers [n_samples, n] of any width. They are walked in chunks, so that 60,000 x 6,400
of them need no copy in float, nor on the CPU where they come from a GPU. Results are on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_CHUNK_VALUES, _CHUNK_ROWS = 1 << 22, 1 << 12
UNLABELLED = -1


def assign_labels(
    counts: Tensor, labels: Tensor, n_labels: int, rates: Tensor | None = None, alpha: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Label each neuron with the class that it spikes for most.

    rates[j, c] = alpha * rates[j, c] + mean count of neuron j over the samples of class c

    counts: [n_samples, n].
    labels: [n_samples], 0..n_labels - 1.
    rates:  [n, n_labels] of an earlier call, None for the first.
    alpha:  what of the earlier rates is kept.

    Returns assignments [n] (-1 where a neuron never spiked), proportions [n, n_labels] of a
    neuron's rates by class, and the rates.
    """
    counts, labels = _check(counts, labels, n_labels)
    sums, sizes = sum_by_label(counts, labels, n_labels)
    mean = (sums / sizes.clamp(min=1)[:, None]).T.float()
    if rates is not None:
        # a class without samples keeps its rate
        mean = torch.where(sizes > 0, alpha * rates + mean, rates)
    return *label_by_rates(mean), mean


def label_by_rates(rates: Tensor) -> tuple[Tensor, Tensor]:
    """Return assignments [n] and proportions [n, n_labels] for rates [n, n_labels]."""
    total = rates.sum(1, keepdim=True)
    proportions = torch.where(total > 0, rates / total, 0.0)
    assignments = torch.where(total[:, 0] > 0, proportions.argmax(1), UNLABELLED)
    return assignments, proportions


def sum_by_label(counts: Tensor, labels: Tensor, n_labels: int) -> tuple[Tensor, Tensor]:
    """Return the summed counts [n_labels, n] and the number of samples [n_labels], both float64."""
    counts, labels = _check(counts, labels, n_labels)
    sums = torch.zeros(n_labels, counts.shape[1], dtype=torch.float64)
    for rows, chunk in _chunks(counts):
        # exact in float32 up to 4,096 spikes a sample: the sum of a chunk stays below 2^24
        sums += _one_hot(labels[rows], n_labels).T @ chunk
    sizes = torch.bincount(labels, minlength=n_labels).double()
    return sums, sizes


def all_activity(counts: Tensor, assignments: Tensor, n_labels: int) -> Tensor:
    """Predict, for each sample, the class whose neurons spike most on average.

    Returns [n_samples] int64; of equal classes the first.
    """
    return _vote(counts, assignments, _one_hot(assignments, n_labels), n_labels)


def proportion_weighting(
    counts: Tensor, assignments: Tensor, proportions: Tensor, n_labels: int
) -> Tensor:
    """Predict as `all_activity`, each spike weighted by its neuron's proportion for its class."""
    return _vote(counts, assignments, _one_hot(assignments, n_labels) * proportions, n_labels)


def weighted_evidence(counts: Tensor, proportions: Tensor) -> Tensor:
    """Predict the class for which the spikes of all neurons together speak most.

    score[c] = sum_j sqrt(counts[j]) * log(proportions[j, c] + 0.02)

    The root is for neurons whose spikes come in bursts; a sum of counts would be the likelihood
    of independent spikes. 0.02 keeps a class that a neuron never answered from being impossible.
    """
    evidence = torch.log(proportions + 0.02)
    return _best(counts, evidence, torch.sqrt)


def accuracy(predictions: Tensor, labels: Tensor) -> float:
    """Return the fraction of predictions that are right, 0..1."""
    return (predictions == torch.as_tensor(labels).cpu()).double().mean().item()


def confusion_matrix(labels: Tensor, predictions: Tensor, n_labels: int) -> Tensor:
    """Count samples by class (row) and predicted class (column): int64 [n_labels, n_labels]."""
    labels, predictions = (torch.as_tensor(x).cpu().long() for x in (labels, predictions))
    pairs = labels * n_labels + predictions
    return torch.bincount(pairs, minlength=n_labels**2).view(n_labels, n_labels)


def _vote(counts: Tensor, assignments: Tensor, votes: Tensor, n_labels: int) -> Tensor:
    """Return the class with the largest mean of votes [n, n_labels] over its own neurons."""
    n_voters = _one_hot(assignments, n_labels).sum(0)
    return _best(counts, votes / n_voters.clamp(min=1))


def _best(
    counts: Tensor, votes: Tensor, weight: Callable[[Tensor], Tensor] = lambda spikes: spikes
) -> Tensor:
    """Return, for each sample, the class with the largest sum of weight(counts) * votes."""
    counts = torch.as_tensor(counts)
    if counts.ndim != 2 or counts.shape[1] != len(votes):
        raise ValueError(
            f"counts are {tuple(counts.shape)}, expected [n_samples, {len(votes)}]: "
            f"one column for each neuron that has a label"
        )
    scores = [(weight(chunk) @ votes).argmax(1) for _, chunk in _chunks(counts)]
    return torch.cat(scores) if scores else torch.zeros(0, dtype=torch.int64)


def _one_hot(labels: Tensor, n_labels: int) -> Tensor:
    """Return float [len(labels), n_labels]; a row of zeros for a negative label."""
    return (labels[:, None] == torch.arange(n_labels)).float()


def _chunks(counts: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows of counts as float32 on the CPU, a few at a time."""
    step = min(_CHUNK_ROWS, max(1, _CHUNK_VALUES // max(1, counts.shape[1])))
    for start in range(0, len(counts), step):
        rows = slice(start, start + step)
        yield rows, counts[rows].cpu().float()


def _check(counts: Tensor, labels: Tensor, n_labels: int) -> tuple[Tensor, Tensor]:
    counts, labels = torch.as_tensor(counts), torch.as_tensor(labels).cpu().long()
    if counts.ndim != 2 or labels.shape != counts.shape[:1]:
        raise ValueError(
            f"counts are {tuple(counts.shape)} and labels {tuple(labels.shape)}, "
            f"expected [n_samples, n] and [n_samples]"
        )
    if labels.numel() and not (labels.min() >= 0 and labels.max() < n_labels):
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}, expected 0 to {n_labels - 1}"
        )
    return counts, labels
