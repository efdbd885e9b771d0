# SPDX-License-Identifier: Apache-2.0
"""A plan and the arguments of a run as dictionaries of numbers and pointers, for native code.

What the pointers point to must outlive their use: tensors that nobody else holds are appended to
`keep`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fastsnn.compartments import Compartments
from fastsnn.inputs import BoundInput
from fastsnn.models import Input
from fastsnn.plan import (
    DrivePlan,
    Plan,
    PopulationPlan,
    PortPlan,
    ProjectionPlan,
    Record,
    RunArgs,
    SparsePlan,
)
from fastsnn.random import Purpose, stream
from fastsnn.synapses import Synapses

# (key of the name, key of a factory, model) -> entries that name a model
Naming = Callable[[str, str, type], dict[str, Any]]
_WINDOWS = {"i_syn": "input", "spike": "spike"}


def pointer(t: Tensor | None) -> int:
    """Address of a tensor's data, 0 for None."""
    return 0 if t is None else t.data_ptr()


def as_bytes(t: Tensor) -> Tensor:
    """A tensor of truth values as bytes, any other as it is."""
    return t.view(torch.uint8) if t.dtype == torch.bool else t


def by_name(name: str, factory: str, model: type) -> dict[str, Any]:
    """A model by its name alone."""
    return {name: model.__name__}


def plan_dict(plan: Plan, keep: list[Any], naming: Naming = by_name) -> dict[str, Any]:
    """A plan."""
    return {
        "batch": plan.batch,
        "dt": plan.dt,
        "seed": plan.seed,
        "populations": [_population(p, keep, naming) for p in plan.populations],
        "projections": [_projection(p, keep, naming) for p in plan.projections],
        "ports": [_port(p) for p in plan.ports],
        "sparse": [sparse_dict(p, plan, keep) for p in plan.sparse],
        "expected_synapses": plan.expected_synapses,
        "drives": [_drive(p, keep) for p in plan.drives],
    }


def _port(p: PortPlan) -> dict[str, Any]:
    return {
        "population": p.population,
        "receptor": p.receptor,
        "grain": p.grain,
        "arriving": pointer(p.arriving),
        "slots": len(p.arriving),
    }


def sparse_dict(p: SparsePlan, plan: Plan, keep: list[Any]) -> dict[str, Any]:
    """A sparse projection."""
    spec = p.wiring.spec(plan.seed, p.stream, plan.dt, *plan.ends(p))
    arrays = {k: _number(v, keep) for k, v in spec.items() if isinstance(v, Tensor)}
    grain = plan.ports[p.port].grain
    return spec | arrays | {"name": p.name, "source": p.source, "port": p.port, "grain": grain}


def _drive(p: DrivePlan, keep: list[Any]) -> dict[str, Any]:
    keep.append(p)
    return {
        "port": p.port,
        "table": pointer(p.table),
        "which": pointer(p.which),
        "n_rows": len(p.table),
        "width": p.table.shape[1],
        "stream": p.stream,
        "offset": p.offset,
    }


def _number(t: Tensor, keep: list[Any]) -> tuple[int, int]:
    keep.append(t)
    return pointer(t), t.numel()


def _population(p: PopulationPlan, keep: list[Any], naming: Naming) -> dict[str, Any]:
    return {
        "name": p.name,
        **naming("model", "factory", p.model if not p.is_input else Input),
        "n": p.n,
        "state": [pointer(t) for t in p.state],
        "init": [_number(t, keep) for t in p.init],
        "shared": [pointer(t) for t in p.shared],
        "param": [_number(t, keep) for t in p.params],
        "window": [
            {
                "ptr": pointer(w.data),
                "length": len(w.data),
                "of": _WINDOWS[w.of],
                "head": pointer(w.head),
            }
            for w in p.windows
        ],
        "kernel": [_number(t, keep) for t in p.kernels],
        "spike": pointer(p.spike),
        "x": pointer(p.x),
        "trace": p.trace,
        "decay_x": _number(p.decay_x, keep),
        "trace_scale": _number(p.trace_scale, keep),
        "summed": pointer(p.summed),
        "one_spike": p.one_spike,
        "is_input": p.is_input,
        "stream": stream(p.index, Purpose.INPUT),
    }


def _projection(p: ProjectionPlan, keep: list[Any], naming: Naming) -> dict[str, Any]:
    return {
        "name": p.name,
        "source": p.source,
        "target": p.target,
        "kind": p.kind,
        "w": pointer(p.w),
        "bias": pointer(p.bias),
        **(naming("rule", "rule_factory", p.rule) if p.rule else {"rule": ""}),
        "param": _number(p.params, keep),
        "pre": [pointer(t) for t in p.pre],
        "post": [pointer(t) for t in p.post],
        "last_pre": pointer(p.last_pre),
        "last_post": pointer(p.last_post),
        "synapse": [pointer(t) for t in p.synapse],
        "reduction": p.reduction,
        "w_min": _number(p.w_min, keep),
        "w_max": _number(p.w_max, keep),
        "bounded": p.bounded,
        "weight_decay": p.weight_decay,
        "norm": p.norm,
        "changed": pointer(p.changed),
        **({"synapses": _synapses(p.synapses, p.w, keep)} if p.synapses is not None else {}),
        **({"compartments": _compartments(p.compartments, keep)} if p.compartments else {}),
        "rate": pointer(p.rate),
        "rate_decay": p.decay,
        "receptor": p.receptor,
        "dendritic": p.dendritic,
        "sent": pointer(p.sent),
        "arriving": pointer(p.arriving),
        "past": pointer(p.past),
        "every": p.every,
        "terminal": None if p.terminal is None else _population(p.terminal, keep, naming),
        "efficacy": p.terminal.model.state().index("efficacy") if p.terminal else 0,
    }


def _compartments(c: Compartments, keep: list[Any]) -> dict[str, Any]:
    keep.append(c)
    a = c.adaptation
    return {
        "steps": [(act, pointer(value)) for act, value in c.steps],
        "delay": pointer(c.delay),
        "ring": pointer(c.ring),
        "head": pointer(c.head),
        "length": 0 if c.ring is None else len(c.ring),
        "rest": pointer(c.rest),
        "stream": c.stream,
        "adaptation": a
        and {
            "gate": pointer(a.gate),
            "mask": pointer(a.mask),
            "history": pointer(a.history),
            "counter": pointer(a.counter),
            "length": a.history.shape[1],
            "hidden": len(a.layers[0]),
            "first": pointer(a.layers[0]),
            "second": pointer(a.layers[1]),
            "rate": a.rate,
            "decay": a.decay,
        },
    }


def _synapses(s: Synapses, w: Tensor, keep: list[Any]) -> dict[str, Any]:
    keep.append(s)
    return {
        "row_ptr": pointer(s.row_ptr),
        "post": pointer(s.post),
        "weight": pointer(s.weight),
        "n": s.n_syn,
        "n_weights": w.numel(),
        "filters": s.filters,
        "n_sums": s.n_sums,
        "delay": s.delay,
        "delays": pointer(s.delays),
    }


def run_dict(args: RunArgs, keep: list[Any]) -> dict[str, Any]:
    """The arguments of a run."""

    def hold(t: Tensor) -> int:
        keep.append(t)
        return pointer(t)

    def forced(given: dict[int, Tensor]) -> list[dict[str, Any]]:
        return [
            {"population": k, "ptr": hold(t.contiguous()), "per_step": t.dim() == 2}
            for k, t in given.items()
        ]

    retry = args.retry and {
        "population": args.retry[0],
        "min_spikes": args.retry[1].min_spikes,
        "max_tries": args.retry[1].max_tries,
        "boost": args.retry[1].boost,
    }
    replay = (("winner", args.winners), ("uniform", args.uniforms))
    return {
        "n_steps": args.n_steps,
        "n_samples": args.n_samples,
        "step": args.step,
        "learning": args.learning,
        "normalize": args.normalize,
        "reset": args.reset,
        "reward": pointer(args.reward),
        "inputs": [_input(k, given, hold) for k, given in args.inputs.items()],
        "clamp": forced(args.clamp),
        "unclamp": forced(args.unclamp),
        "inject_v": forced(args.inject_v),
        "masks": [{"projection": k, "ptr": hold(t.to(torch.uint8))} for k, t in args.masks.items()],
        "recorded": list(args.recorded),
        "records": [_record(r, hold) for r in args.records],
        "counts": [{"population": k, "ptr": pointer(t)} for k, t in args.counts.items()],
        "retry": retry,
        "replay": [
            {"population": k, "kind": kind, "ptr": pointer(t)}
            for kind, given in replay
            for k, t in given.items()
        ],
    }


def _record(r: Record, hold: Callable[[Tensor], int]) -> dict[str, Any]:
    return {
        "source": pointer(r.source),
        "item": r.source.element_size(),
        "count": r.source.numel(),
        "row": r.source.shape[-1],
        "index": 0 if r.index is None else hold(r.index.to(r.source.device)),
        "n_index": 0 if r.index is None else len(r.index),
        "every": r.every,
        "phase": r.phase,
        "dest": pointer(r.dest),
        "weights": r.weights,
    }


def _input(index: int, given: BoundInput, hold: Callable[[Tensor], int]) -> dict[str, Any]:
    out = {
        "population": index,
        "kind": given.kind,
        "per_step": given.per_step,
        "scale": given.scale,
    }
    if given.kind == "events":
        assert given.offsets is not None
        return out | {"ids": hold(given.data), "offsets": hold(given.offsets)}
    return out | {"ptr": hold(given.data.contiguous())}
