# SPDX-License-Identifier: Apache-2.0
"""The drop-in has BindsNET's names, and what worked as a call of them works."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LIST = Path(__file__).parent / "golden" / "bindsnet_names.txt"
# what is left out, and why
LEFT_OUT = {
    "network.topology_features": {
        "AbstractSubFeature.compute": "its argument has a name here",
    }
}
LINE = re.compile(r"( *)(\w+)(?:\((.*)\))?$")


def listed() -> Iterator[tuple[str, str, str | None]]:
    """Module, name (of a method: Class.name) and arguments, None where there is no call."""
    module = owner = ""
    for line in LIST.read_text().splitlines()[1:]:
        if line.startswith("["):
            module = line.strip("[]")
            continue
        indent, name, arguments = LINE.fullmatch(line).groups()
        owner = owner if indent else name
        yield module, f"{owner}.{name}" if indent else name, arguments


def obstacle(found: Callable[..., Any], wanted: list[str]) -> str | None:
    """What a call by the wanted arguments would stumble over; None: nothing."""
    ours = [p for p in inspect.signature(found).parameters.values() if p.name != "self"]
    kinds = {p.kind for p in ours}
    placed = [p for p in ours if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    named = [name for name in wanted if not name.startswith("*")]
    for place, name in enumerate(named):
        bare = name.rstrip("=")
        if place >= len(placed) or placed[place].name != bare:
            if not {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds:
                return f"argument {place} is not {bare}"
        elif name.endswith("=") and placed[place].default is inspect.Parameter.empty:
            return f"{bare} cannot be left out"
    beyond = [p.name for p in placed[len(named) :] if p.default is inspect.Parameter.empty]
    if beyond:
        return f"{beyond[0]} must be given"
    if any(name.startswith("**") for name in wanted) and inspect.Parameter.VAR_KEYWORD not in kinds:
        return "other keywords are refused"
    return None


@pytest.mark.parametrize("module", sorted({module for module, _, _ in listed()}))
def test_every_name_is_there_and_takes_the_same_arguments(module: str) -> None:
    ours = importlib.import_module(f"fastsnn.bindsnet.{module}")
    wrong = {}
    for where, name, arguments in listed():
        if where != module or name in LEFT_OUT.get(module, {}):
            continue
        found: Any = ours
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            wrong[name] = "missing"
        elif arguments is not None and (why := obstacle(found, arguments.split())):
            wrong[name] = why
    assert not wrong
