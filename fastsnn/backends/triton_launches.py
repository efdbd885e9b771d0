# SPDX-License-Identifier: Apache-2.0
"""The launches of Triton kernels that make up a step, and those around the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastsnn.backends import triton_listed
from fastsnn.backends.pointers import as_bytes
from fastsnn.backends.triton_layout import Layout, Mode
from fastsnn.kernels import parts
from fastsnn.kernels.advance import advance
from fastsnn.kernels.learn import learn
from fastsnn.kernels.listed import forget, learn_listed, note
from fastsnn.kernels.publish import compact, publish, trail
from fastsnn.kernels.sample import normalise, reset, tick
from fastsnn.kernels.sparse import send
from fastsnn.lowering.to_triton import functions_of
from fastsnn.plan import PopulationPlan, ProjectionPlan

KINDS = {
    "dense": parts.DENSE, "one_to_one": parts.ONE_TO_ONE, "all_but_one": parts.ALL_BUT_ONE,
    "indexed": parts.LISTED,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Launch:
    """A kernel with its arguments; `k`, the step of a block, comes last."""

    kernel: Any
    grid: tuple[int, ...]
    args: dict[str, Any]
    warps: int

    def __call__(self, **more: Any) -> None:
        """Put it on the current stream."""
        options = {"num_warps": self.warps, "enable_fp_fusion": False}
        self.kernel[self.grid](**self.args, **more, **options)


class Launches:
    """The kernels of a step, for one mode."""

    def __init__(
        self, layout: Layout, mode: Mode, streams: Sequence[torch.cuda.Stream] = ()
    ) -> None:
        self.layout, self.mode, self.streams = layout, mode, streams
        plan = layout.plan
        self.rules = {
            q.index: kind for q in plan.projections if (kind := layout.rule_kind(q, mode))
        }
        self.fused = [k for k in self.rules if self._fusable(plan.projections[k])]
        cells = [p for p in plan.populations if not p.is_input]
        self.advance = [self._advance(p, ()) for p in cells]
        self.fused_advance = [self._advance(p, self.fused) for p in cells]
        self.published = [p for p in plan.populations if not layout.finishes(p)]
        self.publish = [self._publish(p) for p in self.published]
        self.note = [self._note(q) for q in plan.projections if q.sent is not None]
        self.send = [sending(layout, layout.sparse.tiles)] if plan.sparse else []
        self.learn = {k: self._learn(plan.projections[k]) for k in self.rules}
        self.trail = {k: self._trail(plan.projections[k]) for k in self.rules}
        self.tick = Launch(
            tick,
            (layout.n_replicas,),
            {
                "control": layout.control,
                "heads": layout.heads,
                "lengths": layout.lengths,
                "n_heads": layout.n_heads,
                "n_sent": layout.sent()[1],
                "STEPS": layout.sent_rows,
                "BLOCK": max(2, 1 << (layout.n_heads - 1).bit_length()),
            },
            1,
        )

    def block(self, steps: int) -> None:
        """Put `steps` steps on the current stream."""
        for k in range(steps):
            # the first step of a block has nothing to learn: the block before left nothing
            self.together(self.fused_advance if k else self.advance, k=k)
            if k:
                self._trails(self.fused, k - 1)
            self.together(self.publish, k=k)
            self.together(self.note, k=k)
            last = k == steps - 1
            now = [q for q in self.rules if last or q not in self.fused]
            self.together([*self.send, *(self.learn[q] for q in now)], k=k)
            self._trails(now, k)
            for address in self.mode.watched:
                self.layout.watched(address)[k].copy_(self.layout.sources[address])
        self.tick(steps=steps)

    def all(self) -> Iterator[tuple[str, Launch]]:
        """Every kernel of a step, with the name of what it works on."""
        plan = self.layout.plan
        cells = [p for p in plan.populations if not p.is_input]
        for p, first, later in zip(cells, self.advance, self.fused_advance, strict=True):
            yield p.model.__name__, first
            rules = [plan.projections[k].rule for k in self.fused]
            learnt = [r.__name__ for r in rules if r]
            if learnt:
                yield f"{p.model.__name__} {', '.join(learnt)}", later
        for p, launch in zip(self.published, self.publish, strict=True):
            yield p.model.__name__, launch
        for k, launch in self.learn.items():
            rule = plan.projections[k].rule
            for one in (launch, *self.trail[k]):
                yield rule.__name__ if rule else "decay, mask", one
        for launch in (*self.note, *self.send, self.tick):
            yield "", launch

    def _trails(self, which: Sequence[int], k: int) -> None:
        self.together([launch for q in which for launch in self.trail[q]], k=k)

    def together(self, launches: Sequence[Launch], **more: Any) -> None:
        """Put kernels that do not read what the others write side by side on streams."""
        for stream, launch in zip(self.streams, launches[1:], strict=False):
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                launch(**more)
        beside = len(self.streams)
        for launch in (*launches[:1], *launches[1 + beside :]):
            launch(**more)
        for stream in self.streams[: max(0, len(launches) - 1)]:
            torch.cuda.current_stream().wait_stream(stream)

    def _fusable(self, q: ProjectionPlan) -> bool:
        """Whether a projection can be learnt while its target advances.

        The source may advance at the same time: only what `publish` and `trail` change can be read
        of it.
        """
        source = self.layout.plan.populations[q.source]
        n_own = len(q.rule.own("pre")) if q.rule else 0
        others = q.pre[: len(q.pre) - n_own]
        alone = self.layout.batch == 1 and all(t is source.x for t in others)
        return q.kind == "dense" and alone

    def _advance(self, p: PopulationPlan, fused: Sequence[int]) -> Launch:
        layout, tiling = self.layout, self.layout.tiling
        block, warps = tiling.tile(p.n)
        incoming = [q for q in layout.plan.projections if q.target == p.index]
        learnt = [q for q in incoming if q.index in fused]
        kinds = [
            parts.WireKind(
                kind=int(KINDS[q.kind].value),
                receptor=q.receptor,
                bias=q.bias is not None,
                **(triton_listed.facts(q) if q.kind == "indexed" else {}),
                fused=learnt.index(q) if q in learnt else -1,
            )
            for q in incoming
        ]
        return Launch(
            advance,
            layout.tiles(p.n, block, layout.batch),
            {
                "control": layout.control,
                "cell": layout.cells(p, self.mode),
                "wires": tuple(layout.wires(q) for q in incoming),
                "synapses": tuple(layout.synapses(q, self.mode) for q in learnt),
                "n": p.n,
                "CELL": parts.Static(layout.cell_kind(p, self.mode)),
                "WIRES": parts.Static(*kinds),
                "RULES": parts.Static(*(self.rules[q.index] for q in learnt)),
                "BATCH": layout.batch,
                "BLOCK": block,
                "ROWS": tiling.rows,
                "UNROLL": tiling.unroll,
            },
            warps,
        )

    def _publish(self, p: PopulationPlan) -> Launch:
        layout = self.layout
        return Launch(
            publish,
            (1, layout.batch, layout.n_replicas),
            {
                "control": layout.control,
                "cell": layout.cells(p, self.mode),
                "n": p.n,
                "CELL": parts.Static(layout.cell_kind(p, self.mode)),
                "BATCH": layout.batch,
                "BLOCK": layout.tiling.list_block(p.n),
            },
            layout.tiling.list_warps,
        )

    def _learn(self, q: ProjectionPlan) -> Launch:
        layout, tiling = self.layout, self.layout.tiling
        n = layout.plan.populations[q.target].n
        block, warps = tiling.tile(n)
        if q.kind == "indexed":
            args = {
                "control": layout.control,
                "s": triton_listed.pointers_of(layout, q, self.mode),
                "n": n,
                "RULES": parts.Static(self.rules[q.index]),
                "BLOCK": block,
            }
            return Launch(learn_listed, layout.tiles(n, block, 1), args, warps)
        return Launch(
            learn,
            layout.tiles(n, block, 1),
            {
                "control": layout.control,
                "s": layout.synapses(q, self.mode),
                "n": n,
                "RULES": parts.Static(self.rules[q.index]),
                "BATCH": layout.batch,
                "BLOCK": block,
                "ROWS": tiling.rows,
            },
            warps,
        )

    def _note(self, q: ProjectionPlan) -> Launch:
        """What the late side of listed synapses did in a step."""
        layout = self.layout
        late, tensors = (q.target, q.post) if q.dendritic else (q.source, q.pre)
        p = layout.plan.populations[late]
        block, warps = layout.tiling.tile(p.n)
        assert q.sent is not None
        past = 0 if q.past is None else q.past.shape[1]
        args = {
            "control": layout.control,
            "spike": as_bytes(p.spike),
            "own": tuple(tensors[len(tensors) - past :]),
            "sent": as_bytes(q.sent),
            "past": q.w if q.past is None else q.past,
            "n": p.n,
            "SLOTS": len(q.sent),
            "PAST": past,
            "BLOCK": block,
        }
        return Launch(note, layout.tiles(p.n, block, 1), args, warps)

    def _trail(self, q: ProjectionPlan) -> list[Launch]:
        """What advances the rule's own variables, of both sides."""
        rule, layout = q.rule, self.layout
        if rule is None or not self.mode.learning:
            return []
        functions, found = functions_of(rule), []
        for at, index, tensors, last in (
            ("pre", q.source, q.pre, q.last_pre),
            ("post", q.target, q.post, q.last_post),
        ):
            own, p = rule.own(at), layout.plan.populations[index]
            if not own and last is None:
                continue
            late = triton_listed.late_by(q, at)
            kind = parts.TrailKind(
                slots=0 if late is None else len(q.sent),  # type: ignore[arg-type]
                late=late or 0,
                advance=getattr(functions, f"advance_{at}", None),
                params=tuple(rule.learn_params()),
                stride=q.params.numel(),
                lag=last is not None,
            )
            spare = self.layout.buffers(
                "spare", q.index, at, shape=(layout.n_replicas, layout.batch, p.n),
                dtype=torch.int32,
            )  # fmt: skip
            ids, n_ids = layout.last(q)
            found.append(
                Launch(
                    trail,
                    (1, layout.batch, layout.n_replicas),
                    {
                        "control": layout.control,
                        "spike": as_bytes(p.spike if late is None else q.sent),  # type: ignore
                        "own": tuple(tensors[len(tensors) - len(own) :]),
                        "rule": q.params if q.params.numel() else q.w,
                        "last": as_bytes(last if last is not None else p.spike),
                        "ids": ids if at == "pre" else spare,
                        "n_ids": n_ids if at == "pre" else spare,
                        "n": p.n,
                        "TRAIL": parts.Static(kind),
                        "BATCH": layout.batch,
                        "BLOCK": layout.tiling.list_block(p.n),
                    },
                    layout.tiling.list_warps,
                )
            )
        return found


def sending(layout: Layout, tiles: Tensor) -> Launch:
    """The spikes of a step onto their way to sparse projections.  tiles: `Tables.tiles`."""
    sent, n_sent = layout.sent()
    n_tiles = tiles.shape[1]
    return Launch(
        send,
        (layout.tiling.senders(n_tiles * layout.n_replicas), n_tiles, layout.n_replicas),
        {
            "control": layout.control, "tiles": tiles, "sent": sent, "n_sent": n_sent,
            "n_sources": layout.sparse.n_sources, "STEPS": layout.sent_rows,
            "DELAYS": layout.sparse.delays, "BLOCK": layout.tiling.synapses,
        },
        layout.tiling.send_warps,
    )  # fmt: skip


class Around:
    """The kernels around the steps."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        plan = layout.plan
        self.lists = [
            self._list(as_bytes(p.spike), *layout.ids(p), p.n)
            for p in plan.populations
            if not layout.finishes(p)
        ]
        self.lists += [
            self._list(as_bytes(q.last_pre), *layout.last(q), plan.populations[q.source].n)
            for q in plan.projections
            if q.last_pre is not None
        ]
        self.reset = [self._reset(p) for p in plan.populations]
        self.forget = [
            self._forget(ring) for q in plan.projections for ring in triton_listed.rings(q)
        ]
        self.normalise = [self._normalise(q) for q in plan.projections if q.norm is not None]

    def all(self) -> Iterator[tuple[str, Launch]]:
        """Every kernel, with the name of what it works on."""
        for launch in (*self.lists, *self.forget, *self.normalise):
            yield "", launch
        for p, launch in zip(self.layout.plan.populations, self.reset, strict=True):
            yield p.model.__name__, launch

    def _list(self, spike: Tensor, ids: Tensor, n_ids: Tensor, n: int) -> Launch:
        layout = self.layout
        args = {"control": layout.control, "spike": spike, "ids": ids, "n_ids": n_ids, "n": n}
        args |= {"BATCH": layout.batch, "BLOCK": layout.tiling.list_block(n)}
        grid = (1, layout.batch, layout.n_replicas)
        return Launch(compact, grid, args, layout.tiling.list_warps)

    def _reset(self, p: PopulationPlan) -> Launch:
        layout = self.layout
        block, warps = layout.tiling.tile(p.n)
        zeros = [t for t in (p.x, p.summed) if t is not None]
        kind = parts.ResetKind(
            each=tuple(t.numel() > 1 for t in p.init),
            slots=(*[1] * len(zeros), *(len(w.data) for w in p.windows)),
            heads=tuple(range(len(p.windows))),
            stride=layout.n_heads,
            ports=tuple(k for k in layout.sparse.ports_of(p) if k >= 0),
            n_ports=len(layout.plan.ports),
        )
        args = {
            "control": layout.control,
            "states": p.state,
            "inits": p.init,
            "zeros": (*zeros, *(w.data for w in p.windows)),
            "ports": layout.sparse.ports,
            "spike": as_bytes(p.spike),
            "n_ids": layout.ids(p)[1],
            "heads": layout.heads[:, layout.first_head(p) :] if p.windows else layout.heads,
            "n": p.n,
            "RESET": parts.Static(kind),
            "BATCH": layout.batch,
            "BLOCK": block,
        }
        return Launch(reset, layout.tiles(p.n, block, layout.batch), args, warps)

    def _forget(self, ring: Tensor) -> Launch:
        layout, size = self.layout, ring.numel()
        block, warps = layout.tiling.tile(size)
        args = {"control": layout.control, "ring": ring, "size": size, "BLOCK": block}
        return Launch(forget, layout.tiles(size, block, 1), args, warps)

    def _normalise(self, q: ProjectionPlan) -> Launch:
        layout, tiling = self.layout, self.layout.tiling
        assert q.changed is not None
        n_pre, n = q.w.shape
        args = {
            "control": layout.control,
            "w": q.w,
            "changed": as_bytes(q.changed),
            "n_pre": n_pre,
            "n": n,
            "norm": float(q.norm or 0.0),
            "BLOCK": tiling.neurons,
            "ROWS": tiling.rows,
            "UNROLL": tiling.summed,
        }
        return Launch(normalise, layout.tiles(n, tiling.neurons, 1), args, tiling.warps)
