# SPDX-License-Identifier: Apache-2.0
"""A NIR graph that runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastsnn.errors import ShapeError
from fastsnn.nir.flat import flatten, nir
from fastsnn.nir.nodes import Delay, Node, Population, Reading, make
from fastsnn.nir.wiring import GraphError, Nodes, Part, parts


class Result(NamedTuple):
    """output: [T, B, ...], or a dictionary where the graph has several outputs.

    recorded: name -> [T, B, ...].   state: give it to the next `run` to go on.
    """

    output: Any
    recorded: dict[str, Tensor]
    state: dict[str, Any]


class Graph(nn.Module):
    """A network described by NIR, on `backend` "auto", "cpu", "triton" or "torch".

    source: the `nir.NIRGraph` that it was made of; weights may have been trained since.
    Weights are parameters of this module; numbers of neurons are buffers.
    """

    def __init__(self, source: Any, reading: Reading) -> None:
        super().__init__()
        self.source, self.reading = source, reading
        found, self.edges = flatten(source)
        self._names = {name: f"node_{k}" for k, name in enumerate(found)}
        for name, node in found.items():
            self.add_module(self._names[name], make(name, node, reading))
        package = nir()
        # of the graph itself, not of its sub-graphs
        self.inputs = [k for k, n in source.nodes.items() if isinstance(n, package.ir.Input)]
        self.outputs = [k for k, n in source.nodes.items() if isinstance(n, package.ir.Output)]
        if not self.inputs or not self.outputs:
            what = "Input" if not self.inputs else "Output"
            raise GraphError(f"NIR graph: it has no {what} node. Nodes: {', '.join(source.nodes)}.")
        self.sizes = {k: _size(k, n) for k, n in found.items()}
        self.before = {name: [a for a, b in self.edges if b == name] for name in found}
        self.parts = parts(
            Nodes(
                tuple(found),
                tuple(self.edges),
                lambda name: self.node(name).remembers,
                lambda name: self.node(name).delays,
            )
        )

    def node(self, name: str) -> Node:
        """The module of a node, by its name in the graph ("sub.node" inside a sub-graph)."""
        if name not in self._names:
            raise GraphError(f"NIR graph: there is no node '{name}': {', '.join(self._names)}.")
        return getattr(self, self._names[name])

    def delay(self, name: str) -> Delay:
        """The module of a delay."""
        found = self.node(name)
        assert isinstance(found, Delay)
        return found

    def forward(self, x: Any) -> Any:
        """The output of `run`, with gradients for training."""
        return self._run(x, None, []).output

    def run(
        self, x: Any, state: Mapping[str, Any] | None = None, record: Iterable[str] = ()
    ) -> Result:
        """Run all steps of x [T, B, ...] (several inputs: a dictionary of such), without gradients.

        record: names of nodes whose output is wanted, or "node:v" for a variable of its neurons.

        Raises ShapeError when the input does not fit the graph.
        """
        wanted = list(record)
        for name in wanted:
            self._check_recorded(name)
        with torch.no_grad():
            return self._run(x, state, wanted)

    def _run(self, x: Any, state: Mapping[str, Any] | None, wanted: list[str]) -> Result:
        values = self._given(x)
        trails = {name: name.partition(":")[::2] for name in wanted if ":" in name}
        run = _Run(self, values, dict(state or {}), trails)
        for part in self.parts:
            run.loop(part) if part.loop else run.sequence(part.nodes[0])
        outputs = {k: run.values[k] for k in self.outputs}
        recorded = {k: run.trails[k] if ":" in k else run.values[k] for k in wanted}
        first = next(iter(outputs.values()))
        return Result(first if len(outputs) == 1 else outputs, recorded, run.state)

    def _check_recorded(self, name: str) -> None:
        node, _, variable = name.partition(":")
        found = self.node(node)
        if variable:
            known = found.layer.model.state() if isinstance(found, Population) else []
            if variable not in known:
                raise GraphError(
                    f"record='{name}': node '{node}' has no variable '{variable}'"
                    + (f", it has {', '.join(known)}." if known else ".")
                )

    def _given(self, x: Any) -> dict[str, Tensor]:
        given = dict(x) if isinstance(x, Mapping) else {self.inputs[0]: x}
        if set(given) != set(self.inputs):
            raise ShapeError(
                f"NIR graph: input for {', '.join(given)}, expected {', '.join(self.inputs)}. "
                f"Give a dictionary with a tensor for every input."
            )
        leading = set()
        for name, value in given.items():
            value = torch.as_tensor(value)
            given[name] = value if value.is_floating_point() else value.float()
            shape = self.sizes[name]
            if value.dim() != 2 + len(shape) or tuple(value.shape[2:]) != shape:
                raise ShapeError(
                    f"NIR graph: input '{name}' is {list(value.shape)}, expected [T, B, "
                    f"{', '.join(map(str, shape))}] (time, batch, sample)."
                )
            leading.add(tuple(value.shape[:2]))
        if len(leading) > 1:
            raise ShapeError(f"NIR graph: inputs differ in time or batch: {sorted(leading)}.")
        return given


def _size(name: str, node: Any) -> tuple[int, ...]:
    """The shape of a node's output."""
    shape = next(iter((node.output_type or {}).values()), None)
    if shape is None:
        raise GraphError(
            f"NIR node '{name}' ({type(node).__name__}): its shape is not known. Give the input "
            f"node of the graph a shape, or convolutions their input_shape."
        )
    return tuple(int(n) for n in shape)


class _Run:
    """Values of all nodes while a graph runs."""

    def __init__(
        self,
        graph: Graph,
        values: dict[str, Tensor],
        state: dict[str, Any],
        trails: dict[str, tuple[str, str]],
    ) -> None:
        self.graph, self.values, self.state = graph, values, state
        self.wanted = trails
        self.trails: dict[str, Tensor] = {}

    def sequence(self, name: str) -> None:
        """A node over the whole sequence."""
        before = self.graph.before[name]
        x = _sum(self.values[a] for a in before) if before else self.values[name]
        self.values[name] = self.advance(name, x, self.trails)

    def advance(self, name: str, x: Tensor, trails: dict[str, Tensor]) -> Tensor:
        """A node over what there is of its input; notes its variables."""
        node = self.graph.node(name)
        start = self.state.get(name)
        y, state = node.advance(x, start)
        if state is not None:
            self.state[name] = state
        for key, (of, variable) in self.wanted.items():
            if of == name:
                layer = node.layer  # type: ignore[union-attr]
                course = layer.advance(x, start, spike=False, trail=variable)
                trails[key] = course.trail  # type: ignore[assignment]
        return y

    def loop(self, part: Part) -> None:
        """Nodes that feed back on themselves, step by step."""
        graph = self.graph
        like = next(iter(self.values.values()))
        # what late edges carry into the first step is kept between runs
        last = {a: self.state.get(f"{a}:last") for a, _ in part.late}
        for a, kept in last.items():
            last[a] = like.new_zeros(1, like.shape[1], *graph.sizes[a]) if kept is None else kept
        for name in part.waiting:
            blank = like.new_zeros(1, like.shape[1], *graph.sizes[name])
            self.state.setdefault(name, graph.delay(name).start(blank))
        rows: dict[str, list[Tensor]] = {name: [] for name in part.nodes}
        trails: dict[str, list[Tensor]] = {}
        for t in range(like.shape[0]):
            now = {name: graph.delay(name).give(self.state[name]) for name in part.waiting}
            for name in part.nodes:
                if name not in part.waiting:
                    made: dict[str, Tensor] = {}
                    now[name] = self.advance(name, self.arriving(name, part, t, now, last), made)
                    for key, row in made.items():
                        trails.setdefault(key, []).append(row)
            for name in part.waiting:
                x = self.arriving(name, part, t, now, last)
                self.state[name] = graph.delay(name).take(self.state[name], x)
            last = {a: now[a] for a in last}
            for name, row in rows.items():
                row.append(now[name])
        for name, row in rows.items():
            self.values[name] = (
                torch.cat(row) if row else like.new_zeros(0, like.shape[1], *graph.sizes[name])
            )
        self.trails |= {key: torch.cat(row) for key, row in trails.items()}
        self.state |= {f"{a}:last": row for a, row in last.items()}

    def arriving(
        self, name: str, part: Part, t: int, now: dict[str, Tensor], last: dict[str, Any]
    ) -> Tensor:
        """The input of a node of a loop in one step."""
        return _sum(
            (last if (a, name) in part.late else now)[a]
            if a in part.nodes
            else self.values[a][t : t + 1]
            for a in self.graph.before[name]
        )


def _sum(terms: Iterable[Tensor]) -> Tensor:
    first, *more = terms
    for x in more:
        first = first + x
    return first
