# SPDX-License-Identifier: Apache-2.0
"""Learning rules of the features of multi-compartment connections, under BindsNET's names."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn import models
from fastsnn.bindsnet.learning._pairs import Reducer
from fastsnn.bindsnet.learning._rules import RunsModel, Traces, learn
from fastsnn.bindsnet.learning.learning import _amplitudes, rates, reward_of
from fastsnn.bindsnet.network.nodes import SRM0Nodes
from fastsnn.bindsnet.network.topology import (
    AbstractMulticompartmentConnection,
    MulticompartmentConnection,
)
from fastsnn.bindsnet.utils import im2col_indices


class MCC_LearningRule(ABC):
    """Base of the rules.  Derive from it: change `feature_value` in place in `update(**kwargs)`,
    and call `super().update()` at its end, for decay, signs and bounds.

    range: bounds (low, high).  nu: learning rates (pre, post), default (0.2, 0.1).
    """

    def __init__(
        self,
        connection: AbstractMulticompartmentConnection,
        feature_value: Tensor,
        range: Any = None,
        nu: Any = None,
        reduction: Any = None,
        decay: float = 0.0,
        enforce_polarity: bool = False,
        **kwargs: Any,
    ) -> None:
        self.connection = connection
        self.source, self.target = connection.source, connection.target
        self.feature_value = feature_value
        self.min, self.max = (-1.0, 1.0) if range is None else range
        self.nu = rates((0.2, 0.1) if nu is None else nu)
        if not bool(self.nu.any()):
            warnings.warn(
                f"{type(self).__name__}: nu is zero, so nothing is learnt; give nu=(pre, post).",
                stacklevel=4,
            )
        self.enforce_polarity = enforce_polarity
        if enforce_polarity:
            self.polarities = torch.sign(feature_value)
        if reduction is None:
            reduction = torch.squeeze if self.source.batch_size == 1 else torch.sum
        self.reduction = reduction
        self.decay = 1.0 - decay if decay else 1.0
        self._within = -1

    def update(self, **kwargs: Any) -> None:
        """Decay, keep the signs, keep the bounds."""
        value = self.feature_value
        if self.decay != 1.0:
            value.mul_(self.decay)
        if self.enforce_polarity:
            value.masked_fill_(torch.sign(value) != self.polarities, 0.0)
        unbounded = _is(self.min, -torch.inf) and _is(self.max, torch.inf)
        seen = getattr(value, "exposed", True) or value._version != self._within
        if not unbounded and seen:
            low, high = (torch.as_tensor(b, device=value.device) for b in (self.min, self.max))
            value.copy_(torch.clamp(value, low, high))
            self._within = value._version

    @abstractmethod
    def reset_state_variables(self) -> None:
        """Put the rule's own state at its initial values."""


def _is(bound: Any, value: float) -> bool:
    return not isinstance(bound, Tensor) and bound == value


class NoOp(MCC_LearningRule):
    """Learn nothing."""

    def __init__(self, **args: Any) -> None:
        pass

    def update(self, **kwargs: Any) -> None:
        """Nothing."""

    def reset_state_variables(self) -> None:
        """Nothing."""


class _ModelRule(RunsModel, MCC_LearningRule):
    """A rule of `fastsnn.models.rules`."""

    def __init__(
        self,
        connection: AbstractMulticompartmentConnection,
        feature_value: Tensor,
        range: Any = None,
        nu: Any = None,
        reduction: Any = None,
        decay: float = 0.0,
        enforce_polarity: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            connection, feature_value, range, nu, reduction, decay, enforce_polarity, **kwargs
        )
        self.require_traces(connection)
        self.take_parameters(kwargs)

    def numbers(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The model's parameters."""
        out = self.known_numbers()
        return out | {"nu": float(self.nu[0]), **_amplitudes(self.model, kwargs)}

    def reducer(self) -> Reducer:
        """How the batch is reduced."""
        return Reducer(self.connection, self.reduction)

    def update(self, **kwargs: Any) -> None:
        """Learn from the layers' spikes and traces of the step; then decay, signs, bounds."""
        new = learn(
            self.traces, self.reducer(), self.feature_value, self.numbers(kwargs),
            source=self.source, target=self.target, dt=float(self.connection.dt or 1.0),
            reward=reward_of(self, kwargs) if self.needs_reward else None,
        )  # fmt: skip
        if new is not self.feature_value:
            self.feature_value.copy_(new)
        super().update()

    def reset_state_variables(self) -> None:
        """Forget the rule's own traces."""
        self.traces = Traces(self.model)


class PostPre(_ModelRule):
    """Pair STDP, with the rates per ms (times dt).

    Keywords of the connection: average_update: average the updates of so many steps and apply
    them then; continues_update: apply the running average every step.
    """

    model, traced = models.PostPre, True

    def __init__(
        self,
        connection: AbstractMulticompartmentConnection,
        feature_value: Tensor,
        range: Any = None,
        nu: Any = None,
        reduction: Any = None,
        decay: float = 0.0,
        enforce_polarity: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            connection, feature_value, range, nu, reduction, decay, enforce_polarity, **kwargs
        )
        self.average_update = int(kwargs.get("average_update", 0))
        self.continues_update = bool(kwargs.get("continues_update", False))
        self._averages = None
        if self.average_update > 0:
            self._averages = _Averages(self)

    def numbers(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The learning rates."""
        dt = float(self.connection.dt or 1.0)
        return {"nu_pre": float(self.nu[0]) * dt, "nu_post": float(self.nu[1]) * dt}

    def reducer(self) -> Reducer:
        """How the batch is reduced."""
        return self._averages or super().reducer()


class _Averages(Reducer):
    """The mean of the last updates, of both terms of a rule, when its time has come."""

    def __init__(self, rule: PostPre) -> None:
        super().__init__(rule.connection, rule.reduction)
        self.rule, self.calls = rule, 0
        self.rings: list[list[Tensor]] = [[], []]

    def nothing(self, pre: Tensor, post: Tensor) -> Any:
        """Zeros count in an average."""
        return self.reduce(pre, post, None)

    def reduce(self, pre: Tensor, post: Tensor, factor: Any) -> Tensor:
        """The averaged product, or zero."""
        product = super().reduce(pre, post, factor)
        length = self.rule.average_update
        step, term = divmod(self.calls, 2)
        self.calls += 1
        ring = self.rings[term]
        if len(ring) < length:
            ring.append(product)
        else:
            ring[step % length] = product
        if self.rule.continues_update or (step + 1) % length == 0:
            return torch.stack(ring).sum(0) / length
        return torch.zeros_like(product)


class Hebbian(PostPre):
    """Both orders of a pair potentiate, with the rates per ms (times dt)."""

    model = models.Hebbian


class MSTDP(_ModelRule):
    """Reward-modulated STDP: the pairs of the step before, times the reward.

    Keywords of the connection: tc_plus, tc_minus, ms.
    """

    model = models.MSTDP
    parameters: ClassVar = {"tc_plus": ("tau_plus", 20.0), "tc_minus": ("tau_minus", 20.0)}


class MSTDPET(_ModelRule):
    """Reward-modulated STDP with an eligibility trace; one reward for the whole batch.

    Keywords of the connection: tc_plus, tc_minus, tc_e_trace, ms.
    """

    model = models.MSTDPET
    parameters: ClassVar = {
        "tc_plus": ("tau_plus", 20.0),
        "tc_minus": ("tau_minus", 20.0),
        "tc_e_trace": ("tau_e", 25.0),
    }


__all__ = [
    "MSTDP",
    "MSTDPET",
    "AbstractMulticompartmentConnection",
    "Hebbian",
    "MCC_LearningRule",
    "MulticompartmentConnection",
    "NoOp",
    "PostPre",
    "SRM0Nodes",
    "im2col_indices",
]
