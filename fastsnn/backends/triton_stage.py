# SPDX-License-Identifier: Apache-2.0
"""What a run brings from outside, laid where the Triton kernels read it.

All copies are put on the current stream; the host waits for none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from fastsnn.backends.triton_launches import Launch
from fastsnn.backends.triton_layout import Layout, Mode
from fastsnn.inputs import TWO_32, BoundInput
from fastsnn.kernels.sample import encode, scatter
from fastsnn.plan import PopulationPlan, Record, RunArgs
from fastsnn.random import Purpose, stream

FORCED = ("clamp", "unclamp", "inject_v")


# a record of more bytes a block is copied as it falls due: the block ends there
_MOST_WATCHED = 64 << 20


def mode_of(args: RunArgs, layout: Layout, records: Sequence[Record]) -> Mode:
    """What the code of a run depends on."""
    # rows of a buffer that differs step by step
    steps = layout.tiling.steps

    def rows(given: dict[int, Tensor]) -> tuple[tuple[int, int], ...]:
        return tuple((k, steps if t.dim() == 2 else 1) for k, t in given.items())

    currents = {k: g for k, g in args.inputs.items() if g.kind == "current"}
    return Mode(
        learning=args.learning,
        inputs=frozenset(k for k in args.inputs if k not in currents),
        current=tuple((k, steps if g.per_step else 1) for k, g in currents.items()),
        inject=rows(args.inject_v),
        clamp=rows(args.clamp),
        unclamp=rows(args.unclamp),
        winners=frozenset(args.winners),
        uniforms=frozenset(args.uniforms),
        counts=frozenset(args.counts),
        masks=frozenset(args.masks),
        watched=tuple(sorted({layout.watch(r.source) for r in records if in_blocks(r, layout)})),
    )


def encoding(layout: Layout, p: PopulationPlan, threshold: Tensor, steps: int) -> Launch:
    """Random spikes of a population for some steps ahead."""
    block, warps = layout.tiling.tile(p.n)
    args = {
        "control": layout.control,
        "threshold": threshold,
        "out": layout.candidate(p),
        "n": p.n,
        "STREAM": stream(p.index, Purpose.INPUT),
        "ROWS": layout.tiling.steps,
        "BATCH": layout.batch,
        "BLOCK": block,
    }
    return Launch(encode, layout.tiles(p.n, block, steps * layout.batch), args, warps)


def scattering(
    layout: Layout, ids: Tensor, offsets: Tensor, out: Tensor, n: int, steps: int
) -> Launch:
    """Spikes of a list, of one replica, for some steps ahead."""
    block = layout.tiling.list_block(n)
    args = {"ids": ids, "offsets": offsets, "out": out, "n": n}
    args |= {"BATCH": layout.batch, "BLOCK": block}
    return Launch(scatter, (steps * layout.batch,), args, layout.tiling.warps)


def extra_launches(layout: Layout) -> Iterator[tuple[str, Launch]]:
    """The kernels of inputs."""
    for p in layout.plan.populations:
        if p.is_input:
            shape = (layout.n_replicas, layout.batch, p.n)
            threshold = layout.buffers("threshold", p.index, shape=shape, dtype=torch.int64)
            yield "Poisson, Bernoulli", encoding(layout, p, threshold, 1)
            ids = layout.ids(p)[0]
            out = layout.candidate(p)[0]
            yield "Events", scattering(layout, ids, threshold, out, p.n, 1)


def in_blocks(record: Record, layout: Layout) -> bool:
    """Whether what is recorded is noted at every step of a block; weights lag behind in it."""
    size = record.source.numel() * record.source.element_size() * layout.tiling.steps
    return not record.weights and record.every < layout.tiling.steps and size <= _MOST_WATCHED


class Stage:
    """The buffers of one run of all replicas."""

    def __init__(self, layout: Layout, mode: Mode, args: Sequence[RunArgs]) -> None:
        self.layout, self.mode, self.args = layout, mode, args
        self.steps, self.batch = layout.tiling.steps, layout.batch

    def begin_run(self) -> None:
        """What stays the same for the whole run."""
        layout = self.layout
        for p in layout.plan.populations:
            if p.is_input and p.index not in self.mode.inputs:
                layout.candidate(p).zero_()
        for r, args in enumerate(self.args):
            for q, mask in args.masks.items():
                layout.mask(layout.plan.projections[q])[r].copy_(mask)
            if args.reward is None:
                layout.reward()[r].fill_(1.0)
            else:
                layout.reward()[r].copy_(args.reward)
            for name in FORCED:
                for k, given in getattr(args, name).items():
                    if given.dim() == 1:
                        self._forced(name, k)[r, 0].copy_(given)

    def begin_sample(self, sample: int, boosts: Sequence[float]) -> None:
        """What stays the same while a sample is shown; boosts: factors of the rates."""
        for r, args in enumerate(self.args):
            for k, given in args.inputs.items():
                p = self.layout.plan.populations[k]
                if given.kind == "current" and not given.per_step:
                    self._current(p)[r, 0].copy_(given.data[sample])
                elif given.kind == "rates":
                    scale = given.scale * boosts[r]
                    bound = (given.data[sample].to(torch.float64) * scale).clamp(max=TWO_32)
                    self._threshold(p)[r].copy_(bound.floor())

    def begin_block(self, sample: int, first: int, steps: int) -> None:
        """What belongs to steps first..first + steps of a sample."""
        row = sample * self.args[0].n_steps + first
        rows, within = slice(row, row + steps), slice(first, first + steps)
        for r, args in enumerate(self.args):
            for k, given in args.inputs.items():
                self._input(r, self.layout.plan.populations[k], given, rows)
            for name in FORCED:
                for k, forced in getattr(args, name).items():
                    if forced.dim() == 2:
                        self._forced(name, k)[r, :steps].copy_(forced[within])
            for k, winners in args.winners.items():
                self._replay("winners", k, torch.int32)[r, :steps].copy_(winners[rows])
            for k, uniforms in args.uniforms.items():
                self._replay("uniforms", k, torch.float32)[r, :steps].copy_(uniforms[rows])
        for k, given in self.args[0].inputs.items():
            if given.kind == "rates":
                self._encode(self.layout.plan.populations[k], steps)

    def _input(self, r: int, p: PopulationPlan, given: BoundInput, rows: slice) -> None:
        """Spikes that are given, and currents."""
        steps = rows.stop - rows.start
        if given.kind == "spikes":
            self.layout.candidate(p)[r, :steps].copy_(given.data[rows])
        elif given.kind == "events":
            self._scatter(self.layout.candidate(p)[r], p.n, given, rows)
        elif given.kind == "current" and given.per_step:
            self._current(p)[r, :steps].copy_(given.data[rows])

    def _scatter(self, out: Tensor, n: int, given: BoundInput, rows: slice) -> None:
        assert given.offsets is not None
        # a pointer to something, where there are no events at all
        ids = given.data if given.data.numel() else self.layout.lengths.to(torch.int32)
        steps = rows.stop - rows.start
        scattering(self.layout, ids, given.offsets, out, n, steps)(first=rows.start)

    def _encode(self, p: PopulationPlan, steps: int) -> None:
        encoding(self.layout, p, self._threshold(p), steps)(rows=steps)

    def _threshold(self, p: PopulationPlan) -> Tensor:
        return self.layout.own("threshold", p, self.batch, dtype=torch.int64)

    def _current(self, p: PopulationPlan) -> Tensor:
        rows = dict(self.mode.current)[p.index]
        return self.layout.own("current", p, rows, self.batch, dtype=torch.float32)

    def _forced(self, name: str, population: int) -> Tensor:
        p = self.layout.plan.populations[population]
        short = "inject" if name == "inject_v" else name
        rows = dict(getattr(self.mode, short))[population]
        dtype = torch.float32 if name == "inject_v" else torch.uint8
        return self.layout.own(short, p, rows, dtype=dtype)

    def _replay(self, name: str, population: int, dtype: torch.dtype) -> Tensor:
        p = self.layout.plan.populations[population]
        if name == "uniforms":
            return self.layout.own(name, p, self.steps, self.batch, dtype=dtype)
        shape = (self.layout.n_replicas, self.steps, self.batch)
        return self.layout.buffers(name, population, shape=shape, dtype=dtype)


def seeds(plans: Sequence[Any]) -> list[list[int]]:
    """Low and high word of every replica's seed."""
    return [[plan.seed & 0xFFFFFFFF, (plan.seed >> 32) & 0xFFFFFFFF] for plan in plans]
