# SPDX-License-Identifier: Apache-2.0
"""What happens to the torch model before it spikes: its layers in a row, folded and scaled."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastsnn.errors import FastsnnError, ShapeError

Layers = dict[str, nn.Module]
WEIGHTED = (nn.Linear, nn.Conv2d)
BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)
IGNORED = (nn.Dropout, nn.Dropout2d, nn.Identity)  # without effect once the model is trained


def leaves(ann: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Names and layers of a Sequential, those of inner ones in their place ("features.0")."""
    for name, layer in ann._modules.items():  # named_children() leaves out one ReLU used twice
        if layer is None:
            continue
        if isinstance(layer, nn.Sequential):
            yield from leaves(layer, f"{prefix}{name}.")
        else:
            yield prefix + name, layer


def fold(ann: nn.Module) -> nn.Sequential:
    """The same function without dropout and batch normalisation; the model given stays as it is.

    ann: nn.Sequential, also of further ones.  The copy lies on the CPU, in float32.  Raises
    FastsnnError for another model, and for a batch normalisation not right behind a layer with
    weights.
    """
    if not isinstance(ann, nn.Sequential):
        raise FastsnnError(
            f"The model is a {type(ann).__name__}, expected an nn.Sequential: only there is the "
            f"order of the layers known. Put its layers, ReLUs included, into one."
        )
    # one by one: a layer that is used twice is scaled twice, in different ways
    copied = {k: copy.deepcopy(v).cpu().float().requires_grad_(False) for k, v in leaves(ann)}
    folded = fold_batch_norm(copied)
    # a Sequential takes no dots in names
    kept = {k.replace(".", "_"): v for k, v in folded.items() if not isinstance(v, IGNORED)}
    return _row(kept)


def fold_batch_norm(layers: Mapping[str, nn.Module]) -> Layers:
    """Put every batch normalisation into the layer before it, in place; an Identity stays there."""
    out: Layers = {}
    before: nn.Module | None = None
    for name, layer in layers.items():
        if isinstance(layer, BATCH_NORM):
            if not isinstance(before, WEIGHTED):
                raise FastsnnError(
                    f"Layer '{name}' ({layer}): batch normalisation is expected right behind a "
                    f"Linear or Conv2d, which it is folded into."
                )
            _fold_into(before, name, layer)
            layer = nn.Identity()
        out[name] = layer
        before = before if isinstance(layer, IGNORED) else layer
    return out


def normalize(ann: nn.Module, data: Tensor, percentile: float = 99.9) -> nn.Sequential:
    """Fold, then scale weights and biases so that the activations of every layer reach 1.

    data:       samples [n, *input_shape], as the model is given them.
    percentile: of a layer's activations that becomes 1, 0 to 100.

    Source: Diehl et al. 2015; percentiles instead of the maximum: Rueckauer et al. 2017.
    """
    folded = fold(ann)
    normalize_layers(dict(folded.named_children()), data.cpu(), percentile)
    return folded


def normalize_layers(layers: Mapping[str, nn.Module], data: Tensor, percentile: float) -> None:
    """Scale the layers in place: w by (scale of the layer before / own scale), bias by 1 / own.

    Outputs of layers with weights are rectified, as their neurons do, whether a ReLU follows or
    not; a layer that is never active keeps the scale of the one before.
    """
    if not 0.0 <= percentile <= 100.0:
        raise FastsnnError(f"percentile={percentile!r}, expected 0 to 100.")
    x, before = data.detach().to(torch.float32), 1.0
    for name, layer in layers.items():
        if isinstance(layer, nn.Linear):
            x = x.reshape(-1, layer.in_features)
        x = _apply(name, layer, x)
        if isinstance(layer, WEIGHTED):
            x = x.relu()
            scale = float(np.percentile(x.cpu().numpy(), percentile))
            scale = scale if math.isfinite(scale) and scale > 0.0 else before
            with torch.no_grad():
                layer.weight.mul_(before / scale)
                if layer.bias is not None:
                    layer.bias.div_(scale)
            before = scale


def _apply(name: str, layer: nn.Module, x: Tensor) -> Tensor:
    try:
        with torch.no_grad():
            return layer(x)  # type: ignore[no-any-return]
    except RuntimeError as error:
        raise ShapeError(
            f"Layer '{name}' ({layer}) cannot take the data, which has shape {tuple(x.shape)} "
            f"there; expected samples of the model, [n, *input_shape]."
        ) from error


def _fold_into(layer: Any, name: str, norm: Any) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise FastsnnError(
            f"Layer '{name}' ({norm}) keeps no running statistics, so it cannot be folded. Train "
            f"it with track_running_stats=True."
        )
    mean, var = norm.running_mean.double(), norm.running_var.double()
    gain = (var + norm.eps).rsqrt()
    shift = torch.zeros_like(mean)
    if norm.affine:
        gain, shift = gain * norm.weight.double(), norm.bias.double()
    weight = layer.weight.detach()
    bias = 0.0 if layer.bias is None else layer.bias.detach().double()
    scaled = weight.double() * gain.reshape(-1, *[1] * (weight.dim() - 1))
    moved = (bias - mean) * gain + shift
    layer.weight = nn.Parameter(scaled.to(weight.dtype), requires_grad=False)
    layer.bias = nn.Parameter(moved.to(weight.dtype), requires_grad=False)


def _row(layers: Layers) -> nn.Sequential:
    row = nn.Sequential()
    for name, layer in layers.items():
        row.add_module(name, layer)
    return row.eval()
