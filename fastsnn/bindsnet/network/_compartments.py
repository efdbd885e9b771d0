# SPDX-License-Identifier: Apache-2.0
"""Connections made of features, one after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter

from fastsnn.bindsnet.network._dense import Connection, Windowing, flat
from fastsnn.bindsnet.network._live import frozen
from fastsnn.bindsnet.network.nodes import Nodes
from fastsnn.bindsnet.network.topology_features import (
    AbstractFeature,
    Intensity,
    Mask,
    Probability,
    Weight,
)
from fastsnn.errors import ModelError

_FACTORS = (Weight, Mask, Intensity, Probability)


class AbstractMulticompartmentConnection(Windowing, ABC, Module):
    """Base of connections with a pipeline of features; keywords go to their learning rules."""

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        device: torch.device | str = "cpu",
        pipeline: list[AbstractFeature] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        for what, layer in (("source", source), ("target", target)):
            if not isinstance(layer, Nodes):
                raise ModelError(
                    f"{type(self).__name__}: {what} is a {type(layer).__name__}, expected a layer."
                )
        self.source, self.target, self.device = source, target, device
        self.dt: float | None = None
        self.pipeline: list[AbstractFeature] = []
        self.feature_index: dict[str, AbstractFeature] = {}
        for feature in pipeline or []:
            self._add(len(self.pipeline), feature, **kwargs)

    def _add(self, index: int, feature: AbstractFeature, **kwargs: Any) -> None:
        feature.prime_feature(connection=self, device=self.device, **kwargs)
        self.pipeline.insert(index, feature)
        self.feature_index[feature.name] = feature

    @abstractmethod
    def compute(self, s: Tensor) -> Tensor:
        """Current of the spikes s [batch, *source.shape]: [batch, *target.shape]."""

    @abstractmethod
    def update(self, **kwargs: Any) -> None:
        """Learn."""

    def normalize(self) -> None:
        """Called at the end of a run."""

    def append_pipeline(self, feature: AbstractFeature) -> None:
        """Add a feature behind the others."""
        self._add(len(self.pipeline), feature)

    def insert_pipeline(self, feature: AbstractFeature, index: int) -> None:
        """Add a feature at a place."""
        self._add(index, feature)

    def remove_pipeline(self, feature: AbstractFeature) -> None:
        """Take a feature out."""
        self.pipeline.remove(feature)
        del self.feature_index[feature.name]

    # the features' values are state as parameters are: they move, are saved and loaded

    def _tensors(self) -> dict[str, tuple[AbstractFeature, Tensor]]:
        return {
            f"{f.name}.value": (f, f.value) for f in self.pipeline if isinstance(f.value, Tensor)
        }

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Module:
        super()._apply(fn, recurse)
        moved: dict[int, Tensor] = {}
        for feature, value in self._tensors().values():
            if id(value) not in moved:
                new = fn(value)
                fixed = isinstance(value, Parameter) and new is not value
                moved[id(value)] = frozen(new) if fixed else new
            feature.value = moved[id(value)]
            rule = feature.learning_rule
            if getattr(rule, "feature_value", None) is value:
                rule.feature_value = feature.value
        return self

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, (_, value) in self._tensors().items():
            destination[prefix + name] = value if keep_vars else value.detach()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, metadata: Any, strict: bool,
        missing: list[str], unexpected: list[str], errors: list[str],
    ) -> None:  # fmt: skip
        super()._load_from_state_dict(
            state_dict, prefix, metadata, strict, missing, unexpected, errors
        )
        for name, (_, value) in self._tensors().items():
            if prefix + name in state_dict:
                value.data.copy_(state_dict[prefix + name])
                if prefix + name in unexpected:
                    unexpected.remove(prefix + name)
            elif strict:
                missing.append(prefix + name)


class MulticompartmentConnection(AbstractMulticompartmentConnection):
    """All to all through a pipeline of features.

    manual_update: learn only when `update` of the features is called by hand.
    traces: keep what the targets get in `activity`, for monitors.
    """

    outer, outer_sum = Connection.outer, Connection.outer_sum

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        device: torch.device | str = "cpu",
        pipeline: list[AbstractFeature] | None = None,
        manual_update: bool = False,
        traces: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, device, pipeline, **kwargs)
        self.manual_update, self.traces = manual_update, traces
        self.activity: Tensor | None = None

    @property
    def w(self) -> Tensor:
        """The value of the first `Weight`, as other connections show theirs."""
        for feature in self.pipeline:
            if isinstance(feature, Weight):
                return feature.value
        raise AttributeError("this connection has no Weight")

    def compute(self, s: Tensor) -> Tensor:
        """Pass the spikes through the features, and sum over the sources."""
        first = self.pipeline[0].value.dtype if self.pipeline else torch.float32
        dtype = torch.float64 if first == torch.float64 else torch.float32
        spike = flat(s).to(dtype)
        if self.pipeline and all(type(f) in _FACTORS for f in self.pipeline):
            # of a spike's row alone, which is a hundredth of the matrix
            rows = spike.any(0).nonzero().view(-1) if spike.device.type == "cpu" else slice(None)
            signal = spike[:, rows] @ self._factor(rows).to(dtype)
        else:
            signals = spike[:, :, None].expand(-1, -1, self.target.n)
            for feature in self.pipeline:
                signals = feature.compute(signals)
            signals = signals.to_dense() if signals.is_sparse else signals
            signal = signals.reshape(len(s), self.source.n, self.target.n).sum(1)
        if self.traces:
            self.activity = signal
        return signal.reshape(len(s), *self.target.shape)

    def _factor(self, rows: Tensor | slice) -> Tensor:
        """What all features together multiply the spikes of some sources by."""
        product = self.pipeline[0].factor()[rows]
        for feature in self.pipeline[1:]:
            product = product * feature.factor()[rows]
        return product

    def update(self, **kwargs: Any) -> None:
        """Let the features learn."""
        if kwargs.get("learning", False) and not self.manual_update:
            for feature in self.pipeline:
                feature.update(**kwargs)

    def normalize(self) -> None:
        """Normalise the features that have a norm."""
        for feature in self.pipeline:
            feature.normalize()

    def reset_state_variables(self) -> None:
        """Put the features' own state at its initial values."""
        super().reset_state_variables()
        for feature in self.pipeline:
            feature.reset_state_variables()
