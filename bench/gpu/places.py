# SPDX-License-Identifier: Apache-2.0
"""Where networks run here: on the GPU; in a dry run, in what stands in for one."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch

from fastsnn import backends
from fastsnn.backends import cuda

ROOT = Path(__file__).resolve().parents[2]
_FAST = ("cuda", "triton")


def fast(dry: bool) -> list[tuple[str, str]]:
    """(backend, device) of what is measured, fastest first.

    Dry: the kernels in the emulation and in Triton's interpreter; where neither is at hand, what
    there is, so that there is always something.
    """
    if dry:
        emulate()
        _hasten_interpreter()
    found = [name for name in _FAST if name in backends.usable()] or backends.usable()[:1]
    return [(name, backends.home(name)) for name in found]


def reference() -> tuple[str, str]:
    """The same step by step."""
    return "torch", "cuda" if torch.cuda.is_available() else "cpu"


def missing() -> dict[str, str]:
    """Backends that should be measured and cannot, and why."""
    return {k: why for k, why in backends.explain().items() if k in _FAST and why != "usable"}


def emulate() -> bool:
    """Let backend "cuda" be its kernels in the emulation; whether that was built here."""
    module = _emulation()
    if module is None:
        return False
    engine = cuda.Engine(module, "cpu")
    backends.REGISTRY["cuda"] = SimpleNamespace(  # type: ignore[assignment]
        NAME="cuda", DEVICES=("cpu",), usable=lambda: None, supports=engine.supports,
        Program=engine.program, ReplicaProgram=engine.replica_program,
    )  # fmt: skip
    return True


def _hasten_interpreter() -> None:
    """As the tests do, where they are at hand."""
    tests = str(ROOT / "python_tests")
    if tests not in sys.path:
        sys.path.insert(0, tests)
    # an outcome of pytest is no Exception
    with suppress(BaseException):
        importlib.import_module("interpreting")


def _emulation() -> ModuleType | None:
    name = "_cuda_emulated"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    built = sorted((ROOT / "build").glob(f"*/{name}{suffix}"), key=lambda p: p.stat().st_mtime)
    if not built:
        return None
    spec = importlib.util.spec_from_file_location(name, built[-1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
