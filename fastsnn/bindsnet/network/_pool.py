# SPDX-License-Identifier: Apache-2.0
"""Max-pooling of spikes: the source that has spiked most lately speaks for its window."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastsnn.bindsnet.network._dense import AbstractConnection
from fastsnn.bindsnet.network.nodes import Nodes
from fastsnn.errors import ModelError


class _MaxPool(AbstractConnection):
    """decay (keyword, required): fraction of the rates that is lost a step.

    firing_rates: [batch, *source.shape]; a window passes on the spike of its highest rate.
    """

    dims: int
    pool: Any

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, None, None, 0.0, **kwargs)
        if self.decay is None:
            raise ModelError(f"{type(self).__name__}: give decay=..., e.g. decay=0.1.")
        self.kernel_size, self.stride, self.padding, self.dilation = (
            tuple(v) if isinstance(v, list | tuple) else (v,) * self.dims
            for v in (kernel_size, stride, padding, dilation)
        )
        self.register_buffer("firing_rates", self._silent())

    def _silent(self) -> Tensor:
        shape = (self.source.batch_size or 1, *self.source.shape)
        return torch.zeros(shape, device=self.source.s.device)

    def compute(self, s: Tensor) -> Tensor:
        """Spikes of the leading sources."""
        if len(self.firing_rates) != len(s):
            self.firing_rates = self._silent()
        spike = s.to(self.firing_rates.dtype)
        self.firing_rates = self.firing_rates - self.decay * self.firing_rates + spike
        _, index = self.pool(
            self.firing_rates, kernel_size=self.kernel_size, stride=self.stride,
            padding=self.padding, dilation=self.dilation, return_indices=True,
        )  # fmt: skip
        return spike.flatten(2).gather(2, index.flatten(2)).reshape(index.shape)

    def update(self, **kwargs: Any) -> None:
        """Nothing to learn."""

    def reset_state_variables(self) -> None:
        """Forget the rates."""
        super().reset_state_variables()
        silent = self._silent()
        if self.firing_rates.shape == silent.shape:
            self.firing_rates.zero_()
        else:
            self.firing_rates = silent


class MaxPool1dConnection(_MaxPool):
    """Over windows of a line.  source: [C, L]; target: [C, L']."""

    dims, pool = 1, staticmethod(F.max_pool1d)


class MaxPool2dConnection(_MaxPool):
    """Over windows of an image.  source: [C, H, W]; target: [C, H', W']."""

    dims, pool = 2, staticmethod(F.max_pool2d)


class MaxPoo3dConnection(_MaxPool):
    """Over windows of a volume.  source: [C, D, H, W]; target: [C, D', H', W']."""

    dims, pool = 3, staticmethod(F.max_pool3d)
