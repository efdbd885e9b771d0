# SPDX-License-Identifier: Apache-2.0
"""Spoken digits as log mel spectra."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fastsnn.datasets.spoken import load_spoken


class SpokenMNIST(Dataset):
    """The free spoken digit data set: items are dicts of audio [n_frames, 40] and label.

    path:        a folder with the WAV files, or one that holds them in recordings/.
    download:    not offered: fetch https://github.com/Jakobovski/free-spoken-digit-dataset.
    split:       fraction for training.   num_samples: how many to use at most; -1: all.
    """

    def __init__(
        self,
        path: str,
        download: bool = False,
        shuffle: bool = True,
        train: bool = True,
        split: float = 0.8,
        num_samples: int = -1,
    ) -> None:
        if not 0.0 < split < 1.0:
            raise ValueError(f"split is {split}, expected a fraction between 0 and 1")
        files = sorted(Path(path).glob("**/[0-9]_*.wav"))
        if not files:
            raise FileNotFoundError(
                f"{path}: no recordings like 7_name_3.wav here"
                + (", and fastsnn does not fetch them" if download else "")
                + ". Clone https://github.com/Jakobovski/free-spoken-digit-dataset to there."
            )
        if shuffle:
            # the same in every process, so that training and test sets stay apart
            order = np.random.default_rng(0).permutation(len(files))
            files = [files[k] for k in order]
        cut = int(split * len(files))
        files = files[:cut] if train else files[cut:]
        files = files[:num_samples] if num_samples >= 0 else files
        self.audio, self.labels = self.process_data([str(file) for file in files])
        self.num_samples = len(files)

    def __len__(self) -> int:
        return len(self.audio)

    def __getitem__(self, ind: int) -> dict[str, Tensor]:
        return {"audio": self.audio[ind], "label": self.labels[ind]}

    def process_data(self, file_names: Iterable[str]) -> tuple[list[Tensor], Tensor]:
        """Spectra of recordings and their digits."""
        audio, labels = load_spoken(file_names, center=False)
        return audio, labels.to(torch.float32)
