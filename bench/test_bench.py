# SPDX-License-Identifier: Apache-2.0
"""Every case at every size on the CPU, timed by pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fastsnn import backends
from fastsnn.bench.cases import CASES, Case, Setting
from fastsnn.bench.harness import Row, measure, reference_seconds

# the reference takes seconds an image: it is timed once a size, as the denominator; what runs on a
# GPU, or here in an interpreter, bench/gpu.sh measures
FAST = [name for name in ("cpu",) if name in backends.usable()]


def _settings() -> list:
    return [
        pytest.param(
            case,
            replace(setting, backend=backend),
            id=f"{case.name}-{setting.n}-batch{setting.batch}-"
            f"{'learn' if setting.learning else 'static'}-{backend}-{setting.threads}",
        )
        for case in CASES.values()
        for backend in FAST or ["torch"]
        for setting in case.sizes
        if FAST or setting.threads == 1
    ]


@lru_cache(maxsize=64)
def _reference(name: str, setting: Setting) -> float:
    return reference_seconds(CASES[name], setting)


@pytest.mark.parametrize(("case", "setting"), _settings())
def test_speed(case: Case, setting: Setting, benchmark: BenchmarkFixture, rows: list[Row]) -> None:
    def timer(run: Callable[[], None]) -> list[float]:
        benchmark.pedantic(run, rounds=5, warmup_rounds=1)
        return benchmark.stats.stats.data

    reference = None
    if setting.backend != "torch":
        reference = _reference(case.name, replace(setting, threads=1, backend="torch", samples=1))
    row = measure(case, setting, timer, reference)
    benchmark.extra_info.update(vars(row))
    rows.append(row)
