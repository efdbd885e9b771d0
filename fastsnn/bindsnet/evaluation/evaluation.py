# SPDX-License-Identifier: Apache-2.0
"""`fastsnn.evaluation` and `fastsnn.readouts` for recordings [n_samples, n_steps, n]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from fastsnn import evaluation, readouts

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


def assign_labels(
    spikes: Tensor,
    labels: Tensor,
    n_labels: int,
    rates: Tensor | None = None,
    alpha: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Label neurons; one that never spiked gets label 0.  Results are where spikes are.

    spikes: [n_samples, n_steps, n], dense or sparse.
    """
    if rates is not None:
        rates = rates.cpu()
    assignments, proportions, rates = evaluation.assign_labels(
        readouts.count_spikes(spikes), labels.cpu(), n_labels, rates, alpha
    )
    place = spikes.device
    return assignments.clamp(min=0).to(place), proportions.to(place), rates.to(place)


def all_activity(spikes: Tensor, assignments: Tensor, n_labels: int) -> Tensor:
    """Predict by the mean count of the neurons of each label."""
    predicted = evaluation.all_activity(readouts.count_spikes(spikes), assignments.cpu(), n_labels)
    return predicted.to(spikes.device)


def proportion_weighting(
    spikes: Tensor, assignments: Tensor, proportions: Tensor, n_labels: int
) -> Tensor:
    """Predict as `all_activity`, weighted by each neuron's proportion for its label."""
    predicted = evaluation.proportion_weighting(
        readouts.count_spikes(spikes), assignments.cpu(), proportions.cpu(), n_labels
    )
    return predicted.to(spikes.device)


def ngram(
    spikes: Tensor, ngram_scores: dict[tuple[int, ...], Tensor], n_labels: int, n: int
) -> Tensor:
    """Predict by the scores of runs of n spikes.

    Spikes of one step count as ordered by neuron here, and the last run is left out, as BindsNET
    does; `fastsnn.readouts.predict_by_ngrams` reads n-grams as they were counted.
    """
    spikes = spikes.to_dense().flatten(2)
    moment, neuron = np.divmod(np.flatnonzero(spikes.cpu().bool().numpy()), spikes.shape[2])
    sample = moment // spikes.shape[1]
    # a run begins at each spike but the last n of its sample
    begins = np.flatnonzero(sample[: len(sample) - n] == sample[n:]) if n < len(sample) else []
    begins = np.asarray(begins, dtype=np.int64)
    runs = zip(*(neuron[begins + k].tolist() for k in range(n)), strict=True)
    shape = (len(spikes), n_labels)
    found = readouts.best_by_ngrams(runs, sample[begins], ngram_scores, shape)
    return found.to(spikes.device)


def update_ngram_scores(
    spikes: Tensor,
    labels: Tensor,
    n_labels: int,
    n: int,
    ngram_scores: dict[tuple[int, ...], Tensor],
) -> dict[tuple[int, ...], Tensor]:
    """Add the n-grams of labelled samples to the scores."""
    return readouts.count_ngrams(spikes, labels, n_labels, n, ngram_scores)


def logreg_fit(spikes: Tensor, labels: Tensor, logreg: LogisticRegression) -> LogisticRegression:
    """Fit to counts [n_samples, n], or to spikes, which are summed over time."""
    return readouts.fit_logistic(spikes, labels, logreg)


def logreg_predict(spikes: Tensor, logreg: LogisticRegression) -> Tensor:
    """Predict; -1 for all samples where the model is not fitted yet."""
    return readouts.predict_logistic(spikes, logreg)
