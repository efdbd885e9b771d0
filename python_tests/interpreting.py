# SPDX-License-Identifier: Apache-2.0
"""Triton's interpreter, for tests where there is no GPU.

Import it before anything that imports triton.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import places
import pytest

# read when triton is imported, and where a function is jitted
_ours = not places.GPU and "TRITON_INTERPRET" not in os.environ
if _ours:
    os.environ["TRITON_INTERPRET"] = "1"

pytest.importorskip("triton")

from triton.runtime import interpreter  # noqa: E402

from fastsnn.backends import triton_jit, triton_run  # noqa: E402
from fastsnn.kernels.tiling import INTERPRETER, Tiling  # noqa: E402

# why the interpreter is not what runs here, or None
OBSTACLE = triton_jit.usable() if triton_jit.interpreted() else "Triton runs on the GPU"
needed = pytest.mark.skipif(OBSTACLE is not None, reason=str(OBSTACLE))
if _ours:
    # other tests of this process must not meet a backend more
    del os.environ["TRITON_INTERPRET"]
# several tiles, lists and blocks even in a small network
SMALL = Tiling(
    neurons=32, rows=16, unroll=2, summed=4, listed=32, steps=3, warps=1, synapses=32, sending=5
)

_prepared: set[int] = set()


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a device function.

    The interpreter prepares triton.language anew for every call, which takes most of its time.
    """
    space = self.fn.__globals__
    # a launch prepares what kernels see; Triton's own functions see it by another name, for good
    if "tl" not in space and id(space) not in _prepared:
        _prepared.add(id(space))
        interpreter._patch_lang(self.fn)
    return self.rewrite()(*args, **kwargs)


interpreter.InterpretedFunction.__call__ = _call


def options(place: str) -> dict[str, str]:
    """The options of a Network: everything lives on the CPU."""
    return {"backend": place, "device": "cpu"}


def switch_on(patch: pytest.MonkeyPatch) -> None:
    """Let Triton interpret on the CPU, and networks of the tests live there."""
    if _ours:
        patch.setenv("TRITON_INTERPRET", "1")
    patch.setattr(places, "options", options)


@contextmanager
def tiled(tiling: Tiling) -> Iterator[None]:
    """Cut networks that are compiled inside in another way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triton_run, "INTERPRETER", tiling)
        yield


__all__ = ["INTERPRETER", "OBSTACLE", "SMALL", "needed", "switch_on", "tiled"]
