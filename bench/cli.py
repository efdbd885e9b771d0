# SPDX-License-Identifier: Apache-2.0
"""`fastsnn bench NAME`: one's own sizes, one table, a JSON file, a plot."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastsnn import backends
from fastsnn.bench import harness
from fastsnn.bench.cases import CASES, Case, Setting
from fastsnn.bench.limits import limits
from fastsnn.bench.table import show
from fastsnn.errors import BackendError


def _positive(text: str) -> int:
    plain = text.replace("_", "").replace(",", "")
    if not plain.isdecimal() or int(plain) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of 1 or more")
    return int(plain)


def _parser() -> argparse.ArgumentParser:
    cases = "\n".join(f"  {case.name:<12}{case.what}" for case in CASES.values())
    parser = argparse.ArgumentParser(
        prog="fastsnn bench",
        usage="fastsnn bench NAME [options]",
        description="Time a workload, after checking it against the torch reference.",
        epilog=f"cases:\n{cases}\n  all         every case, sizes as in the README",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("case", choices=[*CASES, "all"], metavar="NAME")
    many: dict[str, Any] = {"type": _positive, "nargs": "+"}
    parser.add_argument("--n-neurons", "--n", dest="n", **many, help="neurons")
    parser.add_argument("--batch-size", dest="batch", **many, help="images at a time (default 1)")
    parser.add_argument("--images", type=_positive, help="images of one timed run")
    parser.add_argument("--time", type=_positive, help="steps of 1 ms of an image or a run")
    parser.add_argument("--threads", **many, help="threads of the backend (default 1)")
    parser.add_argument("--backend", nargs="+", help="backends (default: the fastest here)")
    parser.add_argument("--no-learning", action="store_true", help="weights and thresholds stay")
    parser.add_argument("--seed", type=int, default=0, help="of network and input (default 0)")
    parser.add_argument(
        "--rounds", type=_positive, default=5, help="timed runs at least (default 5)"
    )
    parser.add_argument("--no-reference", action="store_true", help="leave the torch reference out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the result")
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="append it to this machine's list"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw (default: bench-NAME.png)")
    parser.add_argument("--no-plot", action="store_true", help="draw nothing")
    return parser


def _settings(case: Case, args: argparse.Namespace) -> Iterator[Setting]:
    """The sizes asked for; those of the case where none are."""
    names = ("n", "batch", "threads", "images", "time")
    asked = args.no_learning or any(getattr(args, name) for name in names)
    # the limits are those of the CPU; bench/gpu.sh measures a GPU
    here = [name for name in backends.usable() if backends.home(name) == "cpu"]
    for backend in args.backend or here[:1]:
        if not asked:
            for setting in case.sizes:
                if backend != "torch" or setting.threads == 1:
                    yield replace(setting, backend=backend, seed=args.seed)
            continue
        base = replace(
            case.sizes[0],
            backend=backend,
            seed=args.seed,
            learning=case.sizes[0].learning and not args.no_learning,
        )
        base = replace(base, samples=args.images or base.samples, steps=args.time or base.steps)
        for n in args.n or [base.n]:
            for batch in args.batch or [base.batch]:
                for threads in args.threads or [1]:
                    yield replace(base, n=n, batch=batch, threads=threads)


def _rows(args: argparse.Namespace, say: Callable[[str], None]) -> Iterator[harness.Row]:
    cases = CASES.values() if args.case == "all" else [CASES[args.case]]
    known: dict[Setting, float] = {}

    def timer(run: Callable[[], None]) -> list[float]:
        return harness.repeat(run, args.rounds)

    for case in cases:
        for setting in _settings(case, args):
            say(f"{case.name}  n={setting.n} batch={setting.batch} threads={setting.threads}")
            reference = None
            if setting.backend != "torch" and not args.no_reference:
                same = replace(setting, backend="torch", threads=1, samples=1)
                reference = known.get(same) or harness.reference_seconds(case, same)
                known[same] = reference
            yield harness.measure(case, setting, timer, reference)


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 0, 1 when a backend is wrong, 2 for wrong arguments."""
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    unknown = set(args.backend or ()) - set(backends.usable())
    if unknown:
        print(f"fastsnn bench: backend '{unknown.pop()}' cannot run here:", file=sys.stderr)
        for name, reason in backends.explain().items():
            print(f"  {name}: {reason}", file=sys.stderr)
        return 2
    terminal = sys.stderr.isatty()

    def say(line: str) -> None:
        if terminal:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    try:
        rows = list(_rows(args, say))
    except BackendError as error:
        print(f"fastsnn bench: {error}", file=sys.stderr)
        return 1
    say("")
    finish(rows, args.json, args.record)
    if not args.no_plot:
        from fastsnn.bench.plot import plot

        target = args.plot or Path(f"bench-{args.case}.png")
        plot(rows, target)
        print(f"plot: {target}")
    return 0


def finish(rows: list[harness.Row], file: Path | None = None, folder: Path | None = None) -> None:
    """Print the table and the machine's rates, and save."""
    show(rows)
    for threads in sorted({row.threads for row in rows}):
        rates = sorted(limits(threads).rates.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in rates)
        print(f"measured, {threads} thread{'s' if threads > 1 else ''}: {shown}")
    content = harness.report(rows)
    if file:
        harness.save(file, content)
        print(f"saved: {file}")
    if folder:
        print(f"saved: {harness.append(folder, content)}")


if __name__ == "__main__":
    sys.exit(main())
