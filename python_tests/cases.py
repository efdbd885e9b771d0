# SPDX-License-Identifier: Apache-2.0
"""Networks and what is done with them, as descriptions that print well and play on any backend.

Large arrays are named by a seed, so that hypothesis (`random_nets`) draws structure only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import places
import torch
from torch import Tensor

from fastsnn import (
    Bernoulli,
    Current,
    Events,
    Network,
    Poisson,
    Spikes,
    models,
    structured,
)
from fastsnn.connectivity import Connectivity

WIRINGS = {"dense": "Dense", "one_to_one": "OneToOne", "all_but_one": "AllButOne"}


@dataclass(frozen=True)
class Uniform:
    """Numbers between low and high, drawn with a seed."""

    low: float
    high: float
    seed: int

    def __call__(self, *shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return self.low + (self.high - self.low) * torch.rand(shape, generator=generator)


@dataclass(frozen=True)
class Chance:
    """Truth values that hold with probability p, drawn with a seed."""

    p: float
    seed: int

    def __call__(self, *shape: int) -> Tensor:
        return Uniform(0.0, 1.0, self.seed)(*shape) < self.p


def made(value: Any, *shape: int) -> Any:
    """A value, or what a Uniform or Chance gives for a shape."""
    return value(*shape) if isinstance(value, (Uniform, Chance)) else value


@dataclass
class Cells:
    """A population."""

    name: str
    model: str
    n: int
    params: dict[str, Any]
    options: dict[str, Any]
    shape: tuple[int, ...] | None = None

    @property
    def is_input(self) -> bool:
        return self.model == "Input"

    def build(self, net: Network) -> None:
        params = {k: made(v, self.n) for k, v in self.params.items()}
        options = {k: made(v, self.n) for k, v in self.options.items()}
        shape = {"shape": self.shape} if self.shape else {}
        net.population(self.name, getattr(models, self.model)(**params), self.n, **shape, **options)


@dataclass
class Wires:
    """A projection."""

    name: str
    source: Cells
    target: Cells
    wiring: str
    w: Uniform
    rule: str | None = None
    rule_params: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        rule = f"{self.rule}({self.rule_params})" if self.rule else "static"
        ends = f"{self.source.name}->{self.target.name}"
        wiring = f"{self.wiring}({self.sizes})" if self.sizes else self.wiring
        return f"{self.name}: {ends} {wiring} {self.w} {rule} {self.options}"

    def connectivity(self) -> Connectivity:
        """The wiring, with its weight."""
        kind = structured.wirings()[WIRINGS.get(self.wiring, self.wiring)]
        shapes = [c.shape or (c.n,) for c in (self.source, self.target)]
        if self.wiring == "Sparse":
            grid = (self.source.n, self.target.n)
            return kind((self.w(*grid) * self.sizes["pattern"](*grid)).to_sparse())
        layout = kind(**self.sizes).layout(self.name, *shapes, 0, 0)
        w = self.w(*layout.w)
        return kind(w=float(w) if layout.w == (1,) else w, **self.sizes)

    def build(self, net: Network) -> None:
        connectivity = self.connectivity()
        layout = connectivity.layout(
            self.name, *(c.shape or (c.n,) for c in (self.source, self.target)), 0, 0
        )
        bounds = {k: made(v, *layout.w) for k, v in self.options.items() if k.startswith("w_")}
        others = {k: v for k, v in self.options.items() if not k.startswith("w_")}
        if "bias" in others:
            others["bias"] = made(others["bias"], self.target.n)
        rule = getattr(models, self.rule)(**self.rule_params) if self.rule else None
        net.projection(
            self.source.name, self.target.name, connectivity, name=self.name, rule=rule, **bounds,
            **others,
        )  # fmt: skip


@dataclass
class Do:
    """One thing done with a network: run, present, reset, train, write, rule or batch."""

    what: str
    steps: int = 0
    samples: int = 1
    inputs: dict[str, tuple[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = {k: v for k, v in vars(self).items() if v not in ({}, 0) and k != "what"}
        return f"{self.what}({', '.join(f'{k}={v}' for k, v in shown.items())})"


@dataclass
class Case:
    """A network and its story."""

    dt: float
    batch: int
    seed: int
    cells: list[Cells]
    wires: list[Wires]
    monitors: list[dict[str, Any]]
    story: list[Do]
    dtype: torch.dtype = torch.float32

    def __repr__(self) -> str:
        parts = [f"dt={self.dt}, batch={self.batch}, seed={self.seed}, {self.dtype}"]
        for items in (self.cells, self.wires, self.monitors, self.story):
            parts += [f"  {item}" for item in items]
        return "Case:\n" + "\n".join(parts)

    def build(self, place: str, threads: int | None = None) -> Network:
        """The network, before anything is done with it."""
        options = {"threads": threads, "dtype": self.dtype, **places.options(place)}
        net = Network(self.dt, self.batch, self.seed, **options)
        for part in (*self.cells, *self.wires):
            part.build(net)
        for m in self.monitors:
            net.monitor(**m)
        return net

    def play(self, place: str, threads: int | None = None) -> dict[str, Tensor]:
        """Do everything; returns what there is to see after each act, in order."""
        net, seen = self.build(place, threads), {}
        for k, act in enumerate(self.story):
            self.act(net, act, seen, f"after {k + 1}. {act.what}: ")
        for k, m in enumerate(net.monitors):
            if len(m):
                seen[f"monitor {k} {m}"] = m.get().cpu()
        return seen

    def act(self, net: Network, act: Do, seen: dict[str, Tensor], label: str) -> None:
        """Do one thing and note the state of everything."""
        options, time = act.options, act.steps * self.dt
        if act.what == "run":
            net.run(time, self.inputs(net, act), **self.forced(net, act))
        elif act.what == "present":
            inputs = self.inputs(net, act)
            options = self.forced(net, act)
            shown = net.present(inputs, time, samples=act.samples, **options)
            seen |= {f"{label}counts of {k}": v.cpu() for k, v in shown.counts.items()}
            seen[f"{label}tries"] = shown.tries
        elif act.what == "reset":
            net.reset_state()
        elif act.what == "train":
            net.train(options["mode"])
        elif act.what == "batch":
            net.set_batch_size(options["size"])
        elif act.what == "write":
            net.projections[options["name"]].w *= options["factor"]
        elif act.what == "rule":
            kind = type(net.projections[options["name"]].rule)
            net.set_rule(options["name"], kind(nu_post=options["nu_post"]))
        seen |= {label + k: v.clone().cpu() for k, v in net.state_dict().items()}

    def inputs(self, net: Network, act: Do) -> dict[str, Any]:
        """What goes into each population."""
        s, t, b = act.samples, act.steps, net.batch_size
        out = {}
        for name, (kind, value) in act.inputs.items():
            n = net.populations[name].n
            if kind == "events":
                sample, step, batch, ids = value(s, t, b, n).nonzero(as_tuple=True)
                out[name] = Events(step, ids, batch, sample)
            elif kind in ("spikes", "currents"):
                data = value(s * t, b, n)
                out[name] = Spikes(data) if kind == "spikes" else Current(data)
            else:
                wrap = {"poisson": Poisson, "bernoulli": Bernoulli, "current": Current}[kind]
                out[name] = wrap(value(s, b, n) if act.what == "present" else value(b, n))
        return out

    def forced(self, net: Network, act: Do) -> dict[str, Any]:
        """Options of `run` or `present` with their arrays."""
        out = {}
        for key, value in act.options.items():
            if key in ("clamp", "unclamp", "inject_v"):
                value = {
                    name: v(act.steps, net.populations[name].n)
                    if each
                    else v(net.populations[name].n)
                    for name, (v, each) in value.items()
                }
            elif key == "masks":
                value = {name: v(*net.projections[name].w.shape) for name, v in value.items()}
            elif key == "reward":
                value = made(value, net.batch_size)
            out[key] = value
        return out
