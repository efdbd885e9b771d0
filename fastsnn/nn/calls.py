# SPDX-License-Identifier: Apache-2.0
"""What an engine is asked: a model over a sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fastsnn.models.declare import Neuron


class Outcome(NamedTuple):
    """spike, trail: [T, M], empty where not wanted.   last: [n_state, M]."""

    spike: Tensor
    trail: Tensor
    last: Tensor


class Gradients(NamedTuple):
    """Gradients of an Outcome; None is zero."""

    spike: Tensor | None
    trail: Tensor | None
    last: Tensor | None


@dataclass(frozen=True)
class Call:
    """One run of a layer.

    x: [T, M] input of M neurons.   state: [n_state, M] at the start.
    param: [n_param] or [n_param, M], in the order of `model.step_params()`.
    spike: whether spikes are wanted.   trail: the variable whose course is wanted, "" for none.
    through_reset: whether gradients go through the reset.
    """

    x: Tensor
    state: Tensor
    param: Tensor
    model: type[Neuron]
    spike: bool = True
    trail: str = ""
    surrogate: str = "atan"
    alpha: float = 2.0
    through_reset: bool = True

    def of(self, x: Tensor, state: Tensor, param: Tensor) -> Call:
        """The same call of other tensors."""
        return replace(self, x=x, state=state, param=param)

    def room(self) -> Outcome:
        """Memory for its outcome."""
        return Outcome(
            torch.empty_like(self.x) if self.spike else self.x.new_empty(0),
            torch.empty_like(self.x) if self.trail else self.x.new_empty(0),
            torch.empty_like(self.state),
        )

    def dense(self) -> Call:
        """The same call of tensors that lie row after row."""
        return self.of(self.x.contiguous(), self.state.contiguous(), self.param.contiguous())
