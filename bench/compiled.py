# SPDX-License-Identifier: Apache-2.0
"""What is known of a kernel that never ran: registers, memory, loops, and whether it is exact."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fastsnn.bench import ptx, sass, toolchain
from fastsnn.bench.occupancy import occupancy, resident_blocks
from fastsnn.bench.toolchain import Unit

_PROPERTIES = re.compile(
    r"Function properties for (?P<name>\S+)\s*\n"
    r"\s*(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads"
    r"(?:\n[^\n]*Used (?P<registers>\d+) registers(?P<rest>[^\n]*))?"
)
# what reads for many others: they say more
_HELPERS = ("block.h", "device.h", "gpu.h", "parts.py")
_READERS = ("load", "store", "number")
_DEFINITION = re.compile(r"^\s*(?:template\b.*)?(?:FASTSNN_\w+|__global__|__device__|def)\s")
# where a kernel does not say how many threads it has
_THREADS = 256


@dataclass(frozen=True)
class Loop:
    """See `sass.Loop`.  place: file and function that read the first number."""

    place: str
    instructions: int
    events: int
    learns: bool

    @property
    def per_event(self) -> float:
        """Instructions of a thread for one event."""
        return self.instructions / self.events


@dataclass(frozen=True)
class Kernel:
    """One kernel.  `problems`, in words, are what must not be.

    accesses: number of instructions LDG, STG (global memory), LD, ST (by a generic address: global
              or shared, as it turns out), by bits of a thread.
    """

    backend: str
    name: str
    registers: int
    spill_stores: int
    spill_loads: int
    stack: int
    shared: int
    threads: int
    blocks_per_sm: int
    occupancy: float
    instructions: int
    ffma: int
    accesses: dict[str, dict[int, int]]
    loops: list[Loop]
    problems: list[str] = field(default_factory=list)


def kernels_of(unit: Unit) -> list[Kernel]:
    """Every kernel of a unit, and every function that was not inlined."""
    code, bounds, inexact = sass.parse(unit.sass), ptx.threads(unit.ptx), ptx.inexact(unit.ptx)
    found = []
    for said in _PROPERTIES.finditer(unit.log):
        mangled, function = said["name"], code.get(said["name"], sass.Function(said["name"]))
        static = re.search(r"(\d+) bytes smem", said["rest"] or "")
        shared = unit.shared if unit.shared is not None else int(static[1]) if static else 0
        block = unit.threads or bounds.get(mangled, _THREADS), int(said["registers"] or 0), shared
        spills = int(said["stores"]), int(said["loads"])
        words = f"spills registers: {spills[0]} bytes stored, {spills[1]} loaded"
        kernel = Kernel(
            backend=unit.backend,
            name=unit.label or readable(mangled),
            registers=block[1],
            spill_stores=spills[0],
            spill_loads=spills[1],
            stack=int(said["stack"]),
            shared=shared,
            threads=block[0],
            blocks_per_sm=resident_blocks(*block),
            occupancy=occupancy(*block),
            instructions=function.size,
            ffma=function.count("FFMA"),
            accesses={name: _by_width(function.accesses(name)) for name in sass.ACCESSES},
            loops=[_named(loop) for loop in function.loops],
            problems=[words] * any(spills) + inexact.get(mangled, []),
        )
        found.append(kernel)
    return sorted(found, key=lambda kernel: kernel.name)


def readable(mangled: str) -> str:
    """A C++ name without namespaces and arguments; as it is where c++filt is missing."""
    if not mangled.startswith("_Z") or not shutil.which("c++filt"):
        return mangled
    name = toolchain.run("c++filt", mangled).strip().replace("(anonymous namespace)::", "")
    name = re.sub(r"\b(?:\w+::)+", "", name)
    return re.sub(r"^[\w ]* (?=\w+<)|^(?:void|int|float|bool) ", "", name).partition("(")[0]


def _by_width(accesses: Counter[int]) -> dict[int, int]:
    return dict(sorted(accesses.items()))


def _named(loop: sass.Loop) -> Loop:
    named = (_place(Path(file), line) for file, line in loop.places)
    return Loop(next(filter(None, named), "?"), loop.instructions, loop.events, loop.learns)


@cache
def _place(file: Path, line: int) -> str | None:
    """File and function of a line; None for what only helps, and for code of others."""
    if file.name in _HELPERS or file.suffix == ".hpp" or "site-packages" in file.parts:
        return None
    if not file.exists():
        return file.name
    lines = file.read_text(errors="replace").splitlines()
    for k in reversed(range(min(line, len(lines)))):
        if _DEFINITION.search(lines[k]):
            # the name may stand in the next line
            names = re.findall(r"(\w+)\s*\(", " ".join(lines[k : k + 2]))
            names = [n for n in names if not n.startswith(("FASTSNN_", "__"))]
            if names:
                return None if names[0].startswith(_READERS) else f"{file.name} {names[0]}"
    return file.name
