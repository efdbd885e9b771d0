# SPDX-License-Identifier: Apache-2.0
"""Plots in windows of pyplot; what they return is given back to them to draw again in place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage
from torch import Tensor

from fastsnn import analysis
from fastsnn.analysis import View
from fastsnn.analysis.style import DIVERGING
from fastsnn.bindsnet.utils import (
    reshape_conv2d_weights,
    reshape_local_connection_2d_weights,
    reshape_locally_connected_weights,
)

Pair = int | tuple[int, int]
Many = list[Axes]


def plot_input(
    image: Tensor,
    inpt: Tensor,
    label: int | None = None,
    axes: Many | None = None,
    ims: Sequence[AxesImage] | None = None,
    figsize: tuple[int, int] = (8, 4),
) -> tuple[Many, list[AxesImage]]:
    """Draw an image beside its spikes, summed over time.  Returns axes, ims."""
    if isinstance(label, Tensor):
        label = label.item() if label.numel() == 1 else label.tolist()
    view = _known(axes, ims)
    view = analysis.plot_input(image, inpt, label, view=view, figure=_figure(view, figsize))
    return view.axes, view.artists


def plot_spikes(
    spikes: dict[str, Tensor],
    time: tuple[int, int] | None = None,
    n_neurons: dict[str, tuple[int, int]] | None = None,
    ims: list[PathCollection] | None = None,
    axes: Axes | Many | None = None,
    figsize: tuple[float, float] = (8.0, 4.5),
) -> tuple[list[PathCollection], Many]:
    """Draw the spikes [n_steps, ...] of every layer.  Returns ims, axes."""
    view = _known(axes, ims)
    view = analysis.plot_spikes(
        spikes, time=time, neurons=n_neurons, view=view, figure=_figure(view, figsize)
    )
    return view.artists, view.axes


def plot_voltages(
    voltages: dict[str, Tensor],
    ims: list[Any] | None = None,
    axes: Axes | Many | None = None,
    time: tuple[int, int] | None = None,
    n_neurons: dict[str, tuple[int, int]] | None = None,
    cmap: str | None = "viridis",
    plot_type: str = "color",
    thresholds: Mapping[str, Tensor] | None = None,
    figsize: tuple[float, float] = (8.0, 4.5),
) -> tuple[list[Any], Many]:
    """Draw the voltages [n_steps, ...] of every layer, as "color" or as "line".

    Returns ims, axes.
    """
    if plot_type not in ("color", "line"):
        raise ValueError(f"plot_type is {plot_type!r}, expected 'color' or 'line'")
    view = _known(axes, ims)
    view = analysis.plot_voltages(
        voltages,
        thresholds=thresholds,
        lines=plot_type == "line",
        time=time,
        neurons=n_neurons,
        colours=cmap or "viridis",
        view=view,
        figure=_figure(view, figsize),
    )
    return view.artists, view.axes


def plot_weights(
    weights: Tensor,
    wmin: float | None = 0,
    wmax: float | None = 1,
    im: AxesImage | None = None,
    figsize: tuple[int, int] = (5, 5),
    cmap: str = "hot_r",
    save: str | None = None,
    title: str | None = None,
) -> AxesImage | tuple[AxesImage, str]:
    """Draw weights as an image.

    save: file to write; the next free name is then returned beside the image.
    """
    im = _weights(weights, wmin, wmax, im, figsize, cmap, title or "Weights")
    return im if save is None else (im, _save(im.axes, save))


def plot_conv2d_weights(
    weights: Tensor,
    wmin: float = 0.0,
    wmax: float = 1.0,
    im: AxesImage | None = None,
    figsize: tuple[int, int] = (5, 5),
    cmap: str = "hot_r",
    title: str | None = None,
) -> AxesImage:
    """Draw kernels [n_out, n_in, height, width], a block of them for each input channel."""
    flat = reshape_conv2d_weights(weights.detach())
    return _weights(flat, wmin, wmax, im, figsize, cmap, title or "Kernels", weights.shape[2:])


def plot_locally_connected_weights(
    weights: Tensor,
    n_filters: int,
    kernel_size: Pair,
    conv_size: Pair,
    locations: Tensor,
    input_sqrt: Pair,
    wmin: float = 0.0,
    wmax: float = 1.0,
    im: AxesImage | None = None,
    lines: bool = True,
    figsize: tuple[int, int] = (5, 5),
    cmap: str = "hot_r",
    title: str | None = None,
) -> AxesImage:
    """Draw the kernels of a dense locally connected matrix where they look."""
    flat = reshape_locally_connected_weights(
        weights.detach(), n_filters, kernel_size, conv_size, locations, input_sqrt
    )
    region = _region(flat, conv_size) if lines else None
    name = title or "Locally connected weights"
    return _weights(flat, wmin, wmax, im, figsize, cmap, name, region)


def plot_local_connection_2d_weights(
    lc: Any,
    input_channel: int = 0,
    output_channel: int | None = None,
    im: AxesImage | None = None,
    lines: bool = True,
    figsize: tuple[int, int] = (5, 5),
    cmap: str = "hot_r",
    color: str = "r",
    title: str | None = None,
) -> AxesImage:
    """Draw the kernels of a LocalConnection2D for one input channel, of one filter or of all.

    color: of the lines between regions.
    """
    w = lc.w[input_channel].detach().reshape(lc.n_filters, *lc.conv_size, *lc.kernel_size)
    if output_channel is not None:
        w = w[output_channel : output_channel + 1]
    flat = reshape_local_connection_2d_weights(
        w, len(w), lc.kernel_size, lc.conv_size, tuple(lc.source.shape[-2:])
    )
    ends = [float(end) if math.isfinite(float(end)) else None for end in (lc.wmin, lc.wmax)]
    region = _region(flat, lc.conv_size) if lines else None
    name = title or f"Locally connected weights, input channel {input_channel}"
    return _weights(flat, *ends, im, figsize, cmap, name, region, color)


def plot_assignments(
    assignments: Tensor,
    im: AxesImage | tuple[AxesImage, str] | None = None,
    figsize: tuple[int, int] = (5, 5),
    classes: Sized | None = None,
    save: str | None = None,
) -> AxesImage | tuple[AxesImage, str]:
    """Draw the label of each neuron [rows, columns]; -1: none.   save: as `plot_weights`."""
    im = im[0] if isinstance(im, tuple) else im
    view = None if im is None else View(im.figure, [im.axes], [im])
    names = None if classes is None else list(classes)  # type: ignore[call-overload]
    view = analysis.plot_assignments(assignments, names, view=view, figure=_figure(view, figsize))
    drawn = view.artists[0]
    return drawn if save is None else (drawn, _save(drawn.axes, save))


def plot_performance(
    performances: dict[str, list[float]],
    ax: Axes | None = None,
    figsize: tuple[int, int] = (7, 4),
    x_scale: int = 1,
    save: str | None = None,
) -> Axes:
    """Draw accuracies in per cent, each after x_scale more examples."""
    view = None if ax is None else View(ax.figure, [ax])  # type: ignore[arg-type]
    view = analysis.plot_performance(
        performances, every=x_scale, view=view, figure=_figure(view, figsize)
    )
    if save is not None:
        _save(view.axes[0], save)
    return view.axes[0]


def _known(axes: Axes | Iterable[Axes] | None, ims: Iterable[Any] | None) -> View | None:
    if axes is None:
        return None
    places = [axes] if isinstance(axes, Axes) else list(axes)
    return View(places[0].figure, places, list(ims or ()))  # type: ignore[arg-type]


def _figure(view: View | None, figsize: tuple[float, float]) -> Any:
    return plt.figure(figsize=figsize) if view is None else None


def _weights(
    weights: Tensor,
    w_min: float | None,
    w_max: float | None,
    im: AxesImage | tuple[AxesImage, str] | None,
    figsize: tuple[int, int],
    colours: str,
    title: str,
    lines: tuple[int, int] | None = None,
    line_colour: str = "#888888",
) -> AxesImage:
    im = im[0] if isinstance(im, tuple) else im
    view = None if im is None else View(im.figure, [im.axes], [im])
    signed = w_min is not None and w_max is not None and w_min < 0.0 < w_max
    # the default map would make zero look like any other weight
    colours = DIVERGING if signed and colours == "hot_r" else colours
    view = analysis.plot_weights(
        weights, w_min=w_min, w_max=w_max, colours=colours, heading=title, lines=lines,
        line_colour=line_colour, view=view, figure=_figure(view, figsize),
    )  # fmt: skip
    return view.artists[0]


def _region(flat: Tensor, conv_size: Pair) -> tuple[int, int]:
    """Size of the block of filters at one place."""
    rows, columns = (conv_size, conv_size) if isinstance(conv_size, int) else conv_size
    return flat.shape[0] // rows, flat.shape[1] // columns


def _save(axes: Axes, path: str) -> str:
    """Write the figure; return the path with the next number in its name."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    axes.figure.savefig(file, bbox_inches="tight")  # type: ignore[union-attr]
    counted = re.fullmatch(r"(.*)\.(\d+)", file.stem)
    stem, number = (counted[1], int(counted[2])) if counted else (file.stem, 0)
    return str(file.with_name(f"{stem}.{number + 1}{file.suffix}"))
