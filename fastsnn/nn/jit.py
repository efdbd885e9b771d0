# SPDX-License-Identifier: Apache-2.0
"""Layers on a GPU: jitted kernels of Triton, forward and backward, for every model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastsnn.backends import triton_jit
from fastsnn.lowering import sequences
from fastsnn.models.declare import Neuron
from fastsnn.nn.calls import Call, Gradients, Outcome

NAME = "triton"
BLOCK, UNROLL = 128, 4
_OPTIONS = {"num_warps": 4, "enable_fp_fusion": False}


def obstacle(model: type[Neuron], x: Tensor) -> str | None:
    """None, or why the kernels cannot serve."""
    needed = "cpu" if triton_jit.interpreted() else "cuda"
    if x.device.type != needed:
        return f"the input is on device '{x.device}', it needs '{needed}'"
    why = triton_jit.usable()
    if why:
        return why.rstrip(".")
    return None if x.dtype == torch.float32 else f"the input is {x.dtype}, it knows torch.float32"


def forward(call: Call) -> Outcome:
    """Run all steps in one launch."""
    from fastsnn.kernels import sequences as kernels

    call = call.dense()
    out = call.room()
    steps, n = call.x.shape
    if n:
        kernels.forward[(-(-n // BLOCK),)](
            call.x, call.state, call.param, *out, steps, n, UNROLL=UNROLL, **_told(call)
        )
    return out


def backward(call: Call, given: Gradients) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, state and param (empty where param needs none)."""
    from fastsnn.kernels import sequences as kernels

    call = call.dense()
    learns = call.param.requires_grad
    steps, n = call.x.shape
    n_state, n_param = call.state.shape[0], call.param.shape[0]
    g_x, g_state = torch.empty_like(call.x), torch.empty_like(call.state)
    g_param = call.x.new_empty(n_param * learns, n)
    kept = call.x.new_empty(steps, n_state, n)
    # a pointer that is not used must be one nevertheless
    grads = [kept if g is None else g.contiguous() for g in given]
    told = _told(call) | {
        "ADJOINT": sequences.functions_of(call.model, call.surrogate).adjoint,
        "SPIKE": given.spike is not None,
        "LAST": given.last is not None,
        "LEARNS": learns,
    }
    if given.trail is None:
        told["TRAIL"] = -1
    if n:
        kernels.backward[(-(-n // BLOCK),)](
            call.x, call.state, call.param.detach(), kept, *grads, g_x, g_state, g_param, steps, n,
            float(call.alpha), float(call.through_reset), **told,
        )  # fmt: skip
    if call.param.dim() == 1 and learns:
        g_param = g_param.sum(1)
    return g_x, g_state, g_param


def _told(call: Call) -> dict[str, Any]:
    """What the kernels are compiled for."""
    return {
        "STEP": sequences.functions_of(call.model, call.surrogate).step,
        "N_STATE": call.state.shape[0],
        "N_PARAM": call.param.shape[0],
        "SCALAR": call.param.dim() == 1,
        "SPIKE": call.spike,
        "TRAIL": call.model.state().index(call.trail) if call.trail else -1,
        "BLOCK": BLOCK,
        **_OPTIONS,
    }
