# SPDX-License-Identifier: Apache-2.0
"""What is asked of a run, as arguments of a backend; or which part only torch can do it for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastsnn.bindsnet.network._translate import Layer, Untranslatable
from fastsnn.bindsnet.network.topology import LocalConnection
from fastsnn.errors import BackendError
from fastsnn.inputs import BoundInput
from fastsnn.plan import RunArgs

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._fast import Fast
    from fastsnn.bindsnet.network._request import Request


def arguments(fast: Fast, request: Request) -> RunArgs:
    """Inputs, clamps, masks, rewards and recorded draws of a run.  Raises Untranslatable."""
    learning = bool(fast.net.learning) if fast.mode is None else True
    args = RunArgs(n_steps=request.steps, learning=learning, chained=request.one_step)
    _check_order(fast, request)
    native = {name: layer for name, layer in fast.layers.items() if isinstance(layer, Layer)}
    for layer in native.values():
        layer.check_spikes()
    for windows in fast.windows:
        name = windows.name
        if any(name in given for given in (request.inputs, *request.forced.values())):
            reason = f"layer '{name}' is CSRM, and gets input or clamps from outside"
            raise Untranslatable(reason, ("layer", name))
    for name, x in request.inputs.items():
        if x.shape[1] != fast.net.batch_size:
            raise Untranslatable(f"the input of '{name}' has a batch of its own size")
        replaced = request.one_step and any(pair[1] == name for pair in fast.net.connections)
        if name in native and not replaced:
            args.inputs[fast.index[name]] = _input(fast, name, x[: request.steps])
    for what, dtype in (("clamp", torch.bool), ("unclamp", torch.bool),
                        ("injects_v", torch.float32)):  # fmt: skip
        store = args.inject_v if what == "injects_v" else getattr(args, what)
        for name, given in request.forced[what].items():
            if name in native:
                store[fast.index[name]] = _forced(fast, name, given, request.steps, dtype)
    _masks(fast, request, args)
    _reward(fast, request, args)
    for name, draws in request.replay.items():
        if name not in native:
            raise BackendError(f"run(replay=...): '{name}' runs on torch, which draws anew.")
        kind = args.uniforms if draws.is_floating_point() else args.winners
        dtype = torch.float32 if draws.is_floating_point() else torch.int32
        kind[fast.index[name]] = draws[: request.steps].to(fast.plan.device, dtype).contiguous()
    return args


def _check_order(fast: Fast, request: Request) -> None:
    """Spikes that are sent on within a step do so natively."""
    if not request.one_step:
        return
    reason = None if fast.stepwise else "its backend has no such steps"
    if fast.windows:
        reason = f"layer '{fast.windows[0].name}' is CSRM"
    if fast.on_torch:
        reason = f"connection {fast.on_torch[0]} delivers on torch"
    if reason:
        raise Untranslatable(f"one_step=True sends spikes on within a step, and {reason}")


def _input(fast: Fast, name: str, x: Tensor) -> BoundInput:
    layer = fast.layers[name]
    x = x.reshape(*x.shape[:2], layer.layer.n)
    if not layer.is_input:
        x = x.to(torch.float32).contiguous()
        if not bool(torch.isfinite(x.sum())):
            raise Untranslatable(f"the input of '{name}' holds no finite numbers", ("layer", name))
        return BoundInput("current", x, per_step=True)
    if x.dtype != torch.bool:
        if x.dtype == torch.uint8:
            known = not x.numel() or int(x.max()) <= 1
        else:
            known = bool(((x == 0) | (x == 1)).all())
        if not known:
            reason = f"the input of '{name}' holds other values than 0 and 1"
            raise Untranslatable(reason, ("spikes", name))
    return BoundInput("spikes", x.to(torch.uint8).contiguous())


def _forced(fast: Fast, name: str, given: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
    layer = fast.layers[name].layer
    given = torch.as_tensor(given, device=layer.s.device)
    if given.dim() == 1 and given.numel() == layer.n and len(layer.shape) == 1:
        return given.to(dtype).contiguous()
    if given.dim() > 1 and len(given) >= steps and given[0].numel() == layer.n:
        return given[:steps].reshape(steps, layer.n).to(dtype).contiguous()
    reason = f"what is forced on '{name}' has a shape of its own"
    raise Untranslatable(reason, ("layer", name))


def _masks(fast: Fast, request: Request, args: RunArgs) -> None:
    for k, wire in enumerate(fast.wires):
        mask = request.masks.get(wire.pair)
        if mask is None or wire.rests:
            continue
        if isinstance(wire.connection, LocalConnection):
            reason = f"a mask replaces that of connection {wire.pair}"
            raise Untranslatable(reason, ("rule", wire.pair))
        if mask.shape != wire.weight.shape:
            reason = f"the mask of {wire.pair} has a shape of its own"
            raise Untranslatable(reason, ("rule", wire.pair))
        args.masks[k] = mask.to(fast.plan.device, torch.bool)


def _reward(fast: Fast, request: Request, args: RunArgs) -> None:
    needing = [
        w for w in fast.wires if w.model and "reward" in w.model.functions["learn"].arguments
    ]
    if not needing or not args.learning:
        return
    from fastsnn.bindsnet.learning.learning import reward_of

    given = reward_of(needing[0].rule, request.kwargs)
    reward = torch.as_tensor(given, dtype=torch.float32, device=fast.plan.device)
    batch = fast.net.batch_size
    alone = any(w.model.one_reward for w in needing)
    if reward.numel() != 1 and (reward.numel() != batch or reward.shape[0] != batch or alone):
        reason = "the reward has a shape of its own"
        raise Untranslatable(reason, ("rule", needing[0].pair))
    args.reward = reward.reshape(-1).expand(batch).contiguous()
