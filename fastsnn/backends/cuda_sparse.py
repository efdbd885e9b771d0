# SPDX-License-Identifier: Apache-2.0
"""Sparse projections on the device: rows of synapses, as the native engine draws them, and where
sums of what arrives lie.
"""

from __future__ import annotations

from typing import Any

import torch

from fastsnn.backends import native
from fastsnn.plan import Plan

# sums of a tile, which a synapse names by 16 bits
PLACES_OF_A_TILE = 60_000
_GROUP = 16


def refusal(plan: Plan) -> str | None:
    """Why the sparse parts of a plan cannot run on the cuda backend, or None."""
    if plan.sparse and (reason := native.usable()):
        return f"rows of sparse projections are drawn by the native engine: {reason}"
    for p in plan.sparse:
        source = plan.populations[p.source]
        if source.one_spike:
            return f"'{source.name}' has one_spike, and sends to the sparse projection '{p.name}'."
    return None


def rows(plan: Plan, dictionary: dict[str, Any], keep: list[Any]) -> dict[str, Any]:
    """Synapses and places in device memory, as csrc/cuda/module.cpp takes them."""
    sums = sum(_padded(plan.populations[port.population].n) for port in plan.ports)
    n_tiles = -(-sums // PLACES_OF_A_TILE)
    ports = [(port.population, port.receptor) for port in plan.ports]
    made, places = native.sparse_rows(plan, dictionary["sparse"], ports, n_tiles)
    of_ports = [torch.tensor(p, dtype=torch.int64)[::_GROUP] for p in places]
    # every tile has room for the largest one
    width = max(int((p & 0xFFFF).max()) for p in of_ports) + _GROUP
    tiles = []
    if plan.sparse:
        for number, (words, start) in enumerate(made):
            held = [_held(part, plan.device, keep) for part in (words, start)]
            tiles.append((*held, number * width))
    where = []
    for p in of_ports:
        index = ((p >> 16) * width + (p & 0xFFFF)).to(plan.device, torch.int32)
        keep.append(index)
        where.append(index.data_ptr())
    return {"tiles": tiles, "places": where, "n_places": n_tiles * width}


def _padded(n: int) -> int:
    return -(-n // _GROUP) * _GROUP


def _held(part: bytes, device: torch.device, keep: list[Any]) -> int:
    memory = torch.frombuffer(bytearray(part), dtype=torch.uint8).to(device)
    keep.append(memory)
    return memory.data_ptr()
