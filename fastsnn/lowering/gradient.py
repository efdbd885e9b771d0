# SPDX-License-Identifier: Apache-2.0
"""The derivative of a neuron model's step, in the model language: reverse mode over its syntax.

A truth value has a derivative only as the spike: where `spike` is defined, the derivative of a
comparison p > q is surrogate(p - q), and where(spike, a, b) hands (a - b) on to the spike, unless
`through_reset` is 0.  All other conditions are constants, as they are for autograd.
"""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from dataclasses import dataclass

from fastsnn.models.declare import Neuron
from fastsnn.models.syntax import Statement, names, substitute

SURROGATE, THROUGH, OF_SPIKE, OF_INPUT = "surrogate", "through_reset", "g_spike", "i_syn"


@dataclass(frozen=True)
class Adjoint:
    """One step backwards.

    statements: assignments in order, over the arguments of `step`, `through_reset`, `g_spike`, and
                `g_new_<variable>`, the gradient of what the step makes of a variable.
    of:         argument of `step` -> gradient, an expression; absent: zero.
    """

    statements: tuple[Statement, ...]
    of: dict[str, ast.expr]

    def reads(self) -> set[str]:
        """Names that are read anywhere."""
        values = [value for _, value in self.statements] + list(self.of.values())
        return set().union(*map(names, values)) if values else set()


def obstacle(model: type[Neuron]) -> str | None:
    """None, or why a model has no derivative (and is no layer)."""
    body = model.functions.get("step")
    if body is None or getattr(model, "is_input", False):
        return "it has no step"
    for word in ("rand", "dot", "over_batch"):
        if body.calls(word):
            return f"its step uses {word}"
    if model.shared():
        return f"'{model.shared()[0]}' is shared by the batch"
    if model.receptors():
        return f"it has a receptor, '{model.receptors()[0]}'"
    read = [a for a in ("spike", "learning") if a in body.arguments]
    return f"its step reads '{read[0]}'" if read else None


@functools.cache
def adjoint(model: type[Neuron]) -> Adjoint:
    """The derivative of a model's step, which must have no `obstacle`."""
    body = model.functions["step"]
    current: dict[str, ast.expr] = {}
    taken, spikes = {*body.arguments}, set()
    forward: list[Statement] = []
    for target, value in body.assignments:
        value = substitute(value, current)
        name = _fresh(target, taken)
        current[target] = ast.Name(name)
        forward.append((name, value))
        if target == "spike":
            spikes.add(name)
    reverse = _Reverse(spikes)
    for name, value in zip(model.outputs(), body.returns, strict=True):
        value = substitute(value, current)
        if name == "spike":
            reverse.into(value, ast.Name(OF_SPIKE))
        elif name != OF_INPUT:
            reverse.into(value, ast.Name(f"g_new_{name}"))
    for target, value in reversed(forward):
        if target in reverse.sums:
            reverse.into(value, reverse.bind(reverse.total(target)))
    of = {name: reverse.total(name) for name in body.arguments if name in reverse.sums}
    return Adjoint(tuple(_live([*forward, *reverse.statements], of)), of)


def _fresh(name: str, taken: set[str]) -> str:
    found, k = name, 0
    while found in taken:
        k += 1
        found = f"{name}_{k}"
    taken.add(found)
    return found


def _live(statements: list[Statement], of: dict[str, ast.expr]) -> list[Statement]:
    """The statements that something is read of."""
    read = set().union(*map(names, of.values()))
    kept = []
    for target, value in reversed(statements):
        if target in read:
            kept.append((target, value))
            read |= names(value)
    return kept[::-1]


def _number(value: float) -> ast.expr:
    return ast.Constant(value)


def _call(word: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(word), list(arguments), [])


def _times(a: ast.expr, b: ast.expr) -> ast.expr:
    return ast.BinOp(a, ast.Mult(), b)


def _minus(a: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), a)


def _compare(a: ast.expr, operator: ast.cmpop, b: ast.expr) -> ast.expr:
    return ast.Compare(a, [operator], [b])


class _Reverse:
    """Hands gradients down expressions; collects what arrives at names."""

    def __init__(self, spikes: set[str]) -> None:
        self.spikes = spikes
        self.sums: dict[str, list[ast.expr]] = defaultdict(list)
        self.statements: list[Statement] = []

    def total(self, name: str) -> ast.expr:
        first, *more = self.sums[name]
        return functools.reduce(lambda a, b: ast.BinOp(a, ast.Add(), b), more, first)

    def bind(self, gradient: ast.expr) -> ast.Name:
        """A gradient under a name, so that it is computed once."""
        if isinstance(gradient, ast.Name):
            return gradient
        name = f"g_{len(self.statements)}"
        self.statements.append((name, gradient))
        return ast.Name(name)

    def into(self, node: ast.expr, gradient: ast.expr) -> None:
        """Add the gradient of an expression to those of what it is made of."""
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Name):
            self.sums[node.id].append(gradient)
            return
        g = self.bind(gradient)
        if isinstance(node, ast.UnaryOp):
            self.into(node.operand, _minus(g))
        elif isinstance(node, ast.BinOp):
            self.into_binary(node, g)
        elif isinstance(node, ast.Compare):
            self.into_comparison(node, g)
        else:
            assert isinstance(node, ast.Call)
            self.into_call(node.func.id, node.args, g)  # type: ignore[attr-defined]

    def into_binary(self, node: ast.BinOp, g: ast.Name) -> None:
        a, b = node.left, node.right
        if isinstance(node.op, (ast.Add, ast.Sub)):
            self.into(a, g)
            self.into(b, g if isinstance(node.op, ast.Add) else _minus(g))
        elif isinstance(node.op, ast.Mult):
            self.into(a, _times(g, b))
            self.into(b, _times(g, a))
        elif isinstance(node.op, ast.Div):
            part = self.bind(ast.BinOp(g, ast.Div(), b))
            self.into(a, part)
            self.into(b, _minus(_times(part, node)) if names(b) else part)
        else:
            # of p & q as of a product, of p | q as of 1 - (1 - p) (1 - q)
            both = isinstance(node.op, ast.BitAnd)
            for one, other in ((a, b), (b, a)):
                chosen = (g, _number(0.0)) if both else (_number(0.0), g)
                self.into(one, _call("where", other, *chosen))

    def into_comparison(self, node: ast.Compare, g: ast.Name) -> None:
        p, q, sign = node.left, node.comparators[0], node.ops[0]
        if isinstance(sign, (ast.Eq, ast.NotEq)):
            return
        if isinstance(sign, (ast.Lt, ast.LtE)):
            p, q = q, p
        slope = _call(SURROGATE, ast.BinOp(p, ast.Sub(), q))
        part = self.bind(_times(g, slope))
        self.into(p, part)
        self.into(q, _minus(part))

    def into_call(self, word: str, arguments: list[ast.expr], g: ast.Name) -> None:
        x, zero = arguments[0], _number(0.0)
        if word == "where":
            _, a, b = arguments
            self.into(a, _call("where", x, g, zero))
            self.into(b, _call("where", x, zero, g))
            if isinstance(x, ast.Name) and x.id in self.spikes:
                through = _compare(ast.Name(THROUGH), ast.Gt(), zero)
                jump = _times(g, ast.BinOp(a, ast.Sub(), b))
                self.into(x, _call("where", through, jump, zero))
        elif word in ("minimum", "maximum"):
            chosen = _compare(x, ast.Lt() if word == "minimum" else ast.Gt(), arguments[1])
            self.into(x, _call("where", chosen, g, zero))
            self.into(arguments[1], _call("where", chosen, zero, g))
        elif word == "abs":
            other = _call("where", _compare(x, ast.Lt(), zero), _minus(g), zero)
            self.into(x, _call("where", _compare(x, ast.Gt(), zero), g, other))
        elif word == "exp":
            self.into(x, _times(g, _call("exp", x)))
        elif word == "log":
            self.into(x, ast.BinOp(g, ast.Div(), x))
        elif word == "sqrt":
            half = _times(g, _number(0.5))
            self.into(x, ast.BinOp(half, ast.Div(), _call("sqrt", x)))
