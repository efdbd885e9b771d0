# SPDX-License-Identifier: Apache-2.0
"""The benchmarks: a wrong backend is not timed, results are complete, limits are plausible."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fastsnn.bench import cli, harness
from fastsnn.bench.cases import CASES, Case, Headline, Setting, operations
from fastsnn.bench.limits import Limits, Work, cache_level
from fastsnn.errors import BackendError
from fastsnn.models import LIF

TINY = {
    "diehl-cook": ["--n-neurons", "20", "--images", "2", "--time", "20"],
    "headline": ["--n-neurons", "30", "--time", "20"],
    "lif": ["--n-neurons", "50", "--time", "20"],
}


@pytest.mark.parametrize("name", CASES)
def test_backends_agree_on_every_case(name: str, backend: str) -> None:
    case = CASES[name]
    harness.check_parity(case, replace(case.sizes[0], backend=backend))


def test_wrong_backend_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Headline):
        def outcome(self) -> dict[str, torch.Tensor]:
            counts = super().outcome()["spike counts of Y"].clone()
            counts[0, 0, 0] += self.setting.backend != "torch"
            return {"spike counts of Y": counts}

    def never(run: object) -> list[float]:
        raise AssertionError("timed")

    good = CASES["headline"]
    case = Case("wrong", "", Wrong, good.sizes, (20, 10, 1))
    with pytest.raises(BackendError, match=r"differs from 'torch' in 1 of the 20 values"):
        harness.measure(case, Setting(n=20, steps=10, backend="auto"), never)


@pytest.mark.parametrize("name", CASES)
def test_command_saves_every_key(name: str, backend: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    options = ["--backend", backend, "--threads", "1", "--rounds", "2", "--json", str(file)]
    assert cli.main([name, *TINY[name], *options, "--plot", str(tmp_path / "plot.png")]) == 0
    found = json.loads(file.read_text())
    assert found["backend"] == backend
    assert found["threads"] == 1
    assert found["steps_per_s"] > 0
    assert (found["images_per_s"] is not None) == (name == "diehl-cook")
    assert 0 < found["fraction_of_limit"] < 1
    assert found["seconds_p20"] <= found["seconds_p50"] <= found["seconds_p80"]
    assert {"machine", "versions", "commit", "date", "limits_per_s"} <= set(found)
    assert (tmp_path / "plot.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "wrong",
    [["nope"], ["lif", "--n", "0"], ["lif", "--n", "x"], ["lif", "--backend", "abacus"], []],
)
def test_wrong_arguments_exit_with_2(wrong: list[str]) -> None:
    assert cli.main(wrong) == 2


def test_results_only_grow(tmp_path: Path) -> None:
    content = {"machine": {"cpu": "A (R) B"}, "rows": []}
    first = harness.append(tmp_path, {**content, "date": "1"})
    second = harness.append(tmp_path, {**content, "date": "2"})
    assert first == second
    assert [entry["date"] for entry in json.loads(first.read_text())] == ["1", "2"]


def test_repeat_runs_often_enough() -> None:
    calls = []
    times = harness.repeat(lambda: calls.append(1), rounds=3, seconds=0.0)
    assert len(times) == 3
    assert len(calls) == 4


def test_limits_are_plausible() -> None:
    limits = Limits(threads=1)
    assert limits.adds() > 1e8
    assert limits.operations() > 1e8
    assert limits.read(2**14) * 2 > limits.read(2**28) > 1e8
    assert limits.copy(2**20) > 1e8


def test_the_longest_limit_binds() -> None:
    limits = Limits(1, {"adds": 10.0, "operations": 10.0, "read 1 MiB": 2.0})
    assert limits.of(Work(adds=100.0)).seconds == 10.0
    assert limits.of(Work(adds=10.0, operations=40.0)).name == "arithmetic"
    bound = limits.of(Work(adds=10.0, bytes_read=100.0, footprint=2.0**20))
    assert bound.seconds == 50.0
    assert bound.name.endswith("read")


def test_large_footprints_lie_in_memory() -> None:
    assert cache_level(1e12) == "DRAM"


def test_operations_are_counted_from_the_model() -> None:
    # - * +  where >  -  +  >=  where  where  maximum
    assert operations(LIF) == 11
