# SPDX-License-Identifier: Apache-2.0
"""MNIST: handwritten digits, 28 x 28 grey values, 60,000 for training and 10,000 for testing.

Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastsnn.datasets.idx import DataError, read_idx

# 500 training and 100 test images of every class, made by `balanced_subset` from the whole set
EMBEDDED = Path(__file__).parent / "data" / "mnist-small"
N_CLASSES = 10
_PREFIX = {True: "train", False: "t10k"}


@dataclass(frozen=True)
class Images:
    """Pictures and what they show.

    images: [n, height, width] uint8.
    labels: [n] uint8, 0..9.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | np.ndarray) -> Images:
        return Images(self.images[index], self.labels[index])

    def checksum(self) -> int:
        """CRC-32 of all pixels and labels: tells one data set from another."""
        return zlib.crc32(self.labels.tobytes(), zlib.crc32(self.images.tobytes()))


def load_mnist(folder: str | Path | None = None, train: bool = True) -> Images:
    """Load the training or test images of a folder with MNIST's idx files, gzipped or not.

    folder: None: the small set embedded in the package (5,000 and 1,000 images).

    Raises FileNotFoundError when a file is missing, DataError when one is malformed.
    """
    folder = EMBEDDED if folder is None else Path(folder)
    image_file = _find(folder, f"{_PREFIX[train]}-images-idx3-ubyte")
    label_file = _find(folder, f"{_PREFIX[train]}-labels-idx1-ubyte")
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{label_file}: {len(labels)} labels, expected {len(images)}, "
            f"one for each image of {image_file.name}"
        )
    if labels.size and labels.max() >= N_CLASSES:
        raise DataError(f"{label_file}: a label is {labels.max()}, expected 0 to {N_CLASSES - 1}")
    return Images(images, labels)


def balanced_subset(images: Images, n_per_class: int) -> Images:
    """Take n_per_class images of every class, evenly spread over the set, in their order."""
    chosen = []
    for label in range(N_CLASSES):
        index = np.flatnonzero(images.labels == label)
        if len(index) < n_per_class:
            raise DataError(
                f"n_per_class is {n_per_class}, expected at most {len(index)}: "
                f"there are no more images of class {label}"
            )
        chosen.append(index[np.arange(n_per_class) * len(index) // n_per_class])
    return images[np.sort(np.concatenate(chosen))]


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"{folder}: neither {name} nor {name}.gz is there, expected MNIST's four idx files. "
        f"Fetch them with --download, or give another folder."
    )
