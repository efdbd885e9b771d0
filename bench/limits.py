# SPDX-License-Identifier: Apache-2.0
"""What this machine can do at best, measured: the denominators of `fraction_of_limit`.

A run needs at least the longest of

- the weights it reads, once, from where they lie (`read`: DRAM, L3, L2),
- one load from L1 and one add for every weight added to a current (`adds`),
- the arithmetic of neurons, traces, rules and random numbers (`operations`).
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

_SECONDS = 0.1
_L1_SHARE = 16_384  # bytes a thread: well inside every L1
_SOURCE = Path(__file__).with_name("probe.cpp")


@dataclass(frozen=True)
class Work:
    """The least that one timed call must do.

    adds:       weights added to a current.
    operations: float operations of neurons, traces, rules and random numbers.
    bytes_read: weights read, each as often as no cache can spare.
    footprint:  bytes over which those reads range.
    """

    adds: float = 0.0
    operations: float = 0.0
    bytes_read: float = 0.0
    footprint: float = 0.0


@dataclass(frozen=True)
class Limit:
    """The binding limit of a piece of work: its name and the time it takes at least, s."""

    name: str
    seconds: float


@dataclass
class Limits:
    """Rates of this machine for a number of threads, each measured when first asked for."""

    threads: int = 1
    rates: dict[str, float] = field(default_factory=dict)

    def read(self, footprint: float) -> float:
        """Bytes a second, reading `footprint` bytes again and again."""
        size = max(_L1_SHARE * self.threads, 2.0 ** round(math.log2(max(footprint, 1.0))))
        return self._rate(f"read {_size(size)}", lambda: _probe().read(size, self.threads))

    def copy(self, footprint: float) -> float:
        """Bytes a second, read and written ones counted, copying inside `footprint` bytes."""
        size = max(_L1_SHARE * self.threads, 2.0 ** round(math.log2(max(footprint, 1.0))))
        return self._rate(f"copy {_size(size)}", lambda: _probe().copy(size, self.threads))

    def adds(self) -> float:
        """Floats a second, loaded from L1 and added."""
        size = _L1_SHARE * self.threads
        return self._rate("adds", lambda: _probe().read(size, self.threads) / 4)

    def operations(self) -> float:
        """Float operations a second in registers, adds and multiplications in turn."""
        return self._rate("operations", lambda: _probe().operations(self.threads))

    def of(self, work: Work) -> Limit:
        """The limit that binds."""
        found = [
            Limit("adds", work.adds / self.adds()),
            Limit("arithmetic", (work.adds + work.operations) / self.operations()),
        ]
        if work.bytes_read:
            level = cache_level(work.footprint / self.threads)
            seconds = work.bytes_read / self.read(work.footprint)
            found.append(Limit(f"{level} read", seconds))
        return max(found, key=lambda limit: limit.seconds)

    def _rate(self, name: str, measure: Callable[[], float]) -> float:
        if name not in self.rates:
            self.rates[name] = measure()
        return self.rates[name]


@lru_cache(maxsize=8)
def limits(threads: int) -> Limits:
    """The limits of this machine, measured once a process."""
    return Limits(threads)


@lru_cache(maxsize=1)
def cache_sizes() -> dict[str, int]:
    """Bytes of the data caches that one core reaches, by name; empty where the system is silent."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (folder / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction" and size.endswith("K"):
            found[f"L{level}"] = int(size[:-1]) * 1024
    return found


def cache_level(footprint: float) -> str:
    """The smallest cache that holds `footprint` bytes of one core, else DRAM."""
    held = (name for name, size in sorted(cache_sizes().items()) if footprint <= size)
    return next(held, "DRAM")


@dataclass(frozen=True)
class _Probe:
    read: Callable[[float, int], float]
    copy: Callable[[float, int], float]
    operations: Callable[[int], float]


@lru_cache(maxsize=1)
def _probe() -> _Probe:
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    return (compiler and _native_probe(compiler)) or _torch_probe()


def _native_probe(compiler: str) -> _Probe | None:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "probe.so")
        flags = ["-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-pthread"]
        command = [*compiler.split(), *flags, str(_SOURCE), "-o", str(library)]
        try:
            subprocess.run(command, check=True, capture_output=True)
            native = ctypes.CDLL(str(library))
        except (OSError, subprocess.CalledProcessError):
            return None
    for name in ("read_rate", "copy_rate"):
        getattr(native, name).argtypes = [ctypes.c_double, ctypes.c_int, ctypes.c_double]
        getattr(native, name).restype = ctypes.c_double
    native.operation_rate.argtypes = [ctypes.c_int, ctypes.c_double]
    native.operation_rate.restype = ctypes.c_double
    return _Probe(
        read=lambda size, threads: native.read_rate(size, threads, _SECONDS),
        copy=lambda size, threads: native.copy_rate(size, threads, _SECONDS),
        operations=lambda threads: native.operation_rate(threads, _SECONDS),
    )


def _torch_probe() -> _Probe:
    """Without a compiler: the same by torch, low for small sizes, where calling it takes longer."""

    def rate(amount: float, call: Callable[[], object], threads: int) -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        best, end = 0.0, time.perf_counter() + _SECONDS
        while time.perf_counter() < end:
            start = time.perf_counter()
            call()
            best = max(best, amount / (time.perf_counter() - start))
        torch.set_num_threads(before)
        return best

    def read(size: float, threads: int) -> float:
        x = torch.ones(int(max(size, 1e6)) // 4)
        return rate(x.numel() * 4, x.sum, threads)

    def copy(size: float, threads: int) -> float:
        x = torch.ones(int(max(size, 1e6)) // 8)
        y = torch.empty_like(x)
        return rate(x.numel() * 8, lambda: y.copy_(x), threads)

    def operations(threads: int) -> float:
        x = torch.ones(250_000)
        return rate(x.numel(), lambda: x.mul_(1.0), threads)

    return _Probe(read, copy, operations)


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:g} {unit}"
        size /= 1024
    return f"{size:g} GiB"
