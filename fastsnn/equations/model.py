# SPDX-License-Identifier: Apache-2.0
"""Put a model together: equations, threshold, reset, refractoriness, receptors, as Python text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastsnn.equations.integrate import Integrator
from fastsnn.equations.read import (
    DRAW,
    Equations,
    expression,
    put_in,
    read_equations,
    statements,
    symbol,
)
from fastsnn.equations.units import OURS
from fastsnn.equations.write import HostWriter, Writer
from fastsnn.errors import ModelError
from fastsnn.models.declare import Neuron
from fastsnn.models.language import WORDS
from fastsnn.models.syntax import executed

_HEAD = """\
from fastsnn.equations.runtime import exprel, number, propagators, refractory_steps
from fastsnn.models.declare import Neuron, Param, Receptor, Var
from fastsnn.models.language import {words}


""".format(words=", ".join(WORDS))


def from_equations(
    equations: str,
    *,
    threshold: str | None = None,
    reset: str = "",
    refractory: str | float | None = None,
    method: str = "auto",
    receptors: Mapping[str, str] | None = None,
    namespace: Mapping[str, float | str] | None = None,
    init: Mapping[str, float | str] | None = None,
    name: str = "EquationNeuron",
) -> type[Neuron]:
    """Make a neuron model from differential equations in the notation of Brian 2.

    equations:  lines 'dx/dt = ... : unit', shorthands 'x = ... : unit', parameters 'x : unit';
                flag '(unless refractory)'.  `i_syn` is the input from outside.
    threshold:  condition for a spike, tested after the equations have moved.
    reset:      assignments at a spike, one a line or between semicolons.
    refractory: time (ms, or with a unit) after a spike in which a neuron cannot spike and the
                equations with the flag stand still; may be made of parameters.
    method:     "exact" (linear equations, by the exponential of their matrix, in float64),
                "exponential_euler" (each linear in its own variable), "euler", "rk4"; "auto" takes
                the first of them that fits.
    receptors:  port -> what arrives there does, e.g. {"ex": "g_e += w"}; w: sum of weights.
    namespace:  defaults of parameters, numbers in our units (mV, ms, pA, nS, pF) or text with
                units, "20*ms".  Every one may be set when a neuron is made, per neuron, too.
    init:       value of variables at the beginning: numbers, text, names of parameters; default 0.

    Returns a `Neuron` class, whose `source` is its text.  Order of a step as in Brian: equations,
    threshold, what arrives, reset.  Needs SymPy.

    Raises ModelError.
    """
    eqs = read_equations(equations)
    maker = _Maker(eqs, dict(receptors or {}), dict(namespace or {}), dict(init or {}), name)
    return maker.make(threshold, reset, refractory, method)


class _Maker:
    def __init__(
        self, eqs: Equations, receptors: dict, namespace: dict, init: dict, name: str
    ) -> None:
        if not name.isidentifier():
            raise ModelError(f"from_equations(name={name!r}): expected a name.")
        self.eqs, self.receptors, self.init, self.name = eqs, receptors, init, name
        self.defaults = {k: self._number(k, v) for k, v in namespace.items()}

    @staticmethod
    def _number(name: str, value: float | str) -> float:
        found = expression(str(value), f"'{name}'") if isinstance(value, str) else value
        try:
            return float(found)
        except TypeError as error:
            raise ModelError(
                f"'{name}' = {value!r}: expected a number, or text with units."
            ) from error

    def make(self, threshold: str | None, reset: str, refractory: Any, method: str) -> type[Neuron]:
        arriving = [(port, *self._receptor(port, text)) for port, text in self.receptors.items()]
        resets = statements(reset, "reset")
        changed = {x for x, _ in resets} | {x for _, x, _ in arriving}
        eqs = self.eqs
        self.variables = [*eqs.rates, *(k for k in eqs.declared if k in changed)]
        crossing = None
        if threshold is not None:
            crossing = self._put(expression(threshold, "threshold"))
        resets = [(x, self._put(v)) for x, v in resets]
        pause = None if refractory is None else self._put(expression(str(refractory), "refractory"))
        values = [*eqs.rates.values(), *(v for _, v in resets), *(v for *_, v in arriving)]
        values += [v for v in (crossing, pause) if v is not None]
        values += [expression(v, f"init '{k}'") for k, v in self.init.items() if isinstance(v, str)]
        self.params = self._parameters(values, changed)
        return self._written(arriving, crossing, resets, pause, method)

    def _receptor(self, port: str, text: str) -> tuple[str, Any]:
        found = statements(text, f"receptor '{port}'")
        if len(found) != 1 or "+=" not in text:
            raise ModelError(f"receptor '{port}': '{text}', expected 'x += w' or 'x += ... * w'.")
        x, value = found[0]
        change = value - symbol(x)
        w = symbol("w")
        if change.diff(w).has(w) or change.subs(w, 0) != 0 or change.has(symbol(x)):
            raise ModelError(
                f"receptor '{port}': '{text}' is no multiple of w, so that what arrives in one "
                f"step could not be summed."
            )
        return x, self._put(change).xreplace({w: symbol(port)})

    def _put(self, value: Any) -> Any:
        return put_in(value, self.eqs.shorthands)

    def _parameters(self, values: list[Any], changed: set[str]) -> list[str]:
        known = {*self.variables, *self.receptors, "i_syn", "dt"}
        unknown = changed - set(self.variables)
        if unknown:
            raise ModelError(f"'{min(unknown)}' is assigned, but no equation defines it.")
        for k in self.init:
            if k not in self.variables:
                raise ModelError(f"init: '{k}' is no variable of {', '.join(self.variables)}.")
        read = {x.name for v in values for x in v.free_symbols} - known
        self.draws = sorted(k for k in read if k.startswith(DRAW))
        read -= set(self.draws)
        missing = sorted(read - set(self.defaults) - set(self.eqs.declared))
        if missing:
            raise ModelError(
                f"'{missing[0]}' has no value; give namespace={{'{missing[0]}': ...}}, or declare "
                f"it: '{missing[0]} : unit'."
            )
        for k in (*self.variables, *self.receptors, *read):
            if k in WORDS or k in ("spike", "learning", "refrac", "p") or k.startswith(DRAW):
                raise ModelError(f"the name '{k}' is taken; give another one.")
        ordered = [k for k in (*self.defaults, *self.eqs.declared) if k in read]
        return list(dict.fromkeys(ordered))

    def _written(
        self, arriving: list, crossing: Any, resets: list, pause: Any, method: str
    ) -> type[Neuron]:
        taken = {*self.variables, *self.params, *self.receptors, *WORDS, "dt", "i_syn", "spike"}
        taken |= {"refrac", "learning", "p", "w", *self.draws}
        fixed = {*self.params, "dt"}
        writer = Writer(fixed.__contains__, taken)
        writer.lines += [f"{k} = rand()" for k in self.draws]
        moved = Integrator(self.eqs, writer, pause is not None)
        moved.write(method)
        lines = writer.lines
        for k, change in moved.change.items():
            new = f"{k} + {change}"
            lines.append(
                f"{k} = " + (f"where(refrac > 0.0, {k}, {new})" if k in moved.held else new)
            )
        first = self.variables[0]
        condition = f"{first} != {first}" if crossing is None else writer.text(crossing)
        lines.append(f"spike = {condition}" + (" & (refrac <= 0.0)" if pause is not None else ""))
        for _, x, change in arriving:
            lines.append(f"{x} = {x} + {writer._text(writer.hoisted(change), 1)}")
        for x, value in resets:
            text = writer.text(value)
            lines.append(f"{x} = where(spike, {text}, {x})")
        state = list(self.variables)
        if pause is not None:
            state.append("refrac")
            lines.append("refrac = where(refrac > 0.0, refrac - 1.0, 0.0)")
            lines.append("refrac = where(spike, n_refrac, refrac)")
        lines.append(f"return {', '.join([*state, 'spike'])}")
        constants = self._constants(writer, moved, pause)
        return self._class(lines, constants, pause is not None)

    def _constants(self, writer: Writer, moved: Integrator, pause: Any) -> list[str]:
        """Statements of `constants`, and what it returns."""
        host = HostWriter(writer.constant, set())
        lines = [f"{k} = number(p.{k})" for k in self.params]
        returned = {k: host.text(v) for k, v in writer.constants.items()}
        if moved.matrix:
            rows = (f"[{', '.join(host.text(x) for x in row)}]" for row in moved.matrix)
            lines.append(f"moved, summed = propagators([{', '.join(rows)}], dt)")
            returned |= {k: f"moved[{i}][{j}]" for k, (i, j) in moved.entries.items()}
            for k, (i, column) in moved.sums.items():
                terms = [
                    f"summed[{i}][{j}] * {host._text(x, 2)}" for j, x in enumerate(column) if x != 0
                ]
                returned[k] = " + ".join(terms)
        if pause is not None:
            returned["n_refrac"] = f"refractory_steps({host.text(pause)}, dt)"
        for k, v in self.init.items():
            returned[f"{k}_begin"] = (
                f"number({host.text(expression(v, 'init'))})"
                if isinstance(v, str)
                else f"number({v!r})"
            )
        entries = [f'    "{k}": {v},' for k, v in returned.items()]
        self.constant_names = list(returned)
        return [*lines, "return {", *entries, "}"]

    def _class(self, lines: list[str], constants: list[str], refractory: bool) -> type[Neuron]:
        def unit(k: str) -> str:
            given = self.eqs.units.get(k, "")
            return OURS.get(given, given)

        body = [f'"""{self.name}, from equations."""', ""]
        body += [f'{k} = Param({self.defaults.get(k, 0.0)!r}, "{unit(k)}")' for k in self.params]
        body += [f"{port} = Receptor()" for port in self.receptors]
        for k in self.variables:
            start = f', init="{k}_begin"' if k in self.init else ""
            body.append(f'{k} = Var("{unit(k)}"{start})')
        body += ['refrac = Var("")'] * refractory
        named = set(re.findall(r"[A-Za-z_]\w*", "\n".join(lines)))
        order = [*self.variables, "refrac", "i_syn", *self.receptors, *self.params]
        order += [*self.constant_names, "dt"]
        arguments = [k for k in dict.fromkeys(order) if k in named]
        body += ["", "def constants(p, dt):", *(f"    {line}" for line in constants)]
        body += ["", f"def step({', '.join(arguments)}):", *(f"    {line}" for line in lines)]
        text = _HEAD + f"class {self.name}(Neuron):\n"
        text += "\n".join(f"    {line}".rstrip() for line in body) + "\n"
        made = executed(self.name, text, self.name)
        made.source = text
        return made
