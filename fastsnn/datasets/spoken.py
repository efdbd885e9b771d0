# SPDX-License-Identifier: Apache-2.0
"""Spoken digits: WAV files turned into log mel spectra.

Data: https://github.com/Jakobovski/free-spoken-digit-dataset (files DIGIT_SPEAKER_NUMBER.wav).
Source of the spectra: Davis, Mermelstein 1980, doi:10.1109/TASSP.1980.1163420.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fastsnn.datasets.idx import DataError


class SpokenDigits(Dataset):
    """Recordings of spoken digits: items (log mel spectra [n_frames, 40] float32, digit).

    folder: with the WAV files, 16 bit, one channel.
    split:  fraction of the recordings, by their order in the file system's names, for training.
    seed:   the order in which they are dealt; None: by name.
    """

    def __init__(
        self, folder: str | Path, train: bool = True, split: float = 0.8, seed: int | None = 0
    ) -> None:
        if not 0.0 < split < 1.0:
            raise ValueError(f"split is {split}, expected a fraction between 0 and 1")
        paths = sorted(Path(folder).glob("[0-9]_*.wav"))
        if not paths:
            raise FileNotFoundError(
                f"{folder}: no file like 7_name_3.wav, expected the recordings of the free spoken "
                f"digit data set. Fetch them from its repository."
            )
        if seed is not None:
            order = np.random.default_rng(seed).permutation(len(paths))
            paths = [paths[k] for k in order]
        cut = int(split * len(paths))
        self.paths = paths[:cut] if train else paths[cut:]
        self.samples, self.labels = load_spoken(self.paths)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.samples[index], int(self.labels[index])


def load_spoken(paths: Iterable[str | Path], center: bool = True) -> tuple[list[Tensor], Tensor]:
    """Read recordings: their spectra (see `log_mel`), and the digits their names begin with."""
    files = [Path(path) for path in paths]
    spectra = []
    for path in files:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise DataError(f"{path}: expected 16 bits and one channel")
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            spectra.append(log_mel(sound, file.getframerate(), center=center))
    return spectra, torch.tensor([int(path.name[0]) for path in files])


def log_mel(
    sound: np.ndarray,
    rate: int,
    n_bands: int = 40,
    frame: float = 25.0,
    shift: float = 10.0,
    center: bool = True,
) -> Tensor:
    """Log mel spectra of a sound, dB: float32 [n_frames, n_bands].

    rate: samples a second.   frame, shift: ms.   center: take the mean of each band away.
    """
    n_fft = 512
    sound = np.asarray(sound, np.float64)
    if sound.ndim != 1 or len(sound) < 2:
        raise DataError(f"a sound is {sound.shape}, expected one channel of at least 2 samples")
    # a first difference lifts the high bands
    sound = np.append(sound[0], sound[1:] - 0.97 * sound[:-1])
    length, step = round(rate * frame / 1000), round(rate * shift / 1000)
    n_frames = max(1, -(-abs(len(sound) - length) // step))
    padded = np.zeros(n_frames * step + length)
    padded[: min(len(sound), len(padded))] = sound[: len(padded)]
    rows = np.lib.stride_tricks.sliding_window_view(padded, length)[::step][:n_frames]
    power = np.abs(np.fft.rfft(rows * np.hamming(length), n_fft)) ** 2 / n_fft
    bands = power @ mel_bands(n_bands, n_fft, rate).T
    decibel = 20.0 * np.log10(np.where(bands == 0.0, np.finfo(float).eps, bands))
    decibel -= decibel.mean(0) if center else 0.0
    return torch.from_numpy(decibel.astype(np.float32))


def mel_bands(n_bands: int, n_fft: int, rate: int) -> np.ndarray:
    """Triangles, evenly spaced in mel from 0 to half the rate: [n_bands, n_fft / 2 + 1]."""
    top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
    hertz = 700.0 * (10.0 ** (np.linspace(0.0, top, n_bands + 2) / 2595.0) - 1.0)
    edge = np.floor((n_fft + 1) * hertz / rate)
    k = np.arange(n_fft // 2 + 1)
    low, middle, high = (edge[j : j + n_bands, None] for j in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = np.where((k >= low) & (k < middle), (k - low) / (middle - low), 0.0)
        falling = np.where((k >= middle) & (k < high), (high - k) / (high - middle), 0.0)
    return rising + falling
