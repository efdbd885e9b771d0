# SPDX-License-Identifier: Apache-2.0
"""Features with a memory: delays, adaptation by a small network; and helpers in a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastsnn.bindsnet.network._feature import AbstractFeature, Value
from fastsnn.errors import ModelError


class Delay(AbstractFeature):
    """Hold every synapse's signal back for a number of steps, beyond the one that all take.

    value: whole numbers [n_pre, n_post], or one for all.  Memory: (largest + 1) signals of every
    synapse and batch element.
    """

    default_range = (0.0, torch.inf)

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.int64,
        range: Sequence[float] | None = None,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        given = torch.as_tensor(0 if value is None else value)
        if given.is_floating_point() and bool((given != given.floor()).any()):
            raise ModelError(f"Delay '{name}': value holds no whole numbers of steps.")
        super().__init__(name, given.to(value_dtype), value_dtype, range)
        self.history: Tensor | None = None
        self.head = 0

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """The signals of `value` steps ago; silence before the first."""
        length = int(self.value.max()) + 1
        if self.history is None or self.history.shape != (length, *conn_spikes.shape):
            self.history = conn_spikes.new_zeros((length, *conn_spikes.shape))
            self.head = 0
        self.history[self.head] = conn_spikes
        slot = (self.head - self.value) % length
        self.head = (self.head + 1) % length
        return self.history.gather(0, slot.expand(1, *conn_spikes.shape))[0]

    def reset_state_variables(self) -> None:
        """Forget signals under way."""
        self.history, self.head = None, 0


class AdaptationBaseSynapsHistory(AbstractFeature):
    """Open and close synapses by what a small network makes of their spikes.

    ann_values: weights of its two layers, [hidden, inputs] and [1, hidden]; inputs is the length of
    the history.  Every time the history is full: mask += output * const_update_rate + const_decay,
    within [-1, 1]; a synapse with mask > 0 is open.  Batch 1.
    """

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        ann_values: Sequence[Tensor] | None = None,
        const_update_rate: float = 0.1,
        const_decay: float = 0.001,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        if ann_values is None or not isinstance(value, Tensor):
            raise ModelError(f"{type(self).__name__} '{name}': give value and ann_values.")
        self.init_value = value.detach().to(value_dtype).clone()
        self.mask = self.init_value.clone()
        self.layers = [w.detach().to(value_dtype) for w in ann_values]
        length, device = self.layers[0].shape[1], self.layers[0].device
        self.spike_buffer = torch.zeros(value.numel(), length, device=device, dtype=torch.bool)
        self.counter, self.start_counter = 0, False
        self.const_update_rate, self.const_decay = const_update_rate, const_decay
        super().__init__(name, torch.zeros_like(self.init_value), value_dtype)

    def ann(self, history: Tensor) -> Tensor:
        """What the network makes of histories [synapses, length]: [synapses, 1] in [-1, 1]."""
        return torch.tanh(torch.relu(history @ self.layers[0].T) @ self.layers[1].T)

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Record the spikes, decide now and then, let through what is open."""
        length = self.spike_buffer.shape[1]
        if not self.start_counter or bool(conn_spikes.any()):
            self.start_counter = True
            self.spike_buffer[:, self.counter % length] = conn_spikes.reshape(-1) != 0
            self.counter += 1
        if self.counter % length == 0:
            decision = self.ann(self.spike_buffer.to(self.value_dtype)).reshape(self.mask.shape)
            moved = self.mask + decision * self.const_update_rate + self.const_decay
            self.mask = moved.clamp(-1, 1)
            self.value = (self.mask > 0).to(self.value_dtype)
        return conn_spikes * self.value

    def reset_state_variables(self) -> None:
        """Forget the history; the initial value is open again."""
        self.spike_buffer = torch.zeros_like(self.spike_buffer)
        self.counter, self.start_counter = 0, False
        self.value = self.init_value.clone().to(self.value.device)


class AdaptationBaseOtherSynaps(AdaptationBaseSynapsHistory):
    """The same with a faster opening of closed synapses."""

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        ann_values: Sequence[Tensor] | None = None,
        const_update_rate: float = 0.1,
        const_decay: float = 0.01,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        super().__init__(name, value, value_dtype, ann_values, const_update_rate, const_decay)


class MeanField(AbstractFeature):
    """Give every synapse the mean of all signals of its batch element."""

    def __init__(self, name: str = "mean_field") -> None:
        super().__init__(name, torch.ones(()))

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """The mean, everywhere."""
        mean = conn_spikes.to(torch.float32).mean((1, 2), keepdim=True)
        return mean.expand(conn_spikes.shape)


class AbstractSubFeature:
    """A step of a pipeline that acts on another feature and passes the signals on."""

    sub_feature = ""

    def __init__(self, name: str, parent_feature: AbstractFeature) -> None:
        self.name, self.parent = name, parent_feature
        self.value = None

    def prime_feature(self, connection: Any, device: Any, **kwargs: Any) -> None:
        """Nothing to prepare."""

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Act on the parent."""
        getattr(self.parent, self.sub_feature)()
        return conn_spikes

    def update(self, **kwargs: Any) -> None:
        """Nothing to learn."""

    def normalize(self) -> None:
        """Nothing to scale."""

    def reset_state_variables(self) -> None:
        """No state."""


class Normalization(AbstractSubFeature):
    """Normalise the parent in the middle of a pipeline."""

    sub_feature = "normalize"


class Updating(AbstractSubFeature):
    """Let the parent learn in the middle of a pipeline."""

    sub_feature = "update"
