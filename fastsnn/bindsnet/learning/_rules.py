# SPDX-License-Identifier: Apache-2.0
"""A rule of `fastsnn.models.rules` at work on a connection: its own traces, and one step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn.bindsnet.learning._pairs import Reducer, Side
from fastsnn.errors import ModelError
from fastsnn.models.declare import Rule

_OF_SOURCE = {"x_pre": "x", "s_prob_pre": "s_prob"}
_OF_TARGET = {"x_post": "x", "s_prob_post": "s_prob"}


class Traces:
    """A rule's own variables, and what it saw a step ago; made for the batch at hand."""

    def __init__(self, rule: type[Rule]) -> None:
        self.rule = rule
        self.own: dict[str, Tensor] = {}
        self.last: dict[str, Tensor] = {}

    def prepare(self, source: Any, target: Any, w: Tensor) -> None:
        """Start at zero where the batch or the device is another one than before."""
        for at, layer in (("pre", source), ("post", target)):
            for name in self.rule.own(at):
                self._fit(self.own, name, layer.s.shape, w)
            if self.rule.lag:
                self._fit(self.last, at, layer.s.shape, w)
        for name in self.rule.own("synapse"):
            self._fit(self.own, name, w.shape, w)

    def _fit(self, group: dict[str, Tensor], name: str, shape: torch.Size, w: Tensor) -> None:
        have = group.get(name)
        if have is None or have.shape != shape:
            group[name] = torch.zeros(shape, dtype=_dtype(w), device=w.device)
        elif have.device != w.device:
            group[name] = have.to(w.device)


class RunsModel:
    """What a rule of `fastsnn.models.rules` is on any kind of connection."""

    model: ClassVar[type[Rule]]
    parameters: ClassVar[dict[str, tuple[str, float]]] = {}  # keyword -> (of the model, default)
    traced: ClassVar[bool] = False
    traces: Traces

    def require_traces(self, connection: Any) -> None:
        """Raise ModelError where a layer keeps no trace that the rule reads."""
        untraced = [n for n in ("source", "target") if not getattr(connection, n).traces]
        if self.traced and untraced:
            raise ModelError(
                f"{type(self).__name__}: the {untraced[0]} layer keeps no trace; make it with "
                f"traces=True."
            )

    def take_parameters(self, given: dict[str, Any]) -> None:
        """Keep the parameters that were given, or their defaults, and start without traces."""
        for name, (_, default) in self.parameters.items():
            setattr(self, name, torch.tensor(float(given.get(name, default))))
        self.traces = Traces(self.model)

    def known_numbers(self) -> dict[str, Any]:
        """The parameters by the model's names."""
        return {p: float(getattr(self, name)) for name, (p, _) in self.parameters.items()}

    @property
    def needs_reward(self) -> bool:
        """Whether the rule learns from reward."""
        return "reward" in self.model.functions["learn"].arguments


def _dtype(w: Tensor) -> torch.dtype:
    return torch.float64 if w.dtype == torch.float64 else torch.float32


def constants(rule: type[Rule], numbers: dict[str, Any], dt: float) -> dict[str, Any]:
    """The rule's constants for its parameters and time step."""
    if not rule.constant_names:
        return {}
    return rule.constants(SimpleNamespace(**numbers), dt)


def learn(
    traces: Traces,
    reducer: Reducer,
    w: Tensor,
    numbers: dict[str, Any],
    *,
    source: Any,
    target: Any,
    dt: float,
    reward: Any = None,
) -> Tensor:
    """One step of a rule; returns the new weight and advances the rule's traces.

    numbers: the rule's parameters (and w_min, w_max where it reads them).
    """
    rule = traces.rule
    traces.prepare(source, target, w)
    # kept by rules with lag, while a reset empties the layer's own tensor
    copy = bool(rule.lag)
    pre, post = (layer.s.to(_dtype(w), copy=copy) for layer in (source, target))
    known = {**numbers, **constants(rule, numbers, dt), "dt": dt, "reward": reward, "w": w}
    known |= {name: traces.own[name] for name in rule.own("synapse")}
    seen = {"pre": pre, "post": post}
    if rule.lag:
        seen = {at: traces.last[at].to(_dtype(w)) for at in seen}
    for at, layer, names in (("pre", source, _OF_SOURCE), ("post", target, _OF_TARGET)):
        known[at] = Side(reducer, at, seen[at])
        for name in rule.own(at):
            known[name] = Side(reducer, at, traces.own[name])
        for name in set(rule.side(at)) - set(rule.own(at)):
            known[name] = Side(reducer, at, getattr(layer, names[name]))
    learnt = rule.learn(**{k: known[k] for k in rule.functions["learn"].arguments})
    new, *synaptic = learnt if isinstance(learnt, tuple) else (learnt,)
    for name, value in zip(rule.own("synapse"), synaptic, strict=True):
        traces.own[name] = value
    _advance(traces, known, {"pre": pre, "post": post})
    return new


def _advance(traces: Traces, known: dict[str, Any], spikes: dict[str, Tensor]) -> None:
    rule = traces.rule
    for at, spike in spikes.items():
        own = rule.own(at)
        if own:
            arguments = rule.functions[f"advance_{at}"].arguments
            here = {**known, **{k: traces.own[k] for k in own}, at: spike}
            moved = getattr(rule, f"advance_{at}")(**{k: here[k] for k in arguments})
            for name, value in zip(
                own, moved if isinstance(moved, tuple) else (moved,), strict=True
            ):
                traces.own[name] = value
        if rule.lag:
            traces.last[at] = spike
