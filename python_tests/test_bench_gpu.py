# SPDX-License-Identifier: Apache-2.0
"""`bench/gpu.sh`: every line of it that needs no GPU, and what happens to those who hang or die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from torch.autograd import DeviceType

pytest.importorskip("fastsnn.bench.gpu", reason="not a checkout")

from fastsnn.bench.gpu import build, launches, table
from fastsnn.bench.gpu.__main__ import _SUMMARY, _VERDICT
from fastsnn.bench.gpu.crew import Crew, Outcome
from fastsnn.bench.gpu.floors import Floor, Rates, floor, network_floor, share_of_copy
from fastsnn.bench.gpu.worker import Item

# stands in for a worker, and for compute-sanitizer in front of one
WORKER = """
import json, os, sys, time
args = sys.argv[1:]
args = args[args.index("--to") + 1:]
out = open(args[0], "a", buffering=1)
for name in args[2:]:
    def tell(event, **more):
        out.write(json.dumps({"event": event, "item": name, **more}) + "\\n")
    if name == "unborn": os._exit(1)
    tell("begin")
    if name == "hangs": time.sleep(100)
    if name == "dies": os.abort()
    if name == "breaks":
        tell("failed", why="illegal address")
        os._exit(70)
    tell("row", row={"kind": "x", "name": name})
    tell("done")
"""
SANITIZER = '#!/bin/sh\nshift 6\n"$@"\necho "========= ERROR SUMMARY: 0 errors"\n'

MICRO = [
    {"name": "copy by torch", "value": 4e12},
    {"name": "copy by kernel", "value": 3e12},
    {"name": "read 8 MiB", "value": 6e12, "bytes": 8 << 20},
    {"name": "read 256 MiB", "value": 5e12, "bytes": 256 << 20},
    {"name": "cluster barrier, 8 blocks", "value": 2e-7, "blocks": 8},
    {"name": "grid barrier, 132 blocks", "value": 1e-6, "blocks": 132},
    {"name": "operations", "value": 3e13},
]


@pytest.mark.skipif(os.name != "posix", reason="bash")
def test_dry_run_does_everything(root: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "compute-sanitizer"
    program.parent.mkdir()
    program.write_text(SANITIZER)
    program.chmod(0o755)
    out = tmp_path / "out"
    done = subprocess.run(
        ["bash", str(root / "bench" / "gpu.sh"), str(out), "--dry-run"],
        env={
            **os.environ,
            "PYTHON": sys.executable,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    found = json.loads((out / "gpu.json").read_text())
    assert found["dry_run"] is True
    assert [part["name"] for part in found["parts"]] == [
        "build", "micro", "parity", "tests", "sanitize", "bench",
    ]  # fmt: skip
    assert {part["state"] for part in found["parts"]} == {"ok"}
    assert {o["state"] for o in found["outcomes"]} <= {"ok", "left out"}
    kinds = {row["kind"] for row in found["rows"]}
    assert kinds >= {"micro", "speed", "launches"}
    assert {"machine", "versions", "commit", "date"} <= set(found)
    assert "memcheck: 0 errors" in done.stdout
    assert "DRY RUN" in (out / "table.txt").read_text()
    # what a device machine gives back
    assert len(list(out.iterdir())) <= 8


def test_without_a_gpu_it_says_so(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fastsnn.bench.gpu", str(tmp_path / "out")]
    done = subprocess.run(
        command,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert done.returncode == 2
    assert "--dry-run" in done.stdout


def crew(tmp_path: Path, names: list[str], seconds: float = 60.0, jobs: int = 1) -> dict[str, str]:
    """Have pretended items done; name -> state."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    seen: list[Outcome] = []
    rows: list[Any] = []
    with (tmp_path / "log").open("wb") as log:
        deadline = monotonic() + seconds
        team = Crew("part", deadline, log, lambda item, row: rows.append(item), seen.append)
        team.prefix = (sys.executable, str(script))
        team.do([Item(name, lambda dry: (), 1.0) for name in names], jobs)
    states = {o.item: o.state for o in seen}
    assert len(states) == len(seen)
    assert sorted(rows) == sorted(name for name, state in states.items() if state == "ok")
    return states


def test_who_hangs_or_dies_is_replaced_and_the_rest_goes_on(tmp_path: Path) -> None:
    names = ["a", "hangs", "b", "dies", "breaks", "c", "unborn", "d"]
    assert crew(tmp_path, names) == {
        "a": "ok", "hangs": "hung", "b": "ok", "dies": "crashed", "breaks": "failed", "c": "ok",
        "unborn": "crashed", "d": "ok",
    }  # fmt: skip


def test_what_no_time_is_left_for_is_left_out(tmp_path: Path) -> None:
    assert crew(tmp_path, ["a", "b"], seconds=-1.0) == {"a": "left out", "b": "left out"}


def test_workers_side_by_side_share_the_items(tmp_path: Path) -> None:
    assert set(crew(tmp_path, list("abcde"), jobs=3).values()) == {"ok"}


def row(**more: Any) -> dict[str, Any]:
    base = {
        "kind": "speed", "case": "diehl-cook", "n": 400, "batch": 1, "replicas": 1,
        "backend": "cuda", "recurrent": True, "moved_per_step": 0.0, "read_per_step": 0.0,
        "footprint": 0.0, "operations_per_step": 0.0, "seconds_p50": 1.0, "steps": 1,
        "us_per_step": 1.0, "images_per_s": None,
    }  # fmt: skip
    return {**base, **more}


def test_the_longest_bound_is_the_floor() -> None:
    rates = Rates(MICRO)
    assert floor(row(), rates).seconds == 2e-7
    assert floor(row(n=6400), rates).name == "grid barrier"
    heavy = row(read_per_step=3e7, footprint=2e7)
    assert floor(heavy, rates).seconds == 3e7 / 5e12
    assert floor(row(recurrent=False, operations_per_step=3e13), rates).name == "arithmetic"
    assert floor(row(), Rates([])) is None
    neurons = row(recurrent=False, moved_per_step=2e12)
    assert floor(neurons, rates).seconds == 0.5
    assert share_of_copy(neurons, rates) == 0.5


def test_targets_are_met_or_missed_or_not_measured() -> None:
    rows = [
        row(n=100, us_per_step=2.0),
        row(n=400, us_per_step=4.0),
        row(n=400, backend="torch", us_per_step=1.0),
        row(n=400, replicas=64, images_per_s=2e5),
        row(case="lif", n=10**7, moved_per_step=3e12, us_per_step=1e6),
        row(case="lif", n=10**7, steps=64, us_per_step=1e5),
    ]
    report = SimpleNamespace(of=lambda kind: rows, rates=Rates(MICRO))
    told = [line.split(": ")[-1] for line in table.targets(report)]
    assert told == [
        "2.00 us, met", "4.00 us, MISSED", "not measured", "not measured", "200,000, met",
        "75%, MISSED", "10.0, met",
    ]  # fmt: skip


def test_launches_are_counted_and_waiting_is_not() -> None:
    def event(name: str, device: DeviceType = DeviceType.CPU, us: float = 2.0) -> Any:
        return SimpleNamespace(name=name, device_type=device, cpu_time_total=us)

    seen = [
        event("cudaLaunchKernel"), event("cudaLaunchKernelExC"), event("cuLaunchKernelEx"),
        event("cudaGraphLaunch"), event("cudaDeviceSynchronize", us=1e6), event("aten::add"),
        event("cudaMemcpyAsync"), event("network", DeviceType.CUDA),
        event("Memset (Device)", DeviceType.CUDA),
    ]  # fmt: skip
    found = launches.count(seen)
    assert (found.calls, found.kernels) == (4, 1)
    assert found.host == pytest.approx(5 * 2e-6)


def test_what_pytest_and_the_sanitizer_say_is_understood() -> None:
    said = (
        "python_tests/test_a.py::test_x[cuda] PASSED   [ 50%]\n"
        "[gw3] [ 12%] FAILED python_tests/test_a.py::test_y \n"
        "FAILED python_tests/test_a.py::test_y - assert 0\n"
    )
    assert [a or b for a, b in _VERDICT.findall(said)] == ["PASSED", "FAILED"]
    told = "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"
    assert _SUMMARY.findall(told) == ["0 hazards displayed (0 errors, 0 warnings)"]


def test_direct_build_has_every_source_once(root: Path, tmp_path: Path) -> None:
    modules = build.directly(tmp_path)
    sources = [Path(command[-3]) for m in modules for _, command in m.objects]
    assert all(source.is_file() for source in sources)
    objects = [made for m in modules for made, _ in m.objects]
    assert len(set(objects)) == len(objects)
    csrc, cuda = root / "csrc", root / "csrc" / "cuda"
    wanted = {*csrc.rglob("*.cpp")} - {*cuda.rglob("*.cpp"), *(csrc / "tests").glob("*.cpp")}
    for engine in modules[:2]:
        assert wanted == {Path(command[-3]) for _, command in engine.objects}
        # which instruction sets there are is told to what chooses among them
        chooses = next(c for _, c in engine.objects if c[-3].endswith("isa.cpp"))
        assert any(part.startswith("-DFASTSNN_WITH_") for part in chooses)
    if len(modules) > 2:
        assert {*cuda.glob("*.cpp"), *cuda.glob("*.cu")} <= set(sources)


def test_floor_of_a_sparse_network_is_a_barrier_or_its_synapses() -> None:
    rates = Rates(MICRO)
    row = {"n": 77_169, "synapses": 3e8, "events_per_step": 97_000.0}
    assert network_floor(row, rates) == Floor(1e-6, "grid barrier")
    row["events_per_step"] = 1e7
    found = network_floor(row, rates)
    assert found is not None
    assert (found.name, found.seconds) == ("synapses", 4e7 / 5e12)
    row["bytes_per_event"] = 28.0
    assert network_floor(row, rates) == Floor(28e7 / 5e12, "synapses")
    assert network_floor(row, Rates([])) is None
