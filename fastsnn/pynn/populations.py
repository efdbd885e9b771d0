# SPDX-License-Identifier: Apache-2.0
"""PyNN's Population, PopulationView and Assembly."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyNN import common
from pyNN.errors import InvalidParameterValueError
from pyNN.parameters import LazyArray, ParameterSpace, simplify

from fastsnn.pynn import simulator
from fastsnn.pynn.recording import Recorder
from fastsnn.pynn.simulator import ID

Array = np.ndarray


class Assembly(common.Assembly):
    __doc__ = common.Assembly.__doc__
    _simulator = simulator


class _Parameters:
    """Reading parameters, of a whole population or a part."""

    celltype: Any
    _get_native_parameters: Any

    def _get_parameters(self, *names: str) -> ParameterSpace:
        celltype = self.celltype
        computed = any(name in celltype.computed_parameters() for name in names)
        native = celltype.get_native_names(*(() if computed else names))
        return celltype.reverse_translate(self._get_native_parameters(*native))


class PopulationView(_Parameters, common.PopulationView):
    __doc__ = common.PopulationView.__doc__
    _assembly_class = Assembly
    _simulator = simulator

    def _indices(self) -> Array:
        return np.asarray(self.index_in_grandparent(np.arange(self.size)), dtype=np.int64)

    def _get_native_parameters(self, *names: str) -> ParameterSpace:
        whole = self.grandparent._numbers
        numbers = {k: simplify(whole[k][self._indices()]) for k in names}
        return ParameterSpace(numbers, shape=(self.size,))

    def _set_parameters(self, parameter_space: ParameterSpace) -> None:
        parameter_space.evaluate(simplify=False)
        self.grandparent._change(self._indices(), parameter_space)

    def _set_initial_value_array(self, variable: str, initial_values: LazyArray) -> None:
        self.grandparent._start(variable, self._indices(), initial_values)

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)


class Population(_Parameters, common.Population):
    __doc__ = common.Population.__doc__
    _simulator = simulator
    _recorder_class = Recorder
    _assembly_class = Assembly

    def _create_cells(self) -> None:
        first = simulator.state.id_counter
        self.all_cells = np.array([ID(i) for i in range(first, first + self.size)], dtype=ID)
        for cell in self.all_cells:
            cell.parent = self
        self._mask_local = np.ones(self.size, dtype=bool)
        simulator.state.id_counter += self.size
        space = self.celltype.native_parameters
        space.shape = (self.size,)
        space.evaluate(simplify=False)
        self._numbers: dict[str, Array] = dict(space.as_dict())
        self._check()
        # our population, once the network is lowered; whether its parameters changed since
        self._lowered: Any = None
        self._stale = False
        self._initial: dict[str, Array] = {}
        simulator.state.populations.append(self)

    def _indices(self) -> Array:
        return np.arange(self.size)

    def _change(self, index: Array, parameter_space: ParameterSpace) -> None:
        for name, value in parameter_space.items():
            self._numbers[name] = self._numbers[name].copy()
            self._numbers[name][index] = value
        self._check()
        self._stale = True

    def _check(self) -> None:
        for k, times in enumerate(self._numbers.get("spike_times", ())):
            if (np.diff(times.value) < 0).any():
                raise InvalidParameterValueError(
                    f"{self.label}: spike_times of cell {k} are not in order of time; sort them."
                )

    def _set_parameters(self, parameter_space: ParameterSpace) -> None:
        parameter_space.evaluate(simplify=False)
        self._change(self._indices(), parameter_space)

    def _get_native_parameters(self, *names: str) -> ParameterSpace:
        numbers = {k: simplify(self._numbers[k]) for k in names}
        return ParameterSpace(numbers, shape=(self.size,))

    def _set_initial_value_array(self, variable: str, initial_values: LazyArray) -> None:
        self._start(variable, self._indices(), initial_values)

    def _start(self, variable: str, index: Array, initial_values: LazyArray) -> None:
        if variable not in self.celltype.variables:
            raise ValueError(
                f"{self.label}: no variable {variable!r} to initialise; there is "
                f"{', '.join(self.celltype.variables) or 'none'}."
            )
        name, factor = self.celltype.variables[variable]
        values = self._initial.setdefault(name, np.zeros(self.size))
        values[index] = initial_values.evaluate(simplify=False) * factor
        if self._lowered is not None:
            setattr(self._lowered, name, values.astype(np.float32)[None])

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)


def members(group: Any) -> tuple[list[Population], Array, Array]:
    """Populations of a group; for each of its cells which one, and its index there."""
    parts = list(group.populations) if isinstance(group, common.Assembly) else [group]
    found: list[Population] = []
    which, index = [], []
    for part in parts:
        whole = part.grandparent if isinstance(part, common.PopulationView) else part
        if whole not in found:
            found.append(whole)
        which.append(np.full(part.size, found.index(whole)))
        index.append(part._indices())
    return found, np.concatenate(which), np.concatenate(index)
