# SPDX-License-Identifier: Apache-2.0
"""Have items done by workers: whoever hangs or dies is replaced, and the rest goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

from fastsnn.bench.gpu.worker import Item

# until a worker has begun its first item: it imports torch and starts CUDA
START_SECONDS = 90.0
_POLL = 0.05


@dataclass
class Outcome:
    """What became of an item.  state: "ok", "failed", "crashed", "hung" or "left out"."""

    part: str
    item: str
    state: str
    seconds: float = 0.0
    why: str = ""


@dataclass
class Crew:
    """Workers of one part of the run.

    deadline: `monotonic` time at which the part ends.   log: what they print.
    row, outcome: called (from one thread at a time) as things happen.
    prefix: a command that runs another one.   jobs: workers side by side.
    """

    part: str
    deadline: float
    log: IO[bytes]
    row: Callable[[str, dict[str, Any]], None]
    outcome: Callable[[Outcome], None]
    dry: bool = False
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    slower: float = 1.0

    def do(self, items: Sequence[Item], jobs: int = 1) -> None:
        """Do all of them, as far as time allows."""
        shares = [list(items[k::jobs]) for k in range(min(jobs, len(items)))]
        with ThreadPoolExecutor(max(1, len(shares))) as pool:
            for finished in [pool.submit(self._all, share) for share in shares]:
                finished.result()

    def _all(self, items: list[Item]) -> None:
        while items and monotonic() < self.deadline:
            ended = self._some(items)
            if ended == 0:
                break
            items = items[ended:]
        for item in items:
            self.outcome(Outcome(self.part, item.name, "left out", why="no time was left"))

    def _some(self, items: list[Item]) -> int:
        """Start a worker; returns how many items it brought to an end, one way or another."""
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder, "told")
            told.touch()
            command = [*self.prefix, sys.executable, "-m", "fastsnn.bench.gpu.worker"]
            command += ["--to", str(told), *(["--dry-run"] if self.dry else []), self.part]
            command += [item.name for item in items]
            worker = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                start_new_session=True, env={**os.environ, **self.environment},
            )  # fmt: skip
            try:
                with told.open() as lines:
                    return _Watch(self, items, worker, lines).until_the_end()
            finally:
                end(worker)


class _Watch:
    """One worker, seen from outside."""

    def __init__(self, crew: Crew, items: list[Item], worker: subprocess.Popen, lines: Any) -> None:
        self.crew, self.items, self.worker, self.lines = crew, items, worker, lines
        self.ended = 0
        self.since, self.running = monotonic(), False
        self.partial = ""

    def until_the_end(self) -> int:
        """Number of items that ended."""
        while True:
            over = self.worker.poll() is not None
            self._read()
            if self.ended == len(self.items):
                self._let_go()
                return self.ended
            now, item = monotonic(), self.items[self.ended]
            started = self.running or self.ended
            limit = self.crew.slower * item.seconds if started else START_SECONDS
            if over:
                # between two items it gave up a broken device, and the next one is not to blame
                if self.running or not self.ended:
                    self._end(
                        "crashed", f"the process ended with {_signal(self.worker.returncode)}"
                    )
                return self.ended
            if now > self.crew.deadline:
                if self.running:
                    self._end("left out", "no time was left to finish it")
                return self.ended
            if now - self.since > limit:
                self._end("hung", f"not done after {limit:.0f} s")
                return self.ended
            sleep(_POLL)

    def _let_go(self) -> None:
        """Let it come to its own end, so that a prefix can say what it found."""
        try:
            self.worker.wait(max(2.0, min(30.0, self.crew.deadline - monotonic())))
        except subprocess.TimeoutExpired:
            print(f"{self.crew.part}: the worker did not end by itself", file=sys.stderr)

    def _read(self) -> None:
        text = self.partial + self.lines.read()
        *whole, self.partial = text.split("\n")
        for line in whole:
            told = json.loads(line)
            if told["event"] == "begin":
                self.since, self.running = monotonic(), True
            elif told["event"] == "row":
                self.crew.row(told["item"], told["row"])
            elif told["event"] == "failed":
                self._end("failed", told["why"])
            else:
                self._end("ok", "")

    def _end(self, state: str, why: str) -> None:
        name = self.items[self.ended].name
        self.crew.outcome(Outcome(self.crew.part, name, state, monotonic() - self.since, why))
        self.ended += 1
        self.since, self.running = monotonic(), False


def _signal(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
