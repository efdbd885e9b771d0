# SPDX-License-Identifier: Apache-2.0
"""Connections of converted networks that only move or pad what they carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastsnn.bindsnet.network._dense import AbstractConnection
from fastsnn.bindsnet.network.nodes import Nodes


class _Moves(AbstractConnection):
    """A connection without weights."""

    def update(self, **kwargs: Any) -> None:
        """Nothing to learn."""


class PermuteConnection(_Moves):
    """Permute the dimensions of the source's spikes.  dims: order, the batch being 0."""

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        dims: Iterable[int],
        nu: Any = None,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, nu, None, weight_decay, **kwargs)
        self.dims = tuple(dims)

    def compute(self, s: Tensor) -> Tensor:
        """Permute."""
        return s.permute(self.dims).to(torch.float32)


class ConstantPad2dConnection(_Moves):
    """Pad images with zeros.  padding: (left, right, top, bottom)."""

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        padding: tuple[int, ...],
        nu: Any = None,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, nu, None, weight_decay, **kwargs)
        self.padding = tuple(padding)

    def compute(self, s: Tensor) -> Tensor:
        """Pad."""
        return F.pad(s.to(torch.float32), self.padding)
