# SPDX-License-Identifier: Apache-2.0
"""Recording for PyNN: spikes as events, variables through monitors; Neo is PyNN's part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyNN import recording

from fastsnn.pynn import simulator

Array = np.ndarray
_NEVER = np.iinfo(np.int64).max


@dataclass
class _Piece:
    """Rows of one monitor: those after sample `first`, whose own values are `begin`."""

    monitor: Any
    index: Array
    first: int
    begin: Array


class Recorder(recording.Recorder):
    __doc__ = recording.Recorder.__doc__
    _simulator = simulator

    def __init__(self, population: Any, file: Any = None) -> None:
        super().__init__(population, file)
        self._pieces: dict[str, list[_Piece]] = {}
        self._spikes: Any = None
        self._since = np.full(population.size, _NEVER)

    # ---- what PyNN calls ----

    def _record(self, variable: Any, new_ids: set, sampling_interval: float | None = None) -> None:
        if sampling_interval is not None:
            steps = sampling_interval / simulator.state.dt
            if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
                raise ValueError(
                    f"record(sampling_interval={sampling_interval}): expected a multiple of the "
                    f"time step, {simulator.state.dt} ms."
                )
            self.sampling_interval = sampling_interval
        if variable.name == "spikes":
            fresh = self._index(new_ids)
            self._since[fresh] = np.minimum(self._since[fresh], simulator.state.step)

    def _get_spiketimes(self, ids: list, clear: bool = False) -> dict[int, Array]:
        times, index = self._events()
        order = np.argsort(index, kind="stable")
        times, ends = times[order], np.searchsorted(index[order], np.arange(len(self._since) + 1))
        places = self._index(ids)
        return {int(i): times[ends[k] : ends[k + 1]] for i, k in zip(ids, places, strict=True)}

    def _get_all_signals(self, variable: Any, ids: list, clear: bool = False) -> tuple[Array, None]:
        self.prepare()
        wanted = self._index(ids)
        factor = self.population.celltype.variables[variable.name][1]
        state = simulator.state
        n = (state.step - self._start_step()) // self._every() + 1
        out = np.full((n, len(wanted)), np.nan)
        for piece in self._pieces.get(variable.name, []):
            column = np.searchsorted(piece.index, wanted)
            column[column == len(piece.index)] = 0
            here = piece.index[column] == wanted
            rows = piece.monitor.get()[:, 0].numpy() if len(piece.monitor) else piece.begin[:0]
            values = np.concatenate([piece.begin, rows])[:, column[here]]
            last = min(piece.first + len(values), n)
            out[piece.first : last, here] = values[: last - piece.first]
        return out / factor, None

    def _local_count(self, variable: Any, filter_ids: Any = None) -> dict[int, int]:
        if variable.name != "spikes":
            raise ValueError(f"Only spikes are counted, not {variable.name!r}.")
        counts = np.bincount(self._events()[1], minlength=len(self._since))
        ids = sorted(self.filter_recorded(variable, filter_ids))
        return {int(i): int(counts[k]) for i, k in zip(ids, self._index(ids), strict=True)}

    def _clear_simulator(self) -> None:
        self._drop()
        if self._spikes is not None:
            self._spikes.clear()

    def _reset(self) -> None:
        self._drop()
        self._since[:] = _NEVER

    # ---- what a run calls ----

    def restart(self) -> None:
        """Back at time 0."""
        self._drop()
        self._since[self._since != _NEVER] = 0

    def prepare(self) -> None:
        """Before a run: record what is wanted by now."""
        lowered, state = self.population._lowered, simulator.state
        if lowered is None:
            return
        for variable, ids in self.recorded.items():
            if not ids:
                continue
            if variable.name != "spikes":
                self._watch(variable.name, np.sort(self._index(ids)))
            elif self._spikes is None:
                self._spikes = state.network.record_spikes(lowered.name)

    def _watch(self, variable: str, index: Array) -> None:
        pieces = self._pieces.setdefault(variable, [])
        if pieces and np.array_equal(pieces[-1].index, index):
            return
        lowered, state = self.population._lowered, simulator.state
        name = self.population.celltype.variables[variable][0]
        monitor = state.network.monitor(lowered.name, name, every=self._every(), index=index)
        first = (state.step - self._start_step()) // self._every()
        begin = lowered.variables()[name][:, index].numpy().copy()
        pieces.append(_Piece(monitor, index, first, begin))
        for old in pieces[:-1]:
            if old.monitor in state.network.monitors:
                state.network.remove_monitor(old.monitor)

    # ---- inside ----

    def _drop(self) -> None:
        network = simulator.state.network
        for pieces in self._pieces.values():
            for piece in pieces:
                if network is not None and piece.monitor in network.monitors:
                    network.remove_monitor(piece.monitor)
        self._pieces = {}

    def _events(self) -> tuple[Array, Array]:
        """Times, ms, and indices of the spikes that are wanted."""
        if self._spikes is None:
            return np.zeros(0), np.zeros(0, dtype=np.int64)
        name = self.population._lowered.name
        steps, index = self._spikes.steps(name).numpy(), self._spikes.ids(name).numpy()
        kept = steps >= self._since[index]
        return np.round((steps[kept] + 1) * simulator.state.dt, 9), index[kept].astype(np.int64)

    def _index(self, ids: Any) -> Array:
        return np.array([int(i) for i in ids], dtype=np.int64) - int(self.population.first_id)

    def _every(self) -> int:
        return round(self.sampling_interval / simulator.state.dt)

    def _start_step(self) -> int:
        return round(float(self._recording_start_time) / simulator.state.dt)
