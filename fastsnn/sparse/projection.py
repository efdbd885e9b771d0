# SPDX-License-Identifier: Apache-2.0
"""A static sparse projection: a wiring between two populations, kept by the backend."""

from __future__ import annotations

from fastsnn.errors import ModelError
from fastsnn.population import Population
from fastsnn.sparse.draw import Edges
from fastsnn.sparse.wirings import Wiring


class SparseProjection:
    """Made by `Network.projection` from a wiring of `fastsnn.sparse`, which was checked there.

    The synapses are a function of wiring, seed and sizes; the backend makes and keeps them in the
    form that is best for it.  `edges()` lists them.
    """

    kind = "sparse"

    def __init__(
        self,
        name: str,
        source: Population,
        target: Population,
        wiring: Wiring,
        *,
        port: str | None,
        seed: int,
        index: int,
        step: int,
    ) -> None:
        self.name, self.source, self.target, self.wiring = name, source, target, wiring
        self.port = port or "i_syn"
        self.seed, self.index = seed, index
        self.receptor = target.receptor(port)
        if max(source.batch_size, target.batch_size) != 1:
            raise ModelError(
                f"{self}: a sparse projection needs batch_size=1, the network has "
                f"{target.batch_size}."
            )
        self._ends = (source.n, target.n, source is target)
        self.delay = wiring.largest_delay(target.dt)
        target.expect(self.port, wiring.largest_weight(), self.delay, step)

    @property
    def n_synapses(self) -> float:
        """Expected number of synapses; exact where the wiring fixes it."""
        return self.wiring.expected_synapses(*self._ends)

    @property
    def memory(self) -> float:
        """Bytes that the native engine needs for the synapses, about."""
        return self.wiring.memory(*self._ends)

    def edges(self) -> Edges:
        """All synapses by source neuron: pre, post, w, delay (in steps)."""
        return self.wiring.edges(self.seed, self.index, self.target.dt, *self._ends)

    def __str__(self) -> str:
        return f"Projection '{self.name}'"

    def __repr__(self) -> str:
        return f"SparseProjection('{self.name}', {self.wiring!r})"
