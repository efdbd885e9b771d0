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
    found = [_of_machine(), _of_group()]
    return min((n for n in found if n is not None), default=None)


def _of_machine() -> int | None:
    lines = _read(_MEMINFO).splitlines()
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(sizes[0]) * 1024 if sizes else None


def _of_group() -> int | None:
    most, used = (_read(_CGROUP / name).strip() for name in ("memory.max", "memory.current"))
    return int(most) - int(used) if most.isdecimal() and used.isdecimal() else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


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
