# SPDX-License-Identifier: Apache-2.0
"""The order in which the nodes of a graph are computed, and which edges carry the step before.

Nodes that do not feed back on themselves are computed over the whole sequence.  The others form
loops, which go step by step.  Inside a loop the neurons have an order: that in which input reaches
them.  An edge of a neuron to one that comes no later (itself, say), directly or over nodes without
memory, carries the spikes of the step before.  A Delay of a step or more needs no such help: what
it gives in a step it took in before, so that a loop through it takes its delay, and no step more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastsnn.errors import FastsnnError

Edge = tuple[str, str]


class GraphError(FastsnnError):
    """A graph is malformed, or cannot be represented."""


@dataclass(frozen=True)
class Part:
    """nodes: in order of computation.   loop: whether they go step by step.

    late: edges that carry the step before.   waiting: delays, which give before they take.
    """

    nodes: tuple[str, ...]
    loop: bool
    late: frozenset[Edge] = frozenset()
    waiting: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Nodes:
    """What the order depends on: all names, edges, and who remembers or delays."""

    names: tuple[str, ...]
    edges: tuple[Edge, ...]
    remembers: Callable[[str], bool]
    delays: Callable[[str], bool]

    def inside(self, members: Iterable[str]) -> Nodes:
        """The graph of some nodes."""
        kept = set(members)
        return Nodes(
            tuple(n for n in self.names if n in kept),
            tuple(e for e in self.edges if kept.issuperset(e)),
            self.remembers,
            self.delays,
        )


def parts(nodes: Nodes) -> list[Part]:
    """The parts of a graph, in order of computation.

    Raises GraphError where a loop has neither a neuron nor a delay.
    """
    found = []
    for members in _components(nodes.names, nodes.edges):
        inner = nodes.inside(members)
        if inner.edges:
            entered = {b for a, b in nodes.edges if b in inner.names and a not in inner.names}
            found.append(_loop(inner, entered))
        else:
            found.append(Part(inner.names, False))
    return found


def _loop(nodes: Nodes, entered: set[str]) -> Part:
    waiting = frozenset(n for n in nodes.names if nodes.delays(n))
    # what enters a delay acts in a later step
    edges = tuple(e for e in nodes.edges if e[1] not in waiting)
    reached = _ranks(nodes, entered, edges)
    memory = {n for n in nodes.names if nodes.remembers(n) and n not in waiting}
    plain = [n for n in nodes.names if n not in memory and n not in waiting]
    between = [e for e in edges if e[0] in plain and e[1] in plain]
    rank = {n: (reached[n], 1) for n in memory}
    last = (len(nodes.names) + 1, 0)
    for name in reversed(_sorted(plain, between, "a loop without a neuron or a delay")):
        targets = [rank[b] for a, b in edges if a == name]
        # just before the first neuron that it reaches
        rank[name] = min((*targets, last))[0], 0
    late = frozenset((a, b) for a, b in edges if a in memory and rank[b] <= rank[a])
    straight = [e for e in edges if e not in late and e[0] not in waiting]
    rest = [n for n in nodes.names if n not in waiting]
    order = _sorted(rest, straight, "an unordered loop")
    return Part((*sorted(waiting), *order), True, late, waiting)


def _ranks(nodes: Nodes, entered: set[str], edges: tuple[Edge, ...]) -> dict[str, int]:
    """In which order input reaches the nodes: breadth first, ties in the order of the graph."""
    starts = [n for n in nodes.names if n in entered or nodes.delays(n)] or [nodes.names[0]]
    queue = [*starts]
    for name in queue:
        queue += [n for n in nodes.names if (name, n) in edges and n not in queue]
    queue += [n for n in nodes.names if n not in queue]
    return {name: k for k, name in enumerate(queue)}


def _sorted(names: list[str], edges: Iterable[Edge], fault: str) -> list[str]:
    """Topological order, ties in the given order; GraphError with the fault where there is none."""
    waiting, order = list(names), []
    while waiting:
        blocked = {b for a, b in edges if a in waiting and b in waiting}
        free = [n for n in waiting if n not in blocked]
        if not free:
            raise GraphError(
                f"NIR graph: nodes {', '.join(repr(n) for n in waiting)} form {fault}, so that "
                f"their values would depend on themselves. Put a neuron or a Delay into the loop."
            )
        order += free
        waiting = [n for n in waiting if n not in free]
    return order


def _components(names: tuple[str, ...], edges: tuple[Edge, ...]) -> list[list[str]]:
    """Strongly connected components, in topological order (Tarjan, without recursion)."""
    after: dict[str, list[str]] = {n: [] for n in names}
    for a, b in edges:
        after[a].append(b)
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for root in names:
        if root in number:
            continue
        work = [(root, iter(after[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        while work:
            name, rest = work[-1]
            step = next(rest, None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == number[name]:
                    at = stack.index(name)
                    found.append(stack[at:])
                    del stack[at:]
            elif step not in number:
                number[step] = low[step] = len(number)
                stack.append(step)
                work.append((step, iter(after[step])))
            elif step in stack:
                low[name] = min(low[name], number[step])
    return found[::-1]
