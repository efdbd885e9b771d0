# SPDX-License-Identifier: Apache-2.0
"""A file of spikes that is written while a network runs, and read in pieces.

Layout: a line that names the format, a line of JSON {"dt": ms, "populations": {name: n}}, then
chunks: population (uint32), spikes (uint32), first step (int64), CRC-32 of the payload (uint32);
payload: steps from the first one (uint32 each), then neurons (int32 each).  All little-endian, 8
bytes a spike.  The file is whole after every chunk: what a crash leaves of the last one is dropped.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fastsnn.errors import FastsnnError, ShapeError
from fastsnn.files import replacing

_MAGIC = b"fastsnn spikes 1\n"
_CHUNK = struct.Struct("<IIqI")
_SPIKES_A_CHUNK = 1 << 20
_SPAN = 1 << 32


class SpikeWriter:
    """Append spikes to a file; closes as a context manager.

    path:   taken anew, or continued after its last whole chunk with `resume`.
    dt:     ms a step.   populations: name -> number of neurons.

    Raises FastsnnError where `resume` finds a file of another network.
    """

    def __init__(
        self, path: str | Path, dt: float, populations: Mapping[str, int], resume: bool = False
    ) -> None:
        self.path, self.dt = Path(path), float(dt)
        self.populations = {name: int(n) for name, n in populations.items()}
        if resume and self.path.exists():
            end = self._end_of_own()
        else:
            header = json.dumps({"dt": self.dt, "populations": self.populations}).encode()
            with replacing(self.path) as file:
                file.write(_MAGIC + header + b"\n")
            end = self.path.stat().st_size
        self._file = self.path.open("r+b")
        self._file.truncate(end)
        self._file.seek(end)

    def _end_of_own(self) -> int:
        with SpikeReader(self.path) as old:
            if (old.dt, old.populations) != (self.dt, self.populations):
                raise FastsnnError(
                    f"'{self.path}' holds spikes of {old.populations} at dt={old.dt:g} ms, "
                    f"expected {self.populations} at {self.dt:g} ms. Write to another file."
                )
            for _ in old.chunks():
                pass
            return old.end

    def append(self, population: str, steps: np.ndarray, ids: np.ndarray) -> None:
        """Write spikes; steps (integers, ascending) and ids: [spikes].

        Raises ShapeError for what cannot be spikes of that population.
        """
        steps, ids = np.asarray(steps, np.int64).reshape(-1), np.asarray(ids).reshape(-1)
        n = self.populations.get(population)
        if n is None:
            raise ShapeError(f"No population '{population}', expected {list(self.populations)}.")
        if len(steps) != len(ids) or (len(ids) and (ids.min() < 0 or ids.max() >= n)):
            raise ShapeError(
                f"Spikes of '{population}': {len(steps)} steps, {len(ids)} ids; expected as many "
                f"of both, ids in 0..{n - 1}."
            )
        if (np.diff(steps) < 0).any():
            raise ShapeError(f"Spikes of '{population}': expected ascending steps.")
        first = 0
        while first < len(steps):
            last = min(first + _SPIKES_A_CHUNK, len(steps))
            last = min(last, int(np.searchsorted(steps, steps[first] + _SPAN)))
            self._chunk(population, steps[first:last], ids[first:last])
            first = last

    def _chunk(self, population: str, steps: np.ndarray, ids: np.ndarray) -> None:
        offsets = (steps - steps[0]).astype("<u4")
        payload = offsets.tobytes() + ids.astype("<i4").tobytes()
        index = list(self.populations).index(population)
        head = _CHUNK.pack(index, len(ids), int(steps[0]), zlib.crc32(payload))
        self._file.write(head + payload)

    def flush(self) -> None:
        """Make what was written last through a crash of this process."""
        self._file.flush()

    def sync(self) -> None:
        """Make it last through a power cut, too."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close the file."""
        if not self._file.closed:
            self.sync()
            self._file.close()

    def __enter__(self) -> SpikeWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class SpikeReader:
    """Read a file of `SpikeWriter`, also one that still grows.

    dt: ms a step.   populations: name -> number of neurons.   end: byte behind the last whole
    chunk that was read.   Raises FastsnnError for a file of another kind.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: BinaryIO = self.path.open("rb")
        try:
            if self._file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("another format")
            header = json.loads(self._file.readline())
            self.dt, self.populations = header["dt"], dict(header["populations"])
        except (ValueError, KeyError, TypeError) as error:
            self._file.close()
            raise FastsnnError(f"'{path}' is no file of spikes of fastsnn: {error}.") from error
        self._start = self.end = self._file.tell()

    def chunks(self, population: str | None = None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Name, steps (int64) and neurons (int32) piece by piece, in the order written."""
        names = list(self.populations)
        self.end = self._start
        while True:
            self._file.seek(self.end)
            head = self._file.read(_CHUNK.size)
            if len(head) < _CHUNK.size:
                return
            index, count, first, check = _CHUNK.unpack(head)
            payload = self._file.read(8 * count)
            if len(payload) < 8 * count or zlib.crc32(payload) != check or index >= len(names):
                return
            self.end += _CHUNK.size + len(payload)
            if population in (None, names[index]):
                steps = first + np.frombuffer(payload, "<u4", count).astype(np.int64)
                yield names[index], steps, np.frombuffer(payload, "<i4", count, 4 * count)

    def read(self, population: str) -> tuple[np.ndarray, np.ndarray]:
        """All steps and neurons of a population."""
        if population not in self.populations:
            raise ShapeError(f"No population '{population}', expected {list(self.populations)}.")
        parts = [(steps, ids) for _, steps, ids in self.chunks(population)]
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.int32)
        steps, ids = zip(*parts, strict=True)
        return np.concatenate(steps), np.concatenate(ids)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> SpikeReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
