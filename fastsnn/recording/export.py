# SPDX-License-Identifier: Apache-2.0
"""Recorded spikes as NumPy archive, Neo block and NIX file, SONATA and NWB file."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from fastsnn.errors import FastsnnError, ShapeError
from fastsnn.files import replacing
from fastsnn.optional import need

_SONATA_MAGIC, _SONATA_VERSION = 0x0A7A, (0, 1)


@dataclass(frozen=True)
class Recording:
    """Spikes of one or more populations in a window.

    spikes: population -> (times in ms, ids), each [spikes], in the order of time.
    sizes:  population -> number of neurons.   start, stop: of the window, ms.
    """

    spikes: Mapping[str, tuple[np.ndarray, np.ndarray]]
    sizes: Mapping[str, int]
    start: float
    stop: float

    def __post_init__(self) -> None:
        if set(self.spikes) != set(self.sizes):
            raise ShapeError(
                f"Recording: spikes of {list(self.spikes)}, sizes of {list(self.sizes)}; expected "
                f"the same populations."
            )

    def by_neuron(self, population: str) -> tuple[np.ndarray, np.ndarray]:
        """Times in the order of neurons, then time, ms; and where each neuron's end, [n]."""
        times, ids = self.spikes[population]
        order = np.lexsort((times, ids))
        counts = np.bincount(ids, minlength=self.sizes[population])
        return np.asarray(times)[order], counts.cumsum()


def to_npz(recording: Recording, path: str | Path) -> None:
    """Write "NAME.times" (ms), "NAME.ids" and "NAME.n" of each population, "start", "stop" (ms)."""
    arrays: dict[str, Any] = {"start": recording.start, "stop": recording.stop}
    for name, (times, ids) in recording.spikes.items():
        arrays |= {f"{name}.times": times, f"{name}.ids": ids, f"{name}.n": recording.sizes[name]}
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def from_npz(path: str | Path) -> Recording:
    """Read a file of `to_npz`.  Raises FastsnnError for another kind of file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [key.removesuffix(".n") for key in file.files if key.endswith(".n")]
            spikes = {name: (file[f"{name}.times"], file[f"{name}.ids"]) for name in names}
            sizes = {name: int(file[f"{name}.n"]) for name in names}
            return Recording(spikes, sizes, float(file["start"]), float(file["stop"]))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FastsnnError(f"'{path}' is no archive of spikes: {error}.") from error


def to_neo(recording: Recording) -> Any:
    """A neo.Block of one Segment with a SpikeTrain per neuron, annotated with its population."""
    neo = need("neo", "neo", "Export to Neo")
    block, segment = neo.Block(name="fastsnn"), neo.Segment()
    for name in recording.sizes:
        times, ends = recording.by_neuron(name)
        for neuron, train in enumerate(np.split(times, ends[:-1])):
            span = {"t_start": recording.start, "t_stop": recording.stop, "units": "ms"}
            train = neo.SpikeTrain(train, **span, population=name, neuron=neuron)
            segment.spiketrains.append(train)
    block.segments.append(segment)
    return block


def to_nix(recording: Recording, path: str | Path) -> None:
    """Write the block of `to_neo` into a NIX file, Neo's own format."""
    need("nixio", "nixio", "Export to a NIX file")
    nix = need("neo.io.nixio", "neo", "Export to Neo")
    with replacing(path) as part, nix.NixIO(part.name, mode="ow") as out:
        out.write_block(to_neo(recording))


def to_sonata(recording: Recording, path: str | Path) -> None:
    """Write a SONATA spike file (HDF5): /spikes/NAME/timestamps in ms and node_ids, by time.

    Source: Dai et al. 2020, "The SONATA data format".
    """
    h5py = need("h5py", "h5py", "Export to SONATA")
    orders = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")
    with replacing(path) as part, h5py.File(part.name, "w") as file:
        file.attrs["magic"] = np.uint32(_SONATA_MAGIC)
        file.attrs["version"] = np.array(_SONATA_VERSION, np.uint32)
        for name, (times, ids) in recording.spikes.items():
            group = file.create_group(f"spikes/{name}")
            order = np.argsort(times, kind="stable")
            group.attrs.create("sorting", 2, dtype=orders)
            kept = group.create_dataset("timestamps", data=np.asarray(times, np.float64)[order])
            kept.attrs["units"] = "ms"
            group.create_dataset("node_ids", data=np.asarray(ids)[order].astype(np.uint64))


def to_nwb(recording: Recording, path: str | Path) -> None:
    """Write an NWB file: a unit per neuron with its spike times in seconds and its population."""
    pynwb = need("pynwb", "pynwb", "Export to NWB")
    h5py = need("h5py", "h5py", "Export to NWB")
    common = need("hdmf.common", "hdmf", "Export to NWB")
    file = pynwb.NWBFile(
        session_description="Spikes of a network simulated by fastsnn",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.now(timezone.utc),
    )
    names = list(recording.sizes)
    trains = [recording.by_neuron(name) for name in names]
    total = np.cumsum([0, *(len(times) for times, _ in trains)])
    ends = np.concatenate([first + ends for first, (_, ends) in zip(total, trains, strict=False)])
    times = common.VectorData(
        name="spike_times",
        description="times of spikes, s",
        data=np.concatenate([times for times, _ in trains]) / 1000.0,
    )
    owner = np.repeat(names, [recording.sizes[name] for name in names])
    neuron = np.concatenate([np.arange(recording.sizes[name]) for name in names])
    file.units = pynwb.misc.Units(
        name="units",
        description="simulated neurons",
        columns=[
            times,
            common.VectorIndex(name="spike_times_index", data=ends, target=times),
            common.VectorData(name="population", description="population", data=owner.tolist()),
            common.VectorData(name="neuron", description="place in the population", data=neuron),
        ],
        id=np.arange(len(owner)),
    )
    with (
        replacing(path) as part,
        h5py.File(part.name, "w") as raw,
        pynwb.NWBHDF5IO(file=raw, mode="w") as out,
    ):
        out.write(file)


# name of a format -> what writes it
EXPORTS: dict[str, Callable[[Recording, str | Path], None]] = {
    "npz": to_npz,
    "sonata": to_sonata,
    "nwb": to_nwb,
    "nix": to_nix,
}
