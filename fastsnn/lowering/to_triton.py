# SPDX-License-Identifier: Apache-2.0
"""Print a model as jitted functions of Triton: the same function, as the kernels call it.

Division is rounded as IEEE says, which Triton's `/` is not, so that the functions are printed and
not only jitted.  Their text is kept in `linecache`, where Triton (and a traceback) find it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import linecache
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from fastsnn.models import language
from fastsnn.models.declare import Model, Neuron, Rule
from fastsnn.models.language import WORDS
from fastsnn.models.meaning import split
from fastsnn.models.syntax import Body, Statement, names

_OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.BitAnd: "&", ast.BitOr: "|",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_HELPERS = ("divide", "negative", "literal", "number")
# names that the printed text itself uses
_RESERVED = {
    *_HELPERS, "tl", "triton", "state", "shared", "param", "dots", "draws", "ports", "n_sent",
    "n_spikes", "pre_side", "post_side", "synapse", "term", "own",
}  # fmt: skip
_OF_RULES = ("terms", "learn", "advance_pre", "advance_post", "consolidate")

Lines = list[str]


class Printer:
    """Expressions of the model language as Triton text."""

    def __init__(self, special: Callable[[ast.Call], str | None] = lambda call: None) -> None:
        self.special = special
        self.draws = 0

    def __call__(self, node: ast.expr) -> str:
        """Print one expression."""
        known = constant(node)
        if known is not None:
            return f"literal({known!r})"
        if isinstance(node, ast.Name):
            return variable(node.id)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Div):
                return f"divide({self(node.left)}, {self(node.right)})"
            return f"({self(node.left)} {_OPERATORS[type(node.op)]} {self(node.right)})"
        if isinstance(node, ast.Compare):
            sign = _OPERATORS[type(node.ops[0])]
            return f"({self(node.left)} {sign} {self(node.comparators[0])})"
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Invert):
                return f"(~{self(node.operand)})"
            return f"negative({self(node.operand)})"
        assert isinstance(node, ast.Call)
        special = self.special(node)
        if special is not None:
            return special
        if _callee(node) == "rand":
            self.draws += 1
            return f"draws[{self.draws - 1}]"
        return f"{_callee(node)}({', '.join(self(a) for a in node.args)})"


def constant(node: ast.expr) -> float | None:
    """The value of an expression made of numbers only, in float64 as in the reference."""
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
    foldable = ("abs", "exp", "log", "sqrt", "floor")
    if read - set(foldable) or any(_callee(c) not in foldable for c in calls):
        return None
    if any(isinstance(n, ast.Compare) for n in ast.walk(node)):
        return None
    code = compile(ast.fix_missing_locations(ast.Expression(node)), "<constant>", "eval")
    try:
        return float(eval(code, {name: getattr(language, name) for name in foldable}))
    except (ArithmeticError, ValueError):
        return None


def variable(name: str) -> str:
    """A name of a model as a name in the text."""
    return name + "_" if name.rstrip("_") in _RESERVED else name


def functions_of(model: type[Model]) -> SimpleNamespace:
    """The jitted functions of a model: step, before, after; or terms, learn, advance_pre, _post,
    consolidate."""
    names = ("step", "before", "after") if issubclass(model, Neuron) else _OF_RULES
    return _functions_of(model.__name__, names, text_of(model))


@functools.cache
def _functions_of(owner: str, names: tuple[str, ...], text: str) -> SimpleNamespace:
    from fastsnn.kernels import language as words

    # what the words mean is part of the code, too
    key = hashlib.sha256((inspect.getsource(words) + text).encode()).hexdigest()[:16]
    file = f"<fastsnn {owner} {key}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": f"fastsnn.lowering.{owner}_{key}"}
    exec(compile(text, file, "exec"), space)
    found = {k: v for k, v in space.items() if k in names}
    for name, function in found.items():
        # by which compiled kernels are told apart
        function.source_key = f"{name} {key}"
    return SimpleNamespace(**found)


def text_of(model: type[Model]) -> str:
    """The Python text of a model's jitted functions."""
    if issubclass(model, Neuron):
        parts = _neuron(model)
    else:
        assert issubclass(model, Rule)
        parts = _rule(model)
    return _module(parts)


def jitted(owner: str, *functions: tuple[str, Lines]) -> SimpleNamespace:
    """Jitted functions made of their head and their lines."""
    names = tuple(head.partition("(")[0] for head, _ in functions)
    return _functions_of(owner, names, _module([_function(*f) for f in functions]))


def _module(parts: list[Lines]) -> str:
    words = [w for w in WORDS if w not in ("rand", "dot", "over_batch")]
    head = [
        "import triton",
        "import triton.language as tl",
        f"from fastsnn.kernels.language import {', '.join((*words, *_HELPERS))}",
    ]
    return "\n".join([*head, *(line for part in parts for line in part)]) + "\n"


def draws_of(model: type[Neuron]) -> int:
    """How many numbers `rand` draws in a step."""
    return len(model.functions["step"].calls("rand"))


def dots_of(model: type[Neuron]) -> list[tuple[int, int]]:
    """(kernel, window) of every `dot`, by their places."""
    kernels, windows = model.kernels(), model.windows()
    calls = model.functions["step"].calls("dot")
    return [(kernels.index(c.args[0].id), windows.index(c.args[1].id)) for c in calls]  # type: ignore


def _callee(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _function(head: str, lines: Lines) -> Lines:
    return ["", "", "@triton.jit", f"def {head}:", *("    " + line for line in lines)]


def _unpack(array: str, variables: Iterable[str], read: set[str] | None = None) -> Lines:
    """Locals for the entries of a tuple, those that are read."""
    return [
        f"{variable(v)} = {array}[{k}]"
        for k, v in enumerate(variables)
        if read is None or v in read
    ]


def _read(body: Iterable[Statement], returns: Iterable[ast.expr] = ()) -> set[str]:
    return set().union(*(names(e) for _, e in body), *(names(e) for e in returns))


def _assign(body: Iterable[Statement], printer: Printer) -> Lines:
    return [f"{variable(target)} = {printer(value)}" for target, value in body]


def _tuple(values: Iterable[str]) -> str:
    inside = ", ".join(values)
    return f"({inside},)" if inside else "()"


def _neuron(model: type[Neuron]) -> list[Lines]:
    body = model.functions["step"]
    state, shared, params = model.state(), model.shared(), model.step_params()
    before, step, after = split(body, set(shared), set(params))
    sent = {id(c) for _, e in before for c in ast.walk(e) if isinstance(c, ast.Call)}
    dots = [id(c) for c in body.calls("dot")]

    def special(call: ast.Call) -> str | None:
        if _callee(call) == "over_batch":
            return "n_sent" if id(call) in sent else "n_spikes"
        if _callee(call) == "dot":
            return f"dots[{dots.index(id(call))}]"
        return None

    printer = Printer(special)
    by_name = dict(zip(model.outputs(), body.returns, strict=True))
    returned = [e for name, e in by_name.items() if name not in shared]
    read = _read(step, returned)
    numbers = [p for p in params if p != "learning"]
    lines = [
        *_unpack("ports", model.receptors(), read),
        *_unpack("state", state, read),
        *_unpack("shared", shared, read),
        *_unpack("param", params, read & set(numbers)),
        *_assign(step, printer),
    ]
    new_state = _tuple([printer(by_name[s]) for s in state])
    i_syn = printer(by_name["i_syn"]) if "i_syn" in by_name else "given"
    given = [] if "i_syn" in by_name else ["given = i_syn"]
    lines = [*given, *lines, f"return {new_state}, {printer(by_name['spike'])}, {i_syn}"]

    def shared_function(name: str, count: str, part: list[Statement]) -> Lines:
        return _function(
            f"{name}(shared, {count}, param, learning)",
            [
                *_unpack("shared", shared),
                *_unpack("param", params, _read(part) & set(numbers)),
                *_assign(part, printer),
                f"return {_tuple(variable(s) for s in shared)}",
            ],
        )

    arguments = "state, shared, param, i_syn, spike, learning, dots, draws, ports"
    return [
        shared_function("before", "n_sent", before),
        _function(f"step({arguments})", lines),
        shared_function("after", "n_spikes", after),
    ]


def _rule(model: type[Rule]) -> list[Lines]:
    body = model.functions["learn"]
    pre, post = ["pre", *model.side("pre")], ["post", *model.side("post")]
    params = model.learn_params()
    places = {id(c): k for k, c in enumerate(body.calls("over_batch"))}

    def special(call: ast.Call) -> str | None:
        return f"term[{places[id(call)]}]" if id(call) in places else None

    inputs = set().union(*(t.inputs for t in model.terms)) if model.terms else set()
    terms = [
        *_unpack("pre_side", pre, inputs),
        *_unpack("post_side", post, inputs),
        *_unpack("param", params, inputs),
        f"return {_tuple(f'number({Printer()(t.expression)})' for t in model.terms)}",
    ]
    kept = [(t, v) for k, (t, v) in enumerate(body.assignments) if _outside(t, body, k)]
    synapse = ["w", *model.own("synapse")]
    printer = Printer(special)
    outer = set().union(*(names(e) for e in body.outside("over_batch")))
    learn = [
        *_unpack("synapse", synapse),
        *_unpack("param", [*params, "reward"] if model.one_reward else params, outer),
        *_assign(kept, printer),
        f"return {_tuple(printer(e) for e in body.returns)}",
    ]
    return [
        _function("terms(pre_side, post_side, reward, param)", terms),
        _function("learn(synapse, term, param)", learn),
        *(_advance(model, at, params) for at in ("pre", "post") if model.own(at)),
        *([_consolidate(model, synapse, params)] if model.consolidates else []),
    ]


def _consolidate(model: type[Rule], synapse: list[str], params: list[str]) -> Lines:
    body, printer = model.functions["consolidate"], Printer()
    read = _read(body.assignments, body.returns)
    return _function(
        "consolidate(synapse, param)",
        [
            *_unpack("synapse", synapse),
            *_unpack("param", [*params, "reward"] if model.one_reward else params, read),
            *_assign(body.assignments, printer),
            f"return {_tuple(printer(e) for e in body.returns)}",
        ],
    )


def _outside(target: str, body: Body, index: int) -> bool:
    """Whether a local is read outside of over_batch(...) later on; terms are expanded."""
    return any(target in names(e) for e in body.outside("over_batch")[index + 1 :])


def _advance(model: type[Rule], at: str, params: list[str]) -> Lines:
    body = model.functions[f"advance_{at}"]
    read = _read(body.assignments, body.returns)
    printer = Printer()
    return _function(
        f"advance_{at}(own, {at}, param)",
        [
            *_unpack("own", model.own(at)),
            *_unpack("param", params, read),
            *_assign(body.assignments, printer),
            f"return {_tuple(printer(e) for e in body.returns)}",
        ],
    )
