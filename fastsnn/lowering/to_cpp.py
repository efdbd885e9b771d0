# SPDX-License-Identifier: Apache-2.0
"""Print a model as a C++ struct: the same function, in the form that the skeletons of csrc expect.

Bodies are templates over T, a float or a vector of 16, so that one text serves every instruction
set.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from fastsnn.models.declare import Model, Neuron, Rule
from fastsnn.models.meaning import split
from fastsnn.models.syntax import Body, names

_OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.BitAnd: "&", ast.BitOr: "|",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.USub: "-",
}  # fmt: skip
# keywords of C++ that are no keywords of Python, and the names that the printed text itself uses
_RESERVED = {
    "alignas", "alignof", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "case", "catch",
    "char", "char8_t", "char16_t", "char32_t", "co_await", "co_return", "co_yield", "compl",
    "concept", "const", "const_cast", "consteval", "constexpr", "constinit", "decltype",
    "default", "delete", "do", "double", "dynamic_cast", "enum", "explicit", "export", "extern",
    "false", "float", "friend", "goto", "inline", "int", "long", "mutable", "namespace", "new",
    "noexcept", "not_eq", "nullptr", "operator", "or_eq", "private", "protected", "public",
    "register", "reinterpret_cast", "requires", "short", "signed", "sizeof", "static",
    "static_assert", "static_cast", "struct", "switch", "template", "this", "thread_local",
    "throw", "true", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual",
    "void", "volatile", "wchar_t", "xor", "xor_eq", "K", "T", "Context", "context", "lit",
    "n_sent", "n_spikes", "own", "param", "post_side", "pre_side", "shared", "state", "synapse",
    "term",
}  # fmt: skip

Lines = list[str]
Statement = tuple[str, ast.expr]


class Printer:
    """Expressions of the model language as C++ text."""

    def __init__(self, special: Callable[[ast.Call], str | None] = lambda call: None) -> None:
        self.special = special
        self.draws = 0

    def __call__(self, node: ast.expr) -> str:
        """Print one expression."""
        if isinstance(node, ast.Constant):
            return f"lit<T>({float(node.value)!r})"
        if isinstance(node, ast.Name):
            return variable(node.id)
        if isinstance(node, ast.BinOp):
            return f"({self(node.left)} {_OPERATORS[type(node.op)]} {self(node.right)})"
        if isinstance(node, ast.Compare):
            sign = _OPERATORS[type(node.ops[0])]
            return f"({self(node.left)} {sign} {self(node.comparators[0])})"
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Invert):
                return f"(!{self(node.operand)})"
            return f"(-{self(node.operand)})"
        assert isinstance(node, ast.Call)
        special = self.special(node)
        if special is not None:
            return special
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr  # type: ignore
        if name == "rand":
            self.draws += 1
            return f"context.rand({self.draws - 1})"
        return f"{name}({', '.join(self(a) for a in node.args)})"


def variable(name: str) -> str:
    """A Python name as a C++ name."""
    return name + "_" if name in _RESERVED else name


def struct_of(model: type[Model]) -> str:
    """The C++ struct of a model."""
    if issubclass(model, Neuron):
        return _neuron_struct(model)
    assert issubclass(model, Rule)
    return _rule_struct(model)


def _constant(kind: str, name: str, value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"static constexpr {kind} {name} = {text};"


def _function(head: str, lines: Lines) -> Lines:
    return [f"{head} {{", *("  " + line for line in lines), "}"]


def _unpack(
    array: str, variables: Iterable[str], read: set[str], body: Iterable[Statement] | None = ()
) -> Lines:
    """Locals for the entries of an array: those that are read, constant unless the body assigns
    them; for body None all of them, to be changed."""
    changed = None if body is None else {target for target, _ in body}
    return [
        f"{'T' if changed is None or v in changed else 'const T'} {variable(v)} = {array}[{k}];"
        for k, v in enumerate(variables)
        if v in read or changed is None
    ]


def _assignments(body: Iterable[tuple[str, ast.expr]], printer: Printer, known: set[str]) -> Lines:
    lines = []
    for target, value in body:
        declare = "" if target in known else "auto "
        known.add(target)
        lines.append(f"{declare}{variable(target)} = {printer(value)};")
    return lines


def _read(body: Iterable[tuple[str, ast.expr]], returns: Iterable[ast.expr] = ()) -> set[str]:
    return set().union(*(names(e) for _, e in body), *(names(e) for e in returns))


def _neuron_struct(model: type[Neuron]) -> str:
    body = model.functions["step"]
    state, shared, params = model.state(), model.shared(), model.step_params()
    before, step, after = split(body, set(shared), set(params))
    kernels, windows = model.kernels(), model.windows()

    def special(call: ast.Call) -> str | None:
        name = getattr(call.func, "id", "")
        if name == "over_batch":
            return "n_sent" if id(call) in sent else "n_spikes"
        if name == "dot":
            kernel, window = (a.id for a in call.args)  # type: ignore[attr-defined]
            return f"context.dot({kernels.index(kernel)}, {windows.index(window)})"
        if name == "where" and getattr(call.args[0], "id", "") == "learning":
            chosen = ", ".join(printer(a) for a in call.args[1:])
            return f"where(learning != lit<T>(0.0), {chosen})"
        return None

    sent = {id(c) for _, e in before for c in ast.walk(e) if isinstance(c, ast.Call)}
    printer = Printer(special)
    by_name = dict(zip(model.outputs(), body.returns, strict=True))
    step_returns = [by_name[s] for s in model.outputs() if s not in shared]
    read = _read(step, step_returns)
    ports, assigned = model.receptors(), {target for target, _ in step}
    step_lines = [
        *_unpack("param", params, read, step),
        *_unpack("shared", shared, read),
        *_unpack("state", state, set(), None),
        *(
            f"{'T' if port in assigned else 'const T'} {variable(port)} = context.receptor({k});"
            for k, port in enumerate(ports)
            if port in read
        ),
        *_assignments(step, printer, {*state, "spike", "i_syn", *(read & {*params, *ports})}),
        *(f"state[{k}] = {printer(by_name[s])};" for k, s in enumerate(state)),
        f"return {printer(by_name['spike'])};",
    ]

    def shared_function(part: list[tuple[str, ast.expr]]) -> Lines:
        if not part:
            return []
        return [
            *_unpack("param", params, _read(part)),
            *_unpack("shared", shared, set(), None),
            *_assignments(part, printer, set(shared)),
            *(f"shared[{k}] = {variable(s)};" for k, s in enumerate(shared)),
        ]

    quiet = "[[maybe_unused]] "
    lines = [
        _constant("const char*", "name", f'"{model.__name__}"'),
        _constant("int", "n_state", len(state)),
        _constant("int", "n_shared", len(shared)),
        _constant("int", "n_param", len(params)),
        _constant("int", "n_receptor", len(ports)),
        _constant("int", "n_window", len(windows)),
        _constant("int", "n_kernel", len(kernels)),
        _constant("int", "learning", params.index("learning") if "learning" in params else -1),
        _constant("int", "v", state.index("v") if "v" in state else -1),
        _constant("bool", "uses_spike", "spike" in body.arguments),
        _constant("bool", "uses_sent", any(id(c) in sent for c in body.calls("over_batch"))),
        "template <class T>",
        *_function(
            f"static FASTSNN_FN void before({quiet}T* shared, {quiet}T n_sent, "
            f"{quiet}const T* param)",
            shared_function(before),
        ),
        "template <class T, class Context>",
        *_function(
            f"static FASTSNN_FN mask<T> step({quiet}T* state, {quiet}const T* shared, "
            f"{quiet}T& i_syn, {quiet}mask<T> spike, {quiet}const T* param, "
            f"{quiet}const Context& context)",
            step_lines,
        ),
        "template <class T>",
        *_function(
            f"static FASTSNN_FN void after({quiet}T* shared, {quiet}T n_spikes, "
            f"{quiet}const T* param)",
            shared_function(after),
        ),
    ]
    return _struct(model, lines)


def _rule_struct(model: type[Rule]) -> str:
    body = model.functions["learn"]
    pre, post = ["pre", *model.side("pre")], ["post", *model.side("post")]
    synapse, params = ["w", *model.own("synapse")], model.learn_params()
    if model.one_reward:
        params = [*params, "reward"]
    index = 0

    def special(call: ast.Call) -> str | None:
        nonlocal index
        if getattr(call.func, "id", "") != "over_batch":
            return None
        index += 1
        return f"term[{index - 1}]"

    in_terms = {id(n) for _, v in body.assignments for c in ast.walk(v) if isinstance(c, ast.Call)
                and getattr(c.func, "id", "") == "over_batch" for n in ast.walk(c)}  # fmt: skip
    # a local that only feeds terms was expanded into them
    kept = [
        (t, v)
        for k, (t, v) in enumerate(body.assignments)
        if t in synapse or _needed(t, body, k, in_terms)
    ]
    outer = {
        n.id
        for e in [v for _, v in kept] + list(body.returns)
        for n in ast.walk(e)
        if isinstance(n, ast.Name) and id(n) not in in_terms
    }
    learn = [
        *_unpack("param", params, outer, kept),
        *_unpack("synapse", synapse, set(), None),
        *_assignments(kept, Printer(special), {*synapse, *(outer & set(params))}),
        *(f"synapse[{k}] = {Printer(special)(e)};" for k, e in enumerate(body.returns)),
    ]
    terms = []
    for k, term in enumerate(model.terms):
        keyword = "if constexpr" if k == 0 else "} else if constexpr"
        terms += [
            f"{keyword} (K == {k}) {{",
            *("  " + line for line in _unpack("pre_side", pre, set(term.inputs))),
            *("  " + line for line in _unpack("post_side", post, set(term.inputs))),
            *(
                "  " + line
                for line in _unpack(
                    "param", params[: len(params) - model.one_reward], set(term.inputs)
                )
            ),
            f"  return {Printer()(term.expression)};",
        ]
    terms += ["} else {", "  return lit<T>(0.0);", "}"] if terms else ["return lit<T>(0.0);"]

    def driven(at: str) -> str:
        return ", ".join(str(t.driven_by == at).lower() for t in model.terms) or "false"

    quiet = "[[maybe_unused]] "
    lines = [
        _constant("const char*", "name", f'"{model.__name__}"'),
        _constant("int", "n_term", len(model.terms)),
        _constant("int", "n_synapse", len(synapse)),
        _constant("int", "n_pre", len(pre)),
        _constant("int", "n_post", len(post)),
        _constant("int", "n_pre_state", len(model.own("pre"))),
        _constant("int", "n_post_state", len(model.own("post"))),
        _constant("int", "n_param", len(params)),
        _constant("int", "reward", len(params) - 1 if model.one_reward else -1),
        _constant("int", "lag", model.lag),
        _constant("bool", "event_driven", model.event_driven),
        _constant("bool", "consolidates", model.consolidates),
        *(f"static constexpr bool {at}_driven[] = {{{driven(at)}}};" for at in ("pre", "post")),
        "template <int K, class T>",
        *_function(
            f"static FASTSNN_FN T term({quiet}const T* pre_side, {quiet}const T* post_side, "
            f"{quiet}T reward, {quiet}const T* param)",
            terms,
        ),
        "template <class T>",
        *_function(
            f"static FASTSNN_FN void learn({quiet}T* synapse, {quiet}const T* term, "
            f"{quiet}const T* param)",
            learn,
        ),
        *_advance(model, "pre", params),
        *_advance(model, "post", params),
        *_consolidate(model, synapse, params),
    ]
    return _struct(model, lines)


def _consolidate(model: type[Rule], synapse: list[str], params: list[str]) -> Lines:
    lines: Lines = []
    if model.consolidates:
        body, printer = model.functions["consolidate"], Printer()
        read = _read(body.assignments, body.returns)
        lines = [
            *_unpack("param", params, read, body.assignments),
            *_unpack("synapse", synapse, set(), None),
            *_assignments(body.assignments, printer, {*synapse, *(read & set(params))}),
            *(f"synapse[{k}] = {printer(e)};" for k, e in enumerate(body.returns)),
        ]
    quiet = "[[maybe_unused]] "
    return [
        "template <class T>",
        *_function(
            f"static FASTSNN_FN void consolidate({quiet}T* synapse, {quiet}const T* param)", lines
        ),
    ]


def _needed(target: str, body: Body, index: int, in_terms: set[int]) -> bool:
    """Whether a local is read outside of over_batch(...) later on."""
    later = [v for _, v in body.assignments[index + 1 :]] + list(body.returns)
    return any(
        isinstance(n, ast.Name) and n.id == target and id(n) not in in_terms
        for e in later
        for n in ast.walk(e)
    )


def _advance(model: type[Rule], at: str, params: list[str]) -> Lines:
    own = model.own(at)
    lines: Lines = []
    if own:
        body = model.functions[f"advance_{at}"]
        printer, read = Printer(), _read(body.assignments, body.returns)
        lines = [
            *_unpack("param", params, read, body.assignments),
            *_unpack("own", own, set(), None),
            f"[[maybe_unused]] T {at} = spike;",
            *_assignments(body.assignments, printer, {*own, *(read & set(params))}),
            *(f"own[{k}] = {printer(e)};" for k, e in enumerate(body.returns)),
        ]
    quiet = "[[maybe_unused]] "
    return [
        "template <class T>",
        *_function(
            f"static FASTSNN_FN void advance_{at}({quiet}T* own, {quiet}T spike, {quiet}const T* "
            f"param)",
            lines,
        ),
    ]


def _struct(model: type[Model], lines: Lines) -> str:
    return "\n".join([f"struct {model.__name__} {{", *("  " + line for line in lines), "};"])
