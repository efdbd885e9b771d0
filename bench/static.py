# SPDX-License-Identifier: Apache-2.0
"""`python -m fastsnn.bench.static`: compile every kernel for sm_90, and show what became of it.

No GPU is needed.  Fails when a kernel spills registers, or rounds differently from the reference.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fastsnn.bench import toolchain
from fastsnn.bench.compiled import Kernel, kernels_of
from fastsnn.bench.harness import commit, save
from fastsnn.bench.toolchain import Missing, ToolError, Unit
from fastsnn.files import replacing

NAME = f"static-sm_{toolchain.ARCH}"
RESULTS = Path(__file__).with_name("results")
COLUMNS = (
    "kernel",
    "registers",
    "spills",
    "stack",
    "shared",
    "threads",
    "occupancy",
    "global loads",
    "global stores",
    "generic loads",
    "generic stores",
    "instructions",
    "FFMA",
)
LOOP_COLUMNS = ("loop over memory", "loops", "writes", "instructions per event")
NOTES = """\
- registers: of a thread. spills (stored / loaded), stack: bytes of a thread, as ptxas says.
- shared: bytes of a block that are known when compiling; a persistent kernel gets more at launch,
  as its network needs.
- occupancy: resident warps of the 64 that a multiprocessor can hold, with these threads, registers
  and shared memory, by the rules of NVIDIA's cuda_occupancy.h.
- loads, stores: bits of a thread : number of instructions. global: LDG, STG; generic: LD, ST, whose
  address turns out to be in global or in shared memory.
- FFMA: in correctly rounded division, square root and in exp. That nothing else is contracted is
  seen in PTX, where no other fma may stand and every + and * must name its rounding.
- instructions per event: of a thread, an estimate from SASS. A loop is what lies between a backward
  jump and its target. An event, that is a synapse (or a variable of a neuron, where a loop is over
  neurons), is a number of 4 bytes that an iteration writes by a global or generic address, or,
  where it writes none, that it reads there and computes with. Branches that are rarely taken count
  in full. Lowest - highest over the loops of a place in the source.
"""


def cuda_units() -> Iterator[Unit]:
    """Every CUDA source, compiled."""
    flags = toolchain.cuda_flags()
    for source in toolchain.cuda_sources():
        yield toolchain.compile_cuda(source, flags)


def triton_units() -> Iterator[Unit]:
    """Every Triton kernel, compiled."""
    if toolchain.bundled("ptxas") is None:
        raise Missing("triton is not installed here")
    from fastsnn.backends.triton_compile import catalogue

    for made in catalogue():
        batch = made.constants.get("BATCH", 1)
        label = made.label.strip() + (f", batch {batch}" if batch > 1 else "")
        yield toolchain.compile_triton(
            made.kernel, made.signature, made.constants, made.attributes, made.options, label
        )


BACKENDS: dict[str, Callable[[], Iterator[Unit]]] = {"triton": triton_units, "cuda": cuda_units}


def versions() -> dict[str, str]:
    """Of the compilers."""
    found = {}
    with suppress(Missing):
        found["nvcc"] = toolchain.version(toolchain.nvcc())
    with suppress(metadata.PackageNotFoundError):
        found["triton"] = metadata.version("triton")
    return found


def cells(kernel: Kernel) -> list[str]:
    """One line of the table."""

    def widths(name: str) -> str:
        found = kernel.accesses[name].items()
        return " ".join(f"{bits}:{count:,}" for bits, count in found) or "-"

    return [
        f"{kernel.backend}: {kernel.name}",
        f"{kernel.registers}",
        f"{kernel.spill_stores} / {kernel.spill_loads}",
        f"{kernel.stack}",
        f"{kernel.shared:,}",
        f"{kernel.threads}",
        f"{kernel.occupancy:.0%}",
        *map(widths, ("LDG", "STG", "LD", "ST")),
        f"{kernel.instructions:,}",
        f"{kernel.ffma}",
    ]


def loop_cells(kernels: Sequence[Kernel]) -> list[list[str]]:
    """The lines of the table of loops: one for each place in the source and what is done there."""
    found: dict[tuple[str, bool], list[float]] = {}
    for kernel in kernels:
        for loop in kernel.loops:
            key = f"{kernel.backend}: {loop.place}", loop.learns
            found.setdefault(key, []).append(loop.per_event)
    return [
        [place, f"{len(each)}", "yes" if writes else "no", f"{min(each):.1f} - {max(each):.1f}"]
        for (place, writes), each in sorted(found.items())
    ]


def markdown(kernels: Sequence[Kernel], missing: Sequence[str]) -> str:
    """The tables as they are committed."""
    made = ", ".join(f"{name} {number}" for name, number in versions().items())

    def table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
        rule = "|---|" + "---:|" * (len(columns) - 1)
        return ["", *("| " + " | ".join(line) + " |" for line in (columns,)), rule] + [
            "| " + " | ".join(line) + " |" for line in lines
        ]

    wrong = problems(kernels)
    lines = [
        f"# Kernels, compiled for sm_{toolchain.ARCH}",
        "",
        f"Written by `python -m fastsnn.bench.static`, without a GPU; {made}.",
        *(f"Missing: {what}." for what in missing),
        *table(COLUMNS, [cells(kernel) for kernel in kernels]),
        *table(LOOP_COLUMNS, loop_cells(kernels)),
        "",
        NOTES.rstrip(),
        *(["", "Wrong:", *(f"- {what}" for what in wrong)] if wrong else []),
        "",
    ]
    return "\n".join(lines)


def problems(kernels: Sequence[Kernel]) -> list[str]:
    """What must not be, in words."""
    return [f"{k.backend}: {k.name}: {problem}" for k in kernels for problem in k.problems]


def show(kernels: Sequence[Kernel]) -> None:
    """Print the tables, as wide as they are."""
    console = Console()
    if not console.is_terminal or console.width < 190:
        console = Console(width=220)
    for columns, lines in (
        (COLUMNS, [cells(kernel) for kernel in kernels]),
        (LOOP_COLUMNS, loop_cells(kernels)),
    ):
        table = Table()
        for k, column in enumerate(columns):
            table.add_column(column, justify="right" if k else "left", no_wrap=True)
        for line in lines:
            table.add_row(*line)
        console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile, show and save; 1 when a kernel is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m fastsnn.bench.static", description=__doc__)
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help=f"where {NAME}.md and .json go (default: bench/results of the checkout)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        kernels, missing = collect(options.backend)
    except ToolError as error:
        print(f"wrong: {error}", file=sys.stderr)
        return 1
    if kernels:
        show(kernels)
    for what in missing:
        print(f"missing: {what}", file=sys.stderr)
    folder = options.out or (RESULTS if RESULTS.is_dir() else None)
    if folder and kernels:
        content = {"versions": versions(), "commit": commit(), "missing": missing}
        save(folder / f"{NAME}.json", {**content, "kernels": [asdict(k) for k in kernels]})
        with replacing(folder / f"{NAME}.md") as file:
            file.write(markdown(kernels, missing).encode())
    wrong = problems(kernels)
    for problem in wrong:
        print(f"wrong: {problem}", file=sys.stderr)
    return int(bool(wrong) or not kernels)


def collect(backends: Sequence[str]) -> tuple[list[Kernel], list[str]]:
    """The kernels of some backends, and what could not be compiled, in words."""
    kernels: list[Kernel] = []
    missing: list[str] = []
    for backend in backends:
        kernels += _kernels(backend, missing)
    return kernels, missing


def _kernels(backend: str, missing: list[str]) -> list[Kernel]:
    found: list[Kernel] = []
    try:
        for unit in BACKENDS[backend]():
            # one that is compiled for other alignments often comes out the same
            found += [kernel for kernel in kernels_of(unit) if kernel not in found]
    except Missing as error:
        missing.append(f"{backend}: {error}")
    return sorted(found, key=lambda kernel: kernel.name)


if __name__ == "__main__":
    sys.exit(main())
