# SPDX-License-Identifier: Apache-2.0
"""A population: neurons of one model, and their state."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from fastsnn.errors import ModelError, ShapeError
from fastsnn.models.declare import Neuron

TRACE_KINDS = {"none": 0, "set": 1, "additive": 2}


class Population:
    """Neurons of one model.  Made by `Network.population`; see there for the arguments.

    State is live: ``population.v`` is the tensor that runs change, and may be written to.

    spike: bool [B, n], the spikes of the last step.  x: trace [B, n].
    summed: input so far [B, n].
    """

    def __init__(
        self,
        name: str,
        model: Neuron,
        shape: tuple[int, ...],
        *,
        dt: float,
        batch_size: int,
        device: torch.device,
        traces: bool,
        traces_additive: bool,
        tau_trace: float | Tensor,
        trace_scale: float | Tensor,
        sum_input: bool,
        one_spike: bool,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.name, self.model, self.shape = name, model, shape
        self.n = math.prod(shape)
        self.dt, self.batch_size, self.device, self.dtype = dt, batch_size, device, dtype
        self.trace_kind = ("additive" if traces_additive else "set") if traces else "none"
        self.sum_input, self.one_spike = sum_input, one_spike
        self.is_input = bool(getattr(model, "is_input", False))
        self.tau_trace = self._per_neuron("tau_trace", tau_trace)
        self.trace_scale = self._per_neuron("trace_scale", trace_scale)
        if not bool((self.tau_trace > 0).all()):
            raise ModelError(
                f"Population '{name}': tau_trace={tau_trace!r}, expected tau_trace > 0 ms."
            )
        if not bool(torch.isfinite(self.trace_scale).all()):
            raise ModelError(
                f"Population '{name}': trace_scale={trace_scale!r}, expected finite numbers."
            )
        self.numbers = self._numbers(model)
        self.shared = {
            k: self._initial(k).expand(self.n).clone().to(device) for k in type(model).shared()
        }
        self.state: dict[str, Tensor] = {}
        # of every port where sparse projections or drives arrive: what is under way, int32
        # [slots, n] in whole numbers of its grain; what acts in step t stands in slot t % slots
        self.arriving: dict[str, Tensor] = {}
        self.grains: dict[str, float] = {}
        self.allocate(batch_size)

    def set_model(self, model: Neuron) -> None:
        """Take other parameters of the same model; the state stays.  Raises ModelError."""
        if type(model) is not type(self.model):
            raise ModelError(
                f"Population '{self.name}': set_model({model!r}), expected another "
                f"{type(self.model).__name__}."
            )
        self.numbers, self.model = self._numbers(model), model

    def _numbers(self, model: Neuron) -> dict[str, Any]:
        return {
            k: v if k in type(model).kernels() else self._per_neuron(k, v)
            for k, v in model.argument_values(self.dt).items()
        }

    def allocate(self, batch_size: int) -> None:
        """Make the state for a batch size, at its initial values; shared variables are kept."""
        self.batch_size = batch_size
        grid = (batch_size, self.n)
        self.state = {k: self._zeros(*grid) for k in type(self.model).state()}
        self.state["spike"] = torch.zeros(grid, dtype=torch.bool, device=self.device)
        if self.trace_kind != "none":
            self.state["x"] = self._zeros(*grid)
        if self.sum_input:
            self.state["summed"] = self._zeros(*grid)
        self.windows = {
            k: self._zeros(int(self.numbers[self._window(k)]), *grid)
            for k in type(self.model).windows()
        }
        # native code reads them on the host, whatever torch's default device is
        self.heads = {k: torch.zeros(1, dtype=torch.int64, device="cpu") for k in self.windows}
        self.reset()

    def reset(self) -> None:
        """Put the state at its initial values; shared variables are kept."""
        initial = self.initial_values()
        for name, tensor in self.state.items():
            tensor.copy_(initial[name].expand_as(tensor)) if name in initial else tensor.zero_()
        for tensor in (*self.windows.values(), *self.heads.values(), *self.arriving.values()):
            tensor.zero_()

    def receptor(self, port: str | None) -> int:
        """Number of a port: 0 for i_syn (or None), k + 1 for the k-th receptor of the model.

        Raises ModelError.
        """
        if port in (None, "i_syn"):
            return 0
        receptors = type(self.model).receptors()
        if port not in receptors:
            have = ", ".join(receptors) or "none but i_syn"
            raise ModelError(
                f"Population '{self.name}': {type(self.model).__name__} has no receptor "
                f"{port!r}; it has {have}."
            )
        return receptors.index(port) + 1

    def expect(self, port: str, w: float, delay: int, step: int) -> None:
        """Make room for spikes with weights up to w that are under way for up to `delay` steps.

        The grain of a port is the power of two by which the largest weight is at most 32767.
        """
        grain = 2.0 ** math.ceil(math.log2(w / 32767)) if w > 0 else 2.0**-126
        old = self.arriving.get(port, torch.zeros(1, self.n, dtype=torch.int32, device=self.device))
        slots = max(len(old), 1 << delay.bit_length())
        coarser = max(grain, self.grains.get(port, 0.0))
        if slots == len(old) and self.grains.get(port) == coarser:
            return
        arriving = torch.zeros(slots, self.n, dtype=torch.int32, device=self.device)
        for ahead in range(len(old)):
            due = step + ahead
            under_way = old[due % len(old)] * (self.grains.get(port, coarser) / coarser)
            arriving[due % slots] = under_way.round().to(torch.int32)
        self.arriving[port], self.grains[port] = arriving, coarser

    def initial_values(self) -> dict[str, Tensor]:
        """Value at reset of every state variable of the model, [1] or [n]."""
        return {k: self._initial(k).to(self.device) for k in type(self.model).state()}

    def number(self, name: str) -> Tensor:
        """A parameter, constant or dt, [1] or [n]."""
        return self.rounded(self.numbers[name]).contiguous()

    def rounded(self, value: Tensor) -> Tensor:
        """A value in the type and on the device of the state."""
        return value.to(self.device, self.dtype)

    def variables(self) -> dict[str, Tensor]:
        """All state tensors by name."""
        return {**self.state, **self.shared, **self.windows}

    def __getattr__(self, name: str) -> Tensor:
        for group in ("state", "shared", "windows"):
            found = self.__dict__.get(group, {}).get(name)
            if found is not None:
                return found
        raise AttributeError(
            f"Population '{self.__dict__.get('name')}' has no '{name}'; its variables are: "
            f"{', '.join(self.__dict__.get('state', {}))}."
        )

    def __setattr__(self, name: str, value: Any) -> None:
        for group in ("state", "shared", "windows"):
            target = self.__dict__.get(group, {}).get(name)
            if target is not None:
                target.copy_(torch.as_tensor(value, device=target.device))
                return
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Population('{self.name}', {self.model!r}, shape={list(self.shape)})"

    def _window(self, name: str) -> str:
        window = type(self.model).variables[name].window
        assert window is not None
        return window

    def _initial(self, name: str) -> Tensor:
        init = type(self.model).variables[name].init
        given = self.numbers[init] if isinstance(init, str) else float(init)
        return torch.as_tensor(given, dtype=self.dtype).reshape(-1)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def _per_neuron(self, name: str, value: float | Tensor) -> Tensor:
        tensor = torch.as_tensor(value, dtype=torch.float64).detach().cpu().clone()
        if tensor.numel() == 1:
            return tensor.reshape(1)
        if tensor.numel() != self.n or tuple(tensor.shape) not in ((self.n,), tuple(self.shape)):
            raise ShapeError(
                f"Population '{self.name}': {name} has shape {tuple(tensor.shape)}, expected one "
                f"number "
                f"or {tuple(self.shape)}."
            )
        return tensor.reshape(-1)
