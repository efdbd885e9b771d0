# SPDX-License-Identifier: Apache-2.0
"""Read the source of a model function and check that it stays inside the model language."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from fastsnn.errors import ModelError
from fastsnn.models import language
from fastsnn.models.language import WORDS

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitAnd, ast.BitOr)
_LARGEST = 3.4028234663852886e38  # float32
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_numbers = count(1)


Statement = tuple[str, ast.expr]


@dataclass(frozen=True)
class Body:
    """A model function taken apart: assignments in order, then the returned expressions."""

    name: str
    arguments: tuple[str, ...]
    assignments: tuple[Statement, ...]
    returns: tuple[ast.expr, ...]
    owner: str
    first: int  # line of the definition

    def calls(self, word: str) -> list[ast.Call]:
        """All calls of one word, in source order."""
        roots = [e for _, e in self.assignments] + list(self.returns)
        return [call for root in roots for call in calls(root, word)]

    def refuse(self, node: ast.AST | None, why: str) -> ModelError:
        """The error that something is wrong at a node (None: the whole function)."""
        line = self.first + getattr(node, "lineno", 1) - 1
        return ModelError(f"{self.owner}.{self.name}, line {line}: {why}.")

    def outside(self, word: str) -> list[ast.expr]:
        """Every expression, with the calls of one word cut out."""

        class Cut(ast.NodeTransformer):
            def visit_Call(self, node: ast.Call) -> ast.expr:
                if _callee(node) == word:
                    return ast.Constant(0.0)
                return self.generic_visit(node)  # type: ignore[return-value]

        roots = [e for _, e in self.assignments] + list(self.returns)
        return [Cut().visit(_copy(root)) for root in roots]

    def expand(self, expression: ast.expr, before: int) -> ast.expr:
        """Replace locals by what the assignments before index `before` gave them."""
        for target, value in reversed(self.assignments[:before]):
            expression = substitute(expression, {target: value})
        return expression


def calls(expression: ast.expr, word: str) -> list[ast.Call]:
    """Calls of a word in an expression."""
    nodes = (n for n in ast.walk(expression) if isinstance(n, ast.Call))
    return [n for n in nodes if _callee(n) == word]


def names(expression: ast.expr) -> set[str]:
    """Variable names that an expression reads (words of the language left out)."""
    return {n.id for n in ast.walk(expression) if isinstance(n, ast.Name)} - set(WORDS)


def factors(expression: ast.expr) -> Iterator[ast.expr]:
    """The factors of a product."""
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Mult):
        yield from factors(expression.left)
        yield from factors(expression.right)
    else:
        yield expression


def substitute(expression: ast.expr, values: dict[str, ast.expr]) -> ast.expr:
    """A copy of an expression with some names replaced by expressions."""

    class Replace(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return values.get(node.id, node)

    return Replace().visit(_copy(expression))


def _copy(expression: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(expression), mode="eval").body


def parse(function: Callable, owner: str) -> Body:
    """Take a model function apart.

    Raises ModelError, with the line, where the function leaves the model language, and where its
    source cannot be read (a bare interactive prompt; a file and a notebook both work).
    """
    what = f"{owner}.{function.__name__}"
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise ModelError(
            f"{what}: its source cannot be read ({error}). Define the model in a file or a "
            f"notebook."
        ) from error
    tree = ast.parse(textwrap.dedent("".join(lines))).body[0]

    def fail(node: ast.AST, found: str) -> ModelError:
        line = first + getattr(node, "lineno", 1) - 1
        return ModelError(
            f"{what}, line {line}: {found} is not part of the model language. A model function is "
            f"a list of assignments and one return, made of + - * / < <= > >= == != & | ~ and "
            f"{', '.join(WORDS)}."
        )

    if not isinstance(tree, ast.FunctionDef):
        raise fail(tree, f"'{ast.unparse(tree).splitlines()[0]}'")
    given = tree.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs or given.defaults:
        raise fail(tree, f"the signature '({ast.unparse(given)})'")
    statements = [s for s in tree.body if not _is_docstring(s)]
    if not statements or not isinstance(statements[-1], ast.Return):
        raise fail(tree, "a function without a final return")
    assignments = []
    for statement in statements[:-1]:
        if not (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            raise fail(statement, f"'{ast.unparse(statement).splitlines()[0]}'")
        _check(statement.value, fail)
        assignments.append((statement.targets[0].id, statement.value))
    value = statements[-1].value
    returns = tuple(value.elts) if isinstance(value, ast.Tuple) else (value,)
    for expression in returns:
        if expression is None:
            raise fail(statements[-1], "an empty return")
        _check(expression, fail)
    body = Body(
        function.__name__,
        tuple(a.arg for a in given.args),
        tuple(assignments),
        returns,  # type: ignore[arg-type]
        owner,
        first,
    )
    _check_names(body)
    return body


def executed(name: str, text: str, title: str) -> Any:
    """What a text that was written by a program defines under a name, so that `parse` can read it.

    The words of the language are known to it.
    """
    file = f"<{title} {next(_numbers)}>"
    # where Python, and `parse`, look for the source
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": f"fastsnn.models.{title}"}
    space |= {word: getattr(language, word) for word in WORDS}
    exec(compile(text, file, "exec"), space)
    return space[name]


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _callee(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "?")


def _check(expression: ast.expr, fail: Callable[[ast.AST, str], ModelError]) -> None:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call):
            if _callee(node) not in WORDS or node.keywords:
                raise fail(node, f"'{ast.unparse(node)}'")
        elif isinstance(node, ast.BinOp):
            if not isinstance(node.op, _OPERATORS):
                raise fail(node, f"'{ast.unparse(node)}'")
        elif isinstance(node, ast.Compare):
            if len(node.ops) != 1 or not isinstance(node.ops[0], _COMPARISONS):
                raise fail(node, f"'{ast.unparse(node)}'")
        elif isinstance(node, ast.UnaryOp):
            if not isinstance(node.op, (ast.USub, ast.Invert)):
                raise fail(node, f"'{ast.unparse(node)}'")
        elif isinstance(node, ast.Constant):
            number = isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
            if not number or abs(node.value) > _LARGEST:
                raise fail(node, f"'{ast.unparse(node)}'")
        elif not isinstance(
            node, (ast.Name, ast.operator, ast.cmpop, ast.unaryop, ast.expr_context)
        ):
            raise fail(node, f"'{ast.unparse(node)}'")


def _check_names(body: Body) -> None:
    known = set(body.arguments)
    for name in (*body.arguments, *(target for target, _ in body.assignments)):
        if name in WORDS:
            raise body.refuse(None, f"'{name}' is a word of the model language, give another name")
    for target, expression in (*body.assignments, *(("", e) for e in body.returns)):
        called = {id(n.func) for n in ast.walk(expression) if isinstance(n, ast.Call)}
        for node in ast.walk(expression):
            if isinstance(node, ast.Name) and id(node) not in called and node.id not in known:
                raise body.refuse(
                    node, f"'{node.id}' is neither an argument nor assigned before it is used"
                )
        known.add(target)
