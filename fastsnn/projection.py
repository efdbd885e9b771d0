# SPDX-License-Identifier: Apache-2.0
"""A projection: how the spikes of one population reach another, and how that is learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fastsnn import memory, projection_checks
from fastsnn.compartments import Compartments, Features, LiveFeature, Silent
from fastsnn.connectivity import Connectivity, Dense, all_finite
from fastsnn.errors import ModelError, ShapeError
from fastsnn.features import Feature
from fastsnn.models.declare import Rule
from fastsnn.models.terminals import Terminal
from fastsnn.population import Population
from fastsnn.synapses import Synapses


class Projection:
    """Made by `Network.projection`; see there for the arguments.

    w: the live weight; may be written to between runs (``projection.w[3] = 0``).
    """

    def __init__(
        self,
        name: str,
        source: Population,
        target: Population,
        connectivity: Connectivity,
        *,
        rule: Rule | None,
        w_min: float | Tensor,
        w_max: float | Tensor,
        norm: float | None,
        weight_decay: float,
        reduction: str,
        bias: Tensor | None,
        seed: int,
        index: int,
        receptor: str | None = None,
        features: Sequence[Feature] = (),
        delay_kind: str = "axonal",
        short_term: Terminal | None = None,
    ) -> None:
        self.name, self.source, self.target = name, source, target
        self.port, self.receptor = receptor or "i_syn", target.receptor(receptor)
        self.wiring, self.kind = type(connectivity), connectivity.kind
        self.sizes = connectivity.sizes()
        self.rule, self.norm, self.weight_decay, self.reduction = (
            rule,
            norm,
            weight_decay,
            reduction,
        )
        self.device, self.dtype = target.device, target.dtype
        self.dendritic = delay_kind == "dendritic"
        projection_checks.check_options(self, delay_kind)
        connectivity = connectivity.timed(str(self), target.dt, self.dendritic)
        layout = connectivity.layout(str(self), source.shape, target.shape, seed, index)
        # `is`: no synapses are false, too
        if layout.synapses is not None:
            layout = replace(layout, synapses=layout.synapses.to(self.device))
        self.layout = layout
        if self.device.type == "cpu":
            n_variables = 1 + (len(type(rule).own("synapse")) if rule else 0)
            size = self.dtype.itemsize * n_variables * math.prod(layout.w)
            memory.require(str(self), size)
        self.w_min, self.w_max = self._bound("w_min", w_min), self._bound("w_max", w_max)
        if bool((self.w_min > self.w_max).any()):
            raise ModelError(f"{self}: w_min={w_min!r} is above w_max={w_max!r}.")
        whole = (float(self.w_min.min()), float(self.w_max.max()))
        w = connectivity.weight(str(self), layout, whole, seed, index, self.dtype)
        self._w = w.to(self.device)
        self.bias = None if bias is None else self._bias(bias)
        projection_checks.check_rule(self)
        # live: every run reads it
        self.rule_params = self._rule_params()
        self.state: dict[str, Tensor] = {}
        if connectivity.learns:
            self.state["changed"] = torch.ones(layout.n_sums, dtype=torch.bool, device=self.device)
        for name_ in type(rule).own("synapse") if rule else ():
            self.state[name_] = self._zeros(*layout.w).fill_(self._begin(name_))
        self.check_delays(target.batch_size)
        self.terminal = None if short_term is None else self._terminal(short_term)
        self._features: Features | None = None
        if features:
            self._take(features, index)
        self.allocate()
        self._version = -1
        self.settle()

    def _take(self, features: Sequence[Feature], index: int) -> None:
        """Make the features' live tensors, and what learns them."""
        if self.wiring is not Dense:
            raise ModelError(f"{self}: features need Dense, the wiring is {self.wiring.__name__}.")
        self.kind = "compartments"
        self._features = Features(
            str(self), features, self.layout.w, index, self.device, self.dtype
        )
        for name, live in self._features.live.items():
            if not live.feature.changes:
                continue
            live.learner = Projection(
                f"{self.name}.{name}", self.source, self.target, Silent(live.value),
                rule=live.feature.rule, bias=None, seed=0, index=index, **live.feature.options(),
            )  # fmt: skip
            live.value = live.learner.w

    @property
    def features(self) -> dict[str, LiveFeature]:
        """The features by name, in order."""
        return {} if self._features is None else self._features.live

    def learners(self) -> list[Projection]:
        """The projections inside that learn the values of features."""
        return [] if self._features is None else self._features.learners()

    def allocate(self) -> None:
        """Make running rates and the rule's own traces for the batch size of the populations."""
        if self._features is not None:
            self._features.allocate(self.target.batch_size)
        if self.kind == "max_pool":
            self.state["rate"] = self._zeros(*self._sizes()[:2])
        self._allocate_delays()
        if self.terminal is not None:
            self.terminal.allocate(self.target.batch_size)
            names = type(self.terminal.model).state()
            self.state |= {name: self.terminal.state[name] for name in names}
        if self.rule is None:
            return
        kind, (batch, n_pre, n_post) = type(self.rule), self._sizes()
        sizes = {"pre": n_pre, "post": n_post}
        for at, n in sizes.items():
            for name in kind.own(at):
                self.state[name] = self._zeros(batch, n).fill_(self._begin(name))
            if kind.lag:
                self.state[f"last_{at}"] = torch.zeros(
                    batch, n, dtype=torch.bool, device=self.device
                )

    @property
    def every(self) -> int:
        """Steps after which the rule consolidates; 0: never."""
        if self.rule is None or not type(self.rule).consolidates:
            return 0
        return max(1, round(float(self.rule.values["interval"]) / self.target.dt))  # type: ignore[arg-type]

    @property
    def delayed(self) -> str | None:
        """The side whose spikes reach the synapses late: "pre", "post" or None."""
        slow = self.synapses is not None and self.synapses.delay > 1
        return "post" if self.dendritic else "pre" if slow else None

    def _terminal(self, model: Terminal) -> Population:
        """The presynaptic terminals, as a population of their own."""
        what = type(model).__name__
        taken = set(type(self.rule).variables) if self.rule else set()
        if not isinstance(model, Terminal) or "efficacy" not in type(model).state():
            raise ModelError(f"{self}: short_term={model!r}, expected e.g. TsodyksMarkram().")
        if not self.wiring.is_listed or (self.synapses.delays is not None and not self.dendritic):  # type: ignore[union-attr]
            raise ModelError(
                f"{self}: {what} needs listed synapses, whose delays are all the same or dendritic."
            )
        if clash := taken & set(type(model).state()):
            raise ModelError(f"{self}: '{min(clash)}' is a variable of rule and {what} alike.")
        return Population(
            f"{self.name}.terminal", model, self.source.shape, dt=self.source.dt,
            batch_size=self.source.batch_size, device=self.device, traces=False,
            traces_additive=False, tau_trace=20.0, trace_scale=1.0, sum_input=False,
            one_spike=False, dtype=self.dtype,
        )  # fmt: skip

    def _allocate_delays(self) -> None:
        """Make room for what is under way: slot step % slots."""
        side, synapses = self.delayed, self.synapses
        if side is None or synapses is None:
            return
        slots = synapses.delay + self.dendritic
        n = self.target.n if self.dendritic else self.source.n
        self.state["sent"] = torch.zeros(slots, n, dtype=torch.bool, device=self.device)
        if self.dendritic:
            self.state["arriving"] = self._zeros(synapses.delay, self.target.n)
        own = type(self.rule).own(side) if self.rule else []
        if synapses.delays is not None and own:
            self.state["past"] = self._zeros(slots, len(own), n)
            for k, name in enumerate(own):
                self.state["past"][:, k] = self._begin(name)

    def _begin(self, name: str) -> float:
        """The value of a variable of the rule at time 0."""
        assert self.rule is not None
        init = type(self.rule).variables[name].init
        values = self.rule.argument_values(self.target.dt)
        return float(values[init] if isinstance(init, str) else init)

    @property
    def synapses(self) -> Synapses | None:
        """Who is joined to whom, of a structured wiring."""
        return self.layout.synapses

    def reset(self) -> None:
        """Forget running rates and spikes under way; weights and the rule's own traces are kept."""
        if self.terminal is not None:
            self.terminal.reset()
        for name in ("rate", "sent", "arriving"):
            if name in self.state:
                self.state[name].zero_()
        if self._features is not None:
            self._features.reset()

    def set_rule(self, rule: Rule) -> None:
        """Take other parameters of the same rule; see `Network.set_rule`."""
        if type(rule) is not type(self.rule):
            raise ModelError(f"{self}: its rule is {self.rule!r}, which {rule!r} cannot replace.")
        (old, every), self.rule = (self.rule, self.every), rule
        try:
            projection_checks.check_rule(self)
            if self.every != every:
                raise ModelError(f"{self}: the interval of its rule stays {every} steps.")
        except ModelError:
            self.rule = old
            raise
        self.rule_params.copy_(self._rule_params())

    @property
    def w(self) -> Tensor:
        """The weight."""
        return self._w

    @w.setter
    def w(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.dtype, device=self._w.device)
        if value.dim() and value.shape != self._w.shape:
            raise ShapeError(f"{self}: w is {tuple(value.shape)}, expected {tuple(self._w.shape)}.")
        if not all_finite(value):
            raise ShapeError(f"{self}: w holds NaN or infinity, expected finite numbers.")
        self._w.copy_(value.expand_as(self._w))

    def settle(self) -> None:
        """After the user wrote to w: check it, clip it, and call every column changed."""
        if self._features is not None:
            self._features.settle()
        if self._w._version == self._version:
            return
        if not all_finite(self._w):
            raise ShapeError(f"{self}: the weight holds NaN or infinity, expected finite numbers.")
        if self.bounded:
            self._w.clamp_(self._grid(self.w_min), self._grid(self.w_max))
        if "changed" in self.state:
            self.state["changed"].fill_(True)
        self.remember()

    def remember(self) -> None:
        """What was written to w so far is known; only later writes are the user's."""
        self._version = self._w._version
        if self._features is not None:
            self._features.remember()

    @property
    def compartments(self) -> Compartments | None:
        """What backends are given of the features."""
        return None if self._features is None else self._features.plan()

    @property
    def bounded(self) -> bool:
        """Whether a bound is finite."""
        return bool(torch.isfinite(self.w_min).any() or torch.isfinite(self.w_max).any())

    def _rule_params(self) -> Tensor:
        """The numbers of `Rule.learn_params` (0 for a bound per synapse)."""
        if self.rule is None:
            return self._zeros(0)
        values = self.rule.argument_values(self.target.dt)
        for name, bound in (("w_min", self.w_min), ("w_max", self.w_max)):
            values[name] = float(bound) if bound.numel() == 1 else 0.0
        numbers = [float(values[k]) for k in type(self.rule).learn_params()]
        numbers += [1.0] * type(self.rule).one_reward
        return torch.tensor(numbers, dtype=self.dtype, device=self.device)

    def variables(self) -> dict[str, Tensor]:
        """All tensors by name."""
        own = {} if self._features is None else self._features.variables()
        return {"w": self._w, **self.state, **own}

    def wiring_options(self) -> dict[str, object]:
        """The arguments that make this wiring again, without w."""
        if not self.wiring.is_listed:
            return self.sizes
        s = self.synapses
        assert s is not None
        steps = s.delay if s.delays is None else s.delays.to(torch.float64)
        ids = {"pre": s.pre, "post": s.post.long()}
        return {**ids, "delay": steps * self.target.dt, "multapses": True}

    def __str__(self) -> str:
        return f"Projection '{self.name}'"

    def __repr__(self) -> str:
        rule = f", rule={self.rule!r}" if self.rule else ""
        wiring = f"{self.wiring.__name__}{list(self._w.shape)}"
        return f"Projection('{self.name}', {wiring}{rule})"

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def _sizes(self) -> tuple[int, int, int]:
        return self.target.batch_size, self.source.n, self.target.n

    def _grid(self, bound: Tensor) -> Tensor:
        return bound if bound.numel() == 1 else bound.reshape(self._w.shape)

    def _bound(self, name: str, value: float | Tensor) -> Tensor:
        bound = torch.as_tensor(value, dtype=self.dtype).detach().to(self.device)
        shape = self.layout.w
        shapes = [shape, (math.prod(shape),)]
        if bool(bound.isnan().any()) or (bound.numel() != 1 and tuple(bound.shape) not in shapes):
            given = f"of shape {tuple(bound.shape)}" if bound.dim() else repr(value)
            raise ShapeError(
                f"{self}: {name} is {given}, expected a number or a tensor "
                f"{shape} ({self.layout.axes}) without NaN."
            )
        if not bound.numel():  # of no synapses
            bound = bound.new_full((1,), -torch.inf if name == "w_min" else torch.inf)
        return bound.reshape(-1).clone()

    def _bias(self, bias: Tensor) -> Tensor:
        bias = torch.as_tensor(bias, dtype=self.dtype).detach().to(self.device).reshape(-1)
        filters = self.synapses.filters if self.synapses else 0
        if filters and bias.numel() == filters:
            bias = bias.repeat_interleave(self.target.n // filters)
        if bias.numel() != self.target.n or not bool(torch.isfinite(bias).all()):
            raise ShapeError(
                f"{self}: bias must be {self.target.n} finite numbers, one per target neuron."
            )
        return bias.clone()

    def check_delays(self, batch_size: int) -> None:
        """Raise ModelError where delays meet what knows none."""
        projection_checks.check_delays(self, batch_size)

    def side(self, at: str) -> list[Tensor]:
        """Tensors [B, n] of one side that the rule reads besides the spike, own traces last."""
        if self.rule is None:
            return []
        kind, population = type(self.rule), self.source if at == "pre" else self.target
        return [
            self.state[name]
            if name in kind.own(at)
            else population.variables()[name.removesuffix(f"_{at}")]
            for name in kind.side(at)
        ]
