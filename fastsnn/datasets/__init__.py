# SPDX-License-Identifier: Apache-2.0
"""Data sets: MNIST from idx files, with a small part of it embedded in the package."""

from fastsnn.datasets.download import DownloadError, download_mnist
from fastsnn.datasets.idx import DataError, read_idx, write_idx
from fastsnn.datasets.mnist import EMBEDDED, Images, balanced_subset, load_mnist

__all__ = [
    "EMBEDDED",
    "DataError",
    "DownloadError",
    "Images",
    "balanced_subset",
    "download_mnist",
    "load_mnist",
    "read_idx",
    "write_idx",
]
