# SPDX-License-Identifier: Apache-2.0
"""Sparse wirings: who is joined to whom, with which weights and delays."""

from __future__ import annotations

from typing import Any

from fastsnn.sparse.draw import Edges


class Wiring:
    """Base of the sparse wirings."""

    def check(self, what: str, n_pre: int, n_post: int) -> None:
        """Raise ShapeError or ModelError where it does not fit."""
        raise NotImplementedError

    def expected_synapses(self, n_pre: int, n_post: int) -> float:
        """Number of synapses, on average."""
        raise NotImplementedError

    def largest_weight(self) -> float:
        """Largest absolute value that a weight may have."""
        raise NotImplementedError

    def largest_delay(self, dt: float) -> int:
        """Largest delay, in steps."""
        raise NotImplementedError

    def spec(self, seed: int, stream: int, dt: float, n_pre: int, n_post: int) -> dict[str, Any]:
        """What the native engine draws it from."""
        raise NotImplementedError

    def edges(self, seed: int, stream: int, dt: float, n_pre: int, n_post: int) -> Edges:
        """All synapses, by source neuron, in the order drawn."""
        raise NotImplementedError
