# SPDX-License-Identifier: Apache-2.0
"""Build, test and measure on a machine with a GPU, each part within its own time.

bash bench/gpu.sh OUTDIR [--dry-run]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import IO

import torch

from fastsnn.bench.gpu import places, table, tools
from fastsnn.bench.gpu.crew import Crew, end
from fastsnn.bench.gpu.items import items
from fastsnn.bench.gpu.report import Part, Report

# seconds of all parts together, and of each at most; what a part leaves is there for the next ones
_ALL = 520.0
_MOST = {"build": 200.0, "micro": 50.0, "parity": 75.0, "tests": 50.0, "sanitize": 100.0}
_TESTS = ("test_parity.py", "test_golden.py", "test_replicas.py")
# "test.py::name PASSED", or with xdist "PASSED test.py::name"; not the summary of failures
_VERDICT = re.compile(
    r"(?m)^\S+::.* (PASSED|FAILED|ERROR)\b|^\[gw\d+\].* (PASSED|FAILED|ERROR) \S+::"
)
_SUMMARY = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (.+)")


class Session:
    """One run of everything."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder, self.dry = folder, args.dry_run
        self.report = Report(folder / "gpu.json", self.dry, args.commit)
        self.end = monotonic() + args.seconds
        self.failed = False

    def part(self, name: str, do: Callable[[Part, float, IO[bytes]], None]) -> None:
        """Do a part; whatever happens in it, the next one comes."""
        part = self.report.part(name)
        deadline = min(self.end, monotonic() + _MOST.get(name, _ALL))
        # one log per part
        with (self.folder / f"{name}.log").open("ab") as log:
            try:
                if monotonic() > self.end:
                    part.end("left out", "no time was left")
                else:
                    do(part, deadline, log)
            except Exception as error:
                part.end("failed", f"{type(error).__name__}: {error}")
        self.failed |= part.state == "failed"
        print(f"{name}: {part.state}, {part.seconds:.1f} s  {part.note}", flush=True)
        self.report.save()

    def build(self, part: Part, deadline: float, log: IO[bytes]) -> None:
        """Compile the native modules."""
        command = [sys.executable, "-m", "fastsnn.bench.gpu.build"]
        code = self._call([*command, *(["--dry-run"] if self.dry else [])], deadline, log)
        part.end(*_ended(code))

    def crew(self, name: str, jobs: int = 1) -> Callable[[Part, float, IO[bytes]], None]:
        """A part of items, done by workers."""

        def do(part: Part, deadline: float, log: IO[bytes]) -> None:
            crew = Crew(name, deadline, log, self.report.row, self.report.outcome, self.dry)
            crew.do(items(name, self.dry), jobs)
            self._sum_up(part, name)

        return do

    def _sum_up(self, part: Part, name: str, *notes: str) -> None:
        states = self.report.states(name)
        wrong = set(states) - {"ok", "left out"}
        counted = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
        part.end("failed" if wrong else "ok", "; ".join((counted or "nothing to do", *notes)))

    def tests(self, part: Part, deadline: float, log: IO[bytes]) -> None:
        """The tests that run on every backend here, where pytest is at hand."""
        lacking = [m for m in ("pytest", "hypothesis") if importlib.util.find_spec(m) is None]
        if lacking:
            part.end("left out", f"no {' and no '.join(lacking)} here")
            return
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short"]
        tests = places.ROOT / "python_tests"
        if self.dry:
            command += [str(tests / "test_benchmarks.py"), "-k", "wrong_arguments or repeat_runs"]
        else:
            many = importlib.util.find_spec("xdist") is not None
            command += [*(["-n", "8"] if many else []), *(str(tests / name) for name in _TESTS)]
            command += ["-k", "cuda or triton"]
        begin = log.tell()
        code = self._call(command, deadline, log)
        words = [a or b for a, b in _VERDICT.findall(self._said(log, begin))]
        passed, wrong = words.count("PASSED"), len(words) - words.count("PASSED")
        note = f"{passed} passed, {wrong} failed" + ("" if code is not None else ", then cut off")
        # 5: nothing was selected
        part.end("ok" if not wrong and code in (None, 0, 5) else "failed", note)

    def _said(self, log: IO[bytes], begin: int) -> str:
        """What a log got since."""
        with Path(log.name).open("rb") as file:
            file.seek(begin)
            return file.read().decode(errors="replace")

    def sanitize(self, part: Part, deadline: float, log: IO[bytes]) -> None:
        """compute-sanitizer over small runs of every kernel."""
        program = tools.sanitizer()
        if program is None and not self.dry:
            part.end("left out", "compute-sanitizer is not found")
            return
        checked = items("sanitize", self.dry)
        ours = [item for item in checked if item.name.endswith(" on cuda")]
        others = [item for item in checked if item not in ours]
        # each tensor by itself, so that what is read beside it is noticed; graphs do not like that
        alone = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
        todo = [("memcheck", ours, alone), ("racecheck", ours, {}), ("memcheck", others, {})]
        todo, notes = [group for group in todo if group[1]], []
        for k, (tool, group, environment) in enumerate(todo):
            until = monotonic() + (deadline - monotonic()) / (len(todo) - k)
            prefix = [program, "--tool", tool, "--error-exitcode", "9", "--target-processes", "all"]
            crew = Crew(
                "sanitize", until, log, self.report.row, self.report.outcome, self.dry,
                prefix if program else (), environment, slower=4.0,
            )  # fmt: skip
            begin = log.tell()
            crew.do(group)
            found = _SUMMARY.findall(self._said(log, begin))
            notes.append(f"{tool}: {', '.join(dict.fromkeys(found)) or 'no summary'}")
        self._sum_up(part, "sanitize", *notes)
        if any(re.search(r"[1-9]\d* (error|hazard)", note) for note in notes):
            part.state = "failed"

    def _call(self, command: Sequence[str], deadline: float, log: IO[bytes]) -> int | None:
        """The exit code, None when it was ended at the deadline."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, cwd=places.ROOT,
        )  # fmt: skip
        try:
            return process.wait(max(1.0, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            return None
        finally:
            end(process)


def _ended(code: int | None) -> tuple[str, str]:
    if code is None:
        return "failed", "took too long and was ended"
    return ("ok", "") if code == 0 else ("failed", f"exit code {code}, see its log")


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 when something was wrong or hung."""
    parser = argparse.ArgumentParser(
        prog="bench/gpu.sh", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("outdir", type=Path, metavar="OUTDIR")
    parser.add_argument("--dry-run", action="store_true", help="everything tiny, on the CPU")
    parser.add_argument("--no-build", action="store_true", help="measure what is built")
    parser.add_argument("--seconds", type=float, default=_ALL, help="for everything (520)")
    parser.add_argument("--only", nargs="+", metavar="PART", help="some of the parts")
    parser.add_argument("--commit", help="its name, where there is no git")
    parser.add_argument("--record", type=Path, metavar="DIR", help="append to DIR/<gpu>.json")
    args = parser.parse_args(argv)
    if not args.dry_run and not torch.cuda.is_available():
        print("gpu.sh: torch finds no CUDA device; --dry-run tries everything on the CPU.")
        return 2
    if args.record and args.dry_run:
        parser.error("--record is for what was measured, and a dry run measures nothing")
    args.outdir.mkdir(parents=True, exist_ok=True)
    session = Session(args.outdir, args)
    parts = {
        "build": session.build, "micro": session.crew("micro"),
        "parity": session.crew("parity", 1 if args.dry_run else min(6, os.cpu_count() or 1)),
        "tests": session.tests, "sanitize": session.sanitize, "bench": session.crew("bench"),
    }  # fmt: skip
    if args.no_build:
        parts.pop("build")
    for name, do in parts.items():
        if not args.only or name in args.only:
            session.part(name, do)
    lines = list(table.lines(session.report))
    (args.outdir / "table.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(["", *lines]), flush=True)
    if args.record:
        print(f"recorded: {session.report.record(args.record)}")
    return int(session.failed)


if __name__ == "__main__":
    sys.exit(main())
