# SPDX-License-Identifier: Apache-2.0
"""Data sets: MNIST and its like, spiking data in HDF5, spoken digits; any other, encoded.

A small part of MNIST is embedded in the package.
"""

from fastsnn.datasets.download import DownloadError, download_files, download_mnist
from fastsnn.datasets.encoded import Encoded, time_first
from fastsnn.datasets.families import KMNIST, MNIST, FashionMNIST
from fastsnn.datasets.idx import DataError, read_idx, write_idx
from fastsnn.datasets.mnist import EMBEDDED, Images, balanced_subset, load_mnist
from fastsnn.datasets.spiking import SpikeFile, write_spikes
from fastsnn.datasets.spoken import SpokenDigits

__all__ = [
    "EMBEDDED",
    "KMNIST",
    "MNIST",
    "DataError",
    "DownloadError",
    "Encoded",
    "FashionMNIST",
    "Images",
    "SpikeFile",
    "SpokenDigits",
    "balanced_subset",
    "download_files",
    "download_mnist",
    "load_mnist",
    "read_idx",
    "time_first",
    "write_idx",
    "write_spikes",
]
