# SPDX-License-Identifier: Apache-2.0
"""Replicas: many independent networks of one shape that run side by side.

A GPU is not filled by one small network; it is by 64 of them, each with its own weights and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fastsnn import backends, running
from fastsnn.errors import BackendError, FastsnnError, ShapeError
from fastsnn.executing import execute
from fastsnn.network import Network
from fastsnn.plan import Plan, RunArgs, RunReport
from fastsnn.running import Presentation


class Replicas:
    """Independent networks of one shape: the same description, each its own weights and seed.

    build: seed -> Network, called once per seed.   seeds: one per replica, e.g. range(64).

    `replicas[r]` is an ordinary Network, except that its state lies beside that of the others:
    look at it, write to it, save it.  What all replicas do at once, they do here; the results are
    those of running one after another, bit for bit.  Backends that cannot run several at once do
    run them one after another.

    Raises ShapeError when two networks differ in more than numbers, BackendError when they were
    made for different backends.
    """

    def __init__(self, build: Callable[[int], Network], seeds: Sequence[int]) -> None:
        self.networks = [build(seed) for seed in seeds]
        if not self.networks:
            raise FastsnnError("Replicas(seeds=[]): expected at least one seed.")
        if len(set(map(id, self.networks))) < len(self.networks):
            raise FastsnnError("Replicas: build returned one Network twice, expected a new one.")
        self._home: list[int] = []
        self._program: backends.ReplicaProgram | None = None
        self._compile()

    def __len__(self) -> int:
        return len(self.networks)

    def __getitem__(self, replica: int) -> Network:
        return self.networks[replica]

    def __iter__(self) -> Iterator[Network]:
        return iter(self.networks)

    def __repr__(self) -> str:
        return f"Replicas({len(self)} x {self.networks[0]!r})"

    @property
    def backend(self) -> str:
        """Name of the backend that runs the replicas."""
        return self.networks[0].backend

    def run(
        self, time: float, inputs: Mapping[str, Any] | Sequence[Any] | None = None, **options: Any
    ) -> None:
        """As `Network.run`, for every replica.

        inputs: one mapping for all, or a list of them, one per replica.  options: those of
        `Network.run`, the same for all; a list of R values gives every replica its own.
        """
        args = [
            running.run_args(net, time, given, **own)
            for net, given, own in zip(
                self.networks, self._each("inputs", inputs), self._options(options), strict=True
            )
        ]
        if args[0].n_steps:
            self._execute(args)

    def present(
        self, inputs: Mapping[str, Any] | Sequence[Any], time: float, **options: Any
    ) -> list[Presentation]:
        """As `Network.present`, for every replica; returns one Presentation per replica.

        inputs, options: as for `run`.  progress: called with the number of finished samples of all
        replicas together.
        """
        count, progress = options.get("count", ()), _Together(options.pop("progress", None))
        # names are the same for all replicas
        options["count"] = [count] * len(self)
        args = [
            running.present_args(net, given, time, progress=progress.of(net), **own)
            for net, given, own in zip(
                self.networks, self._each("inputs", inputs), self._options(options), strict=True
            )
        ]
        reports = self._execute(args)
        return [
            running.presentation(net, a, report, count)
            for net, a, report in zip(self.networks, args, reports, strict=True)
        ]

    def reset_state(self) -> None:
        """As `Network.reset_state`, for every replica."""
        for net in self.networks:
            net.reset_state()

    def train(self, mode: bool = True) -> None:
        """As `Network.train`, for every replica."""
        for net in self.networks:
            net.train(mode)

    def _execute(self, args: list[RunArgs]) -> list[RunReport]:
        return execute(self.networks, args, self._compile().run)

    def _compile(self) -> backends.ReplicaProgram:
        """Lower the plans, again where a network was changed since (its batch size, say)."""
        plans = [net.plan for net in self.networks]
        if self._program is None or self._home != _addresses(plans):
            _check_alike(self.networks)
            _stack(plans)
            for net in self.networks:
                net.moved()
            self._program = backends.lower_replicas(plans, self.backend, self.networks[0].threads)
            self._home = _addresses(plans)
        return self._program

    def _each(self, what: str, given: Any) -> list[Any]:
        """One value per replica."""
        if not isinstance(given, (list, tuple)):
            return [given] * len(self)
        if len(given) != len(self):
            raise ShapeError(
                f"{what} is a list of {len(given)}, expected one value for all replicas or a list "
                f"of {len(self)}."
            )
        return list(given)

    def _options(self, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        each = {name: self._each(name, value) for name, value in options.items()}
        return [{name: values[r] for name, values in each.items()} for r in range(len(self))]


class _Together:
    """Sums the finished samples of all replicas."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self.progress, self.finished = progress, {}

    def of(self, net: Network) -> Callable[[int], None] | None:
        if self.progress is None:
            return None

        def note(samples: int) -> None:
            self.finished[id(net)] = samples
            self.progress(sum(self.finished.values()))

        return note


def _check_alike(networks: Sequence[Network]) -> None:
    """Raise unless the networks differ in numbers only."""
    first = networks[0]
    for r, net in enumerate(networks):
        if net.backend != first.backend:
            raise BackendError(
                f"replica {r} runs on '{net.backend}', replica 0 on '{first.backend}', expected "
                f"one backend."
            )
        for mine, other in zip(_anatomy(net.plan), _anatomy(first.plan), strict=False):
            if mine != other:
                raise ShapeError(
                    f"replica {r} differs from replica 0: {mine}, expected {other}. Replicas may "
                    f"differ in numbers only."
                )
        if len(_anatomy(net.plan)) != len(_anatomy(first.plan)):
            raise ShapeError(
                f"replica {r} has {len(net.populations)} populations and {len(net.projections)} "
                f"projections, replica 0 {len(first.populations)} and {len(first.projections)}."
            )


def _anatomy(plan: Plan) -> list[str]:
    """What must agree, in words: names, models, sizes, options; of tensors their shapes."""
    found = [f"dt={plan.dt}, batch_size={plan.batch}, device={plan.device}"]
    for part in (*plan.populations, *plan.projections):
        for name, value in vars(part).items():
            tensors = [list(t.shape) for t in _tensors_in(value)]
            if isinstance(value, (str, int, float, type)) or tensors:
                shown = tensors or (value.__name__ if isinstance(value, type) else value)
                found.append(f"'{part.name}': {name}={shown}")
    ends = [(p.population, p.receptor) for p in plan.ports]
    delays = [(p.name, p.synapses.delays) for p in plan.projections if p.synapses is not None]
    found += [f"'{name}': delays differ={each is not None}" for name, each in delays]
    found += [f"port of population {k}: receptor={receptor}" for k, receptor in ends]
    found += [f"'{p.name}': source={p.source}, port={p.port}" for p in plan.sparse]
    found += [f"'{d.name}': kind={d.kind}, port={d.port}" for d in plan.drives]
    return found


def _tensors_in(value: Any) -> list[Tensor]:
    """The tensors of one field of a plan."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple):
        return [t for item in value for t in _tensors_in(item)]
    if hasattr(value, "data") and hasattr(value, "head"):
        return [value.data, value.head]
    return []


def _addresses(plans: Sequence[Plan]) -> list[int]:
    """Where the first state of every network lies: elsewhere after it was made anew or moved."""
    return [plan.populations[0].spike.data_ptr() for plan in plans]


def _stack(plans: Sequence[Plan]) -> None:
    """Move the state of all replicas, tensor by tensor, into one block each.

    A tensor of replica r then lies r times its size behind that of replica 0.
    """
    columns = [
        [
            t
            for part in (*plan.populations, *plan.projections)
            for value in vars(part).values()
            for t in _tensors_in(value)
        ]
        for plan in plans
    ]
    moved: dict[int, Tensor] = {}
    for replicas in zip(*columns, strict=True):
        # a tensor may stand in a plan more than once; all its names go to the same place
        block = moved.get(replicas[0].data_ptr()) if replicas[0].numel() else None
        if block is None or block.shape[1:] != replicas[0].shape:
            block = torch.stack([t.detach() for t in replicas])
        for t, home in zip(replicas, block, strict=True):
            t.set_(home)
        moved[block.data_ptr()] = block


__all__ = ["Replicas"]
