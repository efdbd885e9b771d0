# SPDX-License-Identifier: Apache-2.0
"""Do items one after another in a process of its own, and tell of each as it goes.

Whoever started it reads what is told (lines of JSON in a file), and ends it when an item hangs: a
kernel that never returns or breaks the device takes this process with it and nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastsnn.bench.gpu import timing

# the device is broken: only a new process gets it back
BROKEN = 70


@dataclass(frozen=True)
class Item:
    """Something to do: what it yields are rows.

    seconds: after which it hangs.   dry: tiny, on a CPU.
    """

    name: str
    do: Callable[[bool], Iterable[dict[str, Any]]]
    seconds: float = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("part")
    parser.add_argument("names", nargs="+")
    args = parser.parse_args(argv)
    from fastsnn.bench.gpu.items import items

    known = {item.name: item for item in items(args.part, args.dry_run)}
    with args.to.open("a") as out:

        def tell(**what: Any) -> None:
            out.write(json.dumps(what) + "\n")
            out.flush()

        for name in args.names:
            if not _do(known[name], args.dry_run, tell):
                return BROKEN
    return 0


def _do(item: Item, dry: bool, tell: Callable[..., None]) -> bool:
    """Do one item; False when the device is broken."""
    print(f"== {item.name}", flush=True)
    tell(event="begin", item=item.name)
    try:
        for row in item.do(dry):
            tell(event="row", item=item.name, row=row)
        timing.finish()
    except Exception as error:
        traceback.print_exc()
        tell(event="failed", item=item.name, why=f"{type(error).__name__}: {error}")
        return _still_works()
    tell(event="done", item=item.name)
    return True


def _still_works() -> bool:
    try:
        timing.finish()
    except RuntimeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
