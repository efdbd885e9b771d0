# SPDX-License-Identifier: Apache-2.0
"""A bar over what is iterated, on stderr; nothing where that is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")


def passing(
    items: Iterable[Item],
    title: str,
    unit: str = "",
    show: bool = True,
    facts: Callable[[], str] = lambda: "",
) -> Iterator[Item]:
    """Iterate over items under a bar.

    facts: is asked after each item what to write behind the bar.
    """
    if not show or not sys.stderr.isatty():
        yield from items
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    total = len(items) if isinstance(items, Sized) else None
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(title, total=total, facts="")
        for item in items:
            yield item
            bar.update(task, advance=1, facts=facts())
