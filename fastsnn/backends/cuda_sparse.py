# SPDX-License-Identifier: Apache-2.0
"""Sparse projections on the device: rows of synapses, as the native engine draws them, and where
sums of what arrives lie.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fastsnn.backends import native
from fastsnn.plan import Plan, RunArgs, RunReport
from fastsnn.plan import Record as Row

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
    made, places = native.sparse_rows(
        {
            "n": [p.n for p in plan.populations],
            "ports": [(port.population, port.receptor) for port in plan.ports],
            "n_tiles": n_tiles,
            "seed": plan.seed,
            "threads": os.cpu_count() or 1,
            "isa": "",
            # nothing is drawn again on the device
            "sparse": [p | {"procedural": False} for p in dictionary["sparse"]],
            "only_sizes": False,
        }
    )
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


def watch(plan: Plan, args: RunArgs) -> tuple[RunArgs, dict[int, Tensor]]:
    """Record also the spikes that are to be reported: bool [steps, 1, n] of every population."""
    steps = args.n_steps * args.n_samples
    seen = {}
    for k in args.recorded:
        spike = plan.populations[k].spike
        seen[k] = torch.empty((steps, *spike.shape), dtype=torch.bool, device=spike.device)
    more = [Row(plan.populations[k].spike, bits, None, 1, 0, False) for k, bits in seen.items()]
    return replace(args, records=[*args.records, *more]), seen


def report_events(seen: dict[int, Tensor], report: RunReport) -> None:
    """The recorded spikes of the steps that were run."""
    for k, spikes in seen.items():
        whole = spikes[: report.steps, 0]
        ids = whole.nonzero()[:, 1].to("cpu", torch.int32)
        report.events[k] = (whole.sum(1, dtype=torch.int64).cpu(), ids)
