# SPDX-License-Identifier: Apache-2.0
"""Connections as projections of a plan: which can be, and what their rules become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn import models
from fastsnn.bindsnet.learning import learning as classic
from fastsnn.bindsnet.learning._rules import constants
from fastsnn.bindsnet.network._live import Cell
from fastsnn.bindsnet.network._parts import KNOWN, MCC_RULES, parts_of
from fastsnn.bindsnet.network._signals import is_product
from fastsnn.bindsnet.network._translate import Layer, Untranslatable
from fastsnn.bindsnet.network.topology_features import Weight
from fastsnn.compartments import Compartments
from fastsnn.connectivity import all_finite
from fastsnn.models.declare import Rule
from fastsnn.plan import ProjectionPlan
from fastsnn.random import synapse_stream

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._aside import Relay

RULES = (
    classic.PostPre, classic.WeightDependentPostPre, classic.Hebbian, classic.MSTDP,
    classic.MSTDPET, classic.Rmax, *MCC_RULES,
)  # fmt: skip
_SUMMED = ("dense", "indexed", "compartments")  # kinds whose weights a norm may scale
_REDUCTIONS = {torch.sum: "sum", torch.squeeze: "sum", torch.mean: "mean", torch.amax: "max"}


class Wire:
    """One connection as a projection: its plan, its cells, and its rule's live numbers.

    rests: the projection only delivers; torch learns and normalises.
    """

    def __init__(
        self, pair: tuple[str, str], index: int, connection: Any, ends: tuple[int, int],
        sides: tuple[Layer | Relay, Layer | Relay], learns: bool, rests: bool,
    ) -> None:  # fmt: skip
        self.pair, self.connection, self.rests = pair, connection, rests
        self.parts = parts = parts_of(pair, connection, rests)
        self.weight, self.rule, self.norm = parts.weight, parts.rule, parts.norm
        self.bounds = [
            torch.as_tensor(b, dtype=torch.float32, device=self.weight.device).detach().reshape(-1)
            for b in parts.bounds
        ]
        if self.rule is not None and (type(self.rule) not in RULES or "update" in vars(self.rule)):
            raise Untranslatable(
                f"connection {pair} learns by {type(self.rule).__name__}", ("rule", pair)
            )
        if self.weight.dtype != torch.float32 or not self.weight.is_contiguous():
            raise Untranslatable(
                f"connection {pair} has a weight that is no plain float32", ("connection", pair)
            )
        self._check_sizes(sides[0].layer.n, sides[1].layer.n)
        self.learns = learns and self.rule is not None
        self.cells: list[Cell] = []
        self.model: type[Rule] | None = self.rule.model if self.learns else None
        sums = parts.n_sums or sides[1].layer.n
        self.changed = torch.ones(sums, dtype=torch.bool, device=self.weight.device)
        self.params = torch.zeros(0, device=self.weight.device)
        if self.model is not None:
            size = len(self.model.learn_params()) + self.model.one_reward
            self.params = torch.ones(size, device=self.weight.device)
            self.rule.traces.prepare(sides[0].layer, sides[1].layer, self.weight)
            _check_rule(pair, self.rule)
        self.native_norm = self._norm()
        self.seen_at = -1
        self.plan = self._plan(index, ends, sides, parts.decay if learns else 1.0)

    def _check_sizes(self, n_pre: int, n_post: int) -> None:
        parts, size = self.parts, self.weight.numel()
        matrix = (n_pre * n_post,)
        sizes = {"dense": matrix, "compartments": matrix, "mean_field": (1, n_post)}
        odd = size not in sizes.get(parts.kind, (size,))
        if any(b.numel() not in (1, size) for b in self.bounds):
            reason = f"connection {self.pair} has bounds of a shape of their own"
            raise Untranslatable(reason, ("rule", self.pair))
        if odd or (parts.bias is not None and parts.bias.numel() != n_post):
            raise Untranslatable(
                f"connection {self.pair} has a weight or b of odd size",
                ("connection", self.pair),
            )

    def _norm(self) -> float | None:
        """The norm that the program restores; other kinds are restored on torch after a run."""
        nonnegative = bool((self.bounds[0] >= 0).all())
        plain = isinstance(self.norm, float | int) and self.norm > 0
        plain = plain and self.parts.kind in _SUMMED and not self.parts.own_norm
        return float(self.norm) if plain and (nonnegative or not self.parts.signed) else None

    def _plan(
        self,
        index: int,
        ends: tuple[int, int],
        sides: tuple[Layer | Relay, Layer | Relay],
        decay: float,
    ) -> ProjectionPlan:
        model, w = self.model, self.weight
        pre, post = (
            self._side(at, layer) for at, layer in zip(("pre", "post"), sides, strict=True)
        )
        last = [self._last(at, s) for at, s in zip(("pre", "post"), sides, strict=True)]
        bias, kind = self.parts.bias, self.parts.kind
        return ProjectionPlan(
            name=f"{self.pair[0]} to {self.pair[1]}", index=index, source=ends[0], target=ends[1],
            kind=kind, w=w.detach() if kind != "mean_field" else w.detach().reshape(-1),
            bias=None if bias is None else bias.detach().to(torch.float32).reshape(-1),
            rule=model, params=self.params, pre=pre, post=post,
            last_pre=last[0], last_post=last[1],
            synapse=tuple(self._cell(k) for k in model.own("synapse")) if model else (),
            reduction=_REDUCTIONS[self.rule.reduction] if model else "sum",
            w_min=self.bounds[0], w_max=self.bounds[1], weight_decay=1.0 - decay,
            norm=self.native_norm, changed=self.changed if kind in _SUMMED else None,
            synapses=self.parts.synapses, rate=self._rates(), decay=self.parts.rates or 0.0,
            compartments=self._compartments(index),
        )  # fmt: skip

    def _compartments(self, index: int) -> Compartments | None:
        """What features do, with a stream of random numbers of its own."""
        if self.parts.kind != "compartments":
            return None
        return replace(self.parts.compartments, stream=synapse_stream(index))

    def _rates(self) -> Tensor | None:
        """Running rates of pooling."""
        if self.parts.rates is None:
            return None
        buffers = self.connection._buffers
        if len(buffers["firing_rates"]) != len(self.connection.source.s):
            self.connection.reset_state_variables()
        rates = buffers["firing_rates"].contiguous()
        self.cells.append(Cell(buffers, "firing_rates", rates))
        return rates.view(len(rates), -1)

    def _cell(self, name: str) -> Tensor:
        own = self.rule.traces.own
        own[name] = own[name].contiguous()
        self.cells.append(Cell(own, name, own[name]))
        return own[name]

    def _side(self, at: str, layer: Layer | Relay) -> tuple[Tensor, ...]:
        if self.model is None:
            return ()
        own, batch = self.model.own(at), len(layer.spike)
        found = [
            self._cell(k) if k in own else layer.side(k.removesuffix(f"_{at}"))
            for k in self.model.side(at)
        ]
        if any(tensor is None for tensor in found):
            raise Untranslatable(
                f"connection {self.pair} learns from what layer '{layer.name}' keeps on torch",
                ("rule", self.pair),
            )
        return tuple(tensor.view(batch, -1) for tensor in found)

    def _last(self, at: str, layer: Layer | Relay) -> Tensor | None:
        if self.model is None or not self.model.lag:
            return None
        last = self.rule.traces.last
        kept = torch.zeros(layer.spike.shape, dtype=torch.bool, device=layer.spike.device)
        self.cells.append(Cell(last, at, kept))
        return kept.view(len(kept), -1)

    def prepare(self, kwargs: dict[str, Any]) -> bool:
        """Before a run; returns whether the weight was written to since the last one."""
        for cell in self.cells:
            cell.adopt()
        if self.learns:
            self.params.copy_(self._numbers(kwargs))
        w = self.weight
        if self.parts.is_copy:
            w.copy_(self.connection.w.to_dense())
        written = w._version != self.seen_at or getattr(w, "exposed", True)
        if written:
            # the sum is a hundred times as fast, and says yes nearly always
            if not bool(torch.isfinite(w.sum())) and not all_finite(w):
                raise Untranslatable(
                    f"connection {self.pair} has weights that are no numbers",
                    ("connection", self.pair),
                )
            self.changed.fill_(True)
        self.seen_at = w._version
        return written

    def _numbers(self, kwargs: dict[str, Any]) -> Tensor:
        rule, model = self.rule, self.model
        dt = float(self.connection.dt or 1.0)
        known = {**rule.numbers(kwargs), "dt": dt}
        known |= {**constants(model, known, dt)}
        known |= {
            name: float(bound)
            for name, bound in zip(("w_min", "w_max"), self.bounds, strict=True)
            if bound.numel() == 1
        }
        numbers = [float(known[k]) for k in model.learn_params()] + [1.0] * model.one_reward
        return torch.tensor(numbers)

    def finish(self) -> None:
        """After a run: show what was learnt, and normalise where the program does not."""
        self.store()
        if self.rests or (self.norm is not None and self.native_norm is None):
            self.connection.normalize()

    def store(self) -> None:
        """Where the weight is a copy, show what was learnt."""
        changing = self.learns or self.plan.weight_decay or self.native_norm is not None
        if self.parts.is_copy and changing:
            self.connection.store(self.weight)

    def follow(self) -> None:
        """Where torch has put another tensor in the weight's place, take its values."""
        shown = self.connection.w
        if shown.data_ptr() != self.plan.w.data_ptr():
            self.plan.w.copy_(shown.detach().reshape(self.plan.w.shape))


def _check_rule(pair: Any, rule: Any) -> None:
    soft = rule.model is models.WeightDependentPostPre
    reasons = {
        "reduces the batch by a function of its own": rule.reduction not in _REDUCTIONS,
        "has a learning rate per neuron": rule.nu[0].numel() != 1,
        "averages its updates": bool(getattr(rule, "average_update", 0)),
        "has soft bounds per synapse": soft and rule.wmin.numel() + rule.wmax.numel() > 2,
    }
    for reason, holds in reasons.items():
        if holds:
            raise Untranslatable(f"connection {pair} {reason}", ("rule", pair))


def parameters(connection: Any) -> Iterator[Any]:
    """Everything that a connection's plan was made of, to be compared."""
    yield id(connection)
    if type(connection) not in KNOWN:
        return
    yield from (k for k in ("compute", "update", "normalize") if k in connection.__dict__)
    features = getattr(connection, "pipeline", None)
    if features is not None:
        yield from (connection.manual_update, connection.traces, len(features))
        fixed = is_product(connection)
        for f in features:
            yield from (id(f), f.enforce_polarity, getattr(f, "norm_frequency", None))
            yield from _tensor(f.value)
            # what features do together is a copy
            shared = not fixed and type(f) is Weight
            yield 0 if shared or len(features) == 1 else getattr(f.value, "_version", 0)
            yield from _same(f.norm)
            yield from _rule(f.learning_rule)
        return
    yield from (id(connection.Dales_rule) if connection.Dales_rule is not None else None,)
    yield from _same(connection.norm)
    yield from _rule(connection.update_rule)
    mask = connection._buffers.get("mask")
    if mask is not None:
        yield from (id(mask), mask._version)
    for name in ("w", "b", "wmin", "wmax"):
        tensor = connection._parameters.get(name)
        yield from _tensor(tensor)
        if tensor is not None and name != "w":
            yield tensor._version
    yield connection.decay


def _tensor(t: Any) -> tuple[Any, ...]:
    if not isinstance(t, Tensor):
        return (t,)
    return (id(t), t.dtype, t.device) if t.is_sparse else (id(t), t.data_ptr(), t.dtype)


def _same(x: Any) -> tuple[Any, ...]:
    return (id(x), x._version) if isinstance(x, Tensor) else (x,)


def _rule(rule: Any) -> Iterator[Any]:
    state = getattr(rule, "__dict__", {})
    yield id(rule)
    yield from (id(state.get("reduction")), state.get("decay"), state.get("weight_decay"))
    yield from (id(state.get("traces")), id(state.get("feature_value")), "update" in state)
    for bound in ("min", "max"):
        yield from _same(state.get(bound))
    yield state.get("average_update")
