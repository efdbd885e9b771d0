# SPDX-License-Identifier: Apache-2.0
"""Memory, asked for before it is taken."""

from __future__ import annotations

from pathlib import Path

from fastsnn.errors import FastsnnError

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class TooLarge(FastsnnError, MemoryError):
    """A network needs more memory than there is."""


def available() -> int | None:
    """Bytes that may still be taken: of the machine, or of the control group; None: not known."""
    found = []
    if _MEMINFO.exists():
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        if "MemAvailable" in lines:
            found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    most, used = (_CGROUP / name for name in ("memory.max", "memory.current"))
    if most.exists() and used.exists() and most.read_text().strip() != "max":
        found.append(int(most.read_text()) - int(used.read_text()))
    return min(found, default=None)


def require(what: str, n_bytes: float) -> None:
    """Raise TooLarge where `what` needs more bytes than there are."""
    there = available()
    if there is not None and n_bytes > there:
        raise TooLarge(
            f"{what}: needs {_size(n_bytes)}, {_size(there)} are available. Make the network "
            f"smaller, or run it on a machine with more memory."
        )


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:,.2f} GiB" if n_bytes >= 2**28 else f"{n_bytes / 2**20:,.1f} MiB"
