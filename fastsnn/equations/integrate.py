# SPDX-License-Identifier: Apache-2.0
"""How the differential equations are moved one step: exact, euler, rk4, exponential_euler."""

from __future__ import annotations

from typing import Any

from fastsnn.equations.read import Equations, function, symbol, sympy
from fastsnn.equations.write import Writer
from fastsnn.errors import ModelError

METHODS = ("exact", "exponential_euler", "euler", "rk4")


class Integrator:
    """Writes the statements of one step; `change` holds the names of what variables change by.

    Changes are small, so that adding them rounds once.
    """

    def __init__(self, eqs: Equations, writer: Writer, refractory: bool) -> None:
        self.eqs, self.writer, self.s = eqs, writer, sympy()
        self.held = eqs.held & set(eqs.rates) if refractory else set()
        self.dt = symbol("dt")
        self.change: dict[str, str] = {}
        # of method "exact": its matrix, and names of constants -> (entry, row, column)
        self.matrix: list[list[Any]] = []
        self.entries: dict[str, tuple[int, int]] = {}
        self.sums: dict[str, tuple[int, list[Any]]] = {}

    def write(self, method: str) -> None:
        """Raises ModelError where the method cannot integrate the equations."""
        if method not in (*METHODS, "auto"):
            raise ModelError(
                f"from_equations(method={method!r}): expected auto, {', '.join(METHODS)}."
            )
        if method == "auto":
            method = next(m for m in METHODS if self.obstacle(m) is None)
        if why := self.obstacle(method):
            raise ModelError(f"from_equations(method={method!r}): {why}")
        getattr(self, f"_{method}")()

    def obstacle(self, method: str) -> str | None:
        """None, or why a method cannot integrate the equations."""
        if method in ("euler", "rk4"):
            return None
        for name, rate in self.eqs.rates.items():
            own = self.s.diff(rate, symbol(name))
            if self.s.simplify(self.s.diff(own, symbol(name))) != 0:
                return f"d{name}/dt is not linear in {name}. Use method='euler', 'rk4'" + (
                    " or 'exponential_euler'." if method == "exact" else "."
                )
            if method == "exact" and (why := self._not_linear(name, rate)):
                return why
        return None

    def _not_linear(self, name: str, rate: Any) -> str | None:
        moving = {symbol(k) for k in self.eqs.rates}
        for other in self.eqs.rates:
            slope = self.s.simplify(self.s.diff(rate, symbol(other)))
            rest = {x.name for x in slope.free_symbols if not self.writer.constant(x.name)}
            if slope.free_symbols & moving or rest:
                return (
                    f"d{name}/dt is not linear with constant factors (in {other}). Use "
                    f"method='exponential_euler', 'euler' or 'rk4'."
                )
            if other in self.held and name not in self.held and slope != 0:
                return (
                    f"{other} stands still while a neuron is refractory, and d{name}/dt depends on "
                    f"it. Use method='exponential_euler', 'euler' or 'rk4'."
                )
        rest = rate.subs(dict.fromkeys(moving, 0))
        for x in self._given(rest):
            slope = self.s.simplify(self.s.diff(rest, x))
            if not all(self.writer.constant(y.name) for y in slope.free_symbols):
                return f"d{name}/dt is not linear in {x.name}. Use method='euler' or 'rk4'."
        return None

    def _given(self, value: Any) -> list[Any]:
        """Symbols that are neither parameters nor moved by an equation, in order."""
        found = {x for x in value.free_symbols if not self.writer.constant(x.name)}
        return sorted(found - {symbol(k) for k in self.eqs.rates}, key=str)

    def _finish(self, changes: dict[str, Any]) -> None:
        self.change = {name: self.writer.new(f"{name}_by") for name in changes}
        self.writer.assign({self.change[name]: value for name, value in changes.items()})

    def _euler(self) -> None:
        self._finish({k: self.dt * rate for k, rate in self.eqs.rates.items()})

    def _exponential_euler(self) -> None:
        exprel, values = function("exprel"), {}
        for name, rate in self.eqs.rates.items():
            x = symbol(name)
            slope = self.s.diff(rate, x)
            # without x: it does not depend on it, whatever it looks like
            slope = slope if not slope.has(x) else self.s.simplify(slope)
            factor = exprel(slope * self.dt) if slope != 0 else 1
            values[name] = rate * (self.dt * factor)
        self._finish(values)

    def _rk4(self) -> None:
        now = {symbol(k): symbol(k) for k in self.eqs.rates}
        slopes: list[dict[str, Any]] = []
        for stage, reach in enumerate((None, 0.5, 0.5, 1.0)):
            at = now
            if reach is not None:
                names = {k: self.writer.new(f"{k}_at{stage + 1}") for k in self.eqs.rates}
                self.writer.assign(
                    {names[k]: symbol(k) + reach * slopes[-1][k] for k in self.eqs.rates}
                )
                at = {symbol(k): symbol(name) for k, name in names.items()}
            names = {k: self.writer.new(f"{k}_by{stage + 1}") for k in self.eqs.rates}
            self.writer.assign(
                {names[k]: self.dt * rate.xreplace(at) for k, rate in self.eqs.rates.items()}
            )
            for k in sorted(self.held):
                self.writer.lines.append(f"{names[k]} = where(refrac > 0.0, 0.0, {names[k]})")
            slopes.append({k: symbol(name) for k, name in names.items()})
        sixth = self.s.Rational(1, 6)
        self._finish({
            k: (a[k] + 2 * (b[k] + c[k]) + d[k]) * sixth
            for a, b, c, d in [slopes] for k in self.eqs.rates
        })  # fmt: skip

    def _exact(self) -> None:
        names = list(self.eqs.rates)
        zero = {symbol(k): 0 for k in names}
        self.matrix = [
            [self.s.simplify(self.s.diff(rate, symbol(k))) for k in names]
            for rate in self.eqs.rates.values()
        ]
        rests = [rate.subs(zero) for rate in self.eqs.rates.values()]
        inputs = sorted({x for rest in rests for x in self._given(rest)}, key=str)
        fixed = [self.s.expand(rest).subs(dict.fromkeys(inputs, 0)) for rest in rests]
        reach = self._reach()
        values = {}
        for i, name in enumerate(names):
            total = self.s.Integer(0)
            for j, other in enumerate(names):
                if reach[i][j]:
                    factor = self.writer.new(f"{name}_from_{other}")
                    self.entries[factor] = (i, j)
                    total += symbol(factor) * symbol(other)
            for x, column in [
                *((x, [self.s.diff(rest, x) for rest in rests]) for x in inputs),
                (self.s.Integer(1), fixed),
            ]:
                if any(column[j] != 0 and (reach[i][j] or i == j) for j in range(len(names))):
                    factor = self.writer.new(f"{name}_from_{x}" if x != 1 else f"{name}_drift")
                    self.sums[factor] = (i, column)
                    total += symbol(factor) * x
            values[name] = total
        self._finish(values)

    def _reach(self) -> list[list[bool]]:
        """Whether a variable acts on another within a step, by way of others, too."""
        size = range(len(self.matrix))
        reach = [[self.matrix[i][j] != 0 for j in size] for i in size]
        for k in size:
            for i in size:
                for j in size:
                    reach[i][j] |= reach[i][k] and reach[k][j]
        return reach
