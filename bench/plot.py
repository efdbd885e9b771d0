# SPDX-License-Identifier: Apache-2.0
"""Time over size, one line per backend, thread count and batch."""

from __future__ import annotations

from pathlib import Path

from fastsnn.bench.harness import Row


def plot(rows: list[Row], path: Path) -> None:
    """Draw one panel a case, with the least possible time as a dotted line, into an image file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cases = list(dict.fromkeys(row.case for row in rows))
    figure = Figure(figsize=(5.5 * len(cases), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, case in zip(figure.subplots(1, len(cases), squeeze=False)[0], cases, strict=True):
        lines: dict[str, list[Row]] = {}
        for row in rows:
            if row.case == case:
                lines.setdefault(_label(row), []).append(row)
        for label, line in lines.items():
            line.sort(key=lambda row: row.n)
            x, y = [row.n for row in line], [_milliseconds(row) for row in line]
            drawn = axes.plot(x, y, "o-", label=label)[0]
            low = [a * row.fraction_of_limit for a, row in zip(y, line, strict=True)]
            axes.plot(x, low, ":", color=drawn.get_color())
        axes.set(xscale="log", yscale="log", xlabel="neurons", title=case)
        per_image = any(row.case == case and row.images for row in rows)
        axes.set_ylabel("ms an image" if per_image else "ms a run")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", title="dotted: limit")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _label(row: Row) -> str:
    parts = [row.backend, f"{row.threads} thread{'s' if row.threads > 1 else ''}"]
    if row.images:
        parts += [f"batch {row.batch}", "learning" if row.learning else "no learning"]
    return ", ".join(parts)


def _milliseconds(row: Row) -> float:
    return row.seconds_p50 * 1e3 / (row.images or 1)
