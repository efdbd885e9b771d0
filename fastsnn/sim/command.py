# SPDX-License-Identifier: Apache-2.0
"""`fastsnn sim NETWORK`: the command line of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fastsnn.networks import NETWORKS
from fastsnn.recording import EXPORTS
from fastsnn.sim.job import Job, run

_ENDINGS = {"npz": "npz", "sonata": "h5", "nwb": "nwb", "nix": "nix"}


def _list() -> str:
    """The networks, one a line; \b keeps click from filling the lines."""
    lines = []
    for recipe in NETWORKS.values():
        kinds = " | ".join(filter(None, recipe.variants))
        lines.append(f"{recipe.name:<20}{recipe.title}" + (f" ({kinds})" if kinds else ""))
    return "\b\n" + "\n".join(lines)


@click.command(
    short_help="run a network of the literature",
    help="Run a NETWORK of the literature and set its activity against what was published.\n\n"
    + _list(),
)
@click.argument("network", type=click.Choice(list(NETWORKS)), metavar="NETWORK")
@click.option(
    "--scale", type=float, default=1.0, show_default=True, help="size; 1: as it was published"
)
@click.option("--variant", help="kind of the network, see above")
@click.option("--time", type=float, metavar="MS", help="biological time; default: the network's")
@click.option("--warm-up", type=float, metavar="MS", help="time before it that does not count")
@click.option("--backend", default="auto", show_default=True, help="what computes")
@click.option("--seed", type=int, default=0, show_default=True, help="of all random numbers")
@click.option("--threads", type=int, help="of the cpu backend; default: as many as pay off")
@click.option(
    "--record", multiple=True, metavar="NAME",
    help="population whose spikes are recorded (repeat), or none; default: all",
)  # fmt: skip
@click.option(
    "--export", "exports", multiple=True, type=click.Choice(list(EXPORTS)),
    help="write the spikes in this format, too (repeat)",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("report"),
    show_default=True, metavar="DIR", help="folder of spikes, numbers and pictures",
)  # fmt: skip
@click.option("--plot/--no-plot", default=True, help="draw pictures  [default: plot]")
def sim(exports: tuple[str, ...], plot: bool, **options: Any) -> None:
    """See the help of the command."""
    from fastsnn.sim import report

    outcome = run(Job(**options))
    click.echo(report.text(outcome))
    click.echo(f"numbers: {report.write_json(outcome)}")
    for name in exports if outcome.statistics else ():
        path = outcome.job.out / f"spikes.{_ENDINGS[name]}"
        EXPORTS[name](outcome.recording(), path)
        click.echo(f"spikes: {path}")
    if plot and outcome.statistics:
        click.echo(f"report: {report.write_page(outcome)}")
