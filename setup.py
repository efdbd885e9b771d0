# SPDX-License-Identifier: Apache-2.0
"""Build the C++ engine with CMake; where that cannot be, install as pure Python.

The folder is the source list (see CMakeLists.txt). FASTSNN_NO_EXT=1 leaves the engine out.
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


def why_no_engine() -> str | None:
    """Return the reason for which the engine cannot be built here, None when it can."""
    if os.environ.get("FASTSNN_NO_EXT", "0") not in ("", "0"):
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

    def build_extension(self, ext: Extension) -> None:
        import pybind11

        build = ROOT / "build" / f"engine-{sys.implementation.cache_tag}"
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        cmake = tool("cmake", "CMAKE_BIN_DIR")
        configure = [cmake, "-S", str(ROOT), "-B", str(build), "-G", "Ninja"]
        configure += [
            f"-DCMAKE_CXX_COMPILER={compiler()}",
            f"-DCMAKE_MAKE_PROGRAM={tool('ninja', 'BIN_DIR')}",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        ]
        try:
            subprocess.run(configure, check=True)
            subprocess.run([cmake, "--build", str(build), "--target", "_native"], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f"fastsnn: building the C++ engine failed ({error}). It needs a C++20 compiler; "
                "FASTSNN_NO_EXT=1 installs without the engine."
            ) from error
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(build / target.name, target)


# a file that is gone from the checkout must not live on in the next wheel
for stale in ROOT.glob("build/lib*"):
    shutil.rmtree(stale)

reason = why_no_engine()
if reason:
    print(f"fastsnn: no C++ engine, networks will run on torch: {reason}", file=sys.stderr)

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
        "fastsnn.csrc": ["*.h", "*.cpp", "*.txt", "cpu/*.h", "cpu/*.cpp"],
    },
    include_package_data=False,
    ext_modules=[] if reason else [Extension("fastsnn._native", sources=[])],
    cmdclass={"build_ext": BuildEngine},
)
