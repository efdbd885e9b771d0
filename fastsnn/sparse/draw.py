# SPDX-License-Identifier: Apache-2.0
"""The synapses of a wiring as lists."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Edges:
    """Synapses: pre, post int64 [n], w float32 [n], delay int32 [n] (steps)."""

    pre: Tensor
    post: Tensor
    w: Tensor
    delay: Tensor
