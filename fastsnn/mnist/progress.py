# SPDX-License-Identifier: Apache-2.0
"""Progress of a pass over images, on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_SECONDS_A_LINE = 5.0


class Pass:
    """One pass over images: how far it is, how fast, and how good.

    rate: images a second since the pass began in this process.
    """

    def __init__(self, title: str, total: int, done: int) -> None:
        self.title, self.total, self.done = title, total, done
        self.accuracy: float | None = None
        self._first, self._start = done, time.perf_counter()

    def update(self, done: int, accuracy: float | None = None) -> None:
        """Say how many images are done, and what the accuracy is now."""
        self.done = done
        if accuracy is not None:
            self.accuracy = accuracy
        self.show()

    def beyond(self, start: int) -> Callable[[int], None]:
        """Return a function that is told how many images are done beyond the first `start`."""
        return lambda done: self.update(start + done)

    def show(self, last: bool = False) -> None:
        """Bring what the user sees up to date."""

    @property
    def seconds(self) -> float:
        """Time since the pass began in this process."""
        return time.perf_counter() - self._start

    @property
    def rate(self) -> float:
        """Images a second."""
        return (self.done - self._first) / max(self.seconds, 1e-9)

    def facts(self) -> list[str]:
        """Images, rate, accuracy and time left, as text."""
        rate = self.rate
        left = f"{_clock((self.total - self.done) / rate)} left" if rate > 0 else ""
        return [
            f"{self.done:,}/{self.total:,} images",
            f"{rate:,.0f} images/s" if rate >= 10 else f"{rate:.2f} images/s",
            f"accuracy {self.accuracy:.1%}" if self.accuracy is not None else "",
            left if self.done < self.total else _clock(self.seconds),
        ]


class _Lines(Pass):
    """Plain lines, at most one in five seconds besides the last."""

    def __init__(self, title: str, total: int, done: int, file: TextIO) -> None:
        super().__init__(title, total, done)
        self._file, self._last = file, -_SECONDS_A_LINE

    def show(self, last: bool = False) -> None:
        if last or (self.done < self.total and self.seconds - self._last >= _SECONDS_A_LINE):
            self._last = self.seconds
            print(f"{self.title}  " + "  ".join(filter(None, self.facts())), file=self._file)


class _Bar(Pass):
    """A bar that is drawn in place."""

    def __init__(self, title: str, total: int, done: int, bar: Progress) -> None:
        super().__init__(title, total, done)
        self._bar = bar
        self._task = bar.add_task(title, total=total, completed=done, facts="")

    def show(self, last: bool = False) -> None:
        facts = "  ".join(filter(None, self.facts()))
        self._bar.update(self._task, completed=self.done, facts=facts)


@contextmanager
def passing(title: str, total: int, done: int = 0, file: TextIO | None = None) -> Iterator[Pass]:
    """Show a pass over `total` images, of which `done` are done already."""
    file = file or sys.stderr
    if not file.isatty():
        lines = _Lines(title, total, done, file)
        yield lines
        lines.show(last=True)
        return
    columns = (
        TextColumn("{task.description:<6}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[facts]}"),
    )
    with Progress(*columns, console=Console(file=file)) as bar:
        yield _Bar(title, total, done, bar)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
