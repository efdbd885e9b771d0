# SPDX-License-Identifier: Apache-2.0
"""Pictures of weights, of what they were shown, and of what neurons stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from fastsnn.analysis.style import INK, NOTHING, bare, class_map, colour_map, title
from fastsnn.analysis.views import View, array, open_view, widen

_ROOM_FOR_NAMES = 26  # cells a side in which a class can be read


def plot_weights(
    w: Tensor | np.ndarray,
    *,
    w_min: float | None = None,
    w_max: float | None = None,
    colours: str | None = None,
    heading: str = "Weights",
    quantity: str = "weight",
    pre_post: bool = False,
    ticks: tuple[str, str] | None = None,
    lines: tuple[int, int] | None = None,
    line_colour: str = INK,
    view: View | None = None,
    figure: Figure | None = None,
    size: tuple[float, float] = (5.0, 5.0),
) -> View:
    """Draw weights as an image: a matrix, or a mosaic of `fastsnn.analysis.mosaics`.

    w_min, w_max: ends of the colour scale; None: of the weights.
    colours:      name of a colour map; default: of two colours where zero lies inside the scale.
    quantity:     what the colours stand for.
    pre_post:     w is [n_pre, n_post]; its axes get ticks and names.
    ticks:        what else rows and columns are; both get ticks.
    lines:        height and width of a region: lines are drawn between regions.
    """
    values = array(w)
    if values.ndim != 2:
        raise ValueError(f"weights are {values.shape}, expected 2 dimensions; see mosaics")
    low = float(np.nanmin(values)) if w_min is None else w_min
    high = float(np.nanmax(values)) if w_max is None else w_max
    if not high > low:
        low, high = low - 0.5, low + 0.5
    view = open_view(view, figure, (1, 1), size)
    axes = view.axes[0]
    if view.artists[0] is not None and view.artists[0].get_array().shape == values.shape:
        view.artists[0].set(data=values, clim=(low, high))
    else:
        colours = colours or colour_map(low, high)
        view.artists[0] = _image(view, axes, values, colours, (low, high), quantity)
        if pre_post or ticks:
            rows, columns = ticks or ("presynaptic neuron", "postsynaptic neuron")
            axes.set(xlabel=columns, ylabel=rows, aspect="auto")
        else:
            bare(axes)
        if lines is not None:
            _rule(axes, values.shape, lines, line_colour)
    title(axes, heading)
    return view


def plot_input(
    image: Tensor | np.ndarray,
    spikes: Tensor | np.ndarray,
    label: Any = None,
    *,
    view: View | None = None,
    figure: Figure | None = None,
    size: tuple[float, float] = (8.0, 4.0),
) -> View:
    """Draw an image beside the spikes that it became, summed over time (both 2-dimensional)."""
    view = open_view(view, figure, (1, 2), size)
    shown = "Input image" if label is None else f"Input image, class {label}"
    headings = (shown, "Spikes of each input, summed over time")
    for place, values in enumerate((array(image), array(spikes))):
        axes = view.axes[place]
        if view.artists[place] is None:
            axes.clear()
            view.artists[place] = axes.imshow(values, cmap="gray_r")
            bare(axes)
            name = ("value", "spikes")[place]
            _bar(view, axes, view.artists[place], name)
        else:
            view.artists[place].set_data(values)
            widen(view.artists[place], values)
        title(axes, headings[place], 10)
    return view


def plot_assignments(
    assignments: Tensor | np.ndarray,
    classes: Sequence[Any] | None = None,
    *,
    view: View | None = None,
    figure: Figure | None = None,
    size: tuple[float, float] = (5.0, 5.0),
) -> View:
    """Draw which class each neuron stands for.

    assignments: [rows, columns], -1 for none.
    classes:     names; default: the numbers 0 to the largest met, at least 0 to 9.
    """
    values = array(assignments)
    n = len(classes) if classes is not None else max(10, int(values.max()) + 1)
    names = [str(c) for c in (classes if classes is not None else range(n))]
    view = open_view(view, figure, (1, 1), size)
    axes = view.axes[0]
    if view.artists[0] is not None and np.array_equal(view.artists[0].get_array(), values):
        return view
    if view.artists[0] is None or view.artists[0].get_array().shape != values.shape:
        ends = (-0.5, n - 0.5)
        view.artists[0] = _image(view, axes, values, class_map(n), ends, name="class")
        bar = view.artists[0].colorbar
        bar.set_ticks(range(n), labels=names)
        bare(axes)
    else:
        view.artists[0].set_data(values)
    if max(values.shape) <= _ROOM_FOR_NAMES:
        _write_names(axes, values, names)
    labelled = int((values >= 0).sum())
    title(axes, f"Class of each neuron ({labelled:,} of {values.size:,} have one)", 10)
    return view


def weights_movie(
    w: Tensor | np.ndarray, every: int = 1, figure: Figure | None = None, pause: float = 0.1
) -> Any:
    """An animation of weights [n_frames, n_pre, n_post]; save it with its `save(path)`.

    every: show each k-th frame.   pause: s a frame.
    """
    from matplotlib.animation import FuncAnimation

    values = array(w)
    low, high = float(values.min()), float(values.max())
    frames = range(0, len(values), every)

    def draw(k: int, view: View | None = None) -> View:
        return plot_weights(
            values[k], w_min=low, w_max=high, pre_post=True, view=view, figure=figure,
            heading=f"Weights, frame {k + 1} of {len(values)}",
        )  # fmt: skip

    view = draw(0)

    def update(k: int) -> list:
        return draw(k, view).artists

    return FuncAnimation(view.figure, update, frames=frames, interval=1000 * pause, blit=False)


def _image(
    view: View,
    axes: Axes,
    values: np.ndarray,
    colours: Any,
    ends: tuple[float, float],
    name: str = "weight",
) -> Any:
    """Draw afresh: the image and its scale."""
    if view.artists[0] is not None and view.artists[0].colorbar is not None:
        view.artists[0].colorbar.remove()
    axes.clear()
    axes.set_facecolor(NOTHING)
    image = axes.imshow(
        values, cmap=colours, vmin=ends[0], vmax=ends[1], interpolation="nearest", aspect="equal"
    )
    _bar(view, axes, image, name)
    return image


def _bar(view: View, axes: Axes, image: Any, name: str) -> None:
    bar = view.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label(name, color=INK)
    bar.outline.set_visible(False)


def _rule(axes: Axes, shape: tuple[int, int], region: tuple[int, int], colour: str) -> None:
    """Lines between regions, on the edges of pixels."""
    for size, step, draw in (
        (shape[0], region[0], axes.axhline),
        (shape[1], region[1], axes.axvline),
    ):
        for place in range(step, size, step):
            line = draw(place - 0.5, color=colour, linewidth=0.8)
            # seen on any ground
            line.set_path_effects([withStroke(linewidth=2.2, foreground="white")])


def _write_names(axes: Axes, values: np.ndarray, names: Sequence[str]) -> None:
    """Write a name into each cell; to make texts is slow, so that those of before are changed."""
    size = min(11.0, 150.0 / max(values.shape))
    written = {text.get_position(): text for text in axes.texts}
    for (row, column), value in np.ndenumerate(values):
        if value < 0:
            continue
        text = written.pop((column, row), None)
        if text is not None and text.get_text() == names[int(value)]:
            continue
        if text is None:
            text = axes.text(column, row, "", ha="center", va="center", fontsize=size)
        text.set_text(names[int(value)])
        text.set_color(INK if value > 0.6 * (len(names) - 1) else "white")
    for text in written.values():
        text.remove()
