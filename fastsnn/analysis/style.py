# SPDX-License-Identifier: Apache-2.0
"""The look of all pictures: colours that stay apart for the colour-blind, quiet frames."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure

# Okabe-Ito; ink and pale ink for the rest
BLUE, RED, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
PURPLE, SKY = "#cc79a7", "#56b4e9"
CYCLE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
INK, PALE, GRID, NOTHING = "#222222", "#8a8a8a", "#e6e6e6", "#bdbdbd"
SEQUENTIAL, DIVERGING = "magma", "RdBu_r"
DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches that needs no screen and no pyplot."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def quiet(axes: Axes) -> None:
    """Take away the frame's upper and right line, and pale the rest."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(color=PALE, labelcolor=INK, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def bare(axes: Axes) -> None:
    """An image without ticks and frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def title(axes: Axes, text: str, size: float = 12) -> None:
    """Write what the picture shows over its left end."""
    axes.set_title(text, loc="left", color=INK, fontsize=size, pad=6)


def counted(n: int, name: str) -> str:
    """ "1 neuron", "2,000 neurons"."""
    return f"{n:,} {name}" if n == 1 else f"{n:,} {name}s"


def colour_map(low: float, high: float) -> str:
    """A map for values from low to high: of two colours where zero lies between them."""
    return DIVERGING if low < 0.0 < high else SEQUENTIAL


def class_map(n: int) -> Colormap:
    """n colours, apart in lightness too, for classes 0..n-1; a grey for what has none."""
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.linspace(0.0, 1.0, n))
    return ListedColormap(list(colours)).with_extremes(under=NOTHING)
