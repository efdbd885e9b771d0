# SPDX-License-Identifier: Apache-2.0
"""A projection of PyNN as projections of the network: one for each pair of populations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fastsnn.models import PairSTDP
from fastsnn.network import Network
from fastsnn.pynn.populations import members
from fastsnn.sparse import EdgeList
from fastsnn.sparse.projection import SparseProjection
from fastsnn.structured import Sparse
from fastsnn.synapses import order_of

Array = np.ndarray
_RECEPTORS = {"excitatory": "ex", "inhibitory": "inh"}


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
    # of what learns: number of every stored synapse, and all variables at time 0
    order: Any = None
    start: Any = None


class Joined:
    """What a projection became in the network."""

    def __init__(self, network: Network, projection: Any, name: str) -> None:
        self.network, self.projection, self.name = network, projection, name
        self.parts: list[_Part] = []
        self.receptor = _RECEPTORS[projection.receptor_type]
        self._stale = False
        if projection.wiring is not None:
            ends = projection.pre._lowered, projection.post._lowered
            made = network.projection(*ends, projection.wiring, name=name, receptor=self.receptor)
            self.parts = [_Part(name, *ends, slice(None), np.zeros(0), np.zeros(0), made)]
            return
        self._split()
        for part in self.parts:
            self._learning(part) if projection.learns else self._static(part)

    def changed(self, name: str) -> None:
        """The projection has other numbers."""
        if not self.projection.learns:
            self._stale = True
        elif name == "weight":
            for part in self.parts:
                w = self._weights(part)[part.order]
                part.made.state["w"].copy_(w) if "w" in part.made.state else part.made.w.copy_(w)
        else:
            raise NotImplementedError(
                f"{self.projection.label}: {name} of synapses that learn cannot change after the "
                f"first run; set it before."
            )

    def update(self) -> None:
        """Give the network the numbers that changed."""
        if not self._stale:
            return
        self._stale = False
        if not self.parts[0].pre.size:
            self.parts = []
            self._split(keep=True)
        for part in self.parts:
            self._replace(part)
        self.network._changed()

    def refresh(self) -> None:
        """Bring learned weights to the projection."""
        if not self.projection.learns:
            return
        columns = self.projection._columns
        weights = np.array(columns["weight"])
        for part in self.parts:
            of_part = np.empty(len(part.pre))
            of_part[part.order.numpy()] = part.made.w.numpy().reshape(-1)
            weights[part.which] = of_part / _scale(part, self.projection)
        columns["weight"] = weights

    def restart(self) -> None:
        """Weights that were learned, and what rules keep, at their initial values."""
        for part in self.parts:
            for name, value in (part.start or {}).items():
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
                ends = index_pre[pre[which]], index_post[post[which]]
                name = self.name if keep else f"{self.name}_{a}_{b}"
                if len(ends[0]):
                    lowered = source._lowered, target._lowered
                    self.parts.append(_Part(name, *lowered, which, *ends))

    def _weights(self, part: _Part) -> torch.Tensor:
        w = self.projection._columns["weight"][part.which] * _scale(part, self.projection)
        return torch.as_tensor(w, dtype=torch.float32)

    def _edges(self, part: _Part) -> EdgeList:
        columns = self.projection._columns
        delay = torch.as_tensor(np.array(columns["delay"][part.which]))
        ends = (torch.as_tensor(x) for x in (part.pre, part.post))
        return EdgeList(*ends, w=self._weights(part), delay=delay)

    def _static(self, part: _Part) -> None:
        part.made = self.network.projection(
            part.source, part.target, self._edges(part), name=part.name, receptor=self.receptor
        )

    def _replace(self, part: _Part) -> None:
        old = self.network.sparse[part.name]
        part.made = self.network.sparse[part.name] = SparseProjection(
            part.name, part.source, part.target, self._edges(part), port=self.receptor,
            seed=old.seed, index=old.index, step=self.network.step,
        )  # fmt: skip

    def _learning(self, part: _Part) -> None:
        projection, columns = self.projection, self.projection._columns
        scale = _scale(part, projection)
        given = {k: self._same(part, k) for k in columns if k not in _OWN}
        fraction = given["dendritic_delay_fraction"]
        if fraction not in (0.0, 1.0):
            raise NotImplementedError(
                f"{projection.label}: dendritic_delay_fraction={fraction}, expected 0 or 1."
            )
        bound = projection.synapse_type.weight_dependence.bound
        # amplitudes are fractions of the range; soft bounds bring that in themselves
        per = given["w_max"] * scale if bound == "additive" else 1.0
        # a rule sees what comes late one step before it acts, PyNN when it does
        early = 0.0 if fraction else self.network.dt
        rule = PairSTDP(
            a_plus=given["A_plus"] * per * math.exp(early / given["tau_plus"]),
            a_minus=given["A_minus"] * per * math.exp(-early / given["tau_minus"]),
            tau_plus=given["tau_plus"], tau_minus=given["tau_minus"], bound=bound,
        )  # fmt: skip
        delay = torch.as_tensor(np.array(columns["delay"][part.which]))
        ends = [torch.as_tensor(x).long() for x in (part.pre, part.post)]
        wiring = Sparse(self._weights(part), *ends, delay=delay, multapses=True)
        part.made = self.network.projection(
            part.source, part.target, wiring, name=part.name, receptor=self.receptor, rule=rule,
            w_min=given["w_min"] * scale, w_max=given["w_max"] * scale,
            delay_kind="dendritic" if fraction else "axonal",
        )  # fmt: skip
        steps = (delay / self.network.dt).round().clamp(min=1).long()
        part.order = order_of(*ends, 1 if fraction else steps)
        part.start = {k: v.clone() for k, v in part.made.variables().items()}

    def _same(self, part: _Part, name: str) -> float:
        values = self.projection._columns[name][part.which]
        if (values != values[0]).any():
            raise NotImplementedError(
                f"{self.projection.label}: {name} differs between synapses, expected one value."
            )
        return float(values[0])


_OWN = ("weight", "delay", "presynaptic_index", "postsynaptic_index")


def _scale(part: _Part, projection: Any) -> float:
    """From PyNN's unit of weights to that of the target's model."""
    post = projection.post
    return post.celltype.weight_scale if hasattr(post, "celltype") else _of(post, part)


def _of(assembly: Any, part: _Part) -> float:
    for population in members(assembly)[0]:
        if population._lowered is part.target:
            return population.celltype.weight_scale
    raise AssertionError(part.name)
