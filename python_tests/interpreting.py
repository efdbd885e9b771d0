# SPDX-License-Identifier: Apache-2.0
"""Triton's interpreter, for tests on a CPU.  Import it before anything that imports triton."""

from __future__ import annotations

import os

os.environ.setdefault("TRITON_INTERPRET", "1")

from triton.runtime import interpreter

from fastsnn import backends
from fastsnn.backends import triton_jit

backends.REGISTRY.setdefault(triton_jit.NAME, triton_jit)


_prepared: set[int] = set()


def _call(self, *args, **kwargs):
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
