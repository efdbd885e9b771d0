# SPDX-License-Identifier: Apache-2.0
"""Pictures of how a quantity went: accuracy while learning, reward by episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fastsnn.analysis.style import BLUE, CYCLE, DASHES, GRID, PALE, quiet, title
from fastsnn.analysis.views import View, open_view


def plot_performance(
    performances: Mapping[str, Sequence[float]],
    *,
    every: int = 1,
    unit: str = "%",
    along: str = "samples seen",
    heading: str = "Estimated accuracy while learning",
    view: View | None = None,
    figure: Figure | None = None,
    size: tuple[float, float] = (7.0, 4.0),
) -> View:
    """Draw accuracy over the samples seen, a line for each readout.

    performances: readout -> values, each after `every` more samples.
    along:        what else grows by `every`.
    unit:         "%" for 0..100, "" for 0..1.
    """
    view = open_view(view, figure, (1, 1), size)
    axes = view.axes[0]
    axes.clear()
    quiet(axes)
    lines = []
    for k, (name, values) in enumerate(performances.items()):
        seen = every * np.arange(1, len(values) + 1)
        style: dict[str, Any] = {
            "color": CYCLE[k % len(CYCLE)],
            "linestyle": DASHES[k % len(DASHES)],
        }
        marker = "o" if len(values) <= 30 else ""
        last = f"{name}: {values[-1]:.4g} {unit}".rstrip() if len(values) else name
        lines += axes.plot(seen, values, lw=1.8, marker=marker, ms=3.5, label=last, **style)
    view.artists = [lines]
    axes.set(
        xlabel=along,
        ylabel=f"accuracy, {unit}" if unit else "accuracy",
        # room for what is all wrong or all right
        ylim=(-2, 102) if unit == "%" else (-0.02, 1.02),
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    if lines:
        axes.legend(frameon=False, fontsize=9, loc="lower right")
    title(axes, heading)
    return view


def plot_reward(
    rewards: Sequence[float],
    window: int | None = None,
    *,
    view: View | None = None,
    figure: Figure | None = None,
    size: tuple[float, float] = (7.0, 4.0),
) -> View:
    """Draw the reward of each episode, and its mean over the last `window` ones."""
    view = open_view(view, figure, (1, 1), size)
    axes = view.axes[0]
    axes.clear()
    quiet(axes)
    values = np.asarray([float(r) for r in rewards])
    episode = np.arange(1, len(values) + 1)
    smooth = bool(window) and len(values) > 1
    colour = PALE if smooth else BLUE
    lines = axes.plot(episode, values, ".-", color=colour, lw=1.0, ms=5, label="each episode")
    if smooth:
        sums = np.concatenate(([0.0], values.cumsum()))
        first = np.maximum(episode - int(window or 1), 0)
        mean = (sums[episode] - sums[first]) / (episode - first)
        lines += axes.plot(episode, mean, color=BLUE, lw=1.8, label=f"mean of the last {window}")
        axes.legend(frameon=False, fontsize=9)
    view.artists = [lines]
    axes.set(xlabel="episode", ylabel="accumulated reward")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    title(axes, "Reward by episode")
    return view
