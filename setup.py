# SPDX-License-Identifier: Apache-2.0
"""Build the engines with CMake: C++, and CUDA where nvcc is found; else install as pure Python.

The folder is the source list (see CMakeLists.txt). FASTSNN_NO_EXT=1 leaves both engines out,
FASTSNN_NO_CUDA=1 that of CUDA; FASTSNN_CUDA_ARCHS ("90", "80-real;90") says for which devices,
FASTSNN_ISAS ("avx512") for which instruction sets of the CPU (default: all).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


def compiler() -> str | None:
    """Return the C++ compiler: $CXX, else the first of c++, g++, clang++ on the path."""
    chosen = os.environ.get("CXX", "").split()
    return next(filter(None, map(shutil.which, chosen[:1] or ["c++", "g++", "clang++"])), None)


def nvcc() -> str | None:
    """Return the CUDA compiler: $CUDACXX, of $CUDA_HOME, $CUDA_PATH, the path, /usr/local/cuda."""
    if os.environ.get("CUDACXX"):
        return shutil.which(os.environ["CUDACXX"])
    homes = filter(None, map(os.environ.get, ("CUDA_HOME", "CUDA_PATH")))
    places = [*(str(Path(home, "bin")) for home in homes), None, "/usr/local/cuda/bin"]
    return next(filter(None, (shutil.which("nvcc", path=p) for p in places)), None)


def is_set(name: str) -> bool:
    """Whether an environment variable says yes."""
    return os.environ.get(name, "0") not in ("", "0")


def why_no_cuda() -> str | None:
    """Return the reason for which the CUDA engine cannot be built here, None when it can."""
    if is_set("FASTSNN_NO_CUDA"):
        return "FASTSNN_NO_CUDA is set"
    return None if nvcc() else "no nvcc found (looked for $CUDACXX, $CUDA_HOME, on the path)"


def why_no_engine() -> str | None:
    """Return the reason for which the engine cannot be built here, None when it can."""
    if is_set("FASTSNN_NO_EXT"):
        return "FASTSNN_NO_EXT is set"
    if not compiler():
        return "no C++ compiler found (looked for $CXX, c++, g++, clang++)"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "the headers of Python are not installed (Python.h)"
    return None


def tool(name: str, folder: str) -> str:
    """Return the program that the package `name` brings, else the one on the path."""
    try:
        return str(Path(getattr(__import__(name), folder), name))
    except ImportError:
        return name


class BuildEngine(build_ext):
    """Configure and build CMakeLists.txt into one folder per Python, kept between builds."""

    def build_extensions(self) -> None:
        build = ROOT / "build" / f"engine-{sys.implementation.cache_tag}"
        names = [ext.name.rpartition(".")[2] for ext in self.extensions]
        cmake = tool("cmake", "CMAKE_BIN_DIR")
        try:
            subprocess.run([cmake, "-S", str(ROOT), "-B", str(build), *settings()], check=True)
            # all at once, so that no core waits for the last file of a module
            subprocess.run([cmake, "--build", str(build), "--target", *names], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f"fastsnn: building {', '.join(names)} failed ({error}). It needs a C++20 "
                "compiler, and CUDA 12 or newer for the CUDA engine; FASTSNN_NO_CUDA=1 installs "
                "without that one, FASTSNN_NO_EXT=1 without any."
            ) from error
        for ext in self.extensions:
            made = Path(self.get_ext_fullpath(ext.name)).resolve()
            made.parent.mkdir(parents=True, exist_ok=True)
            made.unlink(missing_ok=True)  # not written over: a process may have it loaded
            shutil.copy2(build / made.name, made)


def settings() -> list[str]:
    """Return what CMake is told."""
    import pybind11

    # the folder of the build remembers: without a wish, that of an earlier build is forgotten
    wishes = [
        f"-D{name}={wish}" if (wish := os.environ.get(name)) else f"-U{name}"
        for name in ("FASTSNN_CUDA_ARCHS", "FASTSNN_ISAS")
    ]
    return [
        *("-G", "Ninja"),
        f"-DCMAKE_CXX_COMPILER={compiler()}",
        f"-DCMAKE_MAKE_PROGRAM={tool('ninja', 'BIN_DIR')}",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DFASTSNN_CUDA={'OFF' if why_no_cuda() else 'ON'}",
        f"-DFASTSNN_NVCC={nvcc() or ''}",
        *wishes,
    ]


# a file that is gone from the checkout must not live on in the next wheel
for stale in ROOT.glob("build/lib*"):
    shutil.rmtree(stale)

reason = why_no_engine()
no_cuda = reason or why_no_cuda()
if reason:
    print(f"fastsnn: no C++ engine, networks will run on torch: {reason}", file=sys.stderr)
if no_cuda:
    print(f"fastsnn: no CUDA engine: {no_cuda}", file=sys.stderr)
engines = [
    *([] if reason else [Extension("fastsnn._native", sources=[])]),
    *([] if reason else [Extension("fastsnn._native64", sources=[])]),
    *([] if no_cuda else [Extension("fastsnn._cuda", sources=[])]),
]

setup(
    packages=[
        *find_packages(include=["fastsnn", "fastsnn.*"]),
        "fastsnn.bench",
        "fastsnn.csrc",
        "fastsnn.kernels",
    ],
    package_dir={
        "fastsnn": "fastsnn",
        "fastsnn.bench": "bench",
        "fastsnn.csrc": "csrc",
        "fastsnn.kernels": "kernels",
    },
    package_data={
        "fastsnn": ["py.typed", "datasets/data/**"],
        "fastsnn.bench": ["*.cpp"],
        "fastsnn.csrc": ["*.h", "*.cpp", "*.txt", "cpu/*", "nn/*", "sparse/*", "cuda/**"],
    },
    include_package_data=False,
    ext_modules=engines,
    cmdclass={"build_ext": BuildEngine},
)
