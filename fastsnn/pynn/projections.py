# SPDX-License-Identifier: Apache-2.0
"""PyNN's Projection: synapses as columns of numbers, or a wiring that the engine draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyNN import common
from pyNN.connectors import OneToOneConnector
from pyNN.parameters import ParameterSpace
from pyNN.random import RandomDistribution
from pyNN.space import Space

from fastsnn.pynn import simulator, wirings
from fastsnn.pynn.synapses import StaticSynapse, STDPMechanism
from fastsnn.sparse.draw import Edges

Array = np.ndarray
_MERGE = {"sum": np.add, "min": np.minimum, "max": np.maximum}


class Connection(common.Connection):
    """One synapse of a projection; its attributes are those of the synapse type."""

    def __init__(self, projection: Projection, i: int) -> None:
        object.__setattr__(self, "_projection", projection)
        object.__setattr__(self, "_i", i)

    def __getattr__(self, name: str) -> Any:
        column = self._projection.column(name)
        return column[self._i].item()

    def __setattr__(self, name: str, value: float) -> None:
        self._projection.assign(name, self._i, value)

    def as_tuple(self, *attribute_names: str) -> tuple:
        """Values of attributes."""
        return tuple(getattr(self, name) for name in attribute_names)


class Projection(common.Projection):
    __doc__ = common.Projection.__doc__
    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self,
        presynaptic_neurons: Any,
        postsynaptic_neurons: Any,
        connector: Any,
        synapse_type: Any = None,
        source: Any = None,
        receptor_type: str | None = None,
        space: Space | None = None,
        label: str | None = None,
    ) -> None:
        super().__init__(
            presynaptic_neurons, postsynaptic_neurons, connector, synapse_type, source,
            receptor_type, space or Space(), label,
        )  # fmt: skip
        # what _convergent_connect took: sources, target, parameters
        self._blocks: list[tuple[Array, int, dict[str, Any]]] = []
        self._columns: dict[str, Array] | None = None
        self._lowered: Any = None
        self._initial: dict[str, Array] = {}
        self._stale = False
        self.wiring: Any = wirings.native(self, connector)
        if self.wiring is None and type(connector) is OneToOneConnector:
            self._pair(connector)
        elif self.wiring is None:
            connector.connect(self)
        simulator.state.projections.append(self)

    @property
    def learns(self) -> bool:
        """Whether its weights change."""
        return isinstance(self.synapse_type, STDPMechanism)

    def __len__(self) -> int:
        if self._columns is None and self.wiring is None:
            return sum(len(pre) for pre, _, _ in self._blocks)
        return len(self.columns()["presynaptic_index"])

    def __getitem__(self, i: int) -> Connection:
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.label}: synapse {i}, there are {len(self)}.")
        return Connection(self, i % len(self))

    @property
    def connections(self) -> list[Connection]:
        """All synapses, as objects."""
        return [Connection(self, i) for i in range(len(self))]

    def shortest_delay(self) -> float:
        """ms; infinite without synapses."""
        if self.wiring is not None and isinstance(self.wiring.delay, float):
            return self.wiring.delay
        return float(self.column("delay").min(initial=np.inf))

    # ---- numbers ----

    def columns(self) -> dict[str, Array]:
        """A number for each synapse: both indices, and the parameters in PyNN's units."""
        if self._columns is None:
            self._columns = self._draw() if self.wiring is not None else self._collect()
            self._blocks = []
        if self._lowered is not None:
            self._lowered.refresh()
        return self._columns

    def column(self, name: str) -> Array:
        """The numbers of one attribute; plural forms are understood."""
        columns = self.columns()
        if name not in columns and name[-1:] == "s":
            name = name[:-1]
        if name not in columns:
            raise AttributeError(f"{self.label}: synapses have no {name!r}.")
        return columns[name]

    def assign(self, name: str, which: Any, values: Any) -> None:
        """Give some synapses other numbers."""
        columns, column = self.columns(), self.column(name)
        if not column.flags.writeable:
            column = columns[name[:-1] if name not in columns else name] = column.copy()
        column[which] = values
        self.wiring = None
        if self._lowered is not None:
            self._lowered.changed(name)

    def _collect(self) -> dict[str, Array]:
        if not self._blocks:
            names = self.synapse_type.get_native_names()
            empty = {name: np.zeros(0) for name in names}
            ends = {f"{k}synaptic_index": np.zeros(0, dtype=np.int64) for k in ("pre", "post")}
            return ends | empty
        counts = np.array([len(pre) for pre, _, _ in self._blocks])
        post = np.array([post for _, post, _ in self._blocks], dtype=np.int64)
        made = {
            "presynaptic_index": np.concatenate([pre for pre, _, _ in self._blocks]),
            "postsynaptic_index": np.repeat(post, counts),
        }
        for name in self._blocks[0][2]:
            made[name] = _joined([values[name] for _, _, values in self._blocks], counts)
        return made

    def _draw(self) -> dict[str, Array]:
        from fastsnn.pynn.lowering import lower

        if self._lowered is None:
            lower(simulator.state)
        return self._listed(self._lowered.parts[0].made.edges())

    def expand(self, edges: Edges) -> None:
        """Keep the drawn synapses of the wiring as numbers."""
        self._columns, self.wiring = self._listed(edges), None

    def _listed(self, edges: Edges) -> dict[str, Array]:
        pre, post = edges.pre.numpy(), edges.post.numpy()
        order = np.lexsort((pre, post))
        scale = self.post.celltype.weight_scale
        w, delay = self.wiring.w, self.wiring.delay
        return {
            "presynaptic_index": pre[order],
            "postsynaptic_index": post[order],
            "weight": np.broadcast_to(w / scale, len(pre))
            if isinstance(w, float)
            else edges.w.numpy()[order].astype(np.float64) / scale,
            "delay": np.broadcast_to(delay, len(pre))
            if isinstance(delay, float)
            else edges.delay.numpy()[order] * simulator.state.dt,
        }

    def _pair(self, connector: OneToOneConnector) -> None:
        """Cell i to cell i; PyNN's way needs n^2 steps, and fails on one cell with NumPy 2."""
        space = connector._parameters_from_synapse_type(self)
        checks = getattr(self.synapse_type, "parameter_checks", {}) if connector.safe else {}
        for i in range(min(self.shape)):
            numbers = {
                name: lazy.evaluate(simplify=True) if lazy.is_homogeneous else lazy[[i], i]
                for name, lazy in space.items()
            }
            for name, check in checks.items():
                if name in numbers:
                    check(numbers[name], self)
            self._convergent_connect(np.array([i]), i, connector.location_selector, **numbers)

    def initialize(self, **initial_values: Any) -> None:
        """Set what variables of synapses are at time 0, before the first run.

        A number, a RandomDistribution, numbers in the order of the synapses, or an array
        [pre, post].  Synapses of Tsodyks and Markram have `u`.
        """
        for variable, value in initial_values.items():
            if variable != "u" or "tau_facil" not in self.synapse_type.default_parameters:
                raise ValueError(
                    f"{self.label}: no variable {variable!r} to initialise; synapses of Tsodyks "
                    f"and Markram have u."
                )
            if self._lowered is not None:
                raise NotImplementedError(
                    f"{self.label}: {variable} cannot be initialised after the first run."
                )
            given = value.next(len(self)) if isinstance(value, RandomDistribution) else value
            numbers = np.asarray(given, dtype=np.float64)
            if numbers.shape == self.shape:
                numbers = numbers[tuple(self.column(f"{k}synaptic_index") for k in ("pre", "post"))]
            if numbers.shape not in ((), (len(self),)):
                raise ValueError(
                    f"{self.label}: {variable} has shape {numbers.shape}, expected a number, "
                    f"{len(self)} numbers, one a synapse, or an array {self.shape}."
                )
            self._initial[variable] = numbers
            self.initial_values[variable] = value

    # ---- what PyNN calls ----

    def _convergent_connect(
        self,
        presynaptic_indices: Array,
        postsynaptic_index: int,
        location_selector: Any = None,
        **connection_parameters: Any,
    ) -> None:
        if location_selector not in (None, "all"):
            raise NotImplementedError("fastsnn has no cells with locations; leave it out.")
        pre = np.atleast_1d(np.asarray(presynaptic_indices, dtype=np.int32))
        self._blocks.append((pre, int(postsynaptic_index), connection_parameters))
        self._columns = None

    def _set_attributes(self, parameter_space: ParameterSpace) -> None:
        pre, post = (self.column(f"{k}synaptic_index") for k in ("pre", "post"))
        parameter_space.evaluate(simplify=True)
        for name, value in parameter_space.items():
            self.assign(name, slice(None), value[pre, post] if np.ndim(value) else value)

    def _get_attributes_as_list(self, names: list[str]) -> list[tuple]:
        return list(zip(*(self.column(name).tolist() for name in names), strict=True))

    def _get_attributes_as_arrays(
        self, names: list[str], multiple_synapses: str = "sum"
    ) -> list[Array]:
        where = tuple(self.column(f"{k}synaptic_index") for k in ("pre", "post"))
        return [self._array(where, self.column(name), multiple_synapses) for name in names]

    def _array(self, where: tuple[Array, ...], column: Array, multiple: str) -> Array:
        values = np.full(self.shape, np.nan)
        # of those that are given twice an assignment keeps the last
        kept = slice(None, None, -1 if multiple == "first" else 1)
        values[where[0][kept], where[1][kept]] = column[kept]
        if multiple in _MERGE:
            start = {"sum": 0.0, "min": np.inf, "max": -np.inf}[multiple]
            merged = np.full(self.shape, start)
            _MERGE[multiple].at(merged, where, column)
            values = np.where(np.isnan(values), values, merged)
        return values


def _joined(values: list[Any], counts: Array) -> Array:
    """One column of blocks that have a number each, or one number for all."""
    first = values[0]
    if all(np.ndim(v) == 0 for v in values):
        each = np.array(values, dtype=np.float64)
        if (each == first).all():
            return np.broadcast_to(np.float64(first), int(counts.sum()))
        return np.repeat(each, counts)
    parts = [np.broadcast_to(v, n) for v, n in zip(values, counts, strict=True)]
    return np.concatenate(parts).astype(np.float64)
