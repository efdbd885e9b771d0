# SPDX-License-Identifier: Apache-2.0
"""What a run reports: a table, a JSON file, a page with pictures."""

from __future__ import annotations

import io
import json
import math
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import fastsnn
from fastsnn.files import replacing
from fastsnn.sim.job import Outcome

_CAPTIONS = {
    "raster": "One dot is one spike; of each population a share of the neurons is drawn, the same "
    "for all. Right: the rate of each population.",
    "rates": "Rates of the populations over time, in bins of 5 ms, and their means over the run.",
    "weights": "Where the weights lie between their bounds at the end of the run.",
    "distributions": "Neurons by rate and by irregularity, pairs of neurons by the correlation of "
    "their spike counts in 2 ms. Dashed: the published mean.",
}


def text(outcome: Outcome) -> str:
    """Rates, CV and correlation of every population, beside what was published."""
    table = Table(title=headline(outcome), title_justify="left")
    for column in ("population", "neurons", "rate, Hz", "published", "", "CV", "published",
                   "correlation", "published", "silent"):  # fmt: skip
        table.add_column(column, justify="left" if column in ("population", "") else "right")
    for name, found in outcome.statistics.items():
        known = outcome.expected(name)
        table.add_row(
            name,
            f"{outcome.net.populations[name].n:,}",
            _number(found.rate, 3),
            _number(known.rate, 3),
            _verdict(found.rate, known.rate, known.within if outcome.comparable else math.inf),
            _number(found.cv, 3),
            _number(known.cv, 3),
            _number(found.correlation, 4),
            _number(known.correlation, 4),
            f"{found.silent:.1%}",
        )
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=False, legacy_windows=False)
    if outcome.statistics:
        console.print(table)
        note = "*: further off than it should be"
        if not outcome.comparable:
            note = f"It holds from scale {outcome.recipe.holds:g} on"
        console.print(f"published: {outcome.recipe.checked}.  {note}.")
    for name, w in outcome.weights().items():
        console.print(
            f"weights {name}, of the upper bound: mean {w.mean():.3f}, sd {w.std():.3f}; "
            f"{(w < 0.1).mean():.0%} in the lowest tenth, {(w > 0.9).mean():.0%} in the highest"
        )
    console.print(
        f"{outcome.synapses:,.0f} synapses, built in {outcome.build_s:.2f} s; "
        f"{outcome.stop / 1000:g} s of biology in {outcome.run_s:.2f} s: real-time factor "
        f"{outcome.real_time_factor:.3g} ({outcome.net.backend} backend); "
        f"at most {outcome.peak_bytes / 2**20:,.0f} MiB"
    )
    return out.getvalue().rstrip()


def headline(outcome: Outcome) -> str:
    """One line on what ran."""
    kind = f", {outcome.variant}" if outcome.variant else ""
    neurons = sum(p.n for p in outcome.net.populations.values())
    return (
        f"{outcome.recipe.title}{kind}: {neurons:,} neurons, "
        f"{outcome.start / 1000:g} to {outcome.stop / 1000:g} s"
    )


def write_json(outcome: Outcome) -> Path:
    """Write result.json: numbers, machine, versions, commit.  NaN becomes null."""
    from fastsnn.bench import harness

    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **outcome.as_dict(),
        "machine": harness.machine(),
        "versions": harness.versions(),
        "commit": harness.commit(),
    }
    path = outcome.job.out / "result.json"
    with replacing(path) as file:
        file.write(json.dumps(_plain(content), indent=1, allow_nan=False).encode() + b"\n")
    return path


def write_page(outcome: Outcome) -> Path:
    """Draw the pictures and write index.html beside them; returns its path."""
    from fastsnn.analysis.report import Report
    from fastsnn.sim import figures

    page = Report(
        headline(outcome),
        f"{outcome.recipe.source}. Checked against: {outcome.recipe.checked}. "
        f"fastsnn {fastsnn.__version__}, backend {outcome.net.backend}, seed {outcome.job.seed}.",
    )
    page.numbers(
        {
            "real-time factor": f"{outcome.real_time_factor:.3g}",
            "built in": f"{outcome.build_s:.2f} s",
            "synapses": f"{outcome.synapses:,.0f}",
            "peak memory": f"{outcome.peak_bytes / 2**20:,.0f} MiB",
        }
    )
    for name, figure in figures.draw(outcome).items():
        page.picture(name, figure, _CAPTIONS[name])
    return page.text("Statistics", text(outcome)).write(outcome.job.out)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}g}"


def _verdict(found: float, known: float | None, within: float) -> str:
    if known is None:
        return ""
    off = found / known - 1.0
    return f"{off:+.1%}" + (" *" if abs(off) > within else "")


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
