# SPDX-License-Identifier: Apache-2.0
"""The reference of a layer: the model's step in torch, one step at a time, and its autograd."""

from __future__ import annotations

import ast
from typing import Any

import torch
from torch import Tensor

from fastsnn.lowering.gradient import OF_INPUT
from fastsnn.models import language, surrogates
from fastsnn.models.declare import Neuron
from fastsnn.nn.calls import Call, Gradients, Outcome

NAME = "torch"
_OPERATIONS = {
    ast.Add: torch.add, ast.Sub: torch.sub, ast.Mult: torch.mul, ast.Div: torch.div,
    ast.Lt: torch.lt, ast.LtE: torch.le, ast.Gt: torch.gt, ast.GtE: torch.ge,
    ast.Eq: torch.eq, ast.NotEq: torch.ne,
}  # fmt: skip


def obstacle(model: type[Neuron], x: Tensor) -> str | None:
    """It runs everything."""
    return None


def forward(call: Call) -> Outcome:
    """Run all steps; without a graph for autograd."""
    with torch.no_grad():
        return _run(call, _step)


def differentiable(call: Call) -> Outcome:
    """Run all steps by operations that autograd knows."""
    return _run(call, _step_with_gradient)


def backward(call: Call, given: Gradients) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, state and param: autograd through the steps."""
    leaves = [t.detach().requires_grad_() for t in (call.x, call.state, call.param)]
    with torch.enable_grad():
        made = _run(call.of(*leaves), _step_with_gradient)
        pairs = [
            (out, g)
            for out, g in zip(made, given, strict=True)
            if g is not None and out.numel() and out.requires_grad
        ]
        if not pairs:
            return tuple(torch.zeros_like(leaf) for leaf in leaves)  # type: ignore[return-value]
        outs, grads = zip(*pairs, strict=True)
        found = torch.autograd.grad(outs, leaves, grads, materialize_grads=True)
    return found  # type: ignore[return-value]


def _run(call: Call, step: Any) -> Outcome:
    model, spikes, trail = call.model, [], []
    state = list(call.state.unbind())
    params = dict(zip(model.step_params(), call.param.unbind(), strict=True))
    at = model.state().index(call.trail) if call.trail else 0
    for x in call.x.unbind():
        values = {**dict(zip(model.state(), state, strict=True)), **params, OF_INPUT: x}
        state, spike = step(call, values)
        spikes.append(spike)
        trail.append(state[at])
    nothing = call.x.new_empty(0)
    return Outcome(
        _stack(spikes, call.x) if call.spike else nothing,
        _stack(trail, call.x) if call.trail else nothing,
        torch.stack(state),
    )


def _stack(rows: list[Tensor], x: Tensor) -> Tensor:
    return torch.stack(rows) if rows else x.new_empty(x.shape)


def _step(call: Call, values: dict[str, Tensor]) -> tuple[list[Tensor], Tensor]:
    arguments = call.model.functions["step"].arguments
    made = call.model.step(**{name: values[name] for name in arguments})
    made = dict(zip(call.model.outputs(), made, strict=True))
    x = values[OF_INPUT]
    return [made[s].expand_as(x) for s in call.model.state()], made["spike"].to(x.dtype)


def _step_with_gradient(call: Call, values: dict[str, Tensor]) -> tuple[list[Tensor], Tensor]:
    evaluate = _Evaluate(call, dict(values))
    body = call.model.functions["step"]
    for target, value in body.assignments:
        evaluate.assign(target, value)
    made = dict(zip(call.model.outputs(), body.returns, strict=True))
    x = values[OF_INPUT]
    state = [evaluate(made[name]).expand_as(x) for name in call.model.state()]
    return state, evaluate.truth(made["spike"])


class _Heaviside(torch.autograd.Function):
    """1 where p > q (or what `compare` says); backwards the surrogate of p - q."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, q: Tensor, compare: Any, slope: Any, sign: float) -> Tensor:
        ctx.save_for_backward(sign * (p - q))
        ctx.slope, ctx.sign = slope, sign
        return compare(p, q).to(p.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        part = g * ctx.slope(*ctx.saved_tensors) * ctx.sign
        return part, -part, None, None, None


class _Evaluate:
    """Expressions on tensors; a truth value is kept as a number with a gradient, too."""

    def __init__(self, call: Call, values: dict[str, Any]) -> None:
        self.call, self.values = call, values
        slope = surrogates.BY_NAME[call.surrogate]
        alpha = call.x.new_tensor(call.alpha)
        self.slope = lambda u: slope(u, alpha)
        self.truths: dict[str, Tensor] = {}

    def assign(self, target: str, value: ast.expr) -> None:
        self.values[target] = self(value)
        if self.values[target].dtype == torch.bool:
            self.truths[target] = self.truth(value)

    def truth(self, node: ast.expr) -> Tensor:
        """A truth value as 0 or 1, with the gradient of surrogates."""
        if isinstance(node, ast.Name):
            return self.truths[node.id]
        if isinstance(node, ast.UnaryOp):
            return 1.0 - self.truth(node.operand)
        if isinstance(node, ast.BinOp):
            a, b = self.truth(node.left), self.truth(node.right)
            return a * b if isinstance(node.op, ast.BitAnd) else a + b - a * b
        assert isinstance(node, ast.Compare)
        p, q = torch.broadcast_tensors(self(node.left), self(node.comparators[0]))
        compare = _OPERATIONS[type(node.ops[0])]
        sign = -1.0 if isinstance(node.ops[0], (ast.Lt, ast.LtE)) else 1.0
        return _Heaviside.apply(p, q, compare, self.slope, sign)

    def __call__(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return self.call.x.new_tensor(float(node.value))  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return self.values[node.id]
        if isinstance(node, ast.UnaryOp):
            value = self(node.operand)
            return ~value if isinstance(node.op, ast.Invert) else -value
        if isinstance(node, ast.Compare):
            return _OPERATIONS[type(node.ops[0])](self(node.left), self(node.comparators[0]))
        if isinstance(node, ast.BinOp):
            a, b = self(node.left), self(node.right)
            if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
                return a & b if isinstance(node.op, ast.BitAnd) else a | b
            return _OPERATIONS[type(node.op)](a, b)
        assert isinstance(node, ast.Call)
        word, arguments = node.func.id, [self(a) for a in node.args]  # type: ignore[attr-defined]
        made = getattr(language, word)(*arguments)
        condition = node.args[0]
        if word == "where" and getattr(condition, "id", "") == "spike" and self.call.through_reset:
            # adds nothing but the gradient
            spike = self.truths["spike"]
            made = made + (spike - spike.detach()) * (arguments[1] - arguments[2])
        return made
