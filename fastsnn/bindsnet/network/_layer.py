# SPDX-License-Identifier: Apache-2.0
"""The base of the layers: state, traces, and the step of a model of `fastsnn.models`."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Module

from fastsnn.bindsnet.network._stepping import Reading, advance
from fastsnn.errors import ShapeError
from fastsnn.models.declare import Neuron

Number = float | Tensor


class Nodes(Module):
    """A layer of n neurons, or of a shape.  Derive from it and write `forward(x)` for your own.

    traces: keep a trace x that decays with tc_trace (ms) and at a spike is set to trace_scale, or
    raised by it (traces_additive).  sum_input: add the input up in `summed`.

    Raises ShapeError when n and shape disagree.
    """

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        learning: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if n is None and shape is None:
            raise ShapeError(f"{type(self).__name__}: give n or shape.")
        self.shape = [n] if shape is None else list(shape)
        self.n = math.prod(self.shape)
        if n is not None and n != self.n:
            raise ShapeError(
                f"{type(self).__name__}: n={n}, but shape={self.shape} has {self.n} neurons."
            )
        self.traces, self.traces_additive, self.sum_input = traces, traces_additive, sum_input
        self.learning = learning
        self.dt: float | None = None
        self.batch_size: int | None = None
        self.register_buffer("s", torch.zeros(0, dtype=torch.bool))
        if traces:
            self.register_buffer("x", torch.zeros(0))
            self._numbers(tc_trace=tc_trace, trace_scale=trace_scale)
            self.register_buffer("trace_decay", torch.empty_like(self.tc_trace))
        if sum_input:
            self.register_buffer("summed", torch.zeros(0))

    def forward(self, x: Tensor) -> None:
        """Advance the trace by the spikes s and sum the input x; the last line of a `forward`."""
        # a module's own attributes are slow to read and to write, and this is done every step
        tensors = self._buffers
        if self.traces:
            trace, spike = tensors["x"] * tensors["trace_decay"], tensors["s"]
            if self.traces_additive:
                trace = trace + tensors["trace_scale"] * spike.to(trace.dtype)
            else:
                spike = spike if spike.dtype == torch.bool else spike != 0
                trace = torch.where(spike, tensors["trace_scale"], trace)
            tensors["x"] = trace
        if self.sum_input:
            tensors["summed"] = tensors["summed"] + x.to(tensors["summed"].dtype)

    def reset_state_variables(self) -> None:
        """Put the state at its initial values."""
        # in place: the tensors may be those of a native program
        self.s.zero_()
        if self.traces:
            self.x.zero_()
        if self.sum_input:
            self.summed.zero_()

    def compute_decays(self, dt: float) -> None:
        """Compute what depends on the time step, ms."""
        self.dt = float(dt)
        if self.traces:
            self.trace_decay = torch.exp(-self.dt / self.tc_trace)

    def set_batch_size(self, batch_size: int) -> None:
        """Make the state for a batch size, at its initial values."""
        self.batch_size = batch_size
        grid, device = (batch_size, *self.shape), self.s.device
        self.s = torch.zeros(grid, dtype=torch.bool, device=device)
        if self.traces:
            self.x = torch.zeros(grid, device=device)
        if self.sum_input:
            self.summed = torch.zeros(grid, device=device)

    def train(self, mode: bool = True) -> Nodes:
        """Switch learning (adaptive thresholds) on or off."""
        self.learning = mode
        return super().train(mode)

    def _numbers(self, **numbers: Any) -> None:
        """Register parameters, which may be one number or one per neuron, as float32."""
        for name, value in numbers.items():
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))


class AbstractInput(ABC):  # noqa: B024 - a mark, as there
    """Marks the layers that take their spikes from outside."""


class Input(Nodes, AbstractInput):
    """Spikes given from outside: s is a copy of the input of the step, with its type."""

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)

    def forward(self, x: Tensor) -> None:
        """Take the spikes of the step."""
        self._buffers["s"] = x.clone()
        super().forward(x)


class ModelNodes(Nodes):
    """A layer whose step is a model of `fastsnn.models` (`model`); without one it never spikes."""

    model: ClassVar[type[Neuron] | None] = None
    reading: ClassVar[Reading | None] = None
    one_spike: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.reading = None if cls.model is None else Reading(cls.model)

    def _own(self, lbound: float | None = None, **numbers: Any) -> None:
        """Register the model's parameters, and buffers for its constants and variables."""
        self._numbers(**numbers)
        self.lbound = lbound
        for name in (*self.reading.constants, *self.reading.state):
            if name not in self._buffers:
                self.register_buffer(name, torch.zeros(0))
        for name in self.reading.shared:
            self.register_buffer(name, torch.zeros(self.shape))

    def forward(self, x: Tensor) -> None:
        """One step.  x: input [batch, *shape]."""
        if self.model is not None:
            x = advance(self, x)
        super().forward(x)

    def reset_state_variables(self) -> None:
        """Put the state at its initial values; adaptive thresholds are kept."""
        super().reset_state_variables()
        if self.model is not None:
            for name, value in self.reading.initial(self).items():
                self._buffers[name].copy_(value)

    def compute_decays(self, dt: float) -> None:
        """Compute the model's constants for a time step, ms."""
        super().compute_decays(dt)
        if self.model is not None:
            for name, value in self.reading.constants_of(self).items():
                self._buffers[name] = value

    def set_batch_size(self, batch_size: int) -> None:
        """Make the state for a batch size; adaptive thresholds are kept."""
        super().set_batch_size(batch_size)
        if self.model is not None:
            for name, value in self.reading.initial(self).items():
                self._buffers[name] = value.expand(self.s.shape).clone()
