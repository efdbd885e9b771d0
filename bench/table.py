# SPDX-License-Identifier: Apache-2.0
"""One table of measurements."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fastsnn.bench.harness import Row
from fastsnn.bench.peers import BINDSNET


def table(rows: list[Row]) -> Table:
    """Time, ratio to the torch reference, fraction of the measured limit."""
    shown = Table(title="fastsnn bench", caption=_caption(rows), caption_justify="left")
    shown.add_column("case", no_wrap=True)
    for name in ("n", "batch", "learns", "backend", "threads"):
        shown.add_column(name, justify="left" if name == "backend" else "right", no_wrap=True)
    for name in ("time", "p20-p80", "steps/s", "x torch", "x BindsNET", "of limit"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("limit", no_wrap=True)
    shown.add_column("GB/s", justify="right", no_wrap=True)
    previous = rows[0].case if rows else ""
    for row in rows:
        if row.case != previous:
            shown.add_section()
        previous = row.case
        share = row.images or 1
        shown.add_row(
            row.case,
            f"{row.n:,}",
            f"{row.batch}",
            "yes" if row.learning else "no",
            row.backend,
            f"{row.threads}",
            seconds(row.seconds_p50 / share),
            _spread(row),
            f"{row.steps_per_s:,.0f}",
            _ratio(row.ratio_to_torch),
            _ratio(row.ratio_to_bindsnet),
            f"{row.fraction_of_limit:.1%}",
            row.limit,
            _bandwidth(row),
        )
    return shown


def show(rows: list[Row]) -> None:
    """Print the table, as wide as it is."""
    console = Console()
    if not console.is_terminal or console.width < 160:
        console = Console(width=170)
    console.print(table(rows))


def seconds(value: float) -> str:
    """A time with a fitting unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def _bandwidth(row: Row) -> str:
    if row.delivered_gb_per_s is None or row.read_gb_per_s is None:
        return ""
    return f"{row.delivered_gb_per_s:.0f} of {row.read_gb_per_s:.0f}"


def _spread(row: Row) -> str:
    low, high = row.seconds_p20 / row.seconds_p50 - 1, row.seconds_p80 / row.seconds_p50 - 1
    return f"{low:+.0%} {high:+.0%}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _caption(rows: list[Row]) -> str:
    lines = ["time: median, of an image where the case has images, else of the whole run."]
    lines.append("of limit: least possible time by the machine's measured rates / time.")
    if any(row.read_gb_per_s for row in rows):
        lines.append("GB/s: weights added to currents, of what reading them in a row reaches.")
    if any(row.ratio_to_bindsnet for row in rows):
        lines.append(f"x BindsNET: {BINDSNET}.")
    return "\n".join(lines)
