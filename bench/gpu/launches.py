# SPDX-License-Identifier: Apache-2.0
"""How often the host speaks to the device in a step, and how long: from torch's profiler."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from fastsnn.bench.gpu import timing

_CALL = re.compile(r"^cu(da)?(Launch|GraphLaunch)")
_ANY_CALL = re.compile(r"^cu(da)?[A-Z]")
_NO_KERNEL = re.compile(r"^(Mem(cpy|set)|Context|Stream|Event)")


@dataclass(frozen=True)
class Talk:
    """Of some run: calls that launch, seconds in all calls of CUDA but those that wait, kernels."""

    calls: int
    host: float
    kernels: int


def talk(run: Callable[[], Any]) -> Talk:
    """Run once under the profiler."""
    activities = [ProfilerActivity.CPU]
    if timing.on_gpu():
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        run()
        timing.finish()
    return count(seen.events())


def count(events: Iterable[Any]) -> Talk:
    """What the profiler saw."""
    calls, kernels, host = 0, 0, 0.0
    for event in events:
        if event.device_type == DeviceType.CUDA:
            kernels += not _NO_KERNEL.match(event.name)
        elif _ANY_CALL.match(event.name) and "Synchronize" not in event.name:
            calls += bool(_CALL.match(event.name))
            host += event.cpu_time_total / 1e6
    return Talk(calls, host, kernels)


def per_step(run: Callable[[int], Any], few: int, many: int) -> dict[str, float]:
    """What one step more costs: run(steps) with many and with few."""
    # a first call compiles, a second one captures graphs
    for steps in (few, many) * (2 if timing.on_gpu() else 1):
        run(steps)
    short, long = talk(lambda: run(few)), talk(lambda: run(many))
    steps = many - few
    return {
        "launches_per_step": (long.calls - short.calls) / steps,
        "kernels_per_step": (long.kernels - short.kernels) / steps,
        "host_us_per_step": 1e6 * (long.host - short.host) / steps,
        "launches": float(long.calls),
        "kernels": float(long.kernels),
    }
