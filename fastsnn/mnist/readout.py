# SPDX-License-Identifier: Apache-2.0
"""What the neurons stand for, and how their spikes become a digit."""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn import evaluation

N_CLASSES = 10
READOUTS = {
    "evidence": "weighted evidence",
    "proportion": "proportion weighting",
    "all": "all activity",
}


class LabelRates:
    """Spikes of each neuron by class of the image, summed over images that may fade.

    sums: float64 [n_classes, n].   sizes: images by class, float64 [n_classes].
    """

    def __init__(self, n: int) -> None:
        self.sums = torch.zeros(N_CLASSES, n, dtype=torch.float64)
        self.sizes = torch.zeros(N_CLASSES, dtype=torch.float64)

    def add(self, counts: Tensor, labels: Tensor, keep: float = 1.0) -> None:
        """Add images; of those before, a fraction `keep` stays."""
        sums, sizes = evaluation.sum_by_label(counts, labels, N_CLASSES)
        self.sums.mul_(keep).add_(sums)
        self.sizes.mul_(keep).add_(sizes)

    def clear(self) -> None:
        """Forget all images."""
        self.sums.zero_()
        self.sizes.zero_()

    def labels(self) -> tuple[Tensor, Tensor]:
        """Return assignments [n] and proportions [n, n_classes]."""
        mean = self.sums / self.sizes.clamp(min=1e-9)[:, None]
        return evaluation.label_by_rates(mean.T.float())


def predict(counts: Tensor, labels: tuple[Tensor, Tensor], readout: str) -> Tensor:
    """Predict the class of each sample from the spikes of labelled neurons."""
    assignments, proportions = labels
    if readout == "evidence":
        return evaluation.weighted_evidence(counts, proportions)
    if readout == "proportion":
        return evaluation.proportion_weighting(counts, assignments, proportions, N_CLASSES)
    return evaluation.all_activity(counts, assignments, N_CLASSES)
