# SPDX-License-Identifier: Apache-2.0
"""Time every feature of BindsNET in BindsNET and in `fastsnn.bindsnet`, in turn.

    python -m fastsnn.bench.dropin --bindsnet PYTHON --path DIR [DIR ...]

Each side runs in its own interpreter and waits while the other is timed.  The least time of all
calls counts: other programs can only make a call slower.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastsnn.bench import dropin_cases
from fastsnn.bench.harness import commit, machine, save, versions
from fastsnn.bench.table import seconds


@dataclass(frozen=True)
class Pair:
    """Least seconds of a call on both sides; same: whether both gave one number, if any."""

    case: str
    bindsnet: float | None
    fastsnn: float | None
    same: bool | None = None
    error: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster fastsnn is."""
        return self.bindsnet / self.fastsnn if self.bindsnet and self.fastsnn else None


class Side:
    """An interpreter that has one of the packages."""

    def __init__(self, python: str, package: str, threads: int, path: Sequence[str] = ()) -> None:
        script = Path(dropin_cases.__file__)
        place = {"PYTHONPATH": os.pathsep.join(path)} if path else {}
        self.process = subprocess.Popen(
            [python, str(script), package, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd=script.anchor, env=os.environ | place | {"MPLBACKEND": "Agg"},
        )  # fmt: skip

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def time(self, case: str, budget: float) -> dict[str, Any]:
        """Call a case for `budget` seconds or once."""
        print(json.dumps([case, budget]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else {"times": [], "error": "the interpreter ended"}


def compare(case: str, theirs: Side, ours: Side, rounds: int, budget: float) -> Pair:
    """Time a case on both sides in turn; an error of a side ends it."""
    times: dict[Side, list[float]] = {theirs: [], ours: []}
    outcomes: dict[Side, Any] = {}
    errors = {}
    for _ in range(rounds):
        for side, name in ((theirs, "BindsNET"), (ours, "fastsnn")):
            if name in errors:
                continue
            answer = side.time(case, budget)
            times[side] += answer["times"]
            outcomes.setdefault(side, answer.get("outcome"))
            if "error" in answer:
                errors[name] = answer["error"]
    least = [min(times[side], default=None) for side in (theirs, ours)]
    known = None not in outcomes.values()
    return Pair(
        case, *least, _same(outcomes[theirs], outcomes[ours]) if known and not errors else None,
        "; ".join(f"{name}: {text}" for name, text in errors.items()),
    )  # fmt: skip


def _same(a: float, b: float) -> bool:
    """Equal but for the rounding of long sums."""
    return abs(a - b) <= 1e-5 * max(abs(a), abs(b))


def measure(args: argparse.Namespace) -> Iterator[Pair]:
    """A pair for each case whose name contains one of those asked for."""
    asked = [name for name in dropin_cases.CASES if any(part in name for part in args.cases)]
    with (
        Side(args.bindsnet, "bindsnet", args.threads, args.path) as theirs,
        Side(sys.executable, "fastsnn.bindsnet", args.threads) as ours,
    ):
        for name in asked:
            yield compare(name, theirs, ours, args.rounds, args.seconds)


def row(pair: Pair) -> tuple[str, ...]:
    """A line of the table."""
    times = ("-" if t is None else seconds(t) for t in (pair.bindsnet, pair.fastsnn))
    ratio = "-" if pair.ratio is None else f"{pair.ratio:,.{0 if pair.ratio >= 10 else 1}f}"
    same = {True: "yes", False: "no", None: ""}[pair.same]
    return (pair.case, *times, ratio, same, pair.error[:60])


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=[""], help="parts of names; default: all")
    parser.add_argument("--bindsnet", required=True, metavar="PYTHON", help="that has BindsNET")
    parser.add_argument("--path", nargs="+", default=(), metavar="DIR", help="its PYTHONPATH")
    parser.add_argument("--threads", type=int, default=2, help="of both")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=0.2, help="of a turn, at least one call")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    shown = Table(title=f"BindsNET scripts, {args.threads} thread(s), least time of a call")
    for name in ("case", "BindsNET", "fastsnn", "times", "same", "error"):
        shown.add_column(name, justify="left" if name in ("case", "error") else "right")
    pairs = []
    for pair in measure(args):
        pairs.append(pair)
        shown.add_row(*row(pair))
        print(*row(pair), sep="\t", file=sys.stderr, flush=True)
    Console(width=130).print(shown)
    if args.json:
        rows = [{**asdict(pair), "ratio": pair.ratio} for pair in pairs]
        found = {"machine": machine(), "versions": versions(), "commit": commit(), "rows": rows}
        save(args.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
