# SPDX-License-Identifier: Apache-2.0
"""The package as it is installed: what a wheel holds; it runs with and without the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import fastsnn
from fastsnn import backends

SIMULATE = """
import torch, fastsnn
from fastsnn import Dense, Network, Poisson
from fastsnn.models import LIF, Input
net = Network(seed=1)
net.population("X", Input(), n=20)
net.population("Y", LIF(), n=10)
net.projection("X", "Y", Dense(2.0))
counts = net.present({"X": Poisson(torch.full((20,), 100.0))}, 100.0, samples=1, count=["Y"]).counts
print(net.backend, int(counts["Y"].sum()), fastsnn.__file__)
"""


def build_wheel(root: Path, folder: Path, **environment: str) -> tuple[Path, str]:
    """Build a wheel of the checkout; return its path and what the build said."""
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "-w", str(folder), str(root)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return next(folder.glob("*.whl")), done.stdout + done.stderr


def simulate(site: Path) -> list[str]:
    """Run a small network with an unpacked wheel; return the backend, the spikes and the place."""
    # an editable install would lend the unpacked wheel what it lacks
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "editable = [f for f in sys.meta_path if '__editable__' in getattr(f, '__module__', '')]\n"
        f"for f in editable: sys.meta_path.remove(f)\n{SIMULATE}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git holds or would hold, so that a build leaves no mark on the checkout."""
    if not (root / "pyproject.toml").exists() or not shutil.which("git"):
        pytest.skip("not a checkout")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listed, cwd=root, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a checkout")
    copy = tmp_path_factory.mktemp("checkout")
    for name in filter(None, done.stdout.decode().split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def pure_wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A wheel built where there is no C++ compiler."""
    folder = tmp_path_factory.mktemp("pure")
    return build_wheel(checkout, folder, CXX="no-such-compiler")


def test_wheel_without_compiler_is_pure_and_says_so(pure_wheel: tuple[Path, str]) -> None:
    wheel, said = pure_wheel
    assert wheel.name.endswith("-py3-none-any.whl")
    assert said.count("no C++ engine, networks will run on torch: no C++ compiler found") >= 1


def test_wheel_holds_everything_that_running_needs(
    pure_wheel: tuple[Path, str], checkout: Path
) -> None:
    names = set(zipfile.ZipFile(pure_wheel[0]).namelist())
    wanted = {"fastsnn/py.typed", "fastsnn/kernels/__init__.py", "fastsnn/bench/probe.cpp"}
    for folder in ("fastsnn", "csrc"):
        for path in (checkout / folder).rglob("*"):
            inside = path.relative_to(checkout)
            if path.is_file() and "tests" not in inside.parts and "__pycache__" not in inside.parts:
                wanted.add(str(inside) if folder == "fastsnn" else f"fastsnn/{inside}")
    missing = wanted - names
    assert not missing
    assert not [n for n in names if n.split("/")[0] not in ("fastsnn",) and ".dist-info/" not in n]


def test_wheel_without_engine_runs_on_torch(pure_wheel: tuple[Path, str], tmp_path: Path) -> None:
    zipfile.ZipFile(pure_wheel[0]).extractall(tmp_path)
    backend, spikes, place = simulate(tmp_path)
    assert backend == "torch"
    assert int(spikes) > 0
    assert Path(place).is_relative_to(tmp_path)


@pytest.mark.skipif("cpu" not in backends.usable(), reason="no C++ engine here")
def test_wheel_with_engine_runs_on_it(root: Path, tmp_path: Path) -> None:
    if not (root / "pyproject.toml").exists():
        pytest.skip("not a checkout")
    # in place: what is compiled already need not be compiled again
    wheel, _ = build_wheel(root, tmp_path / "wheel")
    assert "none-any" not in wheel.name
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    backend, spikes, place = simulate(tmp_path / "site")
    assert backend == "cpu"
    assert int(spikes) > 0
    assert Path(place).is_relative_to(tmp_path)


def test_code_of_one_instruction_set_stays_inside_it(root: Path) -> None:
    """The linker keeps one copy of an inline function: it must not be one for a newer processor."""
    objects = sorted((root / "build").glob("engine-*/CMakeFiles/engine_avx*.dir/csrc/cpu/*.o"))
    if not objects or not shutil.which("nm"):
        pytest.skip("no engine with several instruction sets was built here")
    for path in objects:
        isa = path.parents[2].name.removeprefix("engine_").split("_")[0]
        done = subprocess.run(
            ["nm", "-C", "--defined-only", str(path)], capture_output=True, text=True, check=True
        )
        shared = [line.split(maxsplit=2)[2] for line in done.stdout.splitlines() if " W " in line]
        assert not [name for name in shared if f"::{isa}::" not in name], path


def test_version_is_the_installed_one() -> None:
    assert fastsnn.__version__ == metadata.version("fastsnn")


def test_explain_names_every_backend() -> None:
    told = backends.explain()
    assert set(backends.usable()) <= set(told)
    assert {"torch", "cpu"} <= set(told)
    assert all(told.values())
