# SPDX-License-Identifier: Apache-2.0
"""Spikes as events: which neuron, in which step."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fastsnn.errors import FastsnnError
from fastsnn.recording.stream import SpikeReader, SpikeWriter


class SpikeRecorder:
    """Records the spikes of populations.  Made by `Network.record_spikes`.

    capacity: keep at most so many events of each population, the latest; None: all.
    to: file to which events are written as the network runs, so that memory holds none (see
    `fastsnn.recording.SpikeReader`; an old one is replaced by the first run); None: they are kept.
    """

    def __init__(
        self, populations: dict[str, int], dt: float, capacity: int | None, to: Path | None
    ) -> None:
        self.populations, self.dt, self.capacity, self.path = populations, dt, capacity, to
        self._events: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._file: SpikeWriter | None = None
        self.clear()

    def clear(self) -> None:
        """Forget everything recorded."""
        if self._file is not None:
            self._file.close()
        self._events, self._file = {name: [] for name in self.populations}, None

    def sync(self) -> None:
        """Make what is in the file last through a power cut."""
        if self._file is not None:
            self._file.sync()

    def append(self, name: str, first_step: int, counts: Tensor, ids: Tensor) -> None:
        """Take the spikes of a finished run: those of each step, and their ids."""
        steps = torch.arange(first_step, first_step + len(counts)).repeat_interleave(counts)
        if self.path is not None:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = SpikeWriter(self.path, self.dt, self.populations)
            self._file.append(name, steps.numpy(), ids.numpy())
            self._file.flush()
            return
        self._events[name].append((steps, ids))
        surplus = sum(len(i) for _, i in self._events[name]) - (self.capacity or 0)
        while self.capacity is not None and surplus > 0:
            steps, ids = self._events[name].pop(0)
            if len(ids) > surplus:
                kept = (steps[surplus:].clone(), ids[surplus:].clone())
                self._events[name].insert(0, kept)
            surplus -= len(ids)

    def ids(self, name: str) -> Tensor:
        """Neurons that spiked, int32, in the order of time, ascending within a step."""
        return self._get(name)[1]

    def steps(self, name: str) -> Tensor:
        """Number of the step of every spike, int64; the first step of a network is 0."""
        return self._get(name)[0]

    def times(self, name: str) -> Tensor:
        """Time of every spike, float64, ms: the end of its step."""
        return (self.steps(name) + 1).to(torch.float64) * self.dt

    def _get(self, name: str) -> tuple[Tensor, Tensor]:
        if name not in self.populations:
            raise FastsnnError(
                f"SpikeRecorder: '{name}' is not recorded; {', '.join(self.populations)} are."
            )
        if self._file is not None:
            with SpikeReader(self._file.path) as file:
                steps, ids = file.read(name)
            return torch.from_numpy(steps), torch.from_numpy(ids)
        if len(self._events[name]) != 1:
            none = (torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int32))
            parts = self._events[name] or [none]
            joined = (torch.cat([s for s, _ in parts]), torch.cat([i for _, i in parts]))
            self._events[name] = [joined]
        return self._events[name][0]

    def __repr__(self) -> str:
        return f"SpikeRecorder({', '.join(self.populations)})"
