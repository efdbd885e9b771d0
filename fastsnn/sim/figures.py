# SPDX-License-Identifier: Apache-2.0
"""The pictures of a run: raster, rates over time, distributions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastsnn.analysis.style import BLUE, CYCLE, GRID, INK, PALE, RED, new_figure, quiet, title
from fastsnn.sim.job import Outcome
from fastsnn.sim.report import headline
from fastsnn.statistics import Window

RASTER_MS, RASTER_NEURONS, RASTER_SPIKES = 500.0, 2000, 60_000
BIN_MS = 5.0


def draw(outcome: Outcome) -> dict[str, Figure]:
    """All pictures, by name."""
    windows = {name: outcome.window(name) for name in outcome.statistics}
    drawn = {
        "raster": raster(outcome, windows),
        "rates": rates(outcome, windows),
        "distributions": distributions(outcome, windows),
    }
    found = outcome.weights()
    return drawn | ({"weights": weights(outcome, found)} if found else {})


def colour(name: str, place: int) -> str:
    """Blue excites, red inhibits; names that do not tell take turns."""
    return BLUE if name.endswith("E") else RED if name.endswith("I") else CYCLE[place % len(CYCLE)]


def raster(outcome: Outcome, windows: dict[str, Window]) -> Figure:
    """Spikes of a share of the neurons over the last half second, and mean rates."""
    figure = new_figure(9.4, 6.0)
    left, right = figure.subplots(1, 2, width_ratios=(4, 1))
    share = min(1.0, RASTER_NEURONS / sum(w.n for w in windows.values()))
    span = min(RASTER_MS, outcome.stop - outcome.start)
    shown = sum(int((w.times >= outcome.stop - span).sum()) for w in windows.values()) * share
    span *= min(1.0, RASTER_SPIKES / max(shown, 1.0))
    ticks, bottom = [], 0.0
    for place, (name, window) in enumerate(windows.items()):
        rows = max(1, min(window.n, round(share * window.n)))
        kept = (window.ids < rows) & (window.times >= outcome.stop - span)
        left.plot(
            window.times[kept], bottom + window.ids[kept], ".", color=colour(name, place),
            markersize=5.0 if shown < 1000 else 2.5 if shown < 10_000 else 1.5, markeredgewidth=0,
            rasterized=True,
        )  # fmt: skip
        ticks.append((name, bottom + rows / 2))
        bottom += rows
        left.axhline(bottom, color=GRID, linewidth=0.8)
    left.set(xlim=(outcome.stop - span, outcome.stop), ylim=(bottom, 0), xlabel="time, ms")
    left.set_yticks([at for _, at in ticks], [name for name, _ in ticks])
    left.tick_params(axis="y", length=0)
    quiet(left)
    part = "every neuron" if share == 1.0 else f"{share:.1%} of the neurons"
    title(left, f"{headline(outcome)}\nSpikes of {part}", 11)
    _mean_rates(right, outcome, windows)
    return figure


def _mean_rates(axes: Axes, outcome: Outcome, windows: dict[str, Window]) -> None:
    names = list(windows)
    found = [outcome.statistics[name].rate for name in names]
    colours = [colour(name, k) for k, name in enumerate(names)]
    axes.barh(range(len(names)), found, color=colours, height=0.65)
    known = [outcome.expected(name).rate for name in names]
    at = [(rate, k) for k, rate in enumerate(known) if rate is not None]
    if at:
        axes.plot(*zip(*at, strict=True), "|", color=INK, ms=16, mew=2, label="published")
        # neither the legend's mark nor one at the largest rate meets the frame
        axes.legend(
            frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), markerscale=0.6
        )
        axes.set_xlim(right=1.06 * max(*found, *(rate for rate, _ in at)))
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="rate, Hz")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    quiet(axes)


def rates(outcome: Outcome, windows: dict[str, Window]) -> Figure:
    """Rate of each population over time."""
    figure = new_figure(9.4, 1.2 + 1.05 * len(windows))
    rows = figure.subplots(len(windows), 1, sharex=True, squeeze=False)[:, 0]
    span = min(2000.0, outcome.stop - outcome.start)
    width = min(BIN_MS, span / 10)
    for place, (axes, (name, window)) in enumerate(zip(rows, windows.items(), strict=True)):
        late = Window.of(window.times, window.ids, window.n, outcome.stop - span, outcome.stop)
        rate = late.population_rate(width)
        edges = outcome.stop - span + width * np.arange(len(rate) + 1)
        axes.stairs(rate, edges, fill=True, color=colour(name, place), alpha=0.75)
        mean = outcome.statistics[name].rate
        axes.axhline(mean, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set(xlim=(outcome.stop - span, outcome.stop), ylim=(0, None))
        axes.set_ylabel(f"{name}\nHz")
        axes.yaxis.set_major_locator(MaxNLocator(3))
        place_ = {"xycoords": "axes fraction", "ha": "right", "va": "bottom", "fontsize": 9}
        axes.annotate(f"mean {mean:.3g} Hz", (1.0, 1.0), color=INK, **place_)
        quiet(axes)
    rows[-1].set_xlabel("time, ms")
    title(rows[0], f"{headline(outcome)}\nRates in bins of {width:g} ms", 11)
    return figure


def distributions(outcome: Outcome, windows: dict[str, Window]) -> Figure:
    """Rates, CVs and correlations of each population."""
    figure = new_figure(9.4, 1.4 + 1.25 * len(windows))
    grid = figure.subplots(len(windows), 3, sharex="col", squeeze=False)
    titles = ("rate, Hz", "CV of the intervals", "correlation of counts in 2 ms")
    for place, (name, window) in enumerate(windows.items()):
        known = outcome.expected(name)
        cv = window.cv()
        columns = (
            # rates are whole numbers of spikes
            (window.rates(), known.rate, 1.0 / window.seconds),
            (cv[~np.isnan(cv)], known.cv, 0.0),
            (window.correlations(), known.correlation, 0.0),
        )
        for axes, (values, published, grain) in zip(grid[place], columns, strict=True):
            _histogram(axes, values, published, grain, colour(name, place))
        grid[place, 0].set_ylabel(f"{name}\nshare, %")
    for axes, text in zip(grid[-1], titles, strict=True):
        axes.set_xlabel(text)
    title(grid[0, 0], f"{headline(outcome)}\nSolid: mean; dashed: published mean", 11)
    return figure


def weights(outcome: Outcome, found: dict[str, np.ndarray]) -> Figure:
    """Weights of each plastic projection between their bounds."""
    figure = new_figure(6.0, 0.8 + 2.4 * len(found))
    for axes, (name, w) in zip(
        figure.subplots(len(found), 1, squeeze=False)[:, 0], found.items(), strict=True
    ):
        count, edges = np.histogram(w, bins=50, range=(0.0, 1.0))
        axes.stairs(100.0 * count / len(w), edges, fill=True, color=BLUE, alpha=0.75)
        quiet(axes)
        axes.set(xlim=(0, 1), xlabel=f"weight of {name}, of its upper bound", ylabel="share, %")
        title(axes, f"{headline(outcome)}\n{len(w):,} weights", 10)
    return figure


def _histogram(
    axes: Axes, values: np.ndarray, published: float | None, grain: float, hue: str
) -> None:
    """Bars of equal width, whole numbers of grain, from the smallest to the 99th percentile."""
    quiet(axes)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    if not len(values):
        axes.text(0.5, 0.5, "too few spikes", transform=axes.transAxes, ha="center", color=PALE)
        return
    low, high = float(values.min()), float(np.quantile(values, 0.99))
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - 0.5, low + 0.5
    width = (high - low) / 40
    if grain > 0.0:
        width, low = grain * np.ceil(width / grain), low - 0.5 * grain
    count, edges = np.histogram(values, bins=low + width * np.arange((high - low) / width + 2))
    axes.stairs(100.0 * count / len(values), edges, fill=True, color=hue, alpha=0.75)
    axes.axvline(values.mean(), color=INK, linewidth=1.2)
    if published is not None:
        axes.axvline(published, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
