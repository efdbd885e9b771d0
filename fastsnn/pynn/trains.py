# SPDX-License-Identifier: Apache-2.0
"""Spike sources of PyNN as inputs of a run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fastsnn.inputs import BoundInput, Events, Poisson, Target
from fastsnn.pynn import cells
from fastsnn.pynn.gamma import inhomogeneous_gamma
from fastsnn.pynn.simulator import State
from fastsnn.sources import GammaProcess, RefractoryPoisson

Array = np.ndarray


def edges(population: Any, state: State) -> list[int]:
    """Steps until a Poisson source is next switched on or off."""
    if not isinstance(population.celltype, cells.SpikeSourcePoisson):
        return []
    changes = np.concatenate(_window(population, state.dt))
    ahead = changes[changes > state.step] - state.step
    return [int(ahead.min())] if len(ahead) else []


def source(population: Any, state: State, steps: int) -> Any:
    """Input of a population for the coming steps; None for cells that are no sources."""
    celltype, numbers = population.celltype, population._numbers
    if celltype.injectable:
        return None
    if isinstance(celltype, cells.SpikeSourceArray):
        return _listed(population, state, steps)
    first, last = _window(population, state.dt)
    if isinstance(celltype, cells.SpikeSourcePoisson):
        on = (first <= state.step) & (state.step < last)
        return Poisson(torch.as_tensor(np.where(on, numbers["rate"], 0.0)))
    if population._train is None:
        population._train = _processes(population, first)
    return _Windowed(population._train, first, last)


def _window(population: Any, dt: float) -> tuple[Array, Array]:
    start, duration = (population._numbers[k] for k in ("start", "duration"))
    longest = float(1 << 52)
    ends = (start / dt, (start + duration) / dt)
    return tuple(np.rint(np.minimum(e, longest)).astype(np.int64) for e in ends)  # type: ignore[return-value]


def _processes(population: Any, first: Array) -> list[Any]:
    """One for each shape or dead time that occurs; it gives nothing to other cells."""
    numbers = population._numbers
    if isinstance(population.celltype, cells.SpikeSourceInhGamma):
        return [inhomogeneous_gamma(population.label, numbers, first)]
    gamma = isinstance(population.celltype, cells.SpikeSourceGamma)
    kinds = numbers["alpha" if gamma else "t_refrac"]
    rate = numbers["beta"] / kinds if gamma else numbers["rate"]
    return [
        (GammaProcess if gamma else RefractoryPoisson)(
            torch.as_tensor(np.where(kinds == kind, rate, 0.0)), float(kind)
        )
        for kind in np.unique(kinds)
    ]


@dataclass
class _Windowed:
    """Processes of which only what lies between two steps counts, for each neuron."""

    processes: list[Any]
    first: Array
    last: Array

    def bind(self, target: Target) -> BoundInput:
        """Check, and draw the spikes of this run."""
        steps, ids = [], []
        for process in self.processes:
            bound = process.bind(target)
            counts = bound.offsets.diff()
            steps.append(torch.arange(len(counts)).repeat_interleave(counts))
            ids.append(bound.data.long())
        step, of = torch.cat(steps), torch.cat(ids)
        now = (step + target.start).numpy()
        kept = torch.as_tensor((self.first[of] <= now) & (now < self.last[of]))
        return Events(step[kept], of[kept]).bind(target)


def _listed(population: Any, state: State, steps: int) -> Events:
    if population._train is None:
        population._train = _sorted(population, state.dt)
    when, ids = population._train
    a, b = np.searchsorted(when, [state.step, state.step + steps])
    return Events(torch.as_tensor(when[a:b] - state.step), torch.as_tensor(ids[a:b]))


def _sorted(population: Any, dt: float) -> tuple[Array, Array]:
    """Steps at whose end a cell spikes, ascending, and the cells."""
    lists = [np.asarray(s.value, float).ravel() for s in population._numbers["spike_times"]]
    times = np.concatenate([np.zeros(0), *lists])
    ids = np.repeat(np.arange(population.size), [len(s) for s in lists])
    when = np.rint(times / dt).astype(np.int64) - 1
    if (when < 0).any():
        warnings.warn(
            f"{population.label}: spikes before {dt:g} ms, the end of the first step, come then.",
            stacklevel=2,
        )
    order = np.argsort(when, kind="stable")
    return np.maximum(when, 0)[order], ids[order]
