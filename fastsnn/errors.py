# SPDX-License-Identifier: Apache-2.0
"""Errors that users meet.

Every message says what, what was given, what was expected, and how to mend it.
"""

from __future__ import annotations


class FastsnnError(ValueError):
    """Base of all errors raised for bad input."""


class ModelError(FastsnnError):
    """A model leaves the model language, or a parameter has an impossible value."""


class ShapeError(FastsnnError):
    """A tensor has another shape, dtype or device than the network asks for."""


class BackendError(FastsnnError):
    """A backend is unknown, or cannot run this network on this machine."""
