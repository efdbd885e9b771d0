# SPDX-License-Identifier: Apache-2.0
"""Packages that only a part of fastsnn needs: imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingPackage(ImportError):
    """A package that this call needs is not installed."""


def need(module: str, package: str, purpose: str) -> ModuleType:
    """Import a module, or say what needs it and how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != top:
            raise
        raise MissingPackage(
            f"{purpose} needs the package {package}, which is not installed here ({error}). "
            f"Install it: pip install {package}",
            name=top,
        ) from error
