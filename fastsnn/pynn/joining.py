# SPDX-License-Identifier: Apache-2.0
"""A projection of PyNN as projections of the network: one for each pair of populations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fastsnn import building
from fastsnn.network import Network
from fastsnn.pynn import dynamics
from fastsnn.pynn.cells import port
from fastsnn.pynn.populations import Population, members
from fastsnn.sparse import EdgeList

Array = np.ndarray


@dataclass
class Part:
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
    # neurons between the two ends that have something at time 0
    relays: Any = None
    # whether nothing can change any more
    fixed: bool = False


class Joined:
    """What a projection became in the network."""

    def __init__(self, network: Network, projection: Any, name: str) -> None:
        self.network, self.projection, self.name = network, projection, name
        self.parts: list[Part] = []
        self.receptor = port(projection.receptor_type)
        self._stale = False
        # step after which the weights were last read
        self._read = network.step
        # static sparse projections have int16 weights
        self.exact = network.dtype == torch.float64
        if (wiring := projection.wiring) is not None:
            ends = projection.pre._lowered, projection.post._lowered
            if not self.exact:
                made = network.projection(*ends, wiring, name=name, receptor=self.receptor)
                self.parts = [Part(name, *ends, slice(None), np.zeros(0), np.zeros(0), made)]
                return
            projection.expand(building.draw(network, name, ends, wiring))
        self._split()
        self.parts = [layer for part in self.parts for layer in dynamics.divided(self, part)]
        for part in self.parts:
            if not dynamics.made(self, part):
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
                part.made.w.copy_(self.weights(part)[part.order])
        else:
            raise NotImplementedError(
                f"{self.projection.label}: {name} of synapses with dynamics, or in float64, "
                f"cannot change after the first run; set it before."
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
            weights[part.which] = of_part / self.scale(part)
        columns["weight"] = weights

    def restart(self) -> None:
        """Weights that were learned, and what rules keep, at their initial values."""
        self._read = -1
        for part in self.parts:
            for name, value in (part.start or {}).items():
                if self.projection.learns or name != "w":
                    (part.relays or part.made).variables()[name].copy_(value)

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
                    self.parts.append(Part(name, *lowered, which, *ends))

    def scale(self, part: Part) -> float:
        """From PyNN's unit of weights to that of the target's model."""
        post = self.projection.post
        if hasattr(post, "celltype"):
            return post.celltype.weight_scale
        return next(p.celltype.weight_scale for p in members(post)[0] if p._lowered is part.target)

    def weights(self, part: Part) -> torch.Tensor:
        """Weights of a part in the target's unit."""
        w = self.projection._columns["weight"][part.which] * self.scale(part)
        return torch.as_tensor(w, dtype=self.network.dtype)

    def _edges(self, part: Part) -> EdgeList:
        columns = self.projection._columns
        w, delay = columns["weight"][part.which], columns["delay"][part.which]
        ends = (torch.as_tensor(x) for x in (part.pre, part.post))
        return EdgeList(
            *ends,
            w=float(w[0]) * self.scale(part) if _is_one(w) else self.weights(part),
            delay=float(delay[0]) if _is_one(delay) else torch.as_tensor(delay),
        )

    def _static(self, part: Part) -> None:
        if self.exact:
            dynamics.listed(self, part)
            return
        part.made = self.network.projection(
            part.source, part.target, self._edges(part), name=part.name, receptor=self.receptor
        )

    def _replace(self, part: Part) -> None:
        part.made = building.rewire(self.network, part.name, self._edges(part))


def _mapped(group: Any, index: Array, cells: Array) -> Array:
    """Indices in the population of cells of a group."""
    return cells if type(group) is Population else index[cells]


def _is_one(column: Array) -> bool:
    """Whether one number stands for all."""
    return column.strides == (0,)
