# SPDX-License-Identifier: Apache-2.0
"""Classes out of recorded spikes."""

from fastsnn.bindsnet.evaluation.evaluation import (
    all_activity,
    assign_labels,
    logreg_fit,
    logreg_predict,
    ngram,
    proportion_weighting,
    update_ngram_scores,
)

__all__ = [
    "all_activity",
    "assign_labels",
    "logreg_fit",
    "logreg_predict",
    "ngram",
    "proportion_weighting",
    "update_ngram_scores",
]
