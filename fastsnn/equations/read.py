# SPDX-License-Identifier: Apache-2.0
"""Read equations and statements in Brian's notation into SymPy."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from fastsnn.equations.units import UNITS
from fastsnn.errors import ModelError
from fastsnn.optional import need

_LINE = re.compile(
    r"^(?:d(?P<rate>\w+)\s*/\s*dt|(?P<name>\w+))\s*(?:=(?P<expression>[^:]*))?:"
    r"(?P<unit>.*?)(?:\((?P<flags>[a-z -]+(?:,[a-z -]+)*)\))?\s*$"
)
_FLAGS = {"unless refractory", "constant", "constant over dt", "shared"}
_BINARY = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a**b,
}  # fmt: skip
_COMPARED = {
    ast.Lt: "Lt",
    ast.LtE: "Le",
    ast.Gt: "Gt",
    ast.GtE: "Ge",
    ast.Eq: "Eq",
    ast.NotEq: "Ne",
}
DRAW = "rand_"  # begins the names of what `rand()` drew
_draws = count(1)
FUNCTIONS = ("exp", "log", "sqrt", "abs", "floor", "clip", "exprel", "tanh", "int", "rand")


def sympy() -> Any:
    """The package, imported when it is first needed."""
    return need("sympy", "sympy", "from_equations")


@dataclass
class Equations:
    """Differential equations in order, shorthands, declared parameters; all of real symbols."""

    rates: dict[str, Any] = field(default_factory=dict)
    shorthands: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    units: dict[str, str] = field(default_factory=dict)


def read_equations(text: str) -> Equations:
    """Take a block of equations apart; shorthands are put in where they are used.

    Raises ModelError, with the line.
    """
    found = Equations()
    for line in _lines(text):
        match = _LINE.match(line)
        if match is None:
            raise ModelError(
                f"equation '{line}': expected 'dx/dt = ... : unit', 'x = ... : unit' or 'x : unit'."
            )
        flags = {f.strip() for f in (match["flags"] or "").split(",") if f.strip()}
        if flags - _FLAGS:
            known = ", ".join(sorted(_FLAGS))
            raise ModelError(f"equation '{line}': flag '{min(flags - _FLAGS)}', expected {known}.")
        name = match["rate"] or match["name"]
        if name in found.units:
            raise ModelError(f"equation '{line}': '{name}' is defined twice.")
        found.units[name] = match["unit"].strip()
        if match["expression"] is None:
            if match["rate"]:
                raise ModelError(f"equation '{line}': 'd{name}/dt' needs '= ...'.")
            found.declared.append(name)
            continue
        value = expression(match["expression"], f"equation '{line}'")
        (found.rates if match["rate"] else found.shorthands)[name] = value
        if "unless refractory" in flags:
            found.held.add(name)
    for name in found.rates:
        found.rates[name] = put_in(found.rates[name], found.shorthands)
    return found


def _lines(text: str) -> list[str]:
    """Equations, each on one line: one goes on until it has a unit."""
    lines, begun = [], ""
    for raw in text.splitlines():
        begun = f"{begun} {raw.partition('#')[0].strip()}".strip()
        if ":" in begun:
            lines.append(begun)
            begun = ""
    if begun:
        raise ModelError(f"equation '{begun}': expected ': unit' at its end.")
    return lines


def put_in(value: Any, shorthands: dict[str, Any]) -> Any:
    """An expression with shorthands replaced by what they stand for."""
    names = {symbol(k): v for k, v in shorthands.items()}
    for _ in range(len(names) + 1):
        if not value.free_symbols & set(names):
            return value
        value = value.xreplace(names)
    raise ModelError(f"the definitions of {', '.join(sorted(shorthands))} go round in a circle.")


def symbol(name: str) -> Any:
    """The real symbol of a name."""
    return sympy().Symbol(name, real=True)


def function(name: str) -> Any:
    """A function that SymPy leaves alone."""
    return sympy().Function(name, real=True)


def expression(text: str, where: str) -> Any:
    """A number or condition in Brian's notation, in our units.

    Raises ModelError: `where`, and what is not understood.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ModelError(f"{where}: '{text.strip()}' is no expression ({error.msg}).") from error
    return _Reader(where).of(node)


class _Reader:
    def __init__(self, where: str) -> None:
        self.where, self.s = where, sympy()

    def fail(self, node: ast.AST) -> ModelError:
        return ModelError(
            f"{self.where}: '{ast.unparse(node)}' has no meaning here; expected + - * / **, "
            f"comparisons, and, or, not, and {', '.join(FUNCTIONS)}."
        )

    def of(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return (
                self.s.Integer(node.value) if type(node.value) is int else self.s.Float(node.value)
            )
        if isinstance(node, ast.Name):
            if node.id in UNITS:
                return self.s.nsimplify(UNITS[node.id], rational=True)
            if node.id in ("t", "xi"):
                raise ModelError(
                    f"{self.where}: '{node.id}' is not part of a model here; give what changes in "
                    f"time, and noise, as an input (StepCurrent, NoisyCurrent, PoissonDrive)."
                )
            return symbol(node.id)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _BINARY[type(node.op)](self.of(node.left), self.of(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd, ast.Not)):
            value = self.of(node.operand)
            if isinstance(node.op, ast.Not):
                return self.s.Not(value)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BoolOp):
            joined = self.s.And if isinstance(node.op, ast.And) else self.s.Or
            return joined(*map(self.of, node.values))
        if isinstance(node, ast.Compare) and all(type(op) in _COMPARED for op in node.ops):
            sides = [self.of(x) for x in (node.left, *node.comparators)]
            names = [_COMPARED[type(op)] for op in node.ops]
            pairs = zip(names, sides, sides[1:], strict=False)
            return self.s.And(*(getattr(self.s, name)(a, b) for name, a, b in pairs))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self.call(node, node.func.id, [self.of(x) for x in node.args])
        raise self.fail(node)

    def call(self, node: ast.Call, name: str, values: list[Any]) -> Any:
        expected = {"clip": 3, "rand": 0}.get(name, 1)
        if name not in FUNCTIONS or len(values) != expected:
            raise self.fail(node)
        if name == "rand":
            # every call draws: a name of its own for each
            return symbol(f"{DRAW}{next(_draws)}")
        x = values[0]
        if name == "clip":
            return function("minimum")(function("maximum")(x, values[1]), values[2])
        if name == "tanh":
            return 1 - 2 / (self.s.exp(2 * x) + 1)
        if name == "int":
            return self.s.Piecewise((1, x), (0, True))
        if name == "exprel":
            return function("exprel")(x)
        if name == "abs":
            return self.s.Abs(x)
        return getattr(self.s, name)(x)


def statements(text: str, where: str) -> list[tuple[str, Any]]:
    """Assignments 'x = ...', 'x += ...', one a line or between semicolons."""
    found = []
    for line in re.split(r"[;\n]", text):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = re.match(r"^(\w+)\s*([-+*/]?)=(?!=)(.*)$", line)
        if match is None:
            raise ModelError(f"{where}: '{line}' is no assignment 'x = ...' or 'x += ...'.")
        value = expression(match[3], f"{where}: '{line}'")
        x = symbol(match[1])
        if match[2]:
            sign = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div}[match[2]]
            value = _BINARY[sign](x, value)
        found.append((match[1], value))
    return found
