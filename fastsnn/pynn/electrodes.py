# SPDX-License-Identifier: Apache-2.0
"""PyNN's current sources; currents in nA, constant over a step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pyNN.common import Assembly
from pyNN.core import is_listlike
from pyNN.parameters import ParameterSpace, Sequence
from pyNN.standardmodels import build_translations, electrodes

from fastsnn.pynn.simulator import state

Array = np.ndarray


def _same(*names: str) -> dict[str, Any]:
    return build_translations(*((name, name) for name in names))


class Source:
    """Cells that get the current, and what was recorded of it."""

    native_parameters: ParameterSpace
    _cells: list[tuple[Any, int]]
    _numbers: dict[str, Any]
    _since: int | None
    _recorded: list[Array]

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        set_ = object.__setattr__
        set_(self, "_cells", [])
        set_(self, "_numbers", {})
        set_(self, "_since", None)
        set_(self, "_recorded", [])
        space = self.native_parameters
        space.shape = (1,)
        self.set_native_parameters(space)
        state.sources.append(self)

    def inject_into(self, cells: Any, location: str | None = None) -> None:
        """Give the current to the cells of a population, view or assembly, or to a list of them."""
        if location is not None:
            raise NotImplementedError("fastsnn has no cells with locations; leave it out.")
        found = cells.all_cells if hasattr(cells, "all_cells") else cells
        for cell in found if is_listlike(found) or isinstance(cells, Assembly) else [found]:
            if not cell.celltype.injectable:
                raise TypeError("Can't inject current into a spike source.")
            self._cells.append((cell.parent, cell.parent.id_to_index(cell)))

    def set_native_parameters(self, parameters: ParameterSpace) -> None:
        """Take new values; they hold from now on."""
        parameters.evaluate(simplify=True)
        fresh = dict(self._numbers)
        for name, value in parameters.items():
            value = value[0] if isinstance(value, np.ndarray) and value.dtype == object else value
            is_sequence = isinstance(value, Sequence)
            fresh[name] = np.array(value.value, float) if is_sequence else float(value)
        self._numbers.update(self._checked(fresh))

    def get_native_parameters(self) -> ParameterSpace:
        """Present values."""
        return ParameterSpace(
            {k: Sequence(v) if isinstance(v, np.ndarray) else v for k, v in self._numbers.items()}
        )

    def get_parameters(self) -> dict[str, Any]:
        """Present values, in PyNN's units."""
        return dict(self._numbers)

    def record(self) -> None:
        """Record the current from now on."""
        object.__setattr__(self, "_since", state.step)

    def restart(self) -> None:
        """Back at time 0: forget what was recorded."""
        self._recorded.clear()
        if self._since is not None:
            self.record()

    def advance(self, steps: Array) -> Array:
        """Current of coming steps, recorded if wanted."""
        values = self.values(steps)
        if self._since is not None:
            self._recorded.append(values)
        return values

    def _get_data(self) -> tuple[Array, Array]:
        if self._since is None:
            raise ValueError(f"{type(self).__name__}: call record() before the run.")
        values = np.concatenate([*self._recorded, self.values(np.array([state.step]))])
        return (self._since + np.arange(len(values))) * state.dt, values

    def _checked(self, numbers: dict[str, Any]) -> dict[str, Any]:
        return numbers

    def values(self, steps: Array) -> Array:
        """Current, nA, in steps that begin at steps * dt."""
        raise NotImplementedError

    def _during(self, steps: Array) -> Array:
        numbers = self._numbers
        first, last = (np.rint(numbers[k] / state.dt) for k in ("start", "stop"))
        return (steps >= first) & (steps < last)


class DCSource(Source, electrodes.DCSource):
    __doc__ = electrodes.DCSource.__doc__
    translations = _same("amplitude", "start", "stop")

    def values(self, steps: Array) -> Array:
        """See Source."""
        return np.where(self._during(steps), self._numbers["amplitude"], 0.0)


class ACSource(Source, electrodes.ACSource):
    __doc__ = electrodes.ACSource.__doc__
    translations = _same("amplitude", "start", "stop", "frequency", "offset", "phase")

    def values(self, steps: Array) -> Array:
        """See Source; the phase is that at the start."""
        n = self._numbers
        start = np.rint(n["start"] / state.dt)
        angle = 2e-3 * math.pi * n["frequency"] * (steps - start) * state.dt
        sine = np.sin(angle + math.radians(n["phase"]))
        return np.where(self._during(steps), n["offset"] + n["amplitude"] * sine, 0.0)


class StepCurrentSource(Source, electrodes.StepCurrentSource):
    __doc__ = electrodes.StepCurrentSource.__doc__
    translations = _same("amplitudes", "times")

    def _checked(self, numbers: dict[str, Any]) -> dict[str, Any]:
        times, amplitudes = numbers["times"], numbers["amplitudes"]
        if (times < 0).any() or (np.diff(times) < 0).any() or len(times) != len(amplitudes):
            raise ValueError(
                f"StepCurrentSource: times={list(times)}, amplitudes={list(amplitudes)}; expected "
                f"as many ascending times of 0 ms or more as amplitudes."
            )
        steps = np.rint(times / state.dt)
        # of those that fall on one step the last holds
        last = np.append(np.diff(steps) > 0, True)[: len(steps)]
        return {"times": steps[last] * state.dt, "amplitudes": amplitudes[last]}

    def values(self, steps: Array) -> Array:
        """See Source."""
        changes = np.rint(self._numbers["times"] / state.dt)
        table = np.concatenate([[0.0], self._numbers["amplitudes"]])
        return table[np.searchsorted(changes, steps, side="right")]


class NoisyCurrentSource(Source, electrodes.NoisyCurrentSource):
    __doc__ = electrodes.NoisyCurrentSource.__doc__
    translations = _same("mean", "start", "stop", "stdev", "dt")

    def values(self, steps: Array) -> Array:
        """See Source; one number for each interval of dt, the same in all cells."""
        n = self._numbers
        width = max(round(n["dt"] / state.dt), 1)
        first = round(n["start"] / state.dt)
        on = self._during(steps)
        values = np.zeros(len(steps))
        if on.any():
            interval = (steps[on].astype(np.int64) - first) // width
            seed = [state.options.get("seed", 1), state.sources.index(self)]
            values[on] = self._noise(interval, seed)
        return values

    def _noise(self, interval: Array, seed: list[int]) -> Array:
        # the numbers of a block of intervals come from one generator, whatever the run
        block = interval // 1024
        drawn = {
            b: np.random.default_rng([*seed, int(b)]).standard_normal(1024)
            for b in np.unique(block)
        }
        noise = np.array([drawn[b][i % 1024] for b, i in zip(block, interval, strict=True)])
        return self._numbers["mean"] + self._numbers["stdev"] * noise


__all__ = ["ACSource", "DCSource", "NoisyCurrentSource", "StepCurrentSource"]
