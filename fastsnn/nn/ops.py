# SPDX-License-Identifier: Apache-2.0
"""The operators torch.ops.fastsnn.advance and advance_backward.

advance(x, state, param, ...) -> (spike, trail, last), see `calls.Call`.  The model is named by
`name_of`, since an operator takes no classes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from fastsnn.errors import BackendError
from fastsnn.models.declare import Neuron
from fastsnn.models.driven import MODELS
from fastsnn.nn.calls import Call, Gradients
from fastsnn.nn.engines import ENGINES, engine

_MODELS: dict[str, type[Neuron]] = {m.__name__: m for m in MODELS}


def name_of(model: type[Neuron]) -> str:
    """The name by which the operators know a model."""
    if model in MODELS:
        return model.__name__
    name = f"{model.__module__}.{model.__qualname__}"
    # a notebook may define the class again
    _MODELS[name] = model
    return name


def call_of(
    x: Tensor, state: Tensor, param: Tensor, model: str, spike: bool, trail: str, surrogate: str,
    alpha: float, through_reset: bool,
) -> Call:  # fmt: skip
    """A call, with the model found by its name."""
    if model not in _MODELS:
        raise BackendError(f"model '{model}' is not known here: make its layer first.")
    found = _MODELS[model]
    return Call(x, state, param, found, spike, trail, surrogate, alpha, through_reset)


@torch.library.custom_op("fastsnn::advance", mutates_args=())
def advance(
    x: Tensor, state: Tensor, param: Tensor, model: str, spike: bool, trail: str, surrogate: str,
    alpha: float, through_reset: bool, backend: str,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """All steps of a layer."""
    call = call_of(x, state, param, model, spike, trail, surrogate, alpha, through_reset)
    return tuple(engine(backend, call.model, x).forward(call))  # type: ignore[return-value]


@advance.register_fake
def _(
    x: Tensor, state: Tensor, param: Tensor, model: str, spike: bool, trail: str, surrogate: str,
    alpha: float, through_reset: bool, backend: str,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    made = [x.new_empty(x.shape) if wanted else x.new_empty(0) for wanted in (spike, bool(trail))]
    return made[0], made[1], state.new_empty(state.shape)


@torch.library.custom_op("fastsnn::advance_backward", mutates_args=())
def advance_backward(
    g_spike: Tensor | None, g_trail: Tensor | None, g_last: Tensor | None, x: Tensor,
    state: Tensor, param: Tensor, model: str, spike: bool, trail: str, surrogate: str,
    alpha: float, through_reset: bool, backend: str, learns: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of x, state and param; the last is empty unless `learns`."""
    call = call_of(x, state, param, model, spike, trail, surrogate, alpha, through_reset)
    call = dataclasses.replace(call, param=param.detach().requires_grad_(learns))
    given = Gradients(g_spike if spike else None, g_trail if trail else None, g_last)
    g_x, g_state, g_param = engine(backend, call.model, x).backward(call, given)
    return g_x, g_state, g_param if learns else param.new_empty(0)


@advance_backward.register_fake
def _(
    g_spike: Tensor | None, g_trail: Tensor | None, g_last: Tensor | None, x: Tensor,
    state: Tensor, param: Tensor, model: str, spike: bool, trail: str, surrogate: str,
    alpha: float, through_reset: bool, backend: str, learns: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    g_param = param.new_empty(param.shape if learns else 0)
    return x.new_empty(x.shape), state.new_empty(state.shape), g_param


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, state, param, *ctx.options = inputs
    ctx.save_for_backward(x, state, param)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, *given: Tensor | None) -> tuple[Any, ...]:
    learns = ctx.needs_input_grad[2]
    made = advance_backward(*given, *ctx.saved_tensors, *ctx.options, learns)
    return (*made[:2], made[2] if learns else None, *[None] * len(ctx.options))


advance.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    advance.register_autocast(_device, torch.float32)


def run(
    backend: str, tensors: tuple[Tensor, Tensor, Tensor], options: tuple[Any, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """All steps of a layer, by an operator or by what has gradients of its own.

    Raises BackendError when a backend that was asked for cannot run it.
    """
    call = call_of(*tensors, *options)
    if backend in ENGINES:
        engine(backend, call.model, call.x)
    own = getattr(ENGINES.get(backend), "differentiable", None)
    return advance(*tensors, *options, backend) if own is None else own(call)
