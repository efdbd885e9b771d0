# SPDX-License-Identifier: Apache-2.0
"""`make bench`: after the runs, one table, and the result appended to this machine's list."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastsnn.bench.cli import finish
from fastsnn.bench.harness import Row
from fastsnn.bench.plot import plot

RESULTS = Path(__file__).with_name("results")


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    """Rows measured so far."""
    return _rows


_rows: list[Row] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table and save, unless single cases were picked."""
    if not _rows:
        return
    picked = terminalreporter.config.option.keyword
    terminalreporter.ensure_newline()
    finish(_rows, folder=None if picked else RESULTS)
    if not picked:
        plot(_rows, RESULTS / "bench.png")
