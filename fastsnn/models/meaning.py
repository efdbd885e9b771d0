# SPDX-License-Identifier: Apache-2.0
"""Check what a model function means: numbers and truth values, and what differs in the batch.

`syntax` has made sure that it is written in the model language.  With the checks here every mistake
is found when the class is defined, so that no backend meets a model that it cannot run.
"""

from __future__ import annotations

import ast
from collections.abc import Container

from fastsnn.models.syntax import Body, Statement, calls, names

NUMBER, TRUTH, LEARNING = "a number", "a truth value", "'learning'"
KERNEL, WINDOW = "a constant kernel", "a window"

_ARGUMENTS = {
    **dict.fromkeys(("abs", "exp", "log", "sqrt", "floor"), (NUMBER,)),
    "minimum": (NUMBER, NUMBER),
    "maximum": (NUMBER, NUMBER),
    "where": (TRUTH, NUMBER, NUMBER),
    "dot": (KERNEL, WINDOW),
    "rand": (),
}


def kinds_returned(body: Body, kinds: dict[str, str], refused: Container[str] = ()) -> list[str]:
    """Check every operation of a function; returns the kinds of what it returns.

    kinds: of the arguments that are no plain numbers.   refused: words without meaning here.

    Raises ModelError, with the line.
    """
    return _Kinds(body, kinds, refused).returned()


class _Kinds:
    def __init__(self, body: Body, kinds: dict[str, str], refused: Container[str]) -> None:
        self.body, self.refused = body, refused
        self.known = {**dict.fromkeys(body.arguments, NUMBER), **kinds}

    def returned(self) -> list[str]:
        for target, value in self.body.assignments:
            found = self.of(value)
            if self.known.setdefault(target, found) != found:
                raise self.body.refuse(
                    value, f"'{target}' is {self.known[target]} and becomes {found}"
                )
        return [self.of(value) for value in self.body.returns]

    def of(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self.known[node.id]
        if isinstance(node, ast.BinOp):
            kind = TRUTH if isinstance(node.op, (ast.BitAnd, ast.BitOr)) else NUMBER
            return self.all_are(kind, kind, node.left, node.right)
        if isinstance(node, ast.Compare):
            return self.all_are(NUMBER, TRUTH, node.left, *node.comparators)
        if isinstance(node, ast.UnaryOp):
            kind = TRUTH if isinstance(node.op, ast.Invert) else NUMBER
            return self.all_are(kind, kind, node.operand)
        if isinstance(node, ast.Call):
            return self.of_call(node)
        return NUMBER

    def all_are(self, expected: str, result: str, *operands: ast.expr) -> str:
        for operand in operands:
            found = self.of(operand)
            if found != expected:
                hint = "; where(..., 1.0, 0.0) makes a number of it" * (found == TRUTH)
                raise self.body.refuse(
                    operand, f"'{ast.unparse(operand)}' is {found}, expected {expected}{hint}"
                )
        return result

    def of_call(self, node: ast.Call) -> str:
        word, text = node.func.id, ast.unparse(node)  # type: ignore[attr-defined]
        if word in self.refused:
            raise self.body.refuse(node, f"'{text}': {word} has no meaning in {self.body.name}")
        expected = _ARGUMENTS.get(word, (NUMBER,))
        if len(node.args) != len(expected):
            raise self.body.refuse(
                node, f"'{text}': {word} takes {len(expected)} values, not {len(node.args)}"
            )
        if word == "over_batch":
            if calls(node.args[0], "over_batch"):
                raise self.body.refuse(node, f"'{text}': over_batch inside over_batch")
            self.of(node.args[0])
            return NUMBER
        for k, (argument, kind) in enumerate(zip(node.args, expected, strict=True)):
            if not (word == "where" and k == 0 and self.of(argument) == LEARNING):
                self.all_are(kind, kind, argument)
        return NUMBER


def split(
    body: Body, shared: set[str], numbers: set[str]
) -> tuple[list[Statement], list[Statement], list[Statement]]:
    """Statements of a `step` before the batch loop (once per neuron), inside it, and after it.

    shared: variables shared by the batch.   numbers: parameters and constants.

    `over_batch(spike)` counts the spikes sent in the step before where it stands before `spike` is
    assigned, and the candidates of this step behind it.

    Raises ModelError, with the line, where a shared variable depends on anything else.
    """
    before: list[Statement] = []
    step: list[Statement] = []
    after: list[Statement] = []
    read_inside: set[str] = set()
    for target, value in body.assignments:
        counts, read = calls(value, "over_batch"), names(value)

        def refuse(why: str, target: str = target, value: ast.expr = value) -> Exception:
            return body.refuse(
                value,
                f"'{target} = {ast.unparse(value)}': {why}. A shared variable may only change by "
                f"parameters and over_batch(spike), and nothing else may use over_batch",
            )

        if target not in shared:
            if counts:
                raise refuse(f"'{target}' is not shared by the batch")
            if after and read & shared:
                raise refuse("reads a shared variable after over_batch(spike) changed it")
            read_inside |= read
            step.append((target, value))
            continue
        if any(getattr(c.args[0], "id", "") != "spike" for c in counts):
            raise refuse("over_batch of something else than spike")
        if read - shared - numbers - ({"spike"} if counts else set()) or calls(value, "rand"):
            raise refuse("reads what differs between batch elements")
        if counts and any(t == "spike" for t, _ in step):
            after.append((target, value))
        elif after or target in read_inside:
            raise refuse("changes after it was read")
        else:
            before.append((target, value))
    for value in body.returns:
        if calls(value, "over_batch"):
            raise body.refuse(value, f"'{ast.unparse(value)}': over_batch in a return")
    return before, step, after


def check_reduced(body: Body, kept: set[str], differs: set[str]) -> None:
    """Check that what differs between batch elements reaches a weight only through over_batch.

    kept: the weight and the variables per synapse.   differs: arguments per batch element.

    Raises ModelError, with the line.
    """
    differs, per_synapse = set(differs), set(kept)
    for (target, value), outside in zip(body.assignments, body.outside("over_batch"), strict=False):
        for call in calls(value, "over_batch"):
            same = names(call) & per_synapse
            if same:
                raise body.refuse(
                    call,
                    f"'{ast.unparse(call)}': '{min(same)}' is the same for the whole batch, take "
                    f"it out of over_batch",
                )
        free, grid = names(outside) & differs, names(value) & per_synapse
        if free and (target in kept or grid):
            raise body.refuse(
                value,
                f"'{target} = {ast.unparse(value)}': '{min(free)}' differs between batch elements, "
                f"put it into over_batch(...)",
            )
        (differs.add if free else differs.discard)(target)
        if grid or calls(value, "over_batch"):
            per_synapse.add(target)
    for value in body.returns:
        if calls(value, "over_batch") or names(value) & differs:
            raise body.refuse(
                value, f"'{ast.unparse(value)}' in a return: assign over_batch(...) before it"
            )
