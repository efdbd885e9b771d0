# SPDX-License-Identifier: Apache-2.0
"""Wirings, distributions and drives as plain values for a file, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.errors import FastsnnError
from fastsnn.sparse.distributions import Distribution
from fastsnn.sparse.drives import PoissonDrive
from fastsnn.sparse.space import Kernel
from fastsnn.sparse.wirings import Wiring


def describe(value: Any, key: str, keep: Callable[[str, Tensor], Any]) -> Any:
    """A value as JSON has it.  keep(key, tensor): stores a tensor, and says what stands for it.

    Raises FastsnnError for what no file can hold, such as a function.
    """
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        held = {name: describe(part, f"{key}.{name}", keep) for name, part in parts.items()}
        return {"class": type(value).__name__, "fields": held}
    if isinstance(value, (Tensor, np.ndarray)):
        return keep(key, torch.as_tensor(value))
    if isinstance(value, (list, tuple)) and all(isinstance(v, (int, float)) for v in value):
        return list(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise FastsnnError(f"'{key}' is {value!r}, which cannot be written to a file.")


def rebuild(value: Any, get: Callable[[Any], Any]) -> Any:
    """What `describe` described.  get: the tensor for what stands for it."""
    if not isinstance(value, dict):
        return value
    if "class" not in value:
        return get(value)
    kinds = {kind.__name__: kind for base in _BASES for kind in (base, *_below(base))}
    if value["class"] not in kinds:
        raise FastsnnError(f"The file uses the wiring or distribution '{value['class']}', unknown.")
    return kinds[value["class"]](**{k: rebuild(v, get) for k, v in value["fields"].items()})


def _below(base: type) -> list[type]:
    return [k for kind in base.__subclasses__() for k in (kind, *_below(kind))]


_BASES = (Wiring, Distribution, Kernel, PoissonDrive)
