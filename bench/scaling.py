# SPDX-License-Identifier: Apache-2.0
"""How the cost of a sparse network grows with neurons, synapses, rate and threads.

    python -m fastsnn.bench.scaling --plot docs/sparse-scaling.png

A network whose rate is set from outside: every neuron gets its own Poisson drive, and synapses so
weak that they change nothing, but are delivered.  One number changes at a time.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fastsnn import Network
from fastsnn.bench import harness
from fastsnn.models.currents import LIFExp
from fastsnn.sparse import FixedOutDegree, PoissonDrive, Uniform


@dataclass(frozen=True)
class Case:
    """n neurons with k synapses each, driven to fire at about `rate` Hz."""

    n: int = 20_000
    k: int = 1_000
    rate: float = 8.0
    threads: int = 1


@dataclass(frozen=True)
class Row:
    """Seconds of building and, per second of biology, of running; the rate that came out."""

    axis: str
    n: int
    k: int
    rate: float
    threads: int
    build_s: float
    run_s: float
    ns_per_event: float
    ns_per_neuron_step: float


AXES: dict[str, list[Case]] = {
    "neurons": [Case(n=n) for n in (1_000, 3_000, 10_000, 30_000, 100_000)],
    "synapses": [Case(k=k) for k in (10, 100, 300, 1_000, 3_000, 10_000)],
    "rate": [Case(rate=rate) for rate in (0.0, 0.5, 2.0, 8.0, 32.0)],
    "threads": [Case(threads=t) for t in (1, 2)],
}
_NAMES = {
    "neurons": ("n", "neurons"),
    "synapses": ("k", "synapses of a neuron"),
    "rate": ("rate", "rate, Hz"),
    "threads": ("threads", "threads"),
}
# rate of the drive that brings a neuron to a rate: spikes of 45 mV at once
_KICK = 1e5  # pA


def build(case: Case) -> Network:
    """Every drive event makes a spike; synapses have weight 1e-3 pA and delays up to 5 ms."""
    net = Network(dt=0.1, seed=1, backend="cpu", threads=case.threads)
    net.population("E", LIFExp(tau_syn_ex=0.5, tau_syn_inh=0.5, t_refrac=2.0), case.n)
    wiring = FixedOutDegree(min(case.k, case.n), w=1e-3, delay=Uniform(0.1, 5.0))
    net.projection("E", "E", wiring, receptor="inh")
    net.drive("E", PoissonDrive(case.rate, _KICK), receptor="ex")
    return net


def measure(axis: str, case: Case, ms: float, rounds: int) -> Row:
    """The fastest of the rounds."""
    start = time.perf_counter()
    net = build(case)
    net.run(net.dt)
    built = time.perf_counter() - start
    net.run(100.0)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        net.run(ms)
        seconds.append((time.perf_counter() - start) / (ms / 1000.0))
    recorder = net.record_spikes()
    net.run(ms)
    rate = len(recorder.ids("E")) / case.n / (ms / 1000.0)
    events = case.n * min(case.k, case.n) * rate
    run = min(seconds)
    return Row(
        axis, case.n, min(case.k, case.n), rate, case.threads, built, run,
        1e9 * run / events if events else float("nan"), 1e9 * run / (case.n * 10_000),
    )  # fmt: skip


def show(rows: list[Row]) -> None:
    """Print a table."""
    table = Table(title="cost of a second of biology, dt 0.1 ms")
    for name in ("axis", "neurons", "synapses each", "Hz", "threads", "build, s", "run, s",
                 "ns/event", "ns/neuron step"):  # fmt: skip
        table.add_column(name, justify="left" if name == "axis" else "right")
    for row in rows:
        table.add_row(
            row.axis, f"{row.n:,}", f"{row.k:,}", f"{row.rate:.2f}", str(row.threads),
            f"{row.build_s:.3f}", f"{row.run_s:.4f}", f"{row.ns_per_event:.2f}",
            f"{row.ns_per_neuron_step:.2f}",
        )  # fmt: skip
    Console(width=110).print(table)


def plot(rows: list[Row], path: Path) -> None:
    """One panel an axis: time of a second of biology, and a line of slope one."""
    from fastsnn.analysis.style import BLUE, GRID, INK, PALE, RED, new_figure, quiet, title

    axes_of = [axis for axis in AXES if any(row.axis == axis for row in rows)]
    figure = new_figure(3.1 * len(axes_of), 3.6)
    panels = figure.subplots(1, len(axes_of), squeeze=False)[0]
    for axes, axis in zip(panels, axes_of, strict=True):
        field, name = _NAMES[axis]
        line = [row for row in rows if row.axis == axis]
        x, run = [getattr(row, field) for row in line], [row.run_s for row in line]
        axes.plot(x, run, "o-", color=BLUE, label="a second of biology")
        if axis != "rate":
            axes.plot(x, [row.build_s for row in line], "s--", color=RED, label="building")
        quiet(axes)
        axes.set(xlabel=name, ylabel="seconds" if axes is panels[0] else "")
        axes.grid(color=GRID, linewidth=0.7)
        if axis == "threads":
            axes.set(xticks=x, ylim=(0, None))
        else:
            axes.set(xscale="symlog" if axis == "rate" else "log", yscale="log")
            slope = [run[-1] * value / x[-1] for value in x if value > 0]
            axes.plot([v for v in x if v > 0], slope, ":", color=PALE, label="proportional")
        title(axes, f"Cost over {axis}", 10)
        axes.legend(frameon=False, fontsize=7, labelcolor=INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, draw, save."""
    parser = argparse.ArgumentParser(prog="scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=list(AXES), default=list(AXES))
    parser.add_argument("--threads", type=int, default=1, help="on the other axes (default 1)")
    parser.add_argument("--ms", type=float, default=500.0, help="of a timed piece (default 500)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the result to this list")
    args = parser.parse_args(argv)
    rows = []
    for axis in args.axes:
        for case in AXES[axis]:
            given = case if axis == "threads" else replace(case, threads=args.threads)
            print(f"{axis}: {given}", file=sys.stderr)
            rows.append(measure(axis, given, args.ms, args.rounds))
    show(rows)
    if args.plot:
        plot(rows, args.plot)
        print(f"plot: {args.plot}")
    if args.json:
        print(f"saved: {harness.append_rows(args.json, rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
