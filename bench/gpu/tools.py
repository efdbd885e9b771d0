# SPDX-License-Identifier: Apache-2.0
"""Where the programs of CUDA are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch


def find(name: str, *folders: str) -> str | None:
    """A program of the CUDA toolkit: on the path, under CUDA_HOME, or where it usually is."""
    homes = [os.environ.get(k, "") for k in ("CUDA_HOME", "CUDA_PATH")] + ["/usr/local/cuda"]
    homes += sorted(map(str, Path("/usr/local").glob("cuda-*")), reverse=True)
    places = [Path(home, folder, name) for home in homes if home for folder in ("bin", *folders)]
    found = (str(p) for p in places if p.is_file() and os.access(p, os.X_OK))
    return shutil.which(name) or next(found, None)


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
