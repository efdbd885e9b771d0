# SPDX-License-Identifier: Apache-2.0
"""Layers of converted networks, under BindsNET's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from fastsnn import models
from fastsnn.bindsnet.network._layer import ModelNodes, Nodes, Number


class SubtractiveResetIFNodes(ModelNodes):
    """Integrate-and-fire neurons whose threshold is subtracted at a spike."""

    model = models.SubtractiveIF

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = -52.0,
        reset: Number = -65.0,
        refrac: Number = 5,
        lbound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(lbound, thresh=thresh, reset=reset, refrac=refrac)


class PassThroughNodes(Nodes):
    """Pass the input of a step on as it is, whatever its values; no trace, no sum."""

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self.register_buffer("v", torch.zeros(0))

    def forward(self, x: Tensor) -> None:
        """Take the input."""
        self.s = x.clone()

    def reset_state_variables(self) -> None:
        """Forget the last input."""
        self.s = torch.zeros_like(self.s)
