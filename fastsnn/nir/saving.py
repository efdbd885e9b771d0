# SPDX-License-Identifier: Apache-2.0
"""From a running graph, or from layers, back to NIR."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastsnn.errors import FastsnnError
from fastsnn.models.driven import DrivenCubaLIF, DrivenIF, DrivenLIF
from fastsnn.nir.flat import flatten, nir
from fastsnn.nir.graph import Graph
from fastsnn.nir.wiring import GraphError
from fastsnn.nn import EachStep, Neurons


def save(
    net: nn.Module,
    path: str | Path | None = None,
    *,
    dt: float | None = None,
    input_shape: Sequence[int] | None = None,
) -> Any:
    """The `nir.NIRGraph` of a network; written to `path` if there is one.

    net: what `load` gave, with the values that it has now (what did not change is kept bit for
         bit); or an nn.Sequential of Linear, Conv1d, Conv2d, AvgPool2d, Flatten (alone or in
         `fastsnn.nn.EachStep`) and layers IF, LIF, CubaLIF of `fastsnn.nn`.
    dt:  (layers) seconds that one step of dt=1 stands for.
    input_shape: (layers) shape of one sample of the input.

    The file holds neither dt nor how neurons reset.
    Raises GraphError, with the place of the layer, where NIR has nothing like it.
    """
    graph = _graph(net) if isinstance(net, Graph) else _of_layers(net, dt, input_shape)
    if path is not None:
        nir().write(str(path), graph)
    return graph


def _graph(net: Graph) -> Any:
    graph = copy.deepcopy(net.source)
    nodes, _ = flatten(graph)
    for name, node in nodes.items():
        module = net.node(name)
        for field, own in module.fields:
            before = getattr(node, field)
            _set(node, field, np.asarray(before), module.value(own))
    return graph


def _set(node: Any, field: str, before: np.ndarray, now: Tensor) -> None:
    value = now.detach().cpu().numpy()
    if not np.array_equal(before.astype(value.dtype), value):
        setattr(node, field, value.astype(before.dtype))


def _of_layers(net: nn.Module, dt: float | None, input_shape: Sequence[int] | None) -> Any:
    if not isinstance(net, nn.Sequential) or dt is None or input_shape is None:
        raise FastsnnError(
            f"nir.save: got {type(net).__name__} with dt={dt}, input_shape={input_shape}; expected "
            f"what nir.load gave, or an nn.Sequential with both."
        )
    package = nir()
    shape = tuple(int(n) for n in input_shape)
    nodes: dict[str, Any] = {"input": package.Input(input_type=np.array(shape))}
    for name, module in _walk(net, ""):
        try:
            made, shape = _node(package, module, dt, shape)
        except (KeyError, FastsnnError, RuntimeError, ValueError) as error:
            raise GraphError(f"layer '{name}' ({type(module).__name__}): {error}") from error
        if made is not None:
            nodes[name] = made
    nodes["output"] = package.Output(output_type=np.array(shape))
    names = list(nodes)
    return package.NIRGraph(nodes, list(itertools.pairwise(names)))


def _walk(net: nn.Sequential, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, module in net.named_children():
        if isinstance(module, nn.Sequential):
            yield from _walk(module, f"{prefix}{name}_")
        elif isinstance(module, EachStep) and isinstance(module.inner, nn.Sequential):
            yield from _walk(module.inner, f"{prefix}{name}_")
        else:
            yield f"{prefix}{name}", module.inner if isinstance(module, EachStep) else module


def _array(value: Tensor) -> np.ndarray:
    return value.detach().cpu().numpy()


def _node(
    package: Any, module: nn.Module, dt: float, shape: tuple[int, ...]
) -> tuple[Any, tuple[int, ...]]:
    """The node of a layer and the shape behind it; None for layers that do nothing."""
    if isinstance(module, (nn.Identity, nn.Dropout)):
        return None, shape
    if isinstance(module, Neurons):
        return _population(package, module, dt, shape), shape
    # one sample through the layer tells the shape
    with torch.no_grad():
        sample = torch.zeros(1, *shape, device=next(module.parameters(), torch.empty(0)).device)
        after = tuple(module(sample).shape[1:])
    if isinstance(module, nn.Linear):
        weight = _array(module.weight)
        if module.bias is None:
            return package.Linear(weight=weight), after
        return package.Affine(weight=weight, bias=_array(module.bias)), after
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        return _convolution(package, module, shape), after
    if isinstance(module, nn.AvgPool2d):
        if module.ceil_mode or not module.count_include_pad or module.divisor_override:
            raise GraphError("NIR has no such option of AvgPool2d.")
        made = (np.array(_two(v)) for v in (module.kernel_size, module.stride, module.padding))
        return package.AvgPool2d(*made), after
    if isinstance(module, nn.Flatten):
        start, end = module.start_dim, module.end_dim
        if start < 1 or end == 0:
            raise GraphError("flattens the batch, which NIR does not have.")
        end = end - 1 if end > 0 else end
        return package.Flatten({"input": np.array(shape)}, start - 1, end), after
    raise GraphError(
        "NIR has nothing like it. Known: Linear, Conv1d, Conv2d, AvgPool2d, Flatten, and IF, LIF, "
        "CubaLIF of fastsnn.nn."
    )


def _two(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _convolution(package: Any, module: nn.Conv1d | nn.Conv2d, shape: tuple[int, ...]) -> Any:
    if module.padding_mode != "zeros":
        raise GraphError(f"NIR has no padding_mode='{module.padding_mode}'.")
    one = isinstance(module, nn.Conv1d)
    bias = module.bias
    options = {
        "input_shape": shape[1] if one else np.array(shape[1:]),
        "weight": _array(module.weight),
        "stride": module.stride[0] if one else np.array(module.stride),
        "padding": module.padding if isinstance(module.padding, str) else (
            module.padding[0] if one else np.array(module.padding)
        ),
        "dilation": module.dilation[0] if one else np.array(module.dilation),
        "groups": module.groups,
        "bias": np.zeros(module.out_channels, np.float32) if bias is None else _array(bias),
    }  # fmt: skip
    return (package.Conv1d if one else package.Conv2d)(**options)


def _population(package: Any, layer: Neurons, dt: float, shape: tuple[int, ...]) -> Any:
    kinds = {DrivenIF: "I", DrivenLIF: "LI", DrivenCubaLIF: "CubaLI"}
    if layer.model not in kinds:
        raise GraphError(f"NIR has no neuron like {layer.model.__name__}.")
    fires = layer.output == "spike"
    if fires and layer.choices["fires"] != "above":
        raise GraphError("NIR neurons fire above their threshold, not at it (fires='at').")
    if fires and layer.choices["reset"] == "none":
        raise GraphError("NIR neurons that fire are reset; reset='none' has no node.")
    step = dt / layer.dt

    def full(name: str, factor: float = 1.0) -> np.ndarray:
        value = getattr(layer, name).detach().double().cpu() * factor
        return value.expand(shape).numpy().astype(np.float32).copy()

    cuba = layer.model is DrivenCubaLIF
    # without a leak the step enters the gain r dt
    values = {"r": full("r", 1.0 / step if layer.model is DrivenIF else 1.0)}
    if layer.model is not DrivenIF:
        values["tau_mem" if cuba else "tau"] = full("tau_m", step)
        values["v_leak"] = full("v_rest")
    if cuba:
        values |= {"tau_syn": full("tau_syn", step), "w_in": full("w_in")}
    if fires:
        values |= {"v_threshold": full("v_thresh"), "v_reset": full("v_reset")}
    name = kinds[layer.model] + "F" * fires
    return getattr(package, name)(**values)
