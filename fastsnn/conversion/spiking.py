# SPDX-License-Identifier: Apache-2.0
"""A spiking network from a torch model, and the classes that it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fastsnn.connectivity import Connectivity, Dense
from fastsnn.conversion.layers import WEIGHTED, fold, normalize
from fastsnn.errors import FastsnnError, ShapeError
from fastsnn.inputs import Current
from fastsnn.models import Input, SubtractiveIF
from fastsnn.network import Network
from fastsnn.structured import Conv2d, MaxPool2d, Sparse
from fastsnn.synapses import Shape

INPUT = "X"


def convert(
    ann: nn.Module,
    input_shape: Sequence[int],
    data: Tensor | None = None,
    percentile: float = 99.9,
    *,
    v_init: float = 0.5,
    spiking_input: bool = False,
    **options: Any,
) -> Network:
    """A network whose spike rates (per step) approach the activations of a trained model.

    ann:         nn.Sequential of Linear, Conv2d, ReLU, MaxPool2d, AvgPool2d, Flatten, Dropout and
                 BatchNorm; a layer with weights needs a ReLU unless it is the last.
    input_shape: of one sample, (n,) or (channels, height, width); values 0 to 1.
    data:        samples [n, *input_shape] to scale the activations to 1 with (`normalize`); None:
                 weights stay, and activations above 1 saturate.
    percentile:  of the activations that becomes 1.
    v_init:      potential at the start; the threshold is 1.  0.5 rounds rates instead of cutting.
    spiking_input: "X" takes spikes; otherwise the values of a sample as a `Current`.
    options:     of Network: batch_size, backend, seed, threads, device.

    The populations are "X", then one per layer with weights or pooling, of the layer's name; the
    last sums its input.  Raises FastsnnError for a layer that cannot be converted.
    """
    layers = fold(ann) if data is None else normalize(ann, data, percentile)
    _check_rectified(layers)
    model = SubtractiveIF(v_thresh=1.0, v_reset=v_init, t_refrac=0.0)
    net = Network(**options)
    shape = tuple(int(n) for n in input_shape)
    source = net.population(INPUT, Input() if spiking_input else model, shape=shape)
    spiking = [k for k, v in layers.named_children() if not isinstance(v, (nn.ReLU, nn.Flatten))]
    for name, layer in layers.named_children():
        if isinstance(layer, nn.Flatten):
            shape = _flattened(name, layer, shape)
        elif not isinstance(layer, nn.ReLU):
            wiring, shape, bias = _wired(name, layer, shape)
            target = net.population(name, model, shape=shape, sum_input=name == spiking[-1])
            net.projection(source, target, wiring, bias=bias)
            source = target
    if source.name == INPUT:
        raise FastsnnError("The model has no layer with weights, so there is nothing to convert.")
    return net


def classify(net: Network, samples: Tensor, time: float, read: str = "input") -> Tensor:
    """The class of every sample, int64 [n]: the output neuron with the largest score.

    net:     of `convert`, with X fed by values (not `spiking_input`).  Its batch size says how many
             samples run at a time.
    samples: [n, *input_shape], 0 to 1.   time: for each, ms.
    read:    "input", the summed input of the last population, or "spikes", its spike counts.
    """
    x, last = net.find(INPUT), list(net.populations)[-1]
    if read not in ("input", "spikes"):
        raise FastsnnError(f"classify(read={read!r}): expected 'input' or 'spikes'.")
    if x.is_input:
        raise FastsnnError(
            "classify() shows values; a network with spiking_input=True takes spikes."
        )
    values = torch.as_tensor(samples, dtype=torch.float32).detach().cpu()
    if values.shape[1:].numel() != x.n or values.dim() < 2:
        raise ShapeError(f"samples are {tuple(values.shape)}, expected (n, *{x.shape}).")
    if values.numel() and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise FastsnnError(
            f"samples go from {values.min():g} to {values.max():g}, expected 0 to 1: rates of "
            f"spikes end there. Scale them, e.g. images / 255."
        )
    n = len(values)
    padded = torch.zeros(math.ceil(n / net.batch_size) * net.batch_size, x.n)
    padded[:n] = values.reshape(n, x.n)
    found = []
    for part in padded.split(net.batch_size) if n else ():
        net.reset_state()
        shown = net.present({INPUT: Current(part[None])}, time, samples=1, count=[last])
        scores = net.find(last).summed if read == "input" else shown.counts[last][0]
        found.append(scores.argmax(1).cpu())
    return torch.cat(found)[:n] if found else torch.zeros(0, dtype=torch.int64)


def _check_rectified(layers: nn.Sequential) -> None:
    """Neurons rectify: a layer whose values go on as they are has no like."""
    open_name = ""
    for name, layer in layers.named_children():
        if open_name and isinstance(layer, (*WEIGHTED, nn.AvgPool2d)):
            raise FastsnnError(
                f"Layer '{open_name}' passes negative values on to '{name}' ({layer}), which "
                f"spikes cannot carry. Put a ReLU between them."
            )
        if isinstance(layer, WEIGHTED):
            open_name = name
        elif isinstance(layer, nn.ReLU):
            open_name = ""


def _flattened(name: str, layer: nn.Flatten, shape: Shape) -> Shape:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise FastsnnError(f"Layer '{name}' ({layer}): expected Flatten() of all but the batch.")
    return (math.prod(shape),)


def _wired(name: str, layer: nn.Module, pre: Shape) -> tuple[Connectivity, Shape, Tensor | None]:
    """Wiring, shape of the target, and bias of a layer behind a population of the shape `pre`."""
    what = f"Layer '{name}' ({layer})"
    if isinstance(layer, nn.Linear):
        if pre != (layer.in_features,):
            hint = " Put Flatten() before it." if len(pre) > 1 else ""
            raise ShapeError(f"{what} is given {pre}, expected ({layer.in_features},).{hint}")
        return Dense(layer.weight.T.contiguous()), (layer.out_features,), layer.bias
    makers = {nn.Conv2d: _convolution, nn.MaxPool2d: _maximum, nn.AvgPool2d: _average}
    if type(layer) not in makers:
        raise FastsnnError(
            f"{what} cannot be converted. Known are Linear, Conv2d, ReLU, MaxPool2d, AvgPool2d, "
            f"Flatten, Dropout, BatchNorm1d and BatchNorm2d."
        )
    if len(pre) != 3:
        raise ShapeError(f"{what} is given {pre}, expected (channels, height, width).")
    return makers[type(layer)](what, layer, pre)


def _convolution(what: str, layer: Any, pre: Shape) -> tuple[Connectivity, Shape, Tensor | None]:
    if layer.groups != 1 or layer.padding_mode != "zeros":
        raise FastsnnError(f"{what}: expected groups=1 and padding_mode='zeros'.")
    if pre[0] != layer.in_channels:
        raise ShapeError(f"{what} is given {pre}, expected {layer.in_channels} channels.")
    padding = layer.padding
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        if any(n % 2 for n in total):
            raise FastsnnError(f"{what}: padding='same' needs a kernel of odd size.")
        padding = tuple(n // 2 for n in total)
    elif padding == "valid":
        padding = 0
    wiring = Conv2d(
        layer.kernel_size, layer.stride, w=layer.weight, padding=padding, dilation=layer.dilation
    )
    places = wiring.windows(what).out(pre[1:])
    return wiring, (layer.out_channels, *places), layer.bias


def _maximum(what: str, layer: Any, pre: Shape) -> tuple[Connectivity, Shape, None]:
    if layer.ceil_mode or layer.return_indices:
        raise FastsnnError(f"{what}: expected ceil_mode=False and return_indices=False.")
    # without decay the running rate is the count, whose largest is the largest activation
    wiring = MaxPool2d(
        layer.kernel_size, layer.stride, padding=layer.padding, dilation=layer.dilation, decay=0.0
    )
    return wiring, (pre[0], *wiring.windows(what).out(pre[1:])), None


def _average(what: str, layer: Any, pre: Shape) -> tuple[Connectivity, Shape, None]:
    """The weights are what the layer makes of an image with a single 1."""
    channels, size = pre[0], math.prod(pre[1:])
    pooled = layer(torch.eye(size).reshape(size, 1, *pre[1:]))
    places = tuple(pooled.shape[2:])
    one = pooled.reshape(size, -1)
    i, j = one.nonzero(as_tuple=True)
    c = torch.arange(channels)[:, None]
    ends = (c * size + i).reshape(-1), (c * one.shape[1] + j).reshape(-1)
    wiring = Sparse(one[i, j].repeat(channels), pre=ends[0], post=ends[1])
    return wiring, (channels, *places), None
