# SPDX-License-Identifier: Apache-2.0
"""A GPU that is not there: tensors made for "cuda" live on the CPU and say that they do not.

Under `pretended_gpu()` torch behaves as with a GPU in what the package relies on: operations refuse
tensors of different devices, in the words of torch.  So code for a GPU is tested without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

GPU = torch.device("cuda", 0)
# operations that take tensors from anywhere
_TRANSFERS = {Tensor.copy_, Tensor.to, Tensor.cpu, torch.as_tensor, torch.tensor}
# a number in a tensor without dimensions may come from the CPU, but not to these
_STRICT = {torch.cat, torch.stack, torch.equal, torch.matmul, Tensor.matmul, Tensor.__matmul__}
_DIVISIONS = {Tensor.__truediv__, Tensor.div, Tensor.div_, torch.div}
_DEVICE, _IS_CUDA = Tensor.device.__get__, Tensor.is_cuda.__get__
_HOST_ONLY = {Tensor.numpy, Tensor.__array__}


class OnGPU(Tensor):
    """A tensor that pretends to be on the GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Let device="cuda" be a place of its own on the CPU."""
    with _Pretending():
        yield


class _Pretending(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (_DEVICE, _IS_CUDA) and isinstance(args[0], OnGPU):
            return GPU if func == _DEVICE else True
        operands = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        there = any(isinstance(x, OnGPU) for x in operands)
        if there and func in _HOST_ONLY:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if func not in _TRANSFERS and there:
            _check(func, args, operands)
        args, kwargs, asked = _without_device(func, args, kwargs)
        if func is Tensor.cpu:
            asked = torch.device("cpu")
        made = func(*args, **kwargs)
        if asked is not None:
            there = asked.type == "cuda"
        elif func in _TRANSFERS or func is Tensor.__setitem__:
            there = bool(operands) and isinstance(operands[0], OnGPU)
        return _placed(made, operands, there)


def _placed(made: Any, operands: list[Tensor], there: bool) -> Any:
    """Mark what an operation made; what it changed in place stays the object that it was."""

    def mark(x: Tensor) -> Tensor:
        if any(x is operand for operand in operands) and isinstance(x, OnGPU) == there:
            return x
        if not there:
            return x.detach().clone() if isinstance(x, OnGPU) else x
        # a copy, not an alias, where a tensor changes its device
        changed = any(x is operand for operand in operands) and not isinstance(x, OnGPU)
        return (x.clone() if changed else x).as_subclass(OnGPU)

    return made if isinstance(made, torch.Size) else tree_map_only(Tensor, mark, made)


def _without_device(
    func: Any, args: tuple, kwargs: dict
) -> tuple[tuple, dict, torch.device | None]:
    """Take the device out of the arguments of a function."""
    asked = kwargs.pop("device", None)
    if func is Tensor.to and len(args) > 1 and not isinstance(args[1], torch.dtype):
        place = args[1].device if isinstance(args[1], Tensor) else args[1]
        if isinstance(place, (str, torch.device)):
            asked, args = place, (args[0], *args[2:])
            if len(args) == 1 and not kwargs:
                kwargs["dtype"] = args[0].dtype
    asked = None if asked is None else torch.device(asked)
    generator = kwargs.get("generator")
    if asked is not None and generator is not None and generator.device.type != asked.type:
        raise RuntimeError(f"Expected a '{asked.type}' device type for generator")
    return args, kwargs, asked


def _check(func: Any, args: tuple, operands: list[Tensor]) -> None:
    """Refuse what torch refuses on a GPU, and what it would round differently there."""
    name = getattr(func, "__name__", str(func))
    at_home = not isinstance(args[0], OnGPU)
    if func in (Tensor.__getitem__, Tensor.__setitem__):
        # a tensor on the GPU takes indices from the CPU, too
        operands = (
            operands if at_home else [x for x in (args[0], *args[2:]) if isinstance(x, Tensor)]
        )
    elsewhere = [x for x in operands if not isinstance(x, OnGPU)]
    in_place = func is Tensor.__setitem__ or (name.endswith("_") and not name.endswith("__"))
    if any(x.dim() or func in _STRICT for x in elsewhere) or (in_place and at_home):
        given = ", ".join(f"{type(x).__name__}{list(x.shape)}" for x in operands)
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, got {given}")
    if func in _DIVISIONS and not isinstance(args[1], OnGPU):
        divisor = torch.as_tensor(args[1], dtype=torch.float64)
        if args[0].is_floating_point() and torch.frexp(divisor)[0].abs() != 0.5:
            raise RuntimeError(
                f"{name}: torch on a GPU multiplies by the reciprocal of a divisor on the CPU"
            )
