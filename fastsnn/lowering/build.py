# SPDX-License-Identifier: Apache-2.0
"""Compile a user's own model for the native engine, once, and keep the library.

Libraries lie in $FASTSNN_CACHE, else in the user's cache folder, under a name that is a hash of all
that goes into them: printed model, headers, flags, compiler.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from fastsnn import models
from fastsnn.errors import BackendError
from fastsnn.lowering.to_cpp import struct_of
from fastsnn.models.declare import Model

ENTRY = "fastsnn_user_model"


def is_built_in(model: type[Model]) -> bool:
    """Whether the native engine brings the model along."""
    return getattr(models, model.__name__, None) is model


def compiler() -> str | None:
    """The C++ compiler: $CXX, else the first of c++, g++, clang++ on the path."""
    chosen = shlex.split(os.environ.get("CXX", ""))[:1]
    return next(filter(None, map(shutil.which, chosen or ("c++", "g++", "clang++"))), None)


def sources() -> Path | None:
    """The folder csrc, in the installed package or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    found = (f for f in (package / "csrc", package.parent / "csrc") if (f / "kernels.h").exists())
    return next(found, None)


def obstacle() -> str | None:
    """None, or why models of a user's own cannot be compiled here."""
    if compiler() is None:
        return "no C++ compiler was found ($CXX, c++, g++, clang++)"
    return None if sources() else "the C++ headers of fastsnn (csrc) are not installed"


@functools.cache
def factory(model: type[Model], isa: str, dtype: torch.dtype = torch.float32) -> int:
    """Address of the function that hands a model to the native engine, compiled if need be.

    dtype: of its numbers, torch.float32 or torch.float64.
    Raises BackendError with the compiler's words when it fails.
    """
    library = ctypes.CDLL(str(_library(model, isa, dtype)))
    address = ctypes.cast(getattr(library, ENTRY), ctypes.c_void_p).value
    assert address is not None
    # the library stays loaded: programs hold pointers into it
    _loaded.append(library)
    return address


_loaded: list[ctypes.CDLL] = []


def source_of(model: type[Model]) -> str:
    """The C++ file of one model."""
    name = model.__name__
    return (
        f'#include "cpu/user_model.h"\n\nnamespace fastsnn::models {{\n{struct_of(model)}\n}}\n\n'
        f'extern "C" __attribute__((visibility("default")))\n'
        f"const fastsnn::UserModel *{ENTRY}() {{\n"
        f"  return fastsnn::hand_over<fastsnn::models::{name}>();\n}}\n"
    )


def _library(model: type[Model], isa: str, dtype: torch.dtype) -> Path:
    program, folder = compiler(), sources()
    if program is None or folder is None:
        raise BackendError(f"model '{model.__name__}' cannot be compiled: {obstacle()}.")
    flags = [*_flags(folder, isa), f"-DFASTSNN_ISA={isa}", "-shared", "-fPIC"]
    if dtype == torch.float64:
        flags.append("-DFASTSNN_DOUBLE")
    text = source_of(model)
    key = hashlib.sha256("\n".join([text, *flags, program, _version(program)]).encode())
    for header in sorted([*folder.glob("*.h"), *folder.glob("cpu/*.h")]):
        key.update(header.read_bytes())
    cache = _cache()
    path = cache / f"{model.__name__}-{isa}-{key.hexdigest()[:20]}.so"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        source, built = Path(scratch, "model.cpp"), Path(scratch, "model.so")
        source.write_text(text)
        command = [program, *flags, "-I", str(folder), str(source), "-o", str(built)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BackendError(
                f"model '{model.__name__}' did not compile ({shlex.join(command)}):\n"
                f"{done.stderr[-2000:]}"
            )
        os.replace(built, path)
    return path


def _flags(folder: Path, isa: str) -> list[str]:
    lines = dict(
        line.split(":", 1)
        for line in (folder / "flags.txt").read_text().splitlines()
        if ":" in line and not line.startswith("#")
    )
    return shlex.split(lines["common"]) + shlex.split(lines.get(isa, ""))


@functools.cache
def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout


def _cache() -> Path:
    chosen = os.environ.get("FASTSNN_CACHE")
    root = Path(chosen or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root if chosen else root / "fastsnn"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
