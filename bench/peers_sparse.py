# SPDX-License-Identifier: Apache-2.0
"""Sparse networks under Brian2 (C++ standalone) and NEST, and under fastsnn, in one run.

    python -m fastsnn.bench.peers_sparse --peer PYTHON

PYTHON: an interpreter that has brian2 (and nest, or not).  The same networks: sizes, equations,
probabilities, drive, dt; each draws its own random numbers.  Every round runs all of them one after
the other; the ratio is that of the fastest of each in a round, its median is reported.  Building
(making the synapses) is timed apart from running, compiling is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from fastsnn import Network
from fastsnn.bench import harness
from fastsnn.models.currents import LIFDelta, LIFExp
from fastsnn.networks import NETWORKS
from fastsnn.networks.recipe import uniform
from fastsnn.sparse import FixedProbability, PoissonDrive

SIZES = {
    "cuba": (4_000, 20_000, 100_000),
    "coba": (4_000, 20_000, 100_000),
    "balanced": (10_000,),
    "stdp": (2_000,),
}
PEERS = ("brian2", "nest")


def balanced(n: int, seed: int, threads: int) -> Network:
    """Brunel's network as `peer_brian2.balanced` has it."""
    k_ex, k_in, j = int(0.08 * n), int(0.02 * n), 0.1 * 10_000 / n
    net = Network(dt=0.1, seed=seed, backend="cpu", threads=threads)
    model = LIFDelta(v_rest=0.0, v_thresh=20.0, v_reset=10.0, tau_m=20.0, t_refrac=2.0, c_m=250.0)
    for name, size in (("E", 4 * n // 5), ("I", n // 5)):
        net.population(name, model, size)
        net.populations[name].v = uniform(net, name, 0.0, 20.0)
    for source, k, w, port in (("E", k_ex, j, "ex"), ("I", k_in, -5.0 * j, "inh")):
        for target in net.populations:
            p = k / net.populations[source].n
            net.projection(source, target, FixedProbability(p, w=w, delay=1.5), receptor=port)
    for target in net.populations:
        net.drive(target, PoissonDrive(2.0 * 1000.0 * 20.0 / (j * 20.0), j), receptor="ex")
    return net


def stdp(n: int, seed: int, threads: int, backend: str = "cpu") -> Network:
    """Plastic synapses between neurons that fire by themselves, as `peer_brian2.stdp`."""
    from fastsnn.models import PairSTDP

    net = Network(dt=0.1, seed=seed, backend=backend, threads=threads)
    draw = torch.Generator().manual_seed(seed)
    rest = 21.0 + 4.0 * torch.rand(n, generator=draw)
    # a leak of 10 nS: 1 pA is 0.1 mV
    model = LIFExp(
        v_rest=rest, v_thresh=20.0, v_reset=0.0, tau_m=20.0, c_m=200.0, tau_syn_ex=5.0,
        tau_syn_inh=5.0, t_refrac=5.0,
    )  # fmt: skip
    net.population("E", model, n)
    net.populations["E"].v = 20.0 * torch.rand(n, generator=draw)
    pairs = (torch.rand(n, n, generator=draw) < 100.0 / n).nonzero()
    from fastsnn import Sparse

    w = torch.rand(len(pairs), generator=draw)
    rule = PairSTDP(a_plus=0.01, a_minus=0.0105, tau_plus=20.0, tau_minus=20.0)
    net.projection(
        "E", "E", Sparse(w, pairs[:, 0], pairs[:, 1]), receptor="ex", rule=rule,
        w_min=0.0, w_max=1.0,
    )  # fmt: skip
    return net


def _shipped(name: str) -> Callable[[int, int, int], Network]:
    return lambda n, seed, threads: NETWORKS[name].make(
        n / 4000.0, seed=seed, backend="cpu", threads=threads
    )


OURS = {"cuba": _shipped("cuba"), "coba": _shipped("coba"), "balanced": balanced, "stdp": stdp}


@dataclass(frozen=True)
class Row:
    """One network at one size.  Seconds of the fastest round; ratio: peer over fastsnn."""

    case: str
    n: int
    simulator: str
    threads: int
    build_s: float
    run_s: float
    rate_hz: float | None
    ratio: float | None = None  # of the fastest peer here and the fastest of ours, median


class Brian2:
    """One compiled project."""

    name, cases = "brian2", tuple(SIZES)

    def __init__(self, peer: str, case: str, n: int, ms: float, threads: int, folder: Path) -> None:
        self.folder, self.threads, self.n = folder / f"{case}-{n}-{threads}", threads, n
        script = Path(__file__).with_name("peer_brian2.py")
        call = [peer, str(script), case, str(n), str(ms), str(threads), "1", str(self.folder)]
        subprocess.run(call, check=True, capture_output=True)

    def run(self) -> tuple[float, float, float]:
        """Seconds to build, seconds to run, Hz."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        start = time.perf_counter()
        subprocess.run(
            ["./main"], cwd=self.folder, check=True, capture_output=True, env=environment
        )
        whole = time.perf_counter() - start
        results = self.folder / "results"
        seconds = float((results / "last_run_info.txt").read_text().split()[0])
        counter = next(results.glob("_array_spikemonitor_N_*"))
        spikes = int.from_bytes(counter.read_bytes()[:4], "little")
        return whole - seconds, seconds, spikes / self.n


class Nest:
    """A process for each run."""

    name, cases = "nest", ("cuba", "coba", "balanced")

    def __init__(self, peer: str, case: str, n: int, ms: float, threads: int, folder: Path) -> None:
        script = Path(__file__).with_name("peer_nest.py")
        self.threads, self.call = threads, [peer, str(script), case, str(n), str(ms), str(threads)]

    def run(self) -> tuple[float, float, float]:
        """Seconds to build, seconds to run, Hz."""
        done = subprocess.run(self.call, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        return found["build_s"], found["run_s"], found["rate_hz"]


class Ours:
    """fastsnn in this process."""

    name = "fastsnn"

    def __init__(self, case: str, n: int, ms: float, threads: int) -> None:
        self.make, self.n, self.ms, self.threads = OURS[case], n, ms, threads
        self.seed = 0

    def run(self) -> tuple[float, float, float | None]:
        """Seconds to build, seconds to run; the rate is counted in a run that is not timed."""
        self.seed += 1
        start = time.perf_counter()
        net = self.make(self.n, self.seed, self.threads)
        net.run(net.dt)
        built = time.perf_counter()
        net.run(self.ms - net.dt)
        ended = time.perf_counter()
        return built - start, ended - built, None

    def rate(self) -> float:
        """Hz, of all neurons."""
        net = self.make(self.n, 1, self.threads)
        recorder = net.record_spikes()
        net.run(self.ms)
        spikes = sum(len(recorder.ids(name)) for name in net.populations)
        return spikes / self.n / (self.ms / 1000.0)


def measure(case: str, n: int, args: argparse.Namespace, folder: Path) -> list[Row]:
    """All simulators in turn, `rounds` times; the fastest of each setting, median of ratios."""
    simulators: list[Brian2 | Nest | Ours] = [
        Ours(case, n, args.ms, threads) for threads in args.threads
    ]
    for kind in (Brian2, Nest):
        if kind.name in args.peers and case in kind.cases:
            simulators += [kind(args.peer, case, n, args.ms, t, folder) for t in args.threads]
    ours = [s for s in simulators if isinstance(s, Ours)]
    ours[0].run()
    found: dict[int, list[tuple[float, float, float | None]]] = {}
    for _ in range(args.rounds):
        for k, simulator in enumerate(simulators):
            found.setdefault(k, []).append(simulator.run())
    rate = ours[0].rate()
    rows = []
    for k, runs in found.items():
        simulator = simulators[k]
        build, run = min(r[0] for r in runs), min(r[1] for r in runs)
        hz = rate if isinstance(simulator, Ours) else runs[0][2]
        rows.append(Row(case, n, simulator.name, simulator.threads, build, run, hz))
    return list(_with_ratio(rows, found, simulators, args.rounds))


def _with_ratio(rows: list[Row], found: dict, simulators: list, rounds: int) -> Iterator[Row]:
    """The ratio stands in the first row: fastest peer over the fastest of ours, round by round."""
    ratios = []
    for round_ in range(rounds):
        ours = [runs[round_][1] for k, runs in found.items() if isinstance(simulators[k], Ours)]
        peers = [
            runs[round_][1]
            for k, runs in found.items()
            if not isinstance(simulators[k], Ours) and len(runs) == rounds
        ]
        if ours and peers:
            ratios.append(min(peers) / min(ours))
    for k, row in enumerate(rows):
        yield Row(**{**asdict(row), "ratio": median(ratios)}) if k == 0 and ratios else row


def show(rows: list[Row], ms: float) -> None:
    """Print a table."""
    table = Table(title=f"{ms / 1000:g} s of biology, dt 0.1 ms, fastest of the rounds")
    for column in ("case", "neurons", "simulator", "threads", "build, s", "run, s", "Hz", "ratio"):
        left = column in ("case", "simulator")
        table.add_column(column, justify="left" if left else "right")
    for row in rows:
        table.add_row(
            row.case, f"{row.n:,}", row.simulator, str(row.threads), f"{row.build_s:.3f}",
            f"{row.run_s:.4f}", "-" if row.rate_hz is None else f"{row.rate_hz:.2f}",
            "" if row.ratio is None else f"{row.ratio:.1f}",
        )  # fmt: skip
    Console(width=100).print(table)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="peers_sparse", description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="interpreter with brian2, and nest or not")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=["brian2"])
    parser.add_argument("--cases", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--n", nargs="+", type=int, help="neurons (default: those of the limits)")
    parser.add_argument("--ms", type=float, default=1000.0, help="of biology (default 1000)")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the result to this list")
    args = parser.parse_args(argv)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in args.cases:
            for n in args.n or SIZES[case]:
                print(f"{case}, {n:,} neurons", file=sys.stderr)
                rows += measure(case, n, args, Path(folder))
    show(rows, args.ms)
    if args.json:
        print(f"saved: {harness.append_rows(args.json, rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
