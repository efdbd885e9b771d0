# SPDX-License-Identifier: Apache-2.0
"""NIR graphs for tests, and when two are the same."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

nir = pytest.importorskip("nir")


@pytest.fixture(params=["cpu", "torch"])
def engine(request: pytest.FixtureRequest) -> str:
    """A backend of layers."""
    if request.param == "cpu":
        pytest.importorskip("fastsnn._native")
    return request.param


def chain(*nodes: Any, shape: Any) -> Any:
    """A graph of nodes in a row."""
    named = {"input": nir.Input(np.atleast_1d(shape)), **{f"n{k}": n for k, n in enumerate(nodes)}}
    last = nodes[-1].output_type["output"]
    named["output"] = nir.Output(np.atleast_1d(last))
    names = list(named)
    return nir.NIRGraph(named, list(itertools.pairwise(names)))


def lif(n: int, **fields: Any) -> Any:
    """A LIF node of n neurons with tau 10 ms."""
    values = {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, **fields}
    return nir.LIF(**{k: np.full(n, v, np.float32) for k, v in values.items()})


def full(n: int, **fields: float) -> dict[str, Any]:
    """Fields of a population."""
    return {k: np.full(n, v, np.float32) for k, v in fields.items()}


def assert_same(a: Any, b: Any) -> None:
    """Graphs with the same nodes, numbers, types and edges."""
    assert set(a.nodes) == set(b.nodes)
    assert {tuple(e) for e in a.edges} == {tuple(e) for e in b.edges}
    for name, node in a.nodes.items():
        if isinstance(node, nir.NIRGraph):
            assert_same(node, b.nodes[name])
            continue
        one, other = node.to_dict(), b.nodes[name].to_dict()
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert np.array_equal(np.asarray(value), np.asarray(other[key])), (name, key)
            assert np.asarray(value).dtype == np.asarray(other[key]).dtype, (name, key)
