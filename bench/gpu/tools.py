# SPDX-License-Identifier: Apache-2.0
"""Where the programs of CUDA are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch


def find(name: str, *folders: str) -> str | None:
    """A program of the CUDA toolkit: on the path, under CUDA_HOME, or where it usually is."""
    places = [home / folder / name for home in _homes() for folder in ("bin", *folders)]
    found = (str(p) for p in places if p.is_file() and os.access(p, os.X_OK))
    return shutil.which(name) or next(found, None)


def _homes() -> list[Path]:
    """Where the toolkit may be."""
    named = [Path(os.environ[k]) for k in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(k)]
    return [*named, Path("/usr/local/cuda"), *sorted(Path("/usr/local").glob("cuda-*"))[::-1]]


def headers() -> Path:
    """Where cuda_runtime_api.h is: nvcc may be a link or a script elsewhere.

    Raises FileNotFoundError.
    """
    compiler = nvcc()
    homes = [Path(compiler).resolve().parents[1]] if compiler else []
    places = [home / "include" for home in (*homes, *_homes())]
    for place in places:
        if (place / "cuda_runtime_api.h").exists():
            return place
    raise FileNotFoundError(f"cuda_runtime_api.h is in none of {', '.join(map(str, places))}")


def nvcc() -> str | None:
    """The compiler."""
    return find("nvcc")


def sanitizer() -> str | None:
    """The checker of memory accesses and races."""
    return find("compute-sanitizer", "compute-sanitizer")


def arch() -> str:
    """What to compile for: the GPU at hand, else sm_90."""
    major, minor = torch.cuda.get_device_capability() if torch.cuda.is_available() else (9, 0)
    return f"sm_{major}{minor}"
