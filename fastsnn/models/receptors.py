# SPDX-License-Identifier: Apache-2.0
"""Neuron models with receptors of any number and name, made from those with `ex` and `inh`."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from fastsnn.errors import ModelError
from fastsnn.models.declare import Neuron, Var
from fastsnn.models.language import WORDS
from fastsnn.models.syntax import Statement, executed, names, substitute

_SIDES = ("ex", "inh")
_GAP = "gap"


def with_receptors(receptors: Mapping[str, type[Neuron]]) -> type[Neuron]:
    """A neuron model with receptors of your own: each does what `ex` does in the model given.

        Cell = with_receptors({"AMPA": LIFCondExp, "NMDA": LIFCondAlpha, "GABA": LIFCondExp})
        net.population("cells", Cell(tau_syn_NMDA=50.0, e_rev_GABA=-75.0), 100)

    Parameters and variables of a receptor are those of `ex`, with its name instead: tau_syn_AMPA,
    e_rev_AMPA, g_AMPA.  All others, and the membrane, are those of the models, which must not
    differ in them: one of `LIFExp`, `LIFAlpha`; `LIFCondExp`, `LIFCondAlpha`; `AdExExp`,
    `AdExCondExp`, `AdExCondAlpha`.  With {"ex": M, "inh": M} it is M, bit for bit.

    Raises ModelError for models that cannot be joined, and for names that are taken.
    """
    if not receptors:
        raise ModelError("with_receptors({}): expected one receptor at least.")
    for name, model in receptors.items():
        if not name.isidentifier() or tuple(getattr(model, "ports", ())) != _SIDES:
            raise ModelError(
                f"with_receptors: {name!r}: {getattr(model, '__name__', model)!r}, expected a name "
                f"and a model with the receptors ex and inh, as LIFCondExp."
            )
    return _made(tuple(receptors.items()))


@functools.cache
def _made(receptors: tuple[tuple[str, type[Neuron]], ...]) -> type[Neuron]:
    parts = [_Receptor(name, model) for name, model in receptors]
    first = parts[0]
    for part in parts:
        if part.text != first.text:
            raise ModelError(
                f"with_receptors: the membranes of {first.model.__name__} ('{first.name}') and "
                f"{part.model.__name__} ('{part.name}') differ, so that no neuron has both."
            )
    declared = {name: v for part in parts for name, v in part.declared().items()}
    own = {name for part in parts for name in part.own.values()}
    if clash := own & set(WORDS).union(*(part.shared for part in parts)):
        raise ModelError(f"with_receptors: the name '{min(clash)}' is taken; give another one.")
    # the variables of the membrane come first
    declared = dict(sorted(declared.items(), key=lambda item: item[0] in own))

    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        return {name: v for part in parts for name, v in part.constants(p, dt).items()}

    title = "_".join(f"{name}{model.__name__}" for name, model in receptors)[:120]
    kinds = ", ".join(f"{name} as in {model.__name__}" for name, model in receptors)
    text = _text(parts, [name for name, v in declared.items() if isinstance(v, Var)])
    members = {
        "__doc__": f"Receptors: {kinds}.",
        "constants": constants,
        "step": executed("step", text, title),
    }
    return type(title, (Neuron,), members | declared)


class _Receptor:
    """One receptor: what concerns `ex` in a model, apart from what concerns the membrane.

    membrane: statements that all receptors share, with a gap where `ex` and `inh` add something.
    before:   statements of the receptor, renamed, before each of those; at last the others.
    terms:    what fills the gaps, renamed.
    own:      names of `ex`, and what they are called here.
    """

    def __init__(self, name: str, model: type[Neuron]) -> None:
        self.name, self.model = name, model
        body = model.functions["step"]
        given = (*model.params, *model.variables, *model.ports, *model.constant_names)
        sides = {n: side for n in given for side in _SIDES if n == side or n.endswith(f"_{side}")}
        self._side = sides
        self.membrane: list[Statement] = []
        statements: list[list[Statement]] = [[]]
        self._gaps: list[ast.expr] = []
        for target, value in body.assignments:
            found = self._sides(value)
            if target in sides or len(found) == 1:
                if sides.setdefault(target, *found) == "ex":
                    statements[-1].append((target, value))
            else:
                self.membrane.append((target, self._cut(value)))
                statements.append([])
        self.own = {
            n: name if n == "ex" else f"{n.removesuffix('_ex')}_{name}"
            for n, side in sides.items()
            if side == "ex"
        }
        self.terms = [self._renamed(gap) for gap in self._gaps]
        self.before = [[(self.own[t], self._renamed(v)) for t, v in s] for s in statements]
        every = (*given, *body.arguments, *(target for target, _ in body.assignments))
        self.shared = set(every) - set(sides)
        self.text = [(target, ast.unparse(value)) for target, value in self.membrane]

    def declared(self) -> dict[str, Any]:
        """Parameters, variables and ports by their names here."""
        return self._here({**self.model.params, **self.model.variables, **self.model.ports})

    def arguments(self) -> dict[str, Any]:
        """Arguments of `step` by their names here."""
        return self._here(dict.fromkeys(self.model.functions["step"].arguments))

    def constants(self, p: SimpleNamespace, dt: float) -> dict[str, Any]:
        """Constants by their names here; `inh` is given the numbers of `ex`."""
        twins = {n: f"{n.removesuffix('inh')}ex" for n, s in self._side.items() if s == "inh"}
        there = {n: twins.get(n, n) for n in self.model.params}
        numbers = {n: getattr(p, self.own.get(twin, twin)) for n, twin in there.items()}
        return self._here(self.model.constants(SimpleNamespace(**numbers), dt))

    def _here(self, named: dict[str, Any]) -> dict[str, Any]:
        return {self.own.get(n, n): v for n, v in named.items() if self._side.get(n) != "inh"}

    def _renamed(self, expression: ast.expr) -> ast.expr:
        return substitute(expression, {n: ast.Name(new) for n, new in self.own.items()})

    def _sides(self, expression: ast.expr) -> set[str]:
        return {self._side[n] for n in names(expression) if n in self._side}

    def _cut(self, node: ast.expr) -> ast.expr:
        """The expression without what `inh` adds, and with a gap for what `ex` adds."""
        sides = self._sides(node)
        if not sides:
            return node
        if _is_sum(node):
            left, right = self._sides(node.left), self._sides(node.right)  # type: ignore[attr-defined]
            if right == {"inh"}:
                return self._cut(node.left)  # type: ignore[attr-defined]
            if not left or not right or len(sides) == 2:
                return _mapped(node, self._cut)
        if sides == {"ex"}:
            self._gaps.append(node)
            return ast.Name(f"{_GAP}{len(self._gaps) - 1}")
        if sides == {"inh"}:
            raise ModelError(
                f"with_receptors: '{ast.unparse(node)}' of {self.model.__name__} is no summand."
            )
        return _mapped(node, self._cut)


def _text(parts: list[_Receptor], variables: list[str]) -> str:
    """The function `step` of all receptors and their membrane."""
    statements: list[Statement] = []
    for k in range(len(parts[0].membrane) + 1):
        for part in parts:
            statements += part.before[k]
        statements += [(t, _filled(v, parts)) for t, v in parts[0].membrane[k : k + 1]]
    arguments = dict.fromkeys(name for part in parts for name in part.arguments())
    lines = [f"    {target} = {ast.unparse(value)}" for target, value in statements]
    returned = ", ".join([*variables, "spike"])
    return "\n".join([f"def step({', '.join(arguments)}):", *lines, f"    return {returned}", ""])


def _filled(node: ast.expr, parts: list[_Receptor]) -> ast.expr:
    """The expression with what the receptors add, one after another."""

    def summands(x: ast.expr) -> list[ast.expr]:
        if isinstance(x, ast.Name) and x.id.startswith(_GAP):
            return [part.terms[int(x.id.removeprefix(_GAP))] for part in parts]
        return [_filled(x, parts)]

    if _is_sum(node):
        return _sum([*summands(node.left), *summands(node.right)])  # type: ignore[attr-defined]
    if isinstance(node, ast.Name):
        return _sum(summands(node)) if node.id.startswith(_GAP) else node
    return _mapped(node, lambda x: _filled(x, parts))


def _sum(terms: list[ast.expr]) -> ast.expr:
    return functools.reduce(lambda a, b: ast.BinOp(a, ast.Add(), b), terms)


def _is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


def _mapped(node: ast.expr, change: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """A copy of a node with changed operands."""

    def each(v: Any) -> Any:
        if isinstance(v, list):
            return [each(x) for x in v]
        return change(v) if isinstance(v, ast.expr) else v

    return type(node)(**{k: each(v) for k, v in ast.iter_fields(node)})


__all__ = ["with_receptors"]
