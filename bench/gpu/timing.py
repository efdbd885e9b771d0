# SPDX-License-Identifier: Apache-2.0
"""How long the device takes, by CUDA events; on a CPU (a dry run) by perf_counter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import torch

Run = Callable[[], Any]

# written between two runs, so that none finds its data in a cache: more than any L2
_FLUSH_BYTES = 256 << 20
_MOST_COVER = 0.005


@dataclass
class Times:
    """Seconds of each run on the device; and, of one run, until the call came back and until the
    device was done (`host`, `whole`)."""

    device: list[float] = field(default_factory=list)
    host: float = 0.0
    whole: float = 0.0

    def quantiles(self) -> dict[str, float]:
        """The keys of a row."""
        p20, p50, p80 = (float(q) for q in np.percentile(self.device, [20, 50, 80]))
        return {
            "rounds": len(self.device), "seconds_p20": p20, "seconds_p50": p50,
            "seconds_p80": p80, "host_seconds": self.host, "whole_seconds": self.whole,
        }  # fmt: skip

    @property
    def median(self) -> float:
        """Of the device, s."""
        return float(np.median(self.device))


def on_gpu() -> bool:
    """Whether there is one; without, everything is tried on the CPU."""
    return torch.cuda.is_available()


def finish() -> None:
    """Wait for the device."""
    if on_gpu():
        torch.cuda.synchronize()


def measure(run: Run, rounds: int = 7, seconds: float = 0.5, cold: bool = False) -> Times:
    """Time `run` after two calls that do not count.

    As often as fits into about `seconds`: at least 3 times (or `rounds`), at most 5 * rounds.
    cold: caches hold nothing of it.
    """
    # a first call compiles, a second one captures graphs
    for _ in range(2 if on_gpu() else 1):
        run()
    finish()
    times = Times()
    start = perf_counter()
    run()
    times.host = perf_counter() - start
    finish()
    times.whole = perf_counter() - start
    fitting = int(seconds / max(times.whole, 1e-6))
    wanted = min(max(fitting, min(3, rounds)), 5 * rounds)
    clock = _events if on_gpu() else _wall
    times.device = clock(run, wanted, times.host, cold)
    return times


def _wall(run: Run, rounds: int, host: float, cold: bool) -> list[float]:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return times


def _events(run: Run, rounds: int, host: float, cold: bool) -> list[float]:
    flush = torch.empty(_FLUSH_BYTES, dtype=torch.uint8, device="cuda") if cold else None
    pairs = []
    for _ in range(rounds):
        if flush is not None:
            flush.zero_()
        _busy(host)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        pairs.append((begin, end))
        # few at a time: what waits for the device is no part of the measurement
        end.synchronize()
    return [begin.elapsed_time(end) / 1000.0 for begin, end in pairs]


def _busy(host: float) -> None:
    """Keep the device busy until the host has said what comes next, so that the device does not
    wait for the host between the two events."""
    sleep = getattr(torch.cuda, "_sleep", None)
    cover = 1.5 * host + 20e-6
    if sleep is not None and cover < _MOST_COVER:
        sleep(int(cover * 2e9))
