# SPDX-License-Identifier: Apache-2.0
"""Progress of a run in biological time, on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_SECONDS_A_LINE = 5.0


class Watch:
    """How far a run is.  total, done: ms of biology; seconds: that the simulator took for it."""

    def __init__(self, title: str, total: float) -> None:
        self.title, self.total = title, total
        self.done, self.seconds = 0.0, 0.0

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing a second of biology."""
        return self.seconds / max(self.done / 1000.0, 1e-9)

    def advance(self, ms: float, seconds: float) -> None:
        """Add a piece that is done."""
        self.done += ms
        self.seconds += seconds
        self.show()

    def show(self) -> None:
        """Bring what the user sees up to date."""

    def facts(self) -> str:
        """Biological time, real-time factor and time left, as text."""
        left = self.real_time_factor * (self.total - self.done) / 1000.0
        ending = f"{left:,.0f} s left" if self.done < self.total else f"{self.seconds:,.1f} s"
        return (
            f"{self.done / 1000:.2f}/{self.total / 1000:.2f} s of biology  "
            f"real-time factor {self.real_time_factor:.3g}  {ending}"
        )


class _Lines(Watch):
    """Plain lines, at most one in five seconds besides the last."""

    def __init__(self, title: str, total: float, file: TextIO) -> None:
        super().__init__(title, total)
        self._file, self._last = file, time.perf_counter()

    def show(self) -> None:
        now = time.perf_counter()
        if self.done >= self.total or now - self._last >= _SECONDS_A_LINE:
            self._last = now
            print(f"{self.title}  {self.facts()}", file=self._file)


class _Bar(Watch):
    """A bar that is drawn in place."""

    def __init__(self, title: str, total: float, bar: Progress) -> None:
        super().__init__(title, total)
        self._bar, self._task = bar, bar.add_task(title, total=total, facts="")

    def show(self) -> None:
        self._bar.update(self._task, completed=self.done, facts=self.facts())


@contextmanager
def watching(title: str, total: float, file: TextIO | None = None) -> Iterator[Watch]:
    """Show a run of `total` ms of biology."""
    file = file or sys.stderr
    if not file.isatty():
        yield _Lines(title, total, file)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[facts]}"),
    )
    with Progress(*columns, console=Console(file=file)) as bar:
        yield _Bar(title, total, bar)
