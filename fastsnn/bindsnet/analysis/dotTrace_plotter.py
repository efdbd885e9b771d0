# SPDX-License-Identifier: Apache-2.0
"""Pictures of the files that `DotSimulator` and the dot tracing example write."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from fastsnn import analysis
from fastsnn.analysis.style import bare, title


def plotGrids(gridData: np.ndarray) -> Figure:
    """Draw the first and last grids [n_steps, height, width]."""
    grids = np.asarray(gridData)
    chosen = np.unique(np.linspace(0, len(grids) - 1, min(8, len(grids))).astype(int))
    figure = plt.figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots(2, 4).flat
    for place, step in zip(axes, chosen, strict=False):
        place.imshow(grids[step], cmap="gray_r", vmin=0.0)
        bare(place)
        place.spines[:].set_visible(True)
        title(place, f"step {step}", 10)
    for place in axes:
        place.set_axis_off()
    return figure


def plotRewards(rewData: Sequence[float], fname: str) -> Figure:
    """Draw the reward of each step; fname becomes part of the title."""
    view = analysis.plot_reward(
        np.asarray(rewData).reshape(-1).tolist(), 50, figure=plt.figure(figsize=(7, 4))
    )
    title(view.axes[0], f"Reward by step, {Path(fname).name}")
    view.axes[0].set(xlabel="step", ylabel="reward")
    return view.figure


def plotPerformance(perfData: Sequence[float], fname: str) -> Figure:
    """Draw the number of intercepts of each episode; fname becomes part of the title."""
    view = analysis.plot_reward(
        np.asarray(perfData).reshape(-1).tolist(), 10, figure=plt.figure(figsize=(7, 4))
    )
    title(view.axes[0], f"Intercepts by episode, {Path(fname).name}")
    view.axes[0].set(ylabel="intercepts")
    return view.figure


def main() -> None:
    """Draw the files named on the command line, or all CSV files of ./out."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted(Path("out").glob("*.csv"))
    if not paths:
        raise SystemExit("no CSV file in ./out; name the files to draw")
    for path in paths:
        values = np.loadtxt(path, delimiter=",", ndmin=2)
        if path.name.startswith("grid"):
            plotGrids(values.reshape(-1, values.shape[1], values.shape[1]))
        elif path.name.startswith("perf"):
            plotPerformance(values.reshape(-1).tolist(), path.name)
        else:
            plotRewards(values.reshape(-1).tolist(), path.name)
    plt.show()


if __name__ == "__main__":
    main()
