# SPDX-License-Identifier: Apache-2.0
"""Learning rules of connections, under BindsNET's names; the equations are `fastsnn.models.rules`.

A rule is made by the connection (`Connection(..., update_rule=PostPre, nu=(1e-4, 1e-2))`).
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn import models
from fastsnn.bindsnet.learning._pairs import OverFilters, Reducer
from fastsnn.bindsnet.learning._rules import RunsModel, learn
from fastsnn.bindsnet.network.nodes import SRM0Nodes
from fastsnn.bindsnet.network.topology import (
    AbstractConnection,
    Connection,
    Conv1dConnection,
    Conv2dConnection,
    Conv3dConnection,
    LocalConnection,
    LocalConnection1D,
    LocalConnection2D,
    LocalConnection3D,
    MeanFieldConnection,
    SparseConnection,
)
from fastsnn.bindsnet.utils import im2col_indices
from fastsnn.errors import FastsnnError, ModelError
from fastsnn.models.declare import Rule

_CONVOLUTIONS = (Conv1dConnection, Conv2dConnection, Conv3dConnection)
_PATCHES = (*_CONVOLUTIONS, LocalConnection1D, LocalConnection2D, LocalConnection3D)


def rates(nu: Any) -> Tensor:
    """Learning rates (pre, post) as one tensor: [2], or [2, ...] where each is a tensor."""
    pair = (0.0, 0.0) if nu is None else (nu, nu) if isinstance(nu, float | int) else tuple(nu)
    if len(pair) != 2:
        raise ModelError(f"nu={nu!r}: expected a number, or a pair (pre, post).")
    return torch.stack([torch.as_tensor(v, dtype=torch.float32) for v in pair])


class LearningRule:
    """Base of the rules.  Derive from it: change `connection.w` in `update(**kwargs)` from the
    layers' s and x, and call `super().update()` at its end, for decay and bounds.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        nu: Any = None,
        reduction: Any = None,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.connection = connection
        self.source, self.target = connection.source, connection.target
        self.wmin, self.wmax = connection.wmin, connection.wmax
        self.nu = rates(nu)
        if not bool(self.nu.any()) and not isinstance(self, NoOp):
            warnings.warn(
                f"{type(self).__name__}: nu is zero, so nothing is learnt; give nu=(pre, post).",
                stacklevel=4,
            )
        if reduction is None:
            reduction = torch.squeeze if self.source.batch_size == 1 else torch.sum
        self.reduction = reduction
        self._within = -1  # version of the weight that lies within the bounds
        # a factor, as there
        self.weight_decay = 1.0 - weight_decay if weight_decay else 1.0

    def update(self, **kwargs: Any) -> None:
        """Decay the weight and keep it within its bounds."""
        connection = self.connection
        if self.weight_decay != 1.0:
            connection.store(connection.weight() * self.weight_decay)
        w = connection.w
        seen = getattr(w, "exposed", True) or w._version != self._within
        if not isinstance(self, NoOp) and seen and connection.bounded:
            connection.store(torch.clamp(connection.weight(), connection.wmin, connection.wmax))
            self._within = connection.w._version


class NoOp(LearningRule):
    """Learn nothing; the weight decay, where there is one, acts."""

    def update(self, **kwargs: Any) -> None:
        """Decay."""
        super().update()


class ModelRule(RunsModel, LearningRule):
    """A rule of `fastsnn.models.rules`."""

    def __init__(
        self,
        connection: AbstractConnection,
        nu: Any = None,
        reduction: Any = None,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(connection, nu, reduction, weight_decay, **kwargs)
        self.require_traces(connection)
        learns = type(connection).outer is not AbstractConnection.outer
        if not learns or isinstance(connection, MeanFieldConnection):
            raise NotImplementedError(
                f"{type(self).__name__} does not learn a {type(connection).__name__}."
            )
        self.take_parameters(kwargs)

    def numbers(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The model's parameters."""
        out = self.known_numbers()
        if "nu_pre" in self.model.params:
            return out | {"nu_pre": self._nu(0), "nu_post": self._nu(1)}
        return out | {"nu": self._nu(0), **_amplitudes(self.model, kwargs)}

    def _nu(self, k: int) -> Any:
        nu = self.nu[k]
        return float(nu) if nu.numel() == 1 else nu.to(self.connection.w.device)

    def update(self, **kwargs: Any) -> None:
        """Learn from the layers' spikes and traces of the step; then decay and bounds."""
        connection, w = self.connection, self.connection.weight()
        new = learn(
            self.traces, self.reducer(), w, self.numbers(kwargs),
            source=self.source, target=self.target, dt=float(connection.dt or 1.0),
            reward=reward_of(self, kwargs) if self.needs_reward else None,
        )  # fmt: skip
        if new is not w:
            connection.store(new)
        super().update()

    def reducer(self) -> Reducer:
        """How the batch is reduced."""
        return Reducer(self.connection, self.reduction)


def _amplitudes(model: type[Rule], kwargs: dict[str, Any]) -> dict[str, float]:
    defaults = {"a_plus": 1.0, "a_minus": -1.0}
    given = {k: kwargs.get(k) for k in defaults}
    return {
        k: defaults[k] if given[k] is None else float(given[k])
        for k in defaults
        if k in model.params
    }


def reward_of(rule: Any, kwargs: dict[str, Any]) -> Any:
    """The reward given to `run`."""
    if kwargs.get("reward") is None:
        raise FastsnnError(
            f"{type(rule).__name__} learns from reward; run(..., reward=...) with a number, one "
            f"per batch element, or a network with a reward_fn."
        )
    return kwargs["reward"]


class PostPre(ModelRule):
    """Pair STDP: a pre spike depresses by nu[0] x_post, a post spike potentiates by nu[1] x_pre."""

    model, traced = models.PostPre, True


class WeightDependentPostPre(ModelRule):
    """Pair STDP with soft bounds; needs finite wmin and wmax."""

    model, traced = models.WeightDependentPostPre, True

    def __init__(
        self,
        connection: AbstractConnection,
        nu: Any = None,
        reduction: Any = None,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(connection, nu, reduction, weight_decay, **kwargs)
        if isinstance(connection, SparseConnection):
            raise NotImplementedError(
                f"{type(self).__name__} does not learn a {type(connection).__name__}."
            )
        bounds = torch.stack([connection.wmin.min(), connection.wmax.max()])
        if not bool(torch.isfinite(bounds).all()):
            raise ModelError(
                f"WeightDependentPostPre needs finite wmin and wmax, got {bounds.tolist()}."
            )

    def numbers(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The learning rates and the bounds."""
        bounds = {"w_min": self.connection.wmin, "w_max": self.connection.wmax}
        return super().numbers(kwargs) | bounds


class Hebbian(ModelRule):
    """Both orders of a pair potentiate."""

    model, traced = models.Hebbian, True


class MSTDP(ModelRule):
    """Reward-modulated STDP: the pairs of the step before, times the reward.

    Keywords: tc_plus, tc_minus, ms.  `run` takes reward, a_plus, a_minus.
    """

    model = models.MSTDP
    parameters: ClassVar = {"tc_plus": ("tau_plus", 20.0), "tc_minus": ("tau_minus", 20.0)}

    def reducer(self) -> Reducer:
        """How the batch is reduced; a convolution's filters all get the sum of their updates."""
        if isinstance(self.connection, _CONVOLUTIONS):
            return OverFilters(self.connection, self.reduction)
        return super().reducer()


class MSTDPET(ModelRule):
    """Reward-modulated STDP with an eligibility trace; one reward for the whole batch.

    Keywords: tc_plus, tc_minus, tc_e_trace, ms.  `run` takes reward, a_plus, a_minus.  On
    convolutions and local connections it learns nothing, as there.
    """

    model = models.MSTDPET
    parameters: ClassVar = {
        "tc_plus": ("tau_plus", 20.0),
        "tc_minus": ("tau_minus", 20.0),
        "tc_e_trace": ("tau_e", 25.0),
    }

    @property
    def eligibility_trace(self) -> Tensor | None:
        """[pre, post], or None before the first update."""
        return self.traces.own.get("e")

    def update(self, **kwargs: Any) -> None:
        """Learn; then decay and bounds."""
        if isinstance(self.connection, _PATCHES):
            reward_of(self, kwargs)
            LearningRule.update(self)
        else:
            super().update(**kwargs)


class Rmax(ModelRule):
    """Reward maximisation for SRM0 targets; needs additive traces at the source.

    Keywords: tc_c, tc_e_trace, ms.  One reward for the whole batch.
    """

    model = models.Rmax
    parameters: ClassVar = {"tc_c": ("tau_c", 5.0), "tc_e_trace": ("tau_e", 25.0)}

    def __init__(
        self,
        connection: AbstractConnection,
        nu: Any = None,
        reduction: Any = None,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(connection, nu, reduction, weight_decay, **kwargs)
        if not isinstance(connection, Connection):
            raise NotImplementedError(f"Rmax does not learn a {type(connection).__name__}.")
        if not isinstance(connection.target, SRM0Nodes):
            raise ModelError(
                f"Rmax needs SRM0Nodes as its target, got {type(connection.target).__name__}."
            )
        if not (connection.source.traces and connection.source.traces_additive):
            raise ModelError("Rmax needs a source layer with traces=True, traces_additive=True.")


__all__ = [
    "MSTDP",
    "MSTDPET",
    "AbstractConnection",
    "Connection",
    "Conv1dConnection",
    "Conv2dConnection",
    "Conv3dConnection",
    "Hebbian",
    "LearningRule",
    "LocalConnection",
    "LocalConnection1D",
    "LocalConnection2D",
    "LocalConnection3D",
    "NoOp",
    "PostPre",
    "Rmax",
    "SRM0Nodes",
    "WeightDependentPostPre",
    "im2col_indices",
]
