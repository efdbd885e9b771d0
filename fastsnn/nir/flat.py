# SPDX-License-Identifier: Apache-2.0
"""From a file or a nested graph to one level of nodes and edges."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastsnn.nir.wiring import Edge, GraphError
from fastsnn.optional import need


def nir() -> Any:
    """The package nir, imported where it is needed."""
    return need("nir", "nir", "reading and writing NIR graphs")


def read(source: Any) -> Any:
    """A checked copy of a graph, or the graph in a file.

    Raises GraphError when it is no graph, or nodes and edges do not fit.
    """
    package = nir()
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise GraphError(f"nir.load: there is no file '{path}'.")
        what = f"'{path}' is no valid NIR file"
        graph = _checked(lambda: package.read(path, type_check=False), what)
    elif isinstance(source, package.NIRGraph):
        what, graph = "the graph is not consistent", copy.deepcopy(source)
    else:
        raise GraphError(
            f"nir.load: got {type(source).__name__}, expected a path or a nir.NIRGraph."
        )
    _mend_groups(graph)
    _checked(graph.infer_types, what)
    _checked(graph.check_types, what)
    return graph


def _checked(act: Callable[[], Any], what: str) -> Any:
    try:
        return act()
    # nir and h5py raise errors of many kinds, AttributeError and OSError among them
    except Exception as error:
        raise GraphError(f"nir.load: {what}: {type(error).__name__}: {error}") from error


def _mend_groups(graph: Any) -> None:
    """Give grouped convolutions their input shape, for which nir (1.0.8) takes one group's."""
    for node in graph.nodes.values():
        groups = getattr(node, "groups", 1)
        if hasattr(node, "nodes"):
            _mend_groups(node)
        elif groups != 1 and node.input_shape is not None:
            channels = int(node.weight.shape[1] * groups)
            node.input_type = {"input": np.array([channels, *np.atleast_1d(node.input_shape)])}


def flatten(graph: Any) -> tuple[dict[str, Any], list[Edge]]:
    """Nodes by their path ("sub.node") and edges; the inputs of sub-graphs pass on what they get.

    Raises GraphError for edges of a sub-graph that has not just one input or output.
    """
    package = nir()
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []

    def port(inner: Any, path: str, kind: type, what: str) -> str:
        found = [k for k, n in inner.nodes.items() if isinstance(n, kind)]
        if len(found) != 1:
            raise GraphError(
                f"NIR node '{path}' (NIRGraph) has {len(found)} {what}s, an edge of a sub-graph "
                f"needs just one. Connect its nodes on one level."
            )
        return f"{path}.{found[0]}"

    def walk(level: Any, prefix: str) -> None:
        for name, node in level.nodes.items():
            if isinstance(node, package.NIRGraph):
                walk(node, f"{prefix}{name}.")
            else:
                nodes[prefix + name] = node
        for a, b in level.edges:
            ends = []
            for name, kind, what in (
                (a, package.ir.Output, "output"),
                (b, package.ir.Input, "input"),
            ):
                node = level.nodes.get(name)
                if node is None:
                    raise GraphError(
                        f"NIR graph: the edge ('{prefix}{a}', '{prefix}{b}') names '{name}', which "
                        f"is no node. Nodes: {', '.join(level.nodes)}."
                    )
                path = prefix + name
                inner = isinstance(node, package.NIRGraph)
                ends.append(port(node, path, kind, what) if inner else path)
            edges.append((ends[0], ends[1]))

    walk(graph, "")
    return nodes, edges
