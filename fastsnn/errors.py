# SPDX-License-Identifier: Apache-2.0
"""Errors that users meet.

Every message says what, what was given, what was expected, and how to mend it.
"""

from __future__ import annotations

import operator

import torch


class FastsnnError(ValueError):
    """Base of all errors raised for bad input."""


class ModelError(FastsnnError):
    """A model leaves the model language, or a parameter has an impossible value."""


class ShapeError(FastsnnError):
    """A tensor has another shape, dtype or device than the network asks for."""


class BackendError(FastsnnError):
    """A backend is unknown, or cannot run this network on this machine."""


REAL_TYPES = (torch.float32, torch.float64)


def real_type(what: str, dtype: object) -> torch.dtype:
    """torch.float32 or torch.float64, or FastsnnError."""
    if dtype not in REAL_TYPES:
        raise FastsnnError(f"{what}: expected {' or '.join(map(str, REAL_TYPES))}.")
    return dtype  # type: ignore[return-value]


def whole_number(what: str, value: object, least: int, below: int | None = None) -> int:
    """A whole number of at least `least` (and below `below`), or FastsnnError."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least or (below is not None and number >= below):
        bound = "" if below is None else f" and below {below}"
        raise FastsnnError(f"{what}: expected a whole number of {least} or more{bound}.")
    return number
