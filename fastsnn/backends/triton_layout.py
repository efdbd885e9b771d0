# SPDX-License-Identifier: Apache-2.0
"""Plans of one shape as arguments of the Triton kernels: pointers, and facts for the compiler.

What a run changes from call to call (inputs, clamps, counts, the clock) lies in buffers of its own,
so that a captured graph of launches can be run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fastsnn.backends import triton_listed
from fastsnn.backends.pointers import as_bytes
from fastsnn.backends.triton_listed import Columns
from fastsnn.backends.triton_sparse import Tables
from fastsnn.kernels import parts
from fastsnn.kernels.tiling import Tiling
from fastsnn.lowering.to_triton import dots_of, draws_of, functions_of
from fastsnn.plan import Plan, PopulationPlan, ProjectionPlan
from fastsnn.random import Purpose, stream


@dataclass(frozen=True)
class Mode:
    """What the code of a run depends on.  Pairs: (population, rows of its buffer)."""

    learning: bool
    inputs: frozenset[int] = frozenset()
    current: tuple[tuple[int, int], ...] = ()
    inject: tuple[tuple[int, int], ...] = ()
    clamp: tuple[tuple[int, int], ...] = ()
    unclamp: tuple[tuple[int, int], ...] = ()
    winners: frozenset[int] = frozenset()
    uniforms: frozenset[int] = frozenset()
    counts: frozenset[int] = frozenset()
    masks: frozenset[int] = frozenset()
    watched: tuple[int, ...] = ()  # addresses of what is recorded step by step


class Buffers:
    """Tensors that outlive a run, by name; made when they are first asked for."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.made: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, *key: Any, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The buffer of a name, of a given shape; zeros at first."""
        name = (*key, *shape)
        if name not in self.made:
            self.made[name] = torch.zeros(*shape, dtype=dtype, device=self.device)
        return self.made[name]


class Layout:
    """Where everything lies."""

    def __init__(self, plans: Sequence[Plan], tiling: Tiling) -> None:
        self.plans, self.plan, self.tiling = plans, plans[0], tiling
        self.n_replicas, self.batch = len(plans), plans[0].batch
        self.buffers = Buffers(plans[0].device)
        self.control = self.buffers(
            "control", shape=(len(plans), int(parts.CONTROL.value)), dtype=torch.int64
        )
        windows = [w for p in self.plan.populations for w in p.windows]
        self.n_heads = max(1, len(windows))
        self.heads = self.buffers("heads", shape=(len(plans), self.n_heads), dtype=torch.int64)
        lengths = [len(w.data) for w in windows] or [1]
        self.lengths = torch.tensor(lengths, dtype=torch.int64, device=self.plan.device)
        self.sources: dict[int, Tensor] = {}
        self.numbers = [self._numbers(p) for p in self.plan.populations]
        self.sparse = Tables(plans)
        self.listed: dict[int, Columns] = {}

    def watch(self, source: Tensor) -> int:
        """Address of a tensor that is recorded step by step, by which `watched` knows it."""
        return self.sources.setdefault(source.data_ptr(), source).data_ptr()

    def watched(self, address: int) -> Tensor:
        """What a recorded tensor was at the steps of a block."""
        source = self.sources[address]
        shape = (self.tiling.steps, *source.shape)
        return self.buffers("watched", address, shape=shape, dtype=source.dtype)

    def own(self, name: str, p: PopulationPlan, *lead: int, dtype: torch.dtype) -> Tensor:
        """A buffer [R, .., n] of a population."""
        return self.buffers(name, p.index, shape=(self.n_replicas, *lead, p.n), dtype=dtype)

    def _numbers(self, p: PopulationPlan) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """Numbers of a population, its trace's last: scalars [R, Q], columns [R, C, n], places."""
        given = [(*q.params, q.decay_x, q.trace_scale) for q in self._replicas(p)]
        each = [t.numel() > 1 for t in given[0]]
        places = tuple(sum(each[:k]) if per else -1 for k, per in enumerate(each))
        scalars = torch.stack([torch.stack([t.reshape(-1)[0] for t in row]) for row in given])
        columns = [torch.stack([t for t in row if t.numel() > 1]) for row in given if any(each)]
        return scalars, torch.stack(columns) if columns else scalars, places

    def _replicas(self, p: PopulationPlan) -> list[PopulationPlan]:
        return [plan.populations[p.index] for plan in self.plans]

    def first_head(self, p: PopulationPlan) -> int:
        """Column of the heads where a population's windows begin."""
        return sum(len(q.windows) for q in self.plan.populations[: p.index])

    def ids(self, p: PopulationPlan) -> tuple[Tensor, Tensor]:
        """Lists of spikes and their lengths."""
        lengths = self.buffers(
            "n_ids", p.index, shape=(self.n_replicas, self.batch), dtype=torch.int32
        )
        if self.finishes(p):
            return lengths, lengths
        return self.own("ids", p, self.batch, dtype=torch.int32), lengths

    def last(self, q: ProjectionPlan) -> tuple[Tensor, Tensor]:
        """Lists of the source's spikes of the step before, for a rule with lag."""
        n = self.plan.populations[q.source].n
        shape = (self.n_replicas, self.batch)
        return (
            self.buffers("last", q.index, shape=(*shape, n), dtype=torch.int32),
            self.buffers("n_last", q.index, shape=shape, dtype=torch.int32),
        )

    def candidate(self, p: PopulationPlan) -> Tensor:
        """Candidates: of an input population for all steps of a block."""
        if self.finishes(p):
            return as_bytes(p.spike)
        rows = self.tiling.steps if p.is_input else 1
        return self.own("candidate", p, rows, self.batch, dtype=torch.uint8)

    def mask(self, q: ProjectionPlan) -> Tensor:
        """Weights that are held at zero."""
        shape = (self.n_replicas, *q.w.shape)
        return self.buffers("mask", q.index, shape=shape, dtype=torch.uint8)

    def reward(self) -> Tensor:
        """Rewards [R, B]."""
        return self.buffers("reward", shape=(self.n_replicas, self.batch), dtype=torch.float32)

    def sends(self, p: PopulationPlan) -> bool:
        """Whether its spikes go to sparse projections."""
        return any(q.source == p.index for q in self.plan.sparse)

    def sent(self) -> tuple[Tensor, Tensor]:
        """Spikes of a step that go to sparse projections, and their number at each step of a block.

        Sources are all neurons, numbered through.
        """
        n = self.sparse.n_sources if self.plan.sparse else 1
        shape = (self.n_replicas, self.sent_rows)
        return (
            self.buffers("sent", shape=(self.n_replicas, n), dtype=torch.int32),
            self.buffers("n_sent", shape=shape, dtype=torch.int32),
        )

    @property
    def sent_rows(self) -> int:
        """Steps of a block, rounded up to a power of two."""
        return 1 << (self.tiling.steps - 1).bit_length()

    def tiles(self, n: int, block: int, batch: int) -> tuple[int, int, int]:
        """A grid over neurons (or columns), batch and replicas."""
        return -(-n // block), batch, self.n_replicas

    def finishes(self, p: PopulationPlan) -> bool:
        """Whether a population needs no `publish`: nobody reads its spikes before the next step."""
        plan = self.plan
        read = any(q.source == p.index for q in plan.projections)
        followed = any(
            q.target == p.index and (q.last_post is not None or (q.rule and q.rule.own("post")))
            for q in plan.projections
        )
        together = bool(p.shared) and self.batch > 1
        return not (read or followed or together or p.is_input or p.one_spike)

    def cells(self, p: PopulationPlan, mode: Mode) -> parts.Cells:
        """Pointers of a population."""
        spike, one = as_bytes(p.spike), self.batch
        rows = {name: dict(getattr(mode, name)) for name in ("current", "inject", "clamp")}
        rows["unclamp"] = dict(mode.unclamp)

        def outside(name: str, dtype: torch.dtype, *lead: int) -> Tensor:
            n_rows = rows[name].get(p.index, 0)
            return self.own(name, p, n_rows, *lead, dtype=dtype) if n_rows else spike

        ids, n_ids = self.ids(p)
        sent, n_sent = self.sent()
        steps = self.tiling.steps
        return parts.Cells(
            state=p.state,
            shared=p.shared,
            halfway=tuple(
                self.own(f"halfway {k}", p, dtype=torch.float32) for k in range(len(p.shared))
            ),
            numbers=self.numbers[p.index][0],
            columns=self.numbers[p.index][1],
            windows=tuple(w.data for w in p.windows),
            kernels=p.kernels,
            heads=self.heads[:, self.first_head(p) :] if p.windows else self.heads,
            spike=spike,
            candidate=self.candidate(p),
            x=spike if p.x is None else p.x,
            summed=spike if p.summed is None else p.summed,
            ids=ids,
            n_ids=n_ids,
            counts=self.own("counts", p, one, dtype=torch.int32)
            if p.index in mode.counts
            else spike,
            current=outside("current", torch.float32, one),
            inject=outside("inject", torch.float32),
            clamp=outside("clamp", torch.uint8),
            unclamp=outside("unclamp", torch.uint8),
            uniforms=self.own("uniforms", p, steps, one, dtype=torch.float32)
            if p.index in mode.uniforms
            else spike,
            winners=self.buffers(
                "winners", p.index, shape=(self.n_replicas, steps, one), dtype=torch.int32
            )
            if p.index in mode.winners
            else spike,
            ports=self.sparse.ports,
            drives=self.sparse.drives,
            grains=self.sparse.grains,
            sent=sent,
            n_sent=n_sent,
        )

    def cell_kind(self, p: PopulationPlan, mode: Mode) -> parts.CellKind:
        """Facts of a population."""
        places = self.numbers[p.index][2]
        n_numbers = len(p.params)
        kind = parts.CellKind(
            columns=places,
            n_columns=sum(k >= 0 for k in places),
            decay_x=n_numbers,
            trace_scale=n_numbers + 1,
            n_heads=self.n_heads,
            stream=stream(p.index, Purpose.INPUT),
            learning=mode.learning,
            is_input=p.is_input,
            one_spike=p.one_spike,
            replays_winners=p.index in mode.winners,
            replays_uniforms=p.index in mode.uniforms,
            finishes=self.finishes(p),
            trace=p.trace if p.x is not None else 0,
            summed=p.summed is not None,
            counted=p.index in mode.counts,
            candidate_rows=self.tiling.steps if p.is_input else 1,
            current_rows=dict(mode.current).get(p.index, 0),
            inject_rows=dict(mode.inject).get(p.index, 0),
            clamp_rows=dict(mode.clamp).get(p.index, 0),
            unclamp_rows=dict(mode.unclamp).get(p.index, 0),
            uniform_rows=self.tiling.steps,
            winner_rows=self.tiling.steps,
            n_ports=len(self.plan.ports),
            n_drives=len(self.plan.drives),
            sends=self.sends(p),
            first_source=sum(q.n for q in self.plan.populations[: p.index]),
            n_sources=self.sparse.n_sources,
            sent_rows=self.sent_rows,
        )
        if p.is_input:
            return kind
        functions = functions_of(p.model)
        state = p.model.state()
        return replace(
            kind,
            step=functions.step,
            before=functions.before,
            after=functions.after,
            v=state.index("v") if "v" in state else -1,
            windows=tuple((len(w.data), w.of == "spike") for w in p.windows),
            dots=tuple(dots_of(p.model)),
            lanes=tuple(range(draws_of(p.model))),
            ports=self.sparse.ports_of(p),
            drives=self.sparse.drives_of(p),
        )

    def wires(self, q: ProjectionPlan) -> parts.Wires:
        """Pointers of a projection for its target."""
        source = self.plan.populations[q.source]
        ids, n_ids = self.ids(source)
        listed = q.kind == "indexed"
        return parts.Wires(
            n_w=q.w.numel(),
            columns=self.columns(q) if listed else self.lengths,
            sent=as_bytes(source.spike if q.sent is None else q.sent),
            arriving=q.w if q.arriving is None else q.arriving,
            w=q.w,
            bias=q.w if q.bias is None else q.bias,
            ids=ids,
            n_ids=n_ids,
            spike=as_bytes(source.spike),
            n_pre=source.n,
        )

    def columns(self, q: ProjectionPlan) -> Tensor:
        """Addresses of the columns of listed synapses."""
        if q.index not in self.listed:
            self.listed[q.index] = Columns(self, q)
        return self.listed[q.index].table

    def synapses(self, q: ProjectionPlan, mode: Mode) -> parts.Synapses:
        """Pointers of a dense projection for learning."""
        source, target = (self.plan.populations[k] for k in (q.source, q.target))
        lags = q.last_pre is not None
        ids, n_ids = self.last(q) if lags else self.ids(source)
        assert q.changed is not None
        return parts.Synapses(
            synapse=(q.w, *q.synapse),
            changed=as_bytes(q.changed),
            params=q.params if q.params.numel() else q.w,
            reward=self.reward(),
            pre=tuple(as_bytes(t) for t in q.pre),
            post=tuple(as_bytes(t) for t in q.post),
            pre_spike=as_bytes(q.last_pre if q.last_pre is not None else source.spike),
            post_spike=as_bytes(q.last_post if q.last_post is not None else target.spike),
            ids=ids,
            n_ids=n_ids,
            w_min=q.w_min,
            w_max=q.w_max,
            mask=self.mask(q) if q.index in mode.masks else as_bytes(q.changed),
            n_pre=source.n,
        )

    def rule_kind(self, q: ProjectionPlan, mode: Mode) -> parts.RuleKind | None:
        """Facts of learning at a projection; None: nothing changes it."""
        masked = q.index in mode.masks
        decays = mode.learning and q.weight_decay != 0.0
        learns = mode.learning and q.rule is not None
        if q.kind not in ("dense", "indexed") or not (masked or decays or learns):
            return None
        listed = triton_listed.facts(q) if q.kind == "indexed" else {}
        kind = parts.RuleKind(masked=masked, keep=1.0 - q.weight_decay if decays else 1.0, **listed)
        if not learns:
            return kind
        assert q.rule is not None
        functions = functions_of(q.rule)
        names = [*q.rule.learn_params(), *["reward"] * q.rule.one_reward]
        return replace(
            kind,
            terms=functions.terms,
            learn=functions.learn,
            params=tuple(names),
            one_reward=q.rule.one_reward,
            takes_max=q.reduction == "max",
            takes_mean=q.reduction == "mean",
            bounded=q.bounded,
            w_min_each=q.w_min.numel() > 1,
            w_max_each=q.w_max.numel() > 1,
            event=q.rule.event_driven and not masked and not decays,
            lag=bool(q.rule.lag),
            consolidate=getattr(functions, "consolidate", None),
            every=q.every or 1,
            past=0 if q.past is None else q.past.shape[1],
        )
