# SPDX-License-Identifier: Apache-2.0
"""`ann_to_snn` and what belongs to it, under BindsNET's names."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fastsnn.bindsnet.conversion.nodes import PassThroughNodes, SubtractiveResetIFNodes
from fastsnn.bindsnet.conversion.topology import ConstantPad2dConnection, PermuteConnection
from fastsnn.bindsnet.network import topology
from fastsnn.bindsnet.network.network import Network
from fastsnn.bindsnet.network.nodes import Input, Nodes
from fastsnn.conversion import fold_batch_norm, leaves, normalize_layers
from fastsnn.errors import FastsnnError

Made = tuple[Nodes, topology.AbstractConnection]
# they change nothing that spikes carry, or only what the largest output is not touched by
_PASSED = (nn.ReLU, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity, nn.Softmax, nn.LogSoftmax)


class Permute(nn.Module):
    """A layer that permutes dimensions.  dims: their order, with or without the batch."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Permute."""
        return x.permute(*self.dims).contiguous()


class FeatureExtractor(nn.Module):
    """Applies the children of a module in their order and keeps what each gives."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Outputs by the child's name, and "input"."""
        found = {"input": x}
        for name, module in self.submodule.named_children():
            if isinstance(module, nn.Linear):
                x = x.reshape(-1, module.in_features)
            x = found[name] = module(x)
        return found


def data_based_normalization(
    ann: nn.Module | str, data: Tensor, percentile: float = 99.9
) -> nn.Module:
    """Scale weights and biases of a model, in place, so that activations on `data` reach 1.

    Every layer with weights is scaled, also where the ReLU is in the model's `forward`.
    """
    model = _model(ann).requires_grad_(False)
    normalize_layers(dict(leaves(model)), data, percentile)
    return model


def ann_to_snn(
    ann: nn.Module | str,
    input_shape: Sequence[int],
    data: Tensor | None = None,
    percentile: float = 99.9,
    node_type: type[Nodes] = SubtractiveResetIFNodes,
    **kwargs: Any,
) -> Network:
    """A spiking network of the children of a model, taken in their order; kwargs: of node_type.

    The layers are "Input" and the places ("1", "2", ...) of the children that were converted.
    Batch normalisation is folded; other children without a like are left out with a warning.
    """
    model = copy.deepcopy(_model(ann)).eval()
    layers = fold_batch_norm(dict(leaves(model)))
    if data is None:
        warnings.warn("Without data the weights are not scaled.", RuntimeWarning, stacklevel=2)
    else:
        model.requires_grad_(False)
        normalize_layers(layers, data.detach(), percentile)
    snn = Network()
    source: Nodes = Input(shape=input_shape)
    snn.add_layer(source, name="Input")
    for i, (name, layer) in enumerate(layers.items(), 1):
        made = _converted(layer, source, node_type, {"sum_input": i == len(layers), **kwargs})
        if made is not None:
            snn.add_layer(made[0], name=str(i))
            snn.add_connection(made[1], source=str(i - 1), target=str(i))
            source = made[0]
        elif not isinstance(layer, _PASSED):
            text = f"Layer '{name}' ({layer}) is left out: it has no like among spiking layers."
            warnings.warn(text, RuntimeWarning, stacklevel=2)
    return snn


def _model(ann: nn.Module | str) -> nn.Module:
    if isinstance(ann, nn.Module):
        return ann
    raise FastsnnError(
        f"The model is {ann!r}, expected a torch.nn.Module: a file of a whole model can only be "
        f"read by unpickling it, which runs what it contains. Load it yourself if you trust it."
    )


def _converted(
    layer: nn.Module, source: Nodes, node_type: type[Nodes], options: dict[str, Any]
) -> Made | None:
    for kind, convert in _CONVERTERS.items():
        if isinstance(layer, kind):
            return convert(layer, source, node_type, options)
    return None


def _spiking(node_type: type[Nodes], options: dict[str, Any], **size: Any) -> Nodes:
    return node_type(**size, **{"reset": 0, "thresh": 1, "refrac": 0, **options})


def _linear(layer: Any, source: Nodes, node_type: type[Nodes], options: dict[str, Any]) -> Made:
    target = _spiking(node_type, options, n=layer.out_features)
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    w = layer.weight.detach().T.contiguous()
    return target, topology.Connection(source, target, w=w, b=bias.detach())


def _conv(layer: Any, source: Nodes, node_type: type[Nodes], options: dict[str, Any]) -> Made:
    shape = (layer.out_channels, *_places(layer, source))
    target = _spiking(node_type, options, shape=shape)
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    return target, topology.Conv2dConnection(
        source, target, **_window(layer), w=layer.weight.detach(), b=bias.detach()
    )


def _pool(layer: Any, source: Nodes, node_type: type[Nodes], options: dict[str, Any]) -> Made:
    target = PassThroughNodes(shape=(source.shape[0], *_places(layer, source)))
    # the rate is the spike of the last step: a window passes any spike on
    connection = topology.MaxPool2dConnection(source, target, **_window(layer), decay=1)
    return target, connection


def _permute(layer: Any, source: Nodes, node_type: type[Nodes], options: dict[str, Any]) -> Made:
    dims = [int(d) for d in layer.dims]
    if len(dims) == len(source.shape):
        dims = [0, *(d + 1 for d in dims)]
    target = PassThroughNodes(shape=[source.shape[d - 1] for d in dims[1:]])
    return target, PermuteConnection(source, target, dims)


def _pad(layer: Any, source: Nodes, node_type: type[Nodes], options: dict[str, Any]) -> Made:
    if layer.value != 0:
        raise FastsnnError(f"{layer}: expected value=0, spikes are padded with none.")
    left, right, top, bottom = layer.padding
    channels, height, width = source.shape
    target = PassThroughNodes(shape=(channels, height + top + bottom, width + left + right))
    return target, ConstantPad2dConnection(source, target, layer.padding)


def _window(layer: Any) -> dict[str, Any]:
    names = ("kernel_size", "stride", "padding", "dilation")
    given = {name: getattr(layer, name) for name in names}
    return {k: (v, v) if isinstance(v, int) else tuple(v) for k, v in given.items()}


def _places(layer: Any, source: Nodes) -> list[int]:
    """Height and width of what a window gives."""
    sizes = zip(source.shape[1:], *_window(layer).values(), strict=True)
    return [(n + 2 * pad - d * (k - 1) - 1) // step + 1 for n, k, step, pad, d in sizes]


_CONVERTERS = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.MaxPool2d: _pool,
    Permute: _permute,
    nn.ConstantPad2d: _pad,
}
