# SPDX-License-Identifier: Apache-2.0
"""Pictures of what neurons do over time: spikes and membrane potentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from fastsnn.analysis.style import BLUE, CYCLE, INK, PALE, RED, counted, quiet, title
from fastsnn.analysis.views import View, array, by_step, open_view, widen

_FEW, _SHOWN = 6, 2  # lines of every neuron up to here; else of the two that move most
_LINES = tuple(colour for colour in CYCLE if colour != RED)
Recording = Mapping[str, "Tensor | np.ndarray"]
Ranges = Mapping[str, tuple[int, int]]


def plot_spikes(
    spikes: Recording,
    *,
    dt: float | None = None,
    time: tuple[int, int] | None = None,
    neurons: Ranges | None = None,
    view: View | None = None,
    figure: Figure | None = None,
    size: tuple[float, float] = (8.0, 4.5),
) -> View:
    """Draw one dot per spike, layer under layer.

    spikes:  layer -> [n_steps, n] or [n_steps, B, ...] (the batch's first is drawn).
    dt:      ms a step; None: the axis counts steps.
    time:    steps from, to; neurons: layer -> from, to.   Default: all.
    view:    of an earlier call: drawn again in place.   figure: draw into this one.
    """
    view = open_view(view, figure, (len(spikes), 1), size, sharex=True)
    for row, (layer, recorded) in enumerate(spikes.items()):
        fired, first = _cut(by_step(recorded), layer, time, neurons)
        start = time[0] if time else 0
        step, neuron = np.nonzero(fired)
        points = np.column_stack(((step + start) * (dt or 1.0), neuron + first))
        axes = view.axes[row]
        if view.artists[row] is None:
            axes.clear()
            view.artists[row] = axes.scatter([], [], marker=".", linewidths=0, color=BLUE)
            _name(axes, layer, row == len(spikes) - 1, dt)
        view.artists[row].set_offsets(points)
        view.artists[row].set_sizes([_dot_size(len(points))])
        end = start + max(1, len(fired))
        axes.set_xlim(start * (dt or 1.0), end * (dt or 1.0))
        # half a neuron of room, the first neuron below
        axes.set_ylim(first - 0.5, first + fired.shape[1] - 0.5)
        found = f"{counted(len(points), 'spike')} of {counted(fired.shape[1], 'neuron')}"
        title(axes, f"{layer}: {found}", 10)
    return view


def plot_voltages(
    voltages: Recording,
    *,
    thresholds: Mapping[str, Tensor | np.ndarray | float] | None = None,
    lines: bool = False,
    dt: float | None = None,
    time: tuple[int, int] | None = None,
    neurons: Ranges | None = None,
    colours: str = "viridis",
    unit: str = "mV",
    view: View | None = None,
    figure: Figure | None = None,
    size: tuple[float, float] = (8.0, 4.5),
) -> View:
    """Draw membrane potentials, layer under layer: as colours, or as lines over time.

    voltages:   as `plot_spikes`.
    thresholds: layer -> a number, or one per neuron; drawn dashed over lines.
    lines:      up to 6 neurons each their line; more: all of them thin, their mean, and the two
                that move most.
    """
    view = open_view(view, figure, (len(voltages), 1), size, sharex=True)
    for row, (layer, recorded) in enumerate(voltages.items()):
        v, first = _cut(by_step(recorded), layer, time, neurons)
        start = time[0] if time else 0
        axes, span = view.axes[row], (start * (dt or 1.0), (start + len(v)) * (dt or 1.0))
        fresh = view.artists[row] is None
        if fresh:
            axes.clear()
            _name(axes, layer, row == len(voltages) - 1, dt)
        if lines:
            held = (thresholds or {}).get(layer)
            limits = None if held is None else np.atleast_1d(array(held)).reshape(-1)
            view.artists[row] = _lines(axes, view.artists[row], v, span, first, limits)
            axes.set_ylabel(f"{layer}\npotential, {unit}")
        else:
            view.artists[row] = _colours(axes, view.artists[row], v, span, first, colours)
            if fresh:
                _bar(view, axes, view.artists[row], f"potential, {unit}")
        axes.set_xlim(*span)
        span_text = "" if lines else f", {v.min():.4g} to {v.max():.4g} {unit}"
        title(axes, f"{layer}: {counted(v.shape[1], 'neuron')}{span_text}", 10)
    return view


def plot_trace(
    v: Tensor | np.ndarray,
    *,
    neuron: int = 0,
    threshold: float | None = None,
    dt: float | None = None,
    start: int = 0,
    figure: Figure | None = None,
    size: tuple[float, float] = (8.0, 3.0),
) -> View:
    """Draw the membrane potential [n_steps] of one neuron, and its threshold."""
    view = open_view(None, figure, (1, 1), size)
    axes, values = view.axes[0], array(v).reshape(-1)
    steps = (start + np.arange(len(values))) * (dt or 1.0)
    view.artists = axes.plot(steps, values, color=BLUE, linewidth=1.2, label=f"neuron {neuron}")
    if threshold is not None:
        axes.axhline(threshold, color=RED, linewidth=1.0, linestyle=(0, (4, 3)), label="threshold")
        axes.legend(frameon=False, fontsize=9)
    _name(axes, "", True, dt)
    axes.set(ylabel="membrane potential, mV", xlim=(steps[0], steps[-1]))
    title(axes, f"Membrane potential of neuron {neuron}")
    return view


def _cut(
    values: np.ndarray, layer: str, time: tuple[int, int] | None, neurons: Ranges | None
) -> tuple[np.ndarray, int]:
    """The steps and neurons asked for, and the first of these neurons."""
    first, last = (neurons or {}).get(layer, (0, values.shape[1]))
    start, end = time or (0, len(values))
    cut = values[start:end, first:last]
    if cut.size == 0:
        raise ValueError(
            f"{layer}: steps {start} to {end} of {len(values)} and neurons {first} to {last} of "
            f"{values.shape[1]} are none; expected a range with at least one of each"
        )
    return cut, first


def _name(axes: Axes, layer: str, last: bool, dt: float | None) -> None:
    quiet(axes)
    axes.set_ylabel(f"{layer}\nneuron")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=dt is None))
    if last:
        axes.set_xlabel("time, step" if dt is None else "time, ms")


def _bar(view: View, axes: Axes, image: Any, name: str) -> None:
    bar = view.figure.colorbar(image, ax=axes, pad=0.015)
    bar.set_label(name, color=INK)
    bar.outline.set_visible(False)


def _dot_size(n: int) -> float:
    """Points squared: large dots for few spikes."""
    return 30.0 if n < 300 else 12.0 if n < 3000 else 4.0


def _colours(
    axes: Axes, image: Any, v: np.ndarray, span: tuple[float, float], first: int, colours: str
) -> Any:
    extent = (*span, first - 0.5, first + v.shape[1] - 0.5)
    if image is None:
        image = axes.imshow(
            v.T, aspect="auto", origin="lower", extent=extent, cmap=colours, interpolation="nearest"
        )
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        return image
    image.set(data=v.T, extent=extent)
    widen(image, v)
    axes.set_ylim(*extent[2:])
    return image


def _lines(
    axes: Axes,
    drawn: list | None,
    v: np.ndarray,
    span: tuple[float, float],
    first: int,
    limits: np.ndarray | None,
) -> list:
    """Lines over time: all of them faint, their mean, some; drawn: those of the call before."""
    steps = np.linspace(*span, len(v), endpoint=False)
    chosen = np.arange(v.shape[1])
    many = v.shape[1] > _FEW
    if many:
        # those that move most have something to show
        chosen = np.sort(np.argsort(v.std(0), kind="stable")[-_SHOWN:])
    names = [*(["mean of all"] if many else []), *(f"neuron {first + k}" for k in chosen)]
    curves = [*([v.mean(1)] if many else []), *v[:, chosen].T]
    if drawn is None or len(drawn) != 2 + len(curves):
        drawn = _new_lines(axes, drawn, many, names, limits)
    faint, *lines, legend = drawn
    if many:
        faint.set_segments(np.stack(np.broadcast_arrays(steps, v.T), axis=-1))
        faint.set_alpha(max(0.15, 8 / len(v.T)))
    for line, curve, name in zip(lines, curves, names, strict=True):
        line.set_data(steps, curve)
        line.set_label(name)
    for text, name in zip(legend.get_texts(), names, strict=False):
        text.set_text(name)
    ends = [v.min(), v.max(), *(() if limits is None else (limits.min(), limits.max()))]
    low, high = float(min(ends)), float(max(ends))
    room = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)
    return drawn


def _new_lines(
    axes: Axes, old: list | None, many: bool, names: list[str], limits: np.ndarray | None
) -> list:
    """A faint collection, a line for each name, the legend; the old ones make room."""
    if old is not None:
        for artist in (*axes.lines, *axes.collections):
            artist.remove()
    faint = axes.add_collection(LineCollection([], colors=PALE, linewidths=0.5))
    lines = [axes.plot([], [], lw=1.0, label=name)[0] for name in names]
    for k, line in enumerate(lines[many:]):
        line.set_color(_LINES[k % len(_LINES)])
    if many:
        lines[0].set(color=INK, linewidth=1.6)
    if limits is not None:
        _thresholds(axes, limits)
    legend = axes.legend(
        fontsize=8, frameon=False, ncols=len(names) + (limits is not None), loc="lower right",
        bbox_to_anchor=(1.0, 0.98), columnspacing=1.2, handlelength=1.5, borderaxespad=0.0,
    )  # fmt: skip
    return [faint, *lines, legend]


def _thresholds(axes: Axes, limits: np.ndarray) -> None:
    low, high = float(limits.min()), float(limits.max())
    style: dict[str, Any] = {"color": RED, "lw": 1.0, "ls": (0, (4, 3))}
    axes.axhline(low, label="threshold" if low == high else "thresholds, least and most", **style)
    if low != high:
        axes.axhline(high, **style)
