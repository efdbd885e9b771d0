# SPDX-License-Identifier: Apache-2.0
"""From what PyNN describes to a fastsnn.Network, and its runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fastsnn.inputs import Current
from fastsnn.network import Network
from fastsnn.pynn import trains
from fastsnn.pynn.joining import Joined
from fastsnn.pynn.simulator import State

# numbers of a current that are held at once
_MOST = 1 << 24
_NOT_OF_MODEL = ("spike_times", "rate", "start", "duration", "t_refrac", "alpha", "beta")


def lower(state: State) -> None:
    """Bring the network up to date with the description; its state stays."""
    if state.network is None:
        if not state.populations:
            return
        state.network = Network(dt=state.dt, **state.options)
        state.network.step = state.step
    for number, population in enumerate(state.populations):
        if population._lowered is None:
            _add(state.network, population, f"p{number}")
        elif population._stale:
            _change(state.network, population)
    for number, projection in enumerate(state.projections):
        if projection._lowered is None:
            projection._lowered = Joined(state.network, projection, f"c{number}")
        projection._lowered.update()


def advance(state: State, steps: int) -> None:
    """Run for some steps."""
    lower(state)
    for population in state.populations:
        population.recorder.prepare()
    while steps > 0:
        n = min(steps, *(_pieces(state)))
        inputs = _inputs(state, n)
        if state.network is not None:
            state.network.run(n * state.dt, inputs)
        state.step += n
        steps -= n


def restart(state: State) -> None:
    """Everything that a run changed at its initial value."""
    for population in state.populations:
        population.recorder.restart()
        population._train = None
    for source in state.sources:
        source.restart()
    if state.network is None:
        return
    lower(state)
    state.network.reset_state()
    state.network.step = 0
    for population in state.populations:
        _initialise(population)
    for projection in state.projections:
        projection._lowered.restart()


def _add(network: Network, population: Any, name: str) -> None:
    population._lowered = network.population(name, _model(population), population.size)
    population._stale, population._train = False, None
    _initialise(population)


def _initialise(population: Any) -> None:
    for name, values in population._initial.items():
        setattr(population._lowered, name, torch.as_tensor(values)[None])


def _change(network: Network, population: Any) -> None:
    population._stale, population._train = False, None
    if not population._lowered.is_input:
        population._lowered.set_model(_model(population))
        network.changed()


def _model(population: Any) -> Any:
    kind = population.celltype.model
    if not population.celltype.injectable:
        return kind()
    numbers = {
        name: float(v[0]) if (v == v[0]).all() else torch.as_tensor(v, dtype=torch.float64)
        for name, v in population._numbers.items()
    }
    return kind(**numbers)


def _pieces(state: State) -> list[int]:
    """Numbers of steps after which a run has to be cut."""
    injected = {cell[0] for source in state.sources for cell in source._cells}
    cells = sum(population.size for population in injected)
    found = [max(_MOST // cells, 1) if cells else 1 << 40]
    for population in state.populations:
        found += trains.edges(population, state)
    return found


def _inputs(state: State, steps: int) -> dict[str, Any]:
    inputs = {}
    for population in state.populations:
        if (train := trains.source(population, state, steps)) is not None:
            inputs[population._lowered.name] = train
    currents: dict[Any, np.ndarray] = {}
    which = np.arange(state.step, state.step + steps)
    for source in state.sources:
        values = source.advance(which)
        for population, cell in source._cells:
            shape = (steps, population.size)
            table = currents.setdefault(population, np.zeros(shape))
            # nA to pA
            table[:, cell] += values * 1000.0
    for population, table in currents.items():
        inputs[population._lowered.name] = Current(torch.as_tensor(table)[:, None])
    return inputs
