# SPDX-License-Identifier: Apache-2.0
"""The base of the features of a multi-compartment connection."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastsnn.bindsnet.network._live import frozen
from fastsnn.errors import ModelError, ShapeError

Value = Tensor | float | int | None


class AbstractFeature(ABC):
    """Base of the features.  Derive from it and write `compute`.

    value: [n_pre, n_post], or one number for all; None: drawn.  range: bounds (low, high) that the
    learning rule keeps.  norm: sum of a column, restored at the end of a run.  learning_rule: a
    class of `MCC_learning`.  nu: learning rates (pre, post).  decay: fraction lost a step while
    learning.  parent_feature: share its value, and do not learn.
    """

    default_range: tuple[float, float] = (-1.0, 1.0)

    @abstractmethod
    def __init__(
        self,
        name: str,
        value: Value = None,
        value_dtype: torch.dtype = torch.float32,
        range: Sequence[Any] | None = None,
        clamp_frequency: int | None = 1,
        norm: Tensor | float | None = None,
        learning_rule: type | None = None,
        nu: Any = None,
        reduction: Any = None,
        enforce_polarity: bool = False,
        decay: float = 0.0,
        parent_feature: AbstractFeature | None = None,
        sparse: bool | None = False,
        batch_size: int = 1,
        **kwargs: Any,
    ) -> None:
        if not isinstance(name, str):
            raise ModelError(f"{type(self).__name__}: name is {name!r}, expected a string.")
        self.name, self.norm, self.learning_rule = name, norm, learning_rule
        self.nu, self.reduction, self.decay = nu, reduction, decay
        self.clamp_frequency, self.enforce_polarity = clamp_frequency, enforce_polarity
        self.parent_feature, self.sparse, self.batch_size = parent_feature, sparse, batch_size
        self.kwargs = kwargs
        self.is_primed = False
        self.range = list(self.default_range if range is None else range)
        self.value_dtype = value_dtype
        self.value = self._cast(value)
        self.assert_valid_range()
        if value is not None:
            self.assert_feature_in_range()

    def _cast(self, value: Value) -> Tensor | None:
        if value is None:
            return None
        given = isinstance(value, Tensor)
        value = torch.as_tensor(value)
        value = value.to_dense() if value.is_sparse else value
        # one weight per sample there; all samples share one here
        value = value[0] if value.dim() == 3 else value
        value = value if given else value.to(self.value_dtype)
        return self.cast_dtype_if_needed(value.detach(), self.value_dtype)

    @staticmethod
    def cast_dtype_if_needed(value: Tensor, value_dtype: torch.dtype) -> Tensor:
        """A value in a type; warns where it had another one."""
        if value.dtype != value_dtype:
            warnings.warn(
                f"value is {value.dtype} and becomes {value_dtype} (value_dtype).", stacklevel=5
            )
        return value.to(value_dtype)

    def assert_valid_range(self) -> None:
        """Raise ModelError unless range is a pair (low, high), low < high."""
        low_high = self.range
        if len(low_high) != 2 or not bool((torch.as_tensor(low_high[1] - low_high[0]) > 0).all()):
            raise ModelError(
                f"'{self.name}': range={self.range}, expected (low, high), low < high."
            )

    def assert_feature_in_range(self) -> None:
        """Raise ModelError unless the value lies within range."""
        low, high = self.range
        if bool(((self.value < low) | (self.value > high)).any()):
            raise ModelError(f"'{self.name}': its value leaves the range {self.range}.")

    def assert_valid_shape(self, source_shape: int, target_shape: int, f: Tensor) -> None:
        """Raise ShapeError unless f is [source, target]."""
        if tuple(f.shape) != (source_shape, target_shape):
            raise ShapeError(
                f"'{self.name}': value is {tuple(f.shape)}, expected "
                f"{(source_shape, target_shape)} (pre, post)."
            )

    def initialize_value(self) -> Tensor:
        """The value where none is given; [n_pre, n_post] is `self.shape`."""
        raise ModelError(f"'{self.name}': a {type(self).__name__} needs a value.")

    def prime_feature(self, connection: Any, device: Any, **kwargs: Any) -> None:
        """Fit the feature to a connection: its value and its rule."""
        from fastsnn.bindsnet.learning.MCC_learning import NoOp

        if self.is_primed:
            return
        self.is_primed = True
        self.shape = (connection.source.n, connection.target.n)
        if self.parent_feature is not None:
            self.link(self.parent_feature)
            self.learning_rule = NoOp(connection=connection)
            return
        value = self.initialize_value() if self.value is None else self.value
        if value.numel() == 1 and value.dim() < 2:
            value = value.expand(self.shape).clone()
        self.assert_valid_shape(*self.shape, value)
        self.value = frozen(value.clone().to(device))
        rule = self.learning_rule or NoOp
        self.learning_rule = rule(
            connection=connection, feature_value=self.value, range=self.range, nu=self.nu,
            reduction=self.reduction, decay=self.decay, **kwargs,
        )  # fmt: skip

    @abstractmethod
    def compute(self, conn_spikes: Tensor) -> Tensor:
        """Signals [batch, n_pre, n_post] behind the feature."""

    def reset_state_variables(self) -> None:  # noqa: B027 - most have none
        """Put the feature's own state at its initial values."""

    def update(self, **kwargs: Any) -> None:
        """Learn."""
        self.learning_rule.update(**kwargs)

    def normalize(self) -> None:
        """Scale the columns so that they sum to norm."""
        if self.norm is not None:
            total = self.value.sum(0)
            self.value.mul_(self.norm / torch.where(total == 0, 1.0, total))

    def degrade(self) -> Tensor:
        """What is subtracted from the signals; see `Degradation`."""
        raise ModelError(f"'{self.name}': a {type(self).__name__} does not degrade.")

    def link(self, parent_feature: AbstractFeature) -> None:
        """Share the value of a primed feature."""
        if not parent_feature.is_primed:
            raise ModelError(f"'{self.name}': put its parent into a connection first.")
        self.value = parent_feature.value
