# SPDX-License-Identifier: Apache-2.0
"""Spiking data sets in HDF5, in the layout of the Heidelberg digits (SHD, SSC).

`spikes/times` and `spikes/units` hold, for each sample, the times in seconds and the units of its
spikes; `labels` its class.

Source: Cramer, Stradmann, Schemmel, Zenke 2020, doi:10.1109/TNNLS.2020.3044364;
https://zenkelab.org/resources/spiking-heidelberg-datasets-shd.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fastsnn.datasets.idx import DataError
from fastsnn.optional import need

_NEEDS = ("h5py", "h5py", "A spiking data set in HDF5")


class SpikeFile(Dataset):
    """The samples of one file, as trains of spikes: items ([n_steps, n_units] uint8, class).

    time:    ms of each sample; later spikes are left out.  None: up to the last spike of the file.
    dt:      ms a step; a spike at t ms falls into step floor(t / dt).
    n_units: None: 700 as SHD has, or as many as the file asks for.

    Needs h5py.  Workers of a DataLoader may share it: each opens the file for itself.
    Raises DataError when the file has another layout.
    """

    def __init__(
        self,
        path: str | Path,
        time: float | None = None,
        dt: float = 1.0,
        n_units: int | None = None,
    ) -> None:
        if not dt > 0:
            raise ValueError(f"dt is {dt} ms, expected more than 0")
        self.path, self.dt = Path(path), dt
        self._file: Any = None
        self._process = 0
        file = self._open()
        for name in ("spikes/times", "spikes/units", "labels"):
            if name not in file:
                raise DataError(f"{path}: no data set '{name}', expected the layout of SHD")
        self.labels = torch.from_numpy(np.asarray(file["labels"], dtype=np.int64))
        times, units = file["spikes/times"], file["spikes/units"]
        if not len(times) == len(units) == len(self.labels):
            raise DataError(
                f"{path}: {len(times)} samples of times, {len(units)} of units and "
                f"{len(self.labels)} labels, expected equal numbers"
            )
        if time is None:
            last = max((float(t.max()) for t in times if len(t)), default=0.0)
            time = (np.floor(1000.0 * last / dt * (1.0 + 2.0**-22)) + 1) * dt
        largest = max((int(u.max()) for u in units if len(u)), default=-1)
        self.n_units = max(700, largest + 1) if n_units is None else n_units
        if largest >= self.n_units:
            raise DataError(f"{path}: a spike of unit {largest}, expected 0 to {self.n_units - 1}")
        self.n_steps = max(1, round(time / dt))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        step, unit = self.events(index)
        spikes = torch.zeros(self.n_steps, self.n_units, dtype=torch.uint8)
        spikes[step, unit] = 1
        return spikes, int(self.labels[index])

    def events(self, index: int) -> tuple[Tensor, Tensor]:
        """Steps and units of a sample's spikes, int64 [n_spikes], in order of time."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        index %= len(self)
        file = self._open()
        seconds = np.asarray(file["spikes/times"][index], dtype=np.float64)
        unit = np.asarray(file["spikes/units"][index], dtype=np.int64)
        if len(seconds) != len(unit):
            raise DataError(
                f"{self.path}: sample {index} has {len(seconds)} times and {len(unit)} units"
            )
        # files hold float32: the beginning of a step may have been rounded to just before it
        step = np.floor(seconds * (1000.0 / self.dt) * (1.0 + 2.0**-22)).astype(np.int64)
        kept = np.flatnonzero((step >= 0) & (step < self.n_steps))
        kept = kept[np.argsort(step[kept], kind="stable")]
        return torch.from_numpy(step[kept]), torch.from_numpy(unit[kept])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def _open(self) -> Any:
        # a file that was opened before a fork must not be read after it
        if self._file is None or self._process != os.getpid():
            self._file = need(*_NEEDS).File(self.path, "r")
            self._process = os.getpid()
        return self._file


def write_spikes(
    path: str | Path,
    samples: Sequence[tuple[Sequence[float], Sequence[int]]],
    labels: Sequence[int],
) -> None:
    """Write samples (times in seconds, units) and their classes in the layout of SHD."""
    if len(samples) != len(labels):
        raise ValueError(f"{len(samples)} samples and {len(labels)} labels, expected equal numbers")
    h5py = need(*_NEEDS)
    with h5py.File(path, "w") as file:
        group = file.create_group("spikes")
        kinds = (("times", np.float32), ("units", np.uint16))
        for place, (name, kind) in enumerate(kinds):
            column = group.create_dataset(name, (len(samples),), dtype=h5py.vlen_dtype(kind))
            for k, sample in enumerate(samples):
                column[k] = np.asarray(sample[place], dtype=kind)
        file.create_dataset("labels", data=np.asarray(labels, dtype=np.uint16))
