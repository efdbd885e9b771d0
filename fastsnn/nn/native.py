# SPDX-License-Identifier: Apache-2.0
"""Layers on the CPU: fused kernels of the C++ engine, forward and backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastsnn.backends.native import ENGINES, lacks
from fastsnn.models.declare import Neuron
from fastsnn.models.driven import MODELS
from fastsnn.models.surrogates import SURROGATES
from fastsnn.nn.calls import Call, Gradients, Outcome

NAME = "cpu"


def obstacle(model: type[Neuron], x: Tensor) -> str | None:
    """None, or why the kernels cannot serve."""
    if x.dtype not in ENGINES:
        return f"the input is {x.dtype}, it knows {', '.join(map(str, ENGINES))}"
    if not hasattr(ENGINES[x.dtype], "run_sequence"):
        return "the native engine is not built, or older than this package"
    if lacking := lacks(x.dtype):
        return lacking.rstrip(".")
    if model not in MODELS:
        return f"it has kernels for {', '.join(m.__name__ for m in MODELS)}, not {model.__name__}"
    return None if x.device.type == "cpu" else f"the input is on device '{x.device}'"


def forward(call: Call) -> Outcome:
    """Run all steps of all neurons in one call."""
    call = call.dense()
    out = call.room()
    pointers = {name: _pointer(t) for name, t in out._asdict().items()}
    _run(call, False, pointers)
    return out


def backward(call: Call, given: Gradients) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, state and param (empty where param needs none)."""
    call = call.dense()
    learns = call.param.requires_grad
    g_x, g_state = torch.empty_like(call.x), torch.empty_like(call.state)
    g_param = call.x.new_empty(call.param.shape[0] * learns, call.x.shape[1])
    keep = {f"g_{k}": g.contiguous() for k, g in given._asdict().items() if g is not None}
    pointers = {f"g_{k}": _pointer(keep.get(f"g_{k}")) for k in Gradients._fields} | {
        "g_x": _pointer(g_x),
        "g_state": _pointer(g_state),
        "g_param": _pointer(g_param),
        "surrogate": list(SURROGATES).index(call.surrogate),
        "alpha": call.alpha,
        "through_reset": call.through_reset,
    }
    _run(call, True, pointers)
    if call.param.dim() == 1 and learns:
        g_param = g_param.sum(1)
    return g_x, g_state, g_param


def _pointer(tensor: Tensor | None) -> int:
    return tensor.data_ptr() if tensor is not None and tensor.numel() else 0


def _run(call: Call, backward: bool, pointers: dict[str, Any]) -> None:
    states = call.model.state()
    told = {
        "steps": call.x.shape[0],
        "columns": call.x.shape[1],
        "n_state": call.state.shape[0],
        "n_param": call.param.shape[0],
        "x": call.x.data_ptr(),
        "state": call.state.data_ptr(),
        "param": call.param.data_ptr(),
        "scalar": call.param.dim() == 1,
        "record": states.index(call.trail) if call.trail else 0,
    }
    threads = torch.get_num_threads()
    ENGINES[call.x.dtype].run_sequence(call.model.__name__, backward, threads, told | pointers)
