# SPDX-License-Identifier: Apache-2.0
"""Build the native modules into the checkout, for this interpreter and the GPU at hand.

By CMake where it, ninja and pybind11 are at hand; else directly: the same files with the same flags
(csrc/flags.txt) by g++ and nvcc, the headers of pybind11 taken from torch.  Nothing is downloaded.

    python -m fastsnn.bench.gpu.build [--dry-run] [--directly]
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import torch

from fastsnn.bench.gpu import tools

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# the engine for the CPU, for each type of numbers
NATIVE = {"_native": [], "_native64": ["-DFASTSNN_DOUBLE"]}


def _program(name: str, folder: str) -> str | None:
    """A program that a Python package brings, else the one on the path."""
    try:
        found = Path(getattr(import_module(name), folder), name)
    except (ImportError, AttributeError):
        return shutil.which(name)
    return str(found) if found.exists() else shutil.which(name)


def _pybind11_cmake() -> str | None:
    try:
        return import_module("pybind11").get_cmake_dir()
    except ImportError:
        return None


def pybind11_headers() -> Path:
    """Where pybind11/pybind11.h is: torch brings its own copy.

    Raises FileNotFoundError.
    """
    places = [Path(torch.__file__).parent / "include"]
    with suppress(ImportError):
        places.insert(0, Path(import_module("pybind11").get_include()))
    for place in places:
        if (place / "pybind11" / "pybind11.h").exists():
            return place
    raise FileNotFoundError(f"pybind11/pybind11.h is in none of {places}")


def flags() -> dict[str, list[str]]:
    """csrc/flags.txt: name -> flags."""
    lines = (CSRC / "flags.txt").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
    return {name.strip(): shlex.split(value) for name, value in pairs}


@dataclass
class Module:
    """A Python module: its objects, (source, command that makes it), and how they are linked."""

    name: str
    objects: list[tuple[Path, list[str]]] = field(default_factory=list)
    link: list[str] = field(default_factory=list)


def by_cmake(folder: Path) -> list[list[str]]:
    """The commands; raises FileNotFoundError where something is missing."""
    cmake, ninja = _program("cmake", "CMAKE_BIN_DIR"), _program("ninja", "BIN_DIR")
    pybind11, nvcc = _pybind11_cmake(), tools.nvcc()
    tools_at_hand = {"cmake": cmake, "ninja": ninja, "pybind11": pybind11}
    missing = [name for name, path in tools_at_hand.items() if path is None]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)} not found")
    configure = [
        cmake, "-S", str(ROOT), "-B", str(folder), "-G", "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={ninja}", f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11}", f"-DFASTSNN_CUDA_ARCHS={tools.arch()[3:]}-real",
        *([f"-DFASTSNN_NVCC={nvcc}"] if nvcc else []),
    ]  # fmt: skip
    targets = [*NATIVE, *(["_cuda"] if nvcc else [])]
    return [configure, [cmake, "--build", str(folder), "--target", *targets]]


def directly(folder: Path) -> list[Module]:
    """What CMakeLists.txt does, spelt out."""
    compiler = shlex.split(os.environ.get("CXX", "")) or [shutil.which("g++") or "c++"]
    given, nvcc = flags(), tools.nvcc()
    places = [CSRC, pybind11_headers(), Path(sysconfig.get_path("include"))]
    include = [part for place in places for part in ("-I", str(place))]
    isas = [name for name in given if name not in ("common", "cuda")]
    if platform.machine() not in ("x86_64", "AMD64"):
        isas = ["baseline"]

    def made(module: Module, source: Path, name: str, command: Sequence[str]) -> None:
        target = folder / f"{module.name}-{name}-{source.stem}.o"
        module.objects.append((target, [*command, *include, "-c", str(source), "-o", str(target)]))

    cxx = [*compiler, *given["common"], "-fPIC"]
    natives = []
    for name, numbers in NATIVE.items():
        native = Module(name, link=[*compiler, "-shared", "-pthread"])
        own = [*numbers, f"-DFASTSNN_MODULE={name}"]
        wide = [isa for isa in isas if isa != "baseline"]
        chosen = wide if numbers and wide else isas
        known = [f"-DFASTSNN_WITH_{isa}" for isa in chosen]
        for source in sorted([*CSRC.glob("*.cpp"), *CSRC.glob("sparse/*.cpp")]):
            made(native, source, f"shared-{source.parent.name}", [*cxx, *own, *known])
        for isa in chosen:
            for source in sorted([*CSRC.glob("cpu/*.cpp"), *CSRC.glob("nn/*.cpp")]):
                made(native, source, isa, [*cxx, *own, *given[isa], f"-DFASTSNN_ISA={isa}"])
        natives.append(native)
    if nvcc is None:
        return natives
    cuda = Module("_cuda", link=[nvcc, "-shared", "-cudart=static", f"-arch={tools.arch()}"])
    own = [f"-DFASTSNN_MODULE={cuda.name}"]
    for source in sorted((CSRC / "cuda").glob("*.cpp")):
        made(cuda, source, "host", [*cxx, *own, "-isystem", str(tools.headers())])
    for source in sorted((CSRC / "cuda").glob("*.cu")):
        command = [nvcc, *given["cuda"], "-Xcompiler=-fPIC", f"-arch={tools.arch()}", *own]
        made(cuda, source, "device", command)
    return [*natives, cuda]


def _run(command: Sequence[str]) -> None:
    print("+", shlex.join(command), flush=True)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _build_directly(modules: Sequence[Module]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_run, (command for m in modules for _, command in m.objects)))
    for m in modules:
        target = ROOT / "fastsnn" / f"{m.name}{SUFFIX}"
        _run([*m.link, *(str(made) for made, _ in m.objects), "-o", str(target)])


def _build_by_cmake(folder: Path) -> None:
    for command in by_cmake(folder):
        _run(command)
    for name in (*NATIVE, "_cuda"):
        made = folder / f"{name}{SUFFIX}"
        if made.exists():
            shutil.copy2(made, ROOT / "fastsnn" / made.name)


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="print the commands")
    parser.add_argument("--directly", action="store_true", help="without CMake")
    args = parser.parse_args(argv)
    tag = sys.implementation.cache_tag
    folder, plain = ROOT / "build" / f"gpu-{tag}", ROOT / "build" / f"gpu-plain-{tag}"
    if args.dry_run:
        return _show(folder, plain)
    if not args.directly:
        try:
            _build_by_cmake(folder)
            return 0
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"not by CMake ({error}): directly", flush=True)
    plain.mkdir(parents=True, exist_ok=True)
    try:
        _build_directly(directly(plain))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the build failed: {error}", file=sys.stderr)
        return 1
    return 0


def _show(folder: Path, plain: Path) -> int:
    """Print what would be run, both ways."""
    try:
        for command in by_cmake(folder):
            print("+", shlex.join(command))
    except FileNotFoundError as error:
        print(f"not by CMake: {error}")
    for module in directly(plain):
        for _, command in module.objects:
            print("+", shlex.join(command))
        print("+", shlex.join(module.link), "...")
    return 0


if __name__ == "__main__":
    sys.exit(main())
