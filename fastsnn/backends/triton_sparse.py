# SPDX-License-Identifier: Apache-2.0
"""Sparse projections and drives for the Triton kernels: tables of addresses, rows of synapses.

Ports, drives and rows differ in size, between replicas too: a kernel finds each by an address in a
table on the device (`kernels.parts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from fastsnn.backends import native, pointers
from fastsnn.kernels import parts
from fastsnn.plan import DrivePlan, Plan, PopulationPlan, PortPlan
from fastsnn.sparse.wirings import BYTES_A_SYNAPSE

_MOST_SOURCES = 2**31 - 1
# neurons of a tile of rows, which a synapse names by 16 bits
NEURONS_OF_A_TILE = 60_000
_T = TypeVar("_T")


def refusal(plan: Plan) -> str | None:
    """Why the sparse parts of a plan cannot run on Triton, or None."""
    if not plan.sparse:
        return None
    if reason := native.usable():
        return f"rows of sparse projections are drawn by the native engine: {reason}"
    if (n := _n_sources(plan)) > _MOST_SOURCES:
        return f"sparse projections need at most {_MOST_SOURCES:,} neurons, the network has {n:,}."
    return None


def synapse_bytes(plan: Plan) -> float:
    """Memory of the sparse projections: what is stored, and where each source's rows begin."""
    reached = {plan.ports[p.port] for p in plan.sparse}
    tiles = sum(_n_tiles(plan, port) for port in reached)
    return BYTES_A_SYNAPSE * plan.expected_synapses + 8.0 * tiles * _n_sources(plan)


class Tables:
    """Of plans of one shape, one after the other."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.plans, self.plan = plans, plans[0]
        self.device = self.plan.device
        self.n_sources = _n_sources(self.plan)
        # memory that nobody else refers to but by its address
        self.keep: list[Tensor] = []
        self.ports = self._table(
            lambda p: p.ports, lambda q: (q.arriving.data_ptr(), len(q.arriving))
        )
        self.drives = self._table(lambda p: p.drives, self._drive)
        grains = [[port.grain for port in plan.ports] or [1.0] for plan in plans]
        self.grains = torch.tensor(grains, dtype=torch.float32, device=self.device)

    @cached_property
    def tiles(self) -> Tensor:
        """Rows of synapses, drawn when they are first asked for: int64 [R, tiles, TILE_FIELDS]."""
        return table(
            [
                [row for port in plan.ports for row in self._tiles(plan, port)]
                for plan in self.plans
            ],
            self.device,
        )

    @property
    def delays(self) -> int:
        """Different delays of a row that are looked at together: a power of two."""
        slots = (len(port.arriving) for plan in self.plans for port in plan.ports)
        return min(32, max(slots, default=2))

    def ports_of(self, p: PopulationPlan) -> tuple[int, ...]:
        """Of every receptor (0: i_syn) the index of its port, or -1."""
        at = {(q.population, q.receptor): k for k, q in enumerate(self.plan.ports)}
        return tuple(at.get((p.index, k), -1) for k in range(1 + len(p.model.receptors())))

    def drives_of(self, p: PopulationPlan) -> tuple[tuple[parts.DriveKind, ...], ...]:
        """Of every receptor its drives."""
        drives = list(enumerate(self.plan.drives))
        return tuple(
            tuple(self._drive_kind(k, d) for k, d in drives if d.port == port)
            for port in self.ports_of(p)
        )

    def _drive_kind(self, index: int, d: DrivePlan) -> parts.DriveKind:
        widest = max(plan.drives[index].table.shape[1] for plan in self.plans)
        return parts.DriveKind(index, d.stream, d.offset, (widest - 2).bit_length())

    @staticmethod
    def _drive(d: DrivePlan) -> tuple[int, int, int]:
        return d.table.data_ptr(), d.which.data_ptr(), d.table.shape[1] - 2

    def _tiles(self, plan: Plan, port: PortPlan) -> list[tuple[int, ...]]:
        """The rows onto one port: a tile holds neighbours, numbered from its first one."""
        number = plan.ports.index(port)
        keep: list[Tensor] = []
        given = [pointers.sparse_dict(p, plan, keep) for p in plan.sparse if p.port == number]
        if not given:
            return []
        made, (places,) = native.sparse_rows(
            plan,
            [d | {"port": 0} for d in given],
            [(port.population, port.receptor)],
            _n_tiles(plan, port),
        )
        tile_of = torch.tensor(places, dtype=torch.int64) >> 16
        n = plan.populations[port.population].n
        found: list[tuple[int, ...]] = []
        for tile, (words, start) in enumerate(made):
            first = int(torch.searchsorted(tile_of, tile))
            arriving = port.arriving.data_ptr() + first * port.arriving.element_size()
            rows = (self._held(words), self._held(start))
            found.append((*rows, arriving, n, len(port.arriving)))
        return found

    def _held(self, part: bytes) -> int:
        # a tile without synapses has no words
        memory = torch.frombuffer(bytearray(part or 8), dtype=torch.uint8).to(self.device)
        self.keep.append(memory)
        return memory.data_ptr()

    def _table(
        self, parts_of: Callable[[Plan], Sequence[_T]], row: Callable[[_T], tuple[int, ...]]
    ) -> Tensor:
        rows = [[row(part) for part in parts_of(plan)] for plan in self.plans]
        return table(rows, self.device)


def table(rows: list[list[tuple[int, ...]]], device: torch.device) -> Tensor:
    """Numbers and addresses on the device, int64 [replicas, rows, fields]."""
    # a pointer to something, where there is nothing
    return torch.tensor(rows if rows[0] else [[0]], dtype=torch.int64, device=device)


def _n_sources(plan: Plan) -> int:
    return sum(p.n for p in plan.populations)


def _n_tiles(plan: Plan, port: PortPlan) -> int:
    return -(-plan.populations[port.population].n // NEURONS_OF_A_TILE)


__all__ = ["Tables", "refusal", "synapse_bytes", "table"]
