# SPDX-License-Identifier: Apache-2.0
"""The pictures of the report: matplotlib figures, drawn without a screen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from fastsnn.analysis.style import BLUE, DPI, GREEN, GRID, INK, PALE, RED, quiet


def receptive_fields(w: np.ndarray, assignments: np.ndarray, shape: tuple[int, int]) -> Figure:
    """Draw the weights of each neuron as an image, in the order of their classes.

    w: [n_pre, n].   assignments: class of each neuron, -1 for none.   shape: of an image.
    """
    n = w.shape[1]
    # neurons without a class last
    order = np.argsort(np.where(assignments < 0, 99, assignments), kind="stable")
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    height, width = shape[0] + 1, shape[1] + 1
    mosaic = np.full((rows * height + 1, columns * width + 1), np.nan)
    for cell, neuron in enumerate(order):
        top, left = (cell // columns) * height + 1, (cell % columns) * width + 1
        mosaic[top : top + shape[0], left : left + shape[1]] = w[:, neuron].reshape(shape)
    figure, axes, side = _mosaic_figure(mosaic.shape)
    axes.set_facecolor("#707070")
    brightest = max(float(np.quantile(w, 0.999)), 1e-6)
    image = axes.imshow(mosaic, cmap="magma", vmin=0.0, vmax=brightest, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    _title(axes, f"What the {n:,} neurons have learnt, in the order of their digits")
    _write_digits(axes, assignments[order], columns, (height, width))
    bar = figure.colorbar(image, cax=side)
    bar.set_label("weight from pixel to neuron", color=INK)
    bar.outline.set_visible(False)
    return figure


def _mosaic_figure(shape: tuple[int, int]) -> tuple[Figure, Axes, Axes]:
    """Make axes for a mosaic whose values cover whole pixels of the picture, and for its scale."""
    inches, left, right, below, above = 7.4, 0.1, 0.95, 0.1, 0.45
    pixels = max(1, round(DPI * inches / shape[1])) * shape[1]
    tall = inches * shape[0] / shape[1]
    size = (left + inches + right, below + tall + above)
    figure = Figure(figsize=size, dpi=pixels / inches)
    axes = figure.add_axes((left / size[0], below / size[1], inches / size[0], tall / size[1]))
    place = (left + inches + 0.15) / size[0]
    side = figure.add_axes((place, below / size[1], 0.18 / size[0], tall / size[1]))
    return figure, axes, side


def _write_digits(axes: Axes, digits: np.ndarray, columns: int, cell: tuple[int, int]) -> None:
    """Write its digit into each cell; in small cells only where a digit begins."""
    every = columns <= 50
    size = min(11.0, 145.0 / columns) if every else 7.0
    for place, digit in enumerate(digits):
        if digit < 0 or not (every or place == 0 or digits[place - 1] != digit):
            continue
        label = axes.text(
            (place % columns) * cell[1] + 2.0,
            (place // columns) * cell[0] + 1.5,
            str(digit),
            color="#ffd166",
            fontsize=size,
            fontweight="bold",
            va="top",
        )
        label.set_path_effects([patheffects.withStroke(linewidth=size / 8, foreground="black")])


def confusion(matrix: np.ndarray, readout: str) -> Figure:
    """Draw how often each digit (row) was taken for each other (column)."""
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    figure, axes = _figure(7.0, 6.0, layout="compressed")
    image = axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in np.ndindex(matrix.shape):
        if matrix[row, column]:
            color = "white" if share[row, column] > 0.55 else INK
            axes.text(
                column,
                row,
                f"{matrix[row, column]:,}",
                ha="center",
                va="center",
                color=color,
                fontsize=9,
            )
    digits = range(len(matrix))
    axes.set(xticks=digits, yticks=digits, xlabel="predicted digit", ylabel="digit shown")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    right = np.trace(matrix) / max(matrix.sum(), 1)
    _title(axes, f"{right:.1%} of {matrix.sum():,} test images are right, by {readout}")
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("share of the digit's images")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, 0))
    bar.outline.set_visible(False)
    return figure


def accuracy(
    history: Sequence[tuple[int, float]], test: float, n_images: int, n_epochs: int
) -> Figure:
    """Draw the running accuracy over the images seen, and the final test accuracy."""
    figure, axes = _figure(8.4, 4.2)
    end = n_images * n_epochs
    if history:
        seen, running = (np.array(values) for values in zip(*history, strict=True))
        axes.plot(seen, running, ".", color=BLUE, alpha=0.5, markersize=5, markeredgewidth=0)
        axes.plot(seen, _smooth(running), color=BLUE, linewidth=1.8)
        axes.annotate(
            "while learning (dots: each interval, line: moving mean)",
            (0.99, 0.04),
            xycoords="axes fraction",
            ha="right",
            color=BLUE,
            fontsize=9,
        )
    axes.axhline(test, color=RED, linewidth=1.5, linestyle=(0, (5, 3)))
    axes.annotate(
        f"test {test:.1%}",
        (0.01, test),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=RED,
        fontsize=10,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8},
    )
    for epoch in range(1, n_epochs):
        axes.axvline(epoch * n_images, color=PALE, linewidth=0.7, linestyle=":")
    lowest = min([value for _, value in history] + [test])
    axes.set(
        xlim=(0, end),
        ylim=(max(0.0, math.floor(lowest * 10) / 10), 1.0),
        xlabel="images seen" + (" (dotted: a new epoch)" if n_epochs > 1 else ""),
        ylabel="accuracy",
    )
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    _title(axes, "Accuracy over time")
    return figure


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over a window around each value, narrower at the ends."""
    reach = max(1, min(len(values) // 16, 10))
    return np.array(
        [
            values[max(0, k - near) : k + near + 1].mean()
            for k in range(len(values))
            for near in [min(reach, k, len(values) - 1 - k)]
        ]
    )


def raster(
    spikes: dict[str, np.ndarray], image: np.ndarray, digit: int, predicted: int, dt: float
) -> Figure:
    """Draw every spike of every layer while one image is shown.

    spikes: layer -> [n_steps, n] bool, in the order from top to bottom.
    """
    names = {"X": "input X", "Ae": "excitatory Ae", "Ai": "inhibitory Ai"}
    colors = {"X": INK, "Ae": BLUE, "Ai": RED}
    figure = Figure(figsize=(9.4, 6.4), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(len(spikes), 2, width_ratios=(5.2, 1), height_ratios=(2.2, 1, 1))
    first: Axes | None = None
    for row, (layer, fired) in enumerate(spikes.items()):
        axes = figure.add_subplot(grid[row, 0], sharex=first)
        first = first or axes
        step, neuron = np.nonzero(fired)
        size = 1.5 if layer == "X" else 7.0 if len(step) < 300 else 4.0
        axes.plot((step + 1) * dt, neuron, ".", color=colors[layer], ms=size, mew=0)
        axes.set_ylabel(f"{names[layer]}\nneuron")
        axes.set(xlim=(0, len(fired) * dt), ylim=(fired.shape[1], -1))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.annotate(
            f"{len(step):,} spikes",
            (1, 1),
            xycoords="axes fraction",
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            color=colors[layer],
            fontsize=9,
        )
        quiet(axes)
        if row < len(spikes) - 1:
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel("time, ms")
    shown = figure.add_subplot(grid[0, 1])
    shown.imshow(image, cmap="gray_r")
    shown.set(xticks=[], yticks=[])
    shown.spines[:].set_color("#cccccc")
    shown.set_title(f"shown: {digit}\nread out: {predicted}", fontsize=10, color=INK)
    first.set_title("Spikes while one test image is shown", loc="left", color=INK, fontsize=12)
    return figure


def voltages(
    v_exc: np.ndarray,
    v_inh: np.ndarray,
    thresholds: tuple[np.ndarray, float],
    most_active: Sequence[int],
    dt: float,
) -> Figure:
    """Draw the membrane potentials of Ae and Ai: the mean of all and a few of the most active.

    v_exc, v_inh: [n_steps, n], mV.   thresholds: of each neuron of Ae, and of all of Ai, mV.
    """
    figure = Figure(figsize=(9.4, 6.4), dpi=DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.4, 1))
    time = (np.arange(len(v_exc)) + 1) * dt
    colors = (BLUE, RED, GREEN)
    for axes, v, name in ((upper, v_exc, "excitatory Ae"), (lower, v_inh, "inhibitory Ai")):
        low, high = np.quantile(v, (0.05, 0.95), axis=1)
        axes.fill_between(time, low, high, color=PALE, alpha=0.25, lw=0, label="5 to 95 % of all")
        axes.plot(time, v.mean(1), color=INK, linewidth=1.4, label="mean of all")
        for neuron, color in zip(most_active, colors, strict=False):
            axes.plot(time, v[:, neuron], color=color, lw=0.9, label=f"neuron {neuron}")
        axes.set_ylabel(f"{name}\nmembrane potential, mV")
        quiet(axes)
    for neuron, color in zip(most_active, colors, strict=False):
        upper.axhline(thresholds[0][neuron], color=color, lw=0.8, ls=(0, (4, 3)), alpha=0.8)
    lower.axhline(thresholds[1], color=INK, lw=0.8, ls=(0, (4, 3)))
    upper.set_title(
        "Membrane potentials while the same image is shown (dashed: thresholds)",
        loc="left",
        color=INK,
        fontsize=12,
    )
    lower.set(xlabel="time, ms", xlim=(0, time[-1]))
    figure.legend(
        *upper.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False
    )
    return figure


def _figure(width: float, height: float, layout: str = "constrained") -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    axes = figure.subplots()
    quiet(axes)
    return figure, axes


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", color=INK, fontsize=12, pad=10)
