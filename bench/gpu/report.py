# SPDX-License-Identifier: Apache-2.0
"""What the run has found so far: one JSON file, whole after every row."""

from __future__ import annotations

import re
import subprocess
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from fastsnn.bench import harness
from fastsnn.bench.gpu import tools
from fastsnn.bench.gpu.crew import Outcome
from fastsnn.bench.gpu.floors import Rates, floor, share_of_copy

Row = dict[str, Any]


@dataclass
class Part:
    """A part of the run and what became of it."""

    name: str
    state: str = "running"
    seconds: float = 0.0
    note: str = ""
    begun: float = field(default_factory=monotonic)

    def end(self, state: str, note: str = "") -> None:
        """Note how it ended: "ok", "failed" or "left out"."""
        self.state, self.note, self.seconds = state, note, monotonic() - self.begun


class Report:
    """Rows, outcomes and parts; every change is saved at once."""

    def __init__(self, path: Path, dry: bool, commit: str | None) -> None:
        self.path, self.dry = path, dry
        self.head = {
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "dry_run": dry,
            "machine": {**harness.machine(), "gpu": device()},
            "versions": versions(),
            "commit": commit or harness.commit(),
        }
        self.rows: list[Row] = []
        self.outcomes: list[Outcome] = []
        self.parts: list[Part] = []
        self._lock = threading.Lock()

    def row(self, item: str, row: Row) -> None:
        """Add a row."""
        with self._lock:
            self.rows.append({**row, "item": item})
            self._save()

    def outcome(self, outcome: Outcome) -> None:
        """Add what became of an item, and say it where it is no success."""
        with self._lock:
            self.outcomes.append(outcome)
            self._save()
        if outcome.state != "ok":
            why = outcome.why.splitlines()[0][:200] if outcome.why else ""
            print(f"  {outcome.state}: {outcome.item}: {why}", flush=True)

    def part(self, name: str) -> Part:
        """Begin a part."""
        print(f"{name} ...", flush=True)
        part = Part(name)
        self.parts.append(part)
        return part

    def of(self, kind: str) -> list[Row]:
        """The rows of a kind."""
        return [row for row in self.rows if row["kind"] == kind]

    @property
    def rates(self) -> Rates:
        """What the microbenchmarks found."""
        return Rates(self.of("micro"))

    def content(self) -> dict[str, Any]:
        """All of it, floors included."""
        rates, rows = self.rates, []
        for row in self.rows:
            if row["kind"] == "speed":
                least = floor(row, rates)
                row = row | {
                    "floor_us_per_step": 1e6 * least.seconds if least else None,
                    "floor": least.name if least else None,
                    "of_copy_bandwidth": share_of_copy(row, rates),
                }
            rows.append(row)
        parts = [{k: v for k, v in asdict(p).items() if k != "begun"} for p in self.parts]
        outcomes = [asdict(o) for o in self.outcomes]
        return {**self.head, "parts": parts, "outcomes": outcomes, "rows": rows}

    def save(self) -> None:
        """Write the file."""
        with self._lock:
            self._save()

    def _save(self) -> None:
        harness.save(self.path, self.content())

    def states(self, part: str) -> dict[str, int]:
        """How many items of a part ended in which way."""
        found: dict[str, int] = {}
        for o in self.outcomes:
            if o.part == part:
                found[o.state] = found.get(o.state, 0) + 1
        return found

    def record(self, folder: Path) -> Path:
        """Append all of it to the results of this machine."""
        gpu = self.head["machine"]["gpu"]
        name = re.sub(r"[^a-z0-9]+", "-", gpu["name"].lower()).strip("-")
        return harness.append_to(folder / f"{name}.json", self.content())


def device() -> dict[str, Any] | None:
    """The GPU, None where there is none."""
    if not torch.cuda.is_available():
        return None
    chip = torch.cuda.get_device_properties(0)
    return {
        "name": chip.name,
        "driver": _ask("driver_version"),
        "clock_mhz": _ask("clocks.max.sm"),
        "memory_mib": chip.total_memory >> 20,
        "multiprocessors": chip.multi_processor_count,
        "compute_capability": f"{chip.major}.{chip.minor}",
        "l2_mib": getattr(chip, "L2_cache_size", 0) >> 20,
    }


def _ask(what: str) -> str | None:
    """A word of nvidia-smi."""
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits", "-i", "0"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.strip().splitlines()[0]
    return None


def versions() -> dict[str, str]:
    """Of everything that has a say in the result."""
    found = {**harness.versions(), "cuda of torch": str(torch.version.cuda)}
    for name in ("triton", "bindsnet"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    compiler = tools.nvcc()
    if compiler:
        with suppress(OSError, subprocess.SubprocessError):
            said = subprocess.run([compiler, "--version"], capture_output=True, text=True)
            found["nvcc"] = re.search(r"release [\d.]+, V([\d.]+)", said.stdout)[1]  # type: ignore[index]
    return found
