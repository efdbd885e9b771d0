# SPDX-License-Identifier: Apache-2.0
"""Plots and analyzers; each module is imported when it is first used (matplotlib is slow to)."""

import importlib
from typing import Any

__all__ = ["pipeline_analysis", "plotting", "visualization"]


def __getattr__(name: str) -> Any:
    if name in (*__all__, "dotTrace_plotter"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
