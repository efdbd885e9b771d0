# SPDX-License-Identifier: Apache-2.0
"""Parity first, then time: repeats, quantiles, where and when it was measured."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastsnn.bench.cases import Case, Setting, Workload
from fastsnn.bench.limits import cache_sizes, limits
from fastsnn.bench.peers import bindsnet_seconds
from fastsnn.errors import BackendError
from fastsnn.files import replacing

Timer = Callable[[Callable[[], Any]], list[float]]


@dataclass(frozen=True)
class Row:
    """One measurement.  seconds_*: quantiles of the time of a run; a ratio above 1: faster than."""

    case: str
    n: int
    batch: int
    learning: bool
    backend: str
    threads: int
    steps: int
    images: int
    rounds: int
    seconds_p20: float
    seconds_p50: float
    seconds_p80: float
    steps_per_s: float
    images_per_s: float | None
    real_time_factor: float
    limit: str
    fraction_of_limit: float
    ratio_to_torch: float | None = None
    ratio_to_bindsnet: float | None = None
    delivered_gb_per_s: float | None = None  # weights added to currents
    read_gb_per_s: float | None = None  # what reading that many weights in a row reaches
    peak_mib: float | None = None
    weights_mib: float | None = None


def repeat(run: Callable[[], Any], rounds: int = 5, seconds: float = 1.0) -> list[float]:
    """Time of each call of run, s, after one that does not count: at least `rounds`, and more while
    they take less than `seconds` together."""
    run()
    times: list[float] = []
    while len(times) < rounds or (sum(times) < seconds and len(times) < 1000):
        finish()
        start = time.perf_counter()
        run()
        finish()
        times.append(time.perf_counter() - start)
    return times


def finish() -> None:
    """Wait for the GPU, where one is in use: a run may return before its end."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def check_parity(case: Case, setting: Setting) -> None:
    """Raise BackendError unless spikes and weights equal the reference's, bit for bit."""
    if setting.backend == "torch" and setting.device in (None, "cpu"):
        return
    _check_parity(case, case.small(setting))


@lru_cache(maxsize=256)
def _check_parity(case: Case, small: Setting) -> None:
    want = _outcome(case, replace(small, backend="torch", device="cpu"))
    got = _outcome(case, small)
    for name, value in want.items():
        if not torch.equal(value, got[name]):
            differ = int((value != got[name]).sum())
            raise BackendError(
                f"bench '{case.name}': '{small.backend}' differs from 'torch' in {differ} of the "
                f"{value.numel()} values of {name}, expected none. A wrong result is not timed."
            )


def _outcome(case: Case, setting: Setting) -> dict[str, torch.Tensor]:
    workload = case.build(setting)
    workload.run()
    return {name: value.cpu() for name, value in workload.outcome().items()}


def measure(
    case: Case, setting: Setting, timer: Timer = repeat, reference: float | None = None
) -> Row:
    """Check parity, time, and set against the limits.

    reference: seconds a step of the torch reference, if known.
    """
    check_parity(case, setting)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # start a new peak
    before = _memory("VmRSS")
    workload = case.build(setting)
    with _torch_threads(setting):
        times = timer(workload.run)
    peak = _memory("VmHWM")
    p20, p50, p80 = (float(q) for q in np.percentile(times, [20, 50, 80]))
    row = _row(case, setting, workload, len(times), (p20, p50, p80))
    if peak and before:
        row = replace(row, peak_mib=(peak - before) / 1024)
    if reference:
        row = replace(row, ratio_to_torch=reference * workload.steps / p50)
    peer = bindsnet_seconds(case.name, setting)
    if peer and row.images_per_s:
        row = replace(row, ratio_to_bindsnet=peer * row.images_per_s)
    return row


def _row(
    case: Case,
    setting: Setting,
    workload: Workload,
    rounds: int,
    seconds: tuple[float, float, float],
) -> Row:
    p20, p50, p80 = seconds
    bounds, work = limits(max(1, setting.threads)), workload.work()
    limit = bounds.of(work)
    delivers = work.footprint > 0 and work.adds > 0
    return Row(
        case=case.name,
        n=setting.n,
        batch=setting.batch,
        learning=setting.learning,
        backend=setting.backend,
        threads=setting.threads,
        steps=workload.steps,
        images=workload.images,
        rounds=rounds,
        seconds_p20=p20,
        seconds_p50=p50,
        seconds_p80=p80,
        steps_per_s=workload.steps / p50,
        images_per_s=workload.images / p50 if workload.images else None,
        real_time_factor=p50 / (workload.steps * setting.dt / 1000.0),
        limit=limit.name,
        fraction_of_limit=limit.seconds / p50,
        delivered_gb_per_s=work.adds * 4 / p50 / 1e9 if delivers else None,
        read_gb_per_s=bounds.read(work.footprint) / 1e9 if delivers else None,
        weights_mib=work.footprint / 2**20,
    )


def reference_seconds(case: Case, setting: Setting, budget: float = 2.0) -> float:
    """Seconds a step of the torch reference; a short run stands for a long one."""
    setting = replace(setting, backend="torch", samples=setting.batch)
    steps = min(10, setting.steps)
    per_step = _time_once(case, replace(setting, steps=steps)) / steps
    steps = int(min(setting.steps, max(steps, budget / per_step)))
    return _time_once(case, replace(setting, steps=steps)) / steps


def _time_once(case: Case, setting: Setting) -> float:
    workload = case.build(setting)
    start = time.perf_counter()
    with _torch_threads(setting):
        workload.run()
    finish()
    return time.perf_counter() - start


@contextmanager
def _torch_threads(setting: Setting) -> Iterator[None]:
    """Let torch have as many threads as the setting says."""
    before = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, Any]:
    """The hardware."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        model = re.search(r"model name\s*:\s*(.+)", text)[1]  # type: ignore[index]
    return {"cpu": model, "cores": os.cpu_count(), "caches": cache_sizes()}


def versions() -> dict[str, str]:
    """Of everything that has a say in the result."""
    found = {"python": platform.python_version()}
    for name in ("fastsnn", "torch", "numpy"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def commit() -> str | None:
    """The commit of the checkout that is measured, with '+' when files were changed."""
    folder = Path(__file__).resolve().parent
    git = ["git", "-C", str(folder)]
    try:
        name = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, check=True
        )
        state = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return name.stdout.decode().strip() + ("+" if state.stdout.strip() else "")


def stamp() -> dict[str, Any]:
    """When, where and of what something was measured."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
    }


def report(rows: list[Row]) -> dict[str, Any]:
    """Everything that is saved.  The keys of a single row also stand at the top."""
    threads = sorted({max(1, row.threads) for row in rows})
    return {
        **(asdict(rows[0]) if len(rows) == 1 else {}),
        **stamp(),
        "limits_per_s": {f"{t} threads": limits(t).rates for t in threads},
        "rows": [asdict(row) for row in rows],
    }


def save(path: Path, content: Any) -> None:
    """Write JSON; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")


def append(folder: Path, content: dict[str, Any]) -> Path:
    """Add a report to the results of this machine: a list that only grows."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{content['machine']['cpu']} {os.cpu_count()} cores".lower())
    return append_to(folder / f"{name.strip('-')}.json", content)


def append_rows(path: Path, rows: Sequence[Any]) -> Path:
    """Add rows (dataclasses) with their stamp and the load of the machine."""
    load = {"load": os.getloadavg()}
    return append_to(path, stamp() | load | {"rows": [asdict(row) for row in rows]})


def append_to(path: Path, content: dict[str, Any]) -> Path:
    """Add a report to a list that only grows."""
    save(path, [*(json.loads(path.read_text()) if path.exists() else []), content])
    return path


def _memory(name: str) -> float | None:
    """KiB of resident memory now (VmRSS) or at most so far (VmHWM)."""
    with suppress(OSError, TypeError):
        text = Path("/proc/self/status").read_text()
        return float(re.search(rf"{name}:\s*(\d+)", text)[1])  # type: ignore[index]
    return None
