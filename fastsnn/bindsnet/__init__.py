# SPDX-License-Identifier: Apache-2.0
"""BindsNET's names and signatures over fastsnn: `import fastsnn.bindsnet as bindsnet`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

ROOT_DIR = Path(__file__).resolve().parents[2]

_PARTS = (
    "analysis",
    "conversion",
    "datasets",
    "encoding",
    "environment",
    "evaluation",
    "learning",
    "models",
    "network",
    "pipeline",
    "preprocessing",
    "utils",
)


def __getattr__(name: str) -> ModuleType:
    # scripts write `import bindsnet` and mean all of it; only what they touch is loaded
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_PARTS]
