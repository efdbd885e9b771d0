# SPDX-License-Identifier: Apache-2.0
"""Pictures after a run, and a summary of a network as text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from fastsnn import analysis


def plot_weights_movie(ws: np.ndarray, sample_every: int = 1) -> Any:
    """Show weights [n_examples, n_pre, n_post, n_steps] as a movie, step by step.

    Returns the animation; keep it, or save it with its `save`.
    """
    values = np.asarray(ws)
    if values.ndim == 4:
        values = np.moveaxis(values, -1, 1).reshape(-1, *values.shape[1:3])
    movie = analysis.weights_movie(values, sample_every, figure=plt.figure(figsize=(5, 5)))
    plt.show(block=False)
    return movie


def plot_spike_trains_for_example(
    spikes: Tensor,
    n_ex: int | None = None,
    top_k: int | None = None,
    indices: list[int] | None = None,
) -> Figure:
    """Draw the trains of one example's most active neurons, or of those asked for.

    spikes: [n_examples, n_neurons, n_steps].   n_ex: the example; default: the first.
    top_k:  how many; default: all.   indices: these instead.
    """
    sample = spikes[n_ex or 0]
    if indices is None:
        k = len(sample) if top_k is None else top_k
        indices = sample.float().sum(1).topk(k).indices.tolist()
    name = f"example {n_ex or 0}"
    view = analysis.plot_spikes({name: sample[indices].T}, figure=plt.figure(figsize=(8, 4)))
    axes = view.axes[0]
    if len(indices) <= 30:
        axes.set_yticks(range(len(indices)), [str(k) for k in indices])
    return view.figure


def plot_voltage(
    voltage: Tensor,
    n_ex: int = 0,
    n_neuron: int = 0,
    time: tuple[int, int] | None = None,
    threshold: float | None = None,
) -> Figure:
    """Draw the voltage of one neuron.   voltage: [n_examples, n_neurons, n_steps]."""
    start, end = time or (0, voltage.shape[-1])
    view = analysis.plot_trace(
        voltage[n_ex, n_neuron, start:end],
        neuron=n_neuron, threshold=threshold, start=start, figure=plt.figure(figsize=(8, 3)),
    )  # fmt: skip
    return view.figure


def summary(net: Any) -> str:
    """Layers, connections, and how many neurons and weights there are and learn."""
    lines = [f"network summary, batch size {net.batch_size}", ""]
    neurons = weights = learnt = 0
    for name, layer in net.layers.items():
        lines.append(f"layer {name}: {layer.n:,} {type(layer).__name__} {list(layer.shape)}")
        neurons += layer.n
        for (source, target), connection in net.connections.items():
            if source != name:
                continue
            n, trained = _weights(connection)
            weights, learnt = weights + n, learnt + trained
            kind = type(connection).__name__
            lines.append(f"    to {target}: {kind}, {n:,} weights, {trained:,} of them learn")
    lines += ["", f"neurons: {neurons:,}", f"weights: {weights:,}, {learnt:,} of them learn"]
    return "\n".join(lines)


def _weights(connection: Any) -> tuple[int, int]:
    """Number of weights of a connection, and how many of them a rule changes."""
    parts = getattr(connection, "pipeline", None)
    found = (
        [(connection, getattr(connection, "w", None))]
        if parts is None
        else [(part, getattr(part, "value", None)) for part in parts]
    )
    total = learnt = 0
    for owner, values in found:
        shape = getattr(values, "shape", ())
        n = math.prod(shape) if len(shape) else 0
        rule = getattr(owner, "update_rule", None) or getattr(owner, "learning_rule", None)
        name = getattr(rule, "__name__", type(rule).__name__)
        total += n
        learnt += n if name not in ("NoneType", "NoOp") else 0
    return total, learnt
