# SPDX-License-Identifier: Apache-2.0
"""A projection of PyNN as projections of the network: one for each pair of populations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from fastsnn import building
from fastsnn.models import TsodyksMarkram
from fastsnn.network import Network
from fastsnn.pynn.cells import port
from fastsnn.pynn.populations import Population, members
from fastsnn.pynn.relays import Relay
from fastsnn.pynn.synapses import SimpleStochasticSynapse, TsodyksMarkramSynapse
from fastsnn.sparse import EdgeList
from fastsnn.structured import Sparse
from fastsnn.synapses import order_of

Array = np.ndarray
_MOST_LAYERS = 256


@dataclass
class _Part:
    """Synapses between two populations: which of the projection's, and both ends."""

    name: str
    source: Any
    target: Any
    which: Array | slice
    pre: Array
    post: Array
    made: Any = None
    # of what has dynamics: number of every stored synapse, and all variables at time 0
    order: Any = None
    start: Any = None
    terminal: Any = None
    # whether nothing can change any more
    fixed: bool = False


class Joined:
    """What a projection became in the network."""

    def __init__(self, network: Network, projection: Any, name: str) -> None:
        self.network, self.projection, self.name = network, projection, name
        self.parts: list[_Part] = []
        self.receptor = port(projection.receptor_type)
        self._stale = False
        # step after which the weights were last read
        self._read = network.step
        if projection.wiring is not None:
            ends = projection.pre._lowered, projection.post._lowered
            made = network.projection(*ends, projection.wiring, name=name, receptor=self.receptor)
            self.parts = [_Part(name, *ends, slice(None), np.zeros(0), np.zeros(0), made)]
            return
        self._split()
        if isinstance(projection.synapse_type, TsodyksMarkramSynapse):
            self._layer()
        for part in self.parts:
            if projection.learns:
                self._learning(part)
            elif part.terminal is not None:
                self._depressing(part)
            elif isinstance(projection.synapse_type, SimpleStochasticSynapse):
                self._failing(part)
            else:
                self._static(part)

    def changed(self, name: str) -> None:
        """The projection has other numbers."""
        if any(part.fixed for part in self.parts):
            raise NotImplementedError(
                f"{self.projection.label}: {name} of stochastic synapses cannot change after the "
                f"first run; set it before."
            )
        if not self.parts or self.parts[0].order is None:
            self._stale = bool(self.parts)
        elif name == "weight":
            for part in self.parts:
                part.made.w.copy_(self._weights(part)[part.order])
        else:
            raise NotImplementedError(
                f"{self.projection.label}: {name} of synapses with dynamics cannot change after "
                f"the first run; set it before."
            )

    def update(self) -> None:
        """Give the network the numbers that changed."""
        if not self._stale:
            return
        self._stale = False
        if not self.parts[0].pre.size:
            # it was a wiring until now
            self.parts = []
            self._split(keep=True)
        for part in self.parts:
            self._replace(part)

    def refresh(self) -> None:
        """Bring learned weights to the projection."""
        if not self.projection.learns or self._read == self.network.step:
            return
        self._read = self.network.step
        columns = self.projection._columns
        weights = np.array(columns["weight"])
        for part in self.parts:
            of_part = np.empty(len(part.pre))
            of_part[part.order.numpy()] = part.made.w.numpy().reshape(-1)
            weights[part.which] = of_part / _scale(part, self.projection)
        columns["weight"] = weights

    def restart(self) -> None:
        """Weights that were learned, and what rules keep, at their initial values."""
        self._read = -1
        for part in self.parts:
            for name, value in (part.start or {}).items():
                if self.projection.learns or name != "w":
                    part.made.variables()[name].copy_(value)

    # ---- inside ----

    def _split(self, keep: bool = False) -> None:
        projection = self.projection
        columns = projection.columns()
        pre, post = columns["presynaptic_index"], columns["postsynaptic_index"]
        sources, of_source, index_pre = members(projection.pre)
        targets, of_target, index_post = members(projection.post)
        for a, source in enumerate(sources):
            for b, target in enumerate(targets):
                which: Any = slice(None)
                if len(sources) * len(targets) > 1:
                    which = ((of_source[pre] == a) & (of_target[post] == b)).nonzero()[0]
                ends = (
                    _mapped(projection.pre, index_pre, pre[which]),
                    _mapped(projection.post, index_post, post[which]),
                )
                name = self.name if keep else f"{self.name}_{a}_{b}"
                if len(ends[0]):
                    lowered = source._lowered, target._lowered
                    self.parts.append(_Part(name, *lowered, which, *ends))

    def _weights(self, part: _Part) -> torch.Tensor:
        w = self.projection._columns["weight"][part.which] * _scale(part, self.projection)
        return torch.as_tensor(w, dtype=torch.float32)

    def _edges(self, part: _Part) -> EdgeList:
        columns = self.projection._columns
        w, delay = columns["weight"][part.which], columns["delay"][part.which]
        ends = (torch.as_tensor(x) for x in (part.pre, part.post))
        return EdgeList(
            *ends,
            w=float(w[0]) * _scale(part, self.projection) if _is_one(w) else self._weights(part),
            delay=float(delay[0]) if _is_one(delay) else torch.as_tensor(delay),
        )

    def _static(self, part: _Part) -> None:
        part.made = self.network.projection(
            part.source, part.target, self._edges(part), name=part.name, receptor=self.receptor
        )

    def _replace(self, part: _Part) -> None:
        part.made = building.rewire(self.network, part.name, self._edges(part))

    def _learning(self, part: _Part) -> None:
        projection, columns = self.projection, self.projection._columns
        scale = _scale(part, projection)
        given = {k: self._same(part, k) for k in columns if k not in _OWN}
        fraction = given["dendritic_delay_fraction"]
        if fraction not in (0.0, 1.0):
            raise NotImplementedError(
                f"{projection.label}: dendritic_delay_fraction={fraction}, expected 0 or 1."
            )
        # a rule sees what comes late one step before it acts, PyNN when it does
        early = 0.0 if fraction else self.network.dt
        given["A_plus"] *= math.exp(early / given["tau_plus"])
        given["A_minus"] *= math.exp(-early / given["tau_minus"])
        top = given["w_max"] * scale
        rule, low = projection.synapse_type.weight_dependence.rule(given, top)
        self._listed(
            part, not fraction, rule=rule, w_min=max(given["w_min"] * scale, low), w_max=top
        )

    def _depressing(self, part: _Part) -> None:
        n = part.source.n
        numbers = {}
        for ours, name in (("u_0", "U"), ("tau_rec", "tau_rec"), ("tau_facil", "tau_facil")):
            column = self.projection._columns[name][part.which]
            of_source = np.full(n, column[0])
            of_source[part.pre] = column
            numbers[ours] = torch.as_tensor(of_source)
        self._listed(part, False, short_term=TsodyksMarkram(**numbers))

    def _failing(self, part: _Part) -> None:
        """A relay for each synapse: one step to it, the other ones to the target."""
        columns, dt = self.projection._columns, self.network.dt
        n = len(part.pre)
        steps = torch.as_tensor(np.rint(columns["delay"][part.which] / dt))
        if bool((steps < 2).any()):
            raise ValueError(
                f"{self.projection.label}: delay={columns['delay'].min():g} ms, stochastic "
                f"synapses need two steps, {2 * dt:g} ms, or more."
            )
        p = torch.as_tensor(np.array(columns["p"][part.which], dtype=np.float64))
        relays = self.network.population(f"{part.name}_relays", Relay(p=p), n)
        each, pre, post = torch.arange(n), *(torch.as_tensor(x) for x in (part.pre, part.post))
        self.network.projection(
            part.source, relays, EdgeList(pre, each, w=1.0, delay=dt), name=f"{part.name}_in"
        )
        part.made = self.network.projection(
            relays, part.target,
            EdgeList(each, post, w=self._weights(part), delay=(steps - 1) * dt),
            name=part.name, receptor=self.receptor,
        )  # fmt: skip
        part.fixed = True

    def _listed(self, part: _Part, axonal: bool, **options: Any) -> None:
        delay = torch.as_tensor(np.array(self.projection._columns["delay"][part.which]))
        pre, post = (torch.as_tensor(x).long() for x in (part.pre, part.post))
        w = self._weights(part).clamp(options.get("w_min", -math.inf), options.get("w_max"))
        part.made = self.network.projection(
            part.source, part.target, Sparse(w, pre, post, delay=delay, multapses=True),
            name=part.name, receptor=self.receptor,
            delay_kind="axonal" if axonal else "dendritic", **options,
        )  # fmt: skip
        steps = (delay / self.network.dt).round().clamp(min=1).long()
        part.order = order_of(pre, post, steps if axonal else 1)
        part.start = {k: v.clone() for k, v in part.made.variables().items()}

    def _layer(self) -> None:
        """Terminals are those of a source: synapses of one that differ go to parts of their own."""
        layered = []
        for part in self.parts:
            names = ("U", "tau_rec", "tau_facil")
            table = [self.projection._columns[k][part.which] for k in names]
            _, kind = np.unique(np.stack([part.pre, *table]), axis=1, return_inverse=True)
            layer = _rank(part.pre, kind.reshape(-1))
            if layer.max() >= _MOST_LAYERS:
                raise NotImplementedError(
                    f"{self.projection.label}: U, tau_rec, tau_facil take {layer.max() + 1} "
                    f"values at one source, expected at most {_MOST_LAYERS}."
                )
            which = np.arange(len(self.projection))[part.which]
            for k in range(int(layer.max()) + 1):
                here = layer == k
                layered.append(
                    replace(
                        part, name=f"{part.name}_{k}", which=which[here], pre=part.pre[here],
                        post=part.post[here], terminal=k,
                    )
                )  # fmt: skip
        self.parts = layered

    def _same(self, part: _Part, name: str) -> float:
        values = self.projection._columns[name][part.which]
        if (values != values[0]).any():
            raise NotImplementedError(
                f"{self.projection.label}: {name} differs between synapses, expected one value."
            )
        return float(values[0])


_OWN = ("weight", "delay", "presynaptic_index", "postsynaptic_index")


def _mapped(group: Any, index: Array, cells: Array) -> Array:
    """Indices in the population of cells of a group."""
    return cells if type(group) is Population else index[cells]


def _rank(source: Array, kind: Array) -> Array:
    """For each synapse the how manieth kind of its source it has; kinds ascend with sources."""
    _, first = np.unique(kind, return_index=True)
    of_kind = source[first]
    start = np.searchsorted(of_kind, np.arange(int(source.max()) + 2))
    return kind - start[source]


def _is_one(column: Array) -> bool:
    """Whether one number stands for all."""
    return column.strides == (0,)


def _scale(part: _Part, projection: Any) -> float:
    """From PyNN's unit of weights to that of the target's model."""
    post = projection.post
    return post.celltype.weight_scale if hasattr(post, "celltype") else _of(post, part)


def _of(assembly: Any, part: _Part) -> float:
    for population in members(assembly)[0]:
        if population._lowered is part.target:
            return population.celltype.weight_scale
    raise AssertionError(part.name)
