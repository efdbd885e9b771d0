# SPDX-License-Identifier: Apache-2.0
"""The registry of what can run a layer."""

from __future__ import annotations

from types import ModuleType

from torch import Tensor

from fastsnn.errors import BackendError
from fastsnn.models.declare import Neuron
from fastsnn.nn import jit, native, reference

# fastest first
ENGINES: dict[str, ModuleType] = {m.NAME: m for m in (native, jit, reference)}


def engine(backend: str, model: type[Neuron], x: Tensor) -> ModuleType:
    """The engine of this name; "auto": the first that can.

    Raises BackendError when it cannot run this model on this input.
    """
    if backend == "auto":
        return next(e for e in ENGINES.values() if e.obstacle(model, x) is None)
    if backend not in ENGINES:
        raise BackendError(f"backend={backend!r}: expected one of auto, {', '.join(ENGINES)}.")
    why = ENGINES[backend].obstacle(model, x)
    if why:
        raise BackendError(
            f"backend={backend!r} cannot run this layer: {why}. backend='auto' takes what can."
        )
    return ENGINES[backend]
