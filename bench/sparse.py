# SPDX-License-Identifier: Apache-2.0
"""The microcircuit at full scale: build time, run time, memory, beside their limits.

    python -m fastsnn.bench.sparse

Each row is a process of its own, so that its memory is its own.  Run time: the fastest of `rounds`
pieces of `ms` after a warm-up, per second of biology; bytes a synapse: what building added to the
process, over the number of synapses; CPU: processor time of all threads, which says more than the
clock where others run as well (threads that wait for each other burn some, too).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastsnn.bench import harness
from fastsnn.networks import NETWORKS
from fastsnn.statistics import Window

# seconds, seconds a second of biology, bytes, GiB: what is to be reached on two cores
LIMITS = {
    "dc": {"build_s": 8.0, "run_s": 0.7, "bytes_a_synapse": 4.2, "peak_gib": 2.0},
    "poisson": {"build_s": 8.0, "run_s": 1.0, "bytes_a_synapse": 4.2, "peak_gib": 2.0},
}


@dataclass(frozen=True)
class Row:
    """One setting.  run_s, cpu_s: seconds a second of biology; the least, and the median."""

    drive: str
    scale: float
    threads: int
    neurons: int
    synapses: float
    build_s: float
    run_s: float
    run_s_median: float
    cpu_s: float
    bytes_a_synapse: float
    peak_gib: float
    rate_hz: float
    worst_rate: float  # largest relative difference of a population's rate from the published
    load: float


def measure(drive: str, scale: float, threads: int, ms: float, rounds: int, seed: int) -> Row:
    """Build and run in this process."""
    recipe = NETWORKS["microcircuit"]
    # what is loaded at the first run is no part of the network
    recipe.make(0.001, drive, backend="cpu", threads=threads).run(1.0)
    before = _memory("VmRSS")
    start = time.perf_counter()
    net = recipe.make(scale, drive, seed=seed, backend="cpu", threads=threads)
    net.run(net.dt)
    built = time.perf_counter() - start
    held = _memory("VmRSS") - before
    synapses = sum(c.n_synapses for c in net.sparse.values())
    recipe.run(net, recipe.warm_up - net.dt)
    seconds, busy = [], []
    for _ in range(rounds):
        start, begin = time.perf_counter(), time.process_time()
        recipe.run(net, ms)
        seconds.append((time.perf_counter() - start) / (ms / 1000.0))
        busy.append((time.process_time() - begin) / (ms / 1000.0))
    peak = _memory("VmHWM")
    # after the timing, for recording is not what is timed
    rates, off = _rates(net, recipe, drive)
    return Row(
        drive, scale, threads, sum(p.n for p in net.populations.values()), synapses, built,
        min(seconds), sorted(seconds)[len(seconds) // 2], min(busy), held / synapses, peak / 2**30,
        rates, off, os.getloadavg()[0],
    )  # fmt: skip


def _rates(net: Any, recipe: Any, drive: str, ms: float = 1000.0) -> tuple[float, float]:
    recorder = net.record_spikes()
    start = net.step * net.dt
    recipe.run(net, ms)
    total, off = 0, 0.0
    for name, part in net.populations.items():
        times, ids = recorder.steps(name).numpy() * net.dt, recorder.ids(name).numpy()
        rate = Window.of(times, ids, part.n, start, start + ms).rates().mean()
        off = max(off, abs(rate / recipe.expected[drive][name].rate - 1.0))
        total += rate * part.n
    return total / sum(p.n for p in net.populations.values()), off


def _memory(name: str) -> float:
    """Bytes of resident memory, now (VmRSS) or at most (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return 1024.0 * float(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def show(rows: list[Row]) -> None:
    """Print a table; what misses its limit is marked."""
    table = Table(title="microcircuit; * misses its limit (at full scale, two threads)")
    names = ("drive", "threads", "build, s", "run, s/s", "median", "CPU", "B/synapse", "peak, GiB",
             "rate, Hz", "worst rate", "load")  # fmt: skip
    for name in names:
        table.add_column(name, justify="left" if name == "drive" else "right")
    for row in rows:
        judged = row.scale == 1.0 and row.threads == 2

        def mark(field: str, text: str, row: Row = row, judged: bool = judged) -> str:
            return text + (
                " *" if judged and getattr(row, field) > LIMITS[row.drive][field] else ""
            )

        table.add_row(
            row.drive, str(row.threads), mark("build_s", f"{row.build_s:.2f}"),
            mark("run_s", f"{row.run_s:.3f}"), f"{row.run_s_median:.3f}",
            f"{row.cpu_s:.3f}",
            mark("bytes_a_synapse", f"{row.bytes_a_synapse:.2f}"),
            mark("peak_gib", f"{row.peak_gib:.2f}"), f"{row.rate_hz:.2f}",
            f"{row.worst_rate:.1%}", f"{row.load:.1f}",
        )  # fmt: skip
    Console(width=110).print(table)
    for drive, limits in LIMITS.items():
        text = ", ".join(f"{k} <= {v:g}" for k, v in limits.items())
        print(f"limits, {drive}: {text}")


def main(argv: list[str] | None = None) -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="sparse", description=__doc__.splitlines()[0])
    parser.add_argument("--drive", nargs="+", choices=list(LIMITS), default=list(LIMITS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--ms", type=float, default=1000.0, help="of a timed piece (default 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="pieces (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the result to this list")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        row = measure(args.drive[0], args.scale, args.threads[0], args.ms, args.rounds, args.seed)
        print(json.dumps(asdict(row)))
        return 0
    rows = []
    for drive in args.drive:
        for threads in args.threads:
            print(f"{drive}, {threads} threads", file=sys.stderr)
            call = [sys.executable, "-m", "fastsnn.bench.sparse", "--one", "--drive", drive]
            for name in ("scale", "ms", "rounds", "seed"):
                call += [f"--{name}", str(getattr(args, name))]
            done = subprocess.run(
                [*call, "--threads", str(threads)], check=True, capture_output=True, text=True
            )
            found = json.loads(done.stdout.splitlines()[-1])
            rows.append(Row(**{f.name: found[f.name] for f in fields(Row)}))
    show(rows)
    if args.json:
        print(f"saved: {harness.append_rows(args.json, rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
