# SPDX-License-Identifier: Apache-2.0
"""What a multi-compartment connection does to the signals of its synapses, one after another.

A feature holds a value per synapse, [n_pre, n_post], and changes the signals [batch, n_pre, n_post]
in `compute`.  Values are kept as dense tensors; `sparse` and `batch_size` are accepted and change
nothing, because weights that learn fill in and all batch elements share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastsnn import trains
from fastsnn.bindsnet.network._feature import AbstractFeature, Value
from fastsnn.bindsnet.network._features import (
    AbstractSubFeature,
    AdaptationBaseOtherSynaps,
    AdaptationBaseSynapsHistory,
    Delay,
    MeanField,
    Normalization,
    Updating,
)
from fastsnn.errors import ModelError


class Weight(AbstractFeature):
    """Multiply by a weight.

    norm_frequency: "sample" (at the end of a run) or "time step".  enforce_polarity: weights of a
    source stay on the side of most of them; then nothing is learnt, as there.
    """

    default_range = (-torch.inf, torch.inf)

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        range: Sequence[Any] | None = None,
        norm: Tensor | float | None = None,
        norm_frequency: str | None = "sample",
        learning_rule: type | None = None,
        nu: Any = None,
        reduction: Any = None,
        enforce_polarity: bool | None = False,
        decay: float = 0.0,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        self.norm_frequency = norm_frequency
        super().__init__(
            name, value, value_dtype, range, norm=norm, learning_rule=learning_rule, nu=nu,
            reduction=reduction, enforce_polarity=bool(enforce_polarity), decay=decay,
            sparse=sparse, batch_size=batch_size,
        )  # fmt: skip

    def initialize_value(self) -> Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(self.shape)

    def prime_feature(self, connection: Any, device: Any, **kwargs: Any) -> None:
        """Fit the feature to a connection."""
        super().prime_feature(connection, device, enforce_polarity=self.enforce_polarity, **kwargs)
        if self.enforce_polarity:
            share = (self.value > 0).sum(1, keepdim=True) / self.value.shape[1]
            self.positive_mask = (share > 0.5).expand(self.shape)

    def factor(self) -> Tensor:
        """What the signals of this step are multiplied by."""
        if self.enforce_polarity:
            low = torch.where(self.positive_mask, 1e-4, -1e-4).to(self.value.dtype)
            wrong = torch.where(self.positive_mask, self.value <= 0, self.value >= 0)
            # the sign that BindsNET gives a negative weight of a positive source
            low = torch.where(self.positive_mask & (self.value < 0), -1e-4, low)
            self.value = torch.where(wrong, low, self.value)
        if self.norm_frequency != "time step":
            return self.value
        used = self.value.clone()
        self.normalize(time_step_norm=True)
        return used

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Multiply."""
        return conn_spikes * self.factor().to(self.value.dtype)

    def normalize(self, time_step_norm: bool = False) -> None:
        """Scale the columns so that they sum to norm, if it is the time to."""
        if (self.norm_frequency == "time step") == time_step_norm:
            super().normalize()


class Bias(AbstractFeature):
    """Add a number per synapse at every step, spike or not."""

    default_range = (-torch.inf, torch.inf)

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        range: Sequence[float] | None = None,
        norm: Tensor | float | None = None,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        super().__init__(name, value, value_dtype, range, norm=norm, sparse=sparse)

    def initialize_value(self) -> Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(self.shape)

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Add."""
        return conn_spikes + self.value


class Intensity(AbstractFeature):
    """Multiply by a sign and strength."""

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        range: Sequence[float] | None = None,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        super().__init__(name, value, value_dtype, range, sparse=sparse)

    def initialize_value(self) -> Tensor:
        """-1, 0 or 1."""
        drawn = torch.randint(-1, 2, self.shape).to(self.value_dtype)
        return torch.clamp(torch.sign(drawn), self.range[0], self.range[1])

    def factor(self) -> Tensor:
        """What the signals of this step are multiplied by."""
        return self.value

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Multiply."""
        return conn_spikes * self.value


class Mask(AbstractFeature):
    """Let signals through where the value is True."""

    def __init__(
        self,
        name: str,
        value: Tensor | bool | None = None,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        if value is not None and torch.as_tensor(value).dtype != torch.bool:
            raise ModelError(f"Mask '{name}': value is no bool tensor.")
        super().__init__(name, value, torch.bool, sparse=sparse)

    def initialize_value(self) -> Tensor:
        """One in a hundred."""
        return torch.rand(self.shape) > 0.99

    def factor(self) -> Tensor:
        """What the signals of this step are multiplied by."""
        return self.value

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Multiply."""
        return conn_spikes * self.value


class Probability(AbstractFeature):
    """Let a signal through with a probability, drawn every step, alike for the whole batch."""

    default_range = (0.0, 1.0)

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        range: Sequence[float] | None = None,
        norm: Tensor | float | None = None,
        learning_rule: type | None = None,
        nu: Any = None,
        reduction: Any = None,
        decay: float = 0.0,
        parent_feature: AbstractFeature | None = None,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        super().__init__(
            name, value, value_dtype, range, norm=norm, learning_rule=learning_rule, nu=nu,
            reduction=reduction, decay=decay, parent_feature=parent_feature, sparse=sparse,
            batch_size=batch_size,
        )  # fmt: skip

    def assert_valid_range(self) -> None:
        """Raise ModelError unless range is a pair (low, high), 0 <= low < high."""
        super().assert_valid_range()
        if bool((torch.as_tensor(self.range[0]) < 0).any()):
            raise ModelError(f"'{self.name}': range={self.range}, expected 0 or more.")

    def initialize_value(self) -> Tensor:
        """Uniform, within the range."""
        return torch.clamp(torch.rand(self.shape), self.range[0], self.range[1])

    def factor(self) -> Tensor:
        """What the signals of this step are multiplied by: 0 or 1, of any dtype."""
        value = self.value
        # bernoulli refuses what is no probability, and draws float64 from other numbers
        if value.dtype == torch.float32 and bool(value.max() <= 1.0):
            try:
                drawn = trains.bernoulli(value.detach(), 1)
            except ValueError:
                drawn = None
            if drawn is not None:
                return drawn[0]
        return torch.bernoulli(value)

    def sparse_bernoulli(self) -> Tensor:
        """A draw of the synapses whose value is not zero, as a sparse tensor of 0 and 1."""
        value = self.value.to_sparse().coalesce()
        drawn = torch.bernoulli(value.values())
        return torch.sparse_coo_tensor(value.indices(), drawn, value.shape).coalesce()

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Multiply by 0 or 1."""
        return conn_spikes * self.factor().to(self.value.dtype)


class Degradation(AbstractFeature):
    """Subtract degrade_function(value) from the signals."""

    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        degrade_function: Any = None,
        parent_feature: AbstractFeature | None = None,
        sparse: bool | None = False,
        batch_size: int = 1,
    ) -> None:
        super().__init__(name, value, value_dtype, parent_feature=parent_feature, sparse=sparse)
        self.degrade_function = degrade_function

    def degrade(self) -> Tensor:
        """What is subtracted."""
        return self.degrade_function(self.value)

    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Subtract."""
        return conn_spikes.to(self.value.dtype) - self.degrade_function(self.value)


def __getattr__(name: str) -> Any:
    # the rules import this module
    if name == "NoOp":
        from fastsnn.bindsnet.learning.MCC_learning import NoOp

        return NoOp
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AbstractFeature",
    "AbstractSubFeature",
    "AdaptationBaseOtherSynaps",
    "AdaptationBaseSynapsHistory",
    "Bias",
    "Degradation",
    "Delay",
    "Intensity",
    "Mask",
    "MeanField",
    "Normalization",
    "Probability",
    "Updating",
    "Weight",
]
