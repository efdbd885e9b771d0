# SPDX-License-Identifier: Apache-2.0
"""The least time of a step, by what was measured on the same device: the longest of

- a barrier, where neurons hear of each other's spikes,
- the bytes that must be moved, over the bandwidth for as many,
- the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

_NEURONS_OF_A_BLOCK = 256


@dataclass(frozen=True)
class Floor:
    """Seconds of a step at least, and what of."""

    seconds: float
    name: str


class Rates:
    """What the microbenchmarks found, by name; what is missing bounds nothing."""

    def __init__(self, micro: Sequence[Row]) -> None:
        self.rows = {row["name"]: row for row in micro}

    def _best(self, start: str, pick: Any) -> float | None:
        found = [row["value"] for name, row in self.rows.items() if name.startswith(start)]
        return pick(found) if found else None

    def copy(self) -> float | None:
        """Bytes a second, read and written ones counted."""
        return self._best("copy by ", max)

    def read(self, footprint: float) -> float | None:
        """Bytes a second from the smallest buffer measured that is at least so big."""
        rows = [row for name, row in self.rows.items() if name.startswith("read ")]
        rows = sorted(rows, key=lambda row: row["bytes"])
        return next((r["value"] for r in rows if r["bytes"] >= footprint), None) or (
            rows[-1]["value"] if rows else None
        )

    def barrier(self, neurons: int) -> Floor | None:
        """Of the blocks that so many neurons need: of a cluster if one is enough."""
        for kind in ("cluster", "grid"):
            rows = [row for name, row in self.rows.items() if name.startswith(f"{kind} barrier")]
            rows = sorted(rows, key=lambda row: row["blocks"])
            enough = [row for row in rows if row["blocks"] * _NEURONS_OF_A_BLOCK >= neurons]
            if enough or (rows and kind == "grid"):
                return Floor((enough or rows[-1:])[0]["value"], f"{kind} barrier")
        return None

    def operations(self) -> float | None:
        """Float operations a second."""
        return self._best("operations", max)


def floor(row: Row, rates: Rates) -> Floor | None:
    """Of a row of kind "speed"."""
    found = []
    if row["recurrent"]:
        found.append(rates.barrier(row["n"] * row["batch"]))
    moved, copy = row["moved_per_step"], rates.copy()
    if moved and copy:
        found.append(Floor(moved / copy, "memory"))
    read = rates.read(row["footprint"]) if row["footprint"] else None
    if read:
        found.append(Floor(row["read_per_step"] / read, "weights"))
    operations = rates.operations()
    if operations:
        found.append(Floor(row["operations_per_step"] / operations, "arithmetic"))
    return max((f for f in found if f), key=lambda f: f.seconds, default=None)


def network_floor(row: Row, rates: Rates) -> Floor | None:
    """Of a row of kind "network": a barrier, or what a spike moves of every synapse."""
    each = row.get("bytes_per_event", 4.0)
    read = rates.read(each * row["synapses"])
    found = [rates.barrier(row["n"])]
    if read:
        found.append(Floor(each * row["events_per_step"] / read, "synapses"))
    return max((f for f in found if f), key=lambda f: f.seconds, default=None)


def share_of_copy(row: Row, rates: Rates) -> float | None:
    """Bytes moved a second, of what a copy moves."""
    copy = rates.copy()
    seconds = row["seconds_p50"] / row["steps"]
    return row["moved_per_step"] / seconds / copy if copy and row["moved_per_step"] else None
