# SPDX-License-Identifier: Apache-2.0
"""Spiking networks from trained torch models; see docs/conversion.md."""

from fastsnn.conversion.layers import fold, fold_batch_norm, leaves, normalize, normalize_layers
from fastsnn.conversion.spiking import classify, convert

__all__ = [
    "classify",
    "convert",
    "fold",
    "fold_batch_norm",
    "leaves",
    "normalize",
    "normalize_layers",
]
