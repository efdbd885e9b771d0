# SPDX-License-Identifier: Apache-2.0
"""Calls of a backend with checked arguments: parts where monitors are bounded, and the books.

A network is executed as one replica of itself; `fastsnn.Replicas` executes many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastsnn.monitors import Monitor
from fastsnn.plan import Record, RunArgs, RunReport

if TYPE_CHECKING:
    from fastsnn.network import Network

# rows that monitors may hold beyond what they keep, so that a long run stays within bounded memory
_CHUNK_BYTES = 64 << 20
# steps after which recorders take their events, where they keep less than all
_CHUNK_STEPS = 10_000

Go = Callable[[list[RunArgs], list[RunReport]], None]


def execute(nets: Sequence[Network], args: Sequence[RunArgs], go: Go) -> list[RunReport]:
    """Run networks of one shape, in parts where monitors keep less than they record.

    go: runs one part of all of them.  Raises KeyboardInterrupt after Ctrl-C, the books being kept.
    """
    for net in nets:
        for p in net.projections.values():
            p.settle()
    totals = [RunReport() for _ in nets]
    chunk = min(_chunk(net, a) for net, a in zip(nets, args, strict=True))
    for group in zip(*(_parts(a, chunk) for a in args), strict=True):
        parts = [part for _, part in group]
        for net, part in zip(nets, parts, strict=True):
            part.step, part.records = net.step, _records(net, part)
            part.recorded = tuple(
                {net.index_of(p): p for r in net.recorders for p in r.populations}
            )
        reports = [RunReport() for _ in nets]
        try:
            go(parts, reports)
        finally:
            for net, part, report in zip(nets, parts, reports, strict=True):
                _keep_books(net, part, report)
        for whole, (sample, part), report, total in zip(args, group, reports, totals, strict=True):
            total.steps += report.steps
            if part is whole:
                total.tries = report.tries
            else:
                for k, counts in part.counts.items():
                    whole.counts[k][sample] += counts[0]
        if any(report.interrupted for report in reports):
            raise KeyboardInterrupt
    for whole, total in zip(args, totals, strict=True):
        total.tries = total.tries or [1] * whole.n_samples
    return totals


def _keep_books(net: Network, part: RunArgs, report: RunReport) -> None:
    names = list(net.populations)
    for recorder in net.recorders:
        for k, (counts, ids) in report.events.items():
            if names[k] in recorder.populations:
                recorder.append(names[k], net.step, counts, ids)
    net.step += report.steps
    for p in net.projections.values():
        p.remember()
    for m, record in zip(net.monitors, part.records, strict=True):
        m.append(record.dest[: m.rows_in(report.steps)], report.steps)


def _chunk(net: Network, args: RunArgs) -> int:
    """Steps per call of the backend, so that bounded monitors stay within their memory."""
    chunk = args.n_steps * args.n_samples
    if any(r.capacity is not None or r.path is not None for r in net.recorders):
        chunk = min(chunk, _CHUNK_STEPS)
    for m in net.monitors:
        if m.capacity is not None:
            row = _recorded(net, m).numel() * _recorded(net, m).element_size()
            chunk = min(chunk, m.every * max(m.capacity, _CHUNK_BYTES // max(1, row)))
    return max(1, chunk)


def _parts(args: RunArgs, chunk: int) -> Iterator[tuple[int, RunArgs]]:
    """A run in parts of at most `chunk` steps, none longer than a sample, with their samples."""
    if chunk >= args.n_steps * args.n_samples:
        yield 0, args
        return
    for sample in range(args.n_samples):
        for first in range(0, args.n_steps, chunk):
            yield sample, _part(args, sample, first, min(first + chunk, args.n_steps))
        if args.progress:
            args.progress(sample + 1)


def _recorded(net: Network, m: Monitor) -> Tensor:
    owner = net.populations.get(m.owner) or net.projections[m.owner]
    return owner.variables()[m.variable]


def _records(net: Network, args: RunArgs) -> list[Record]:
    out = []
    for m in net.monitors:
        source = _recorded(net, m)
        width = source.shape[-1] if m.index is None else len(m.index)
        rows = m.rows_in(args.n_steps * args.n_samples)
        dest = torch.empty(
            (rows, *source.shape[:-1], width), dtype=source.dtype, device=source.device
        )
        out.append(Record(source, dest, m.index, m.every, m.phase, m.owner in net.projections))
    return out


def _part(args: RunArgs, sample: int, first: int, last: int) -> RunArgs:
    """Steps first..last of a sample: only the first part resets, only the last one normalises."""
    rows = slice(sample * args.n_steps + first, sample * args.n_steps + last)

    def cut(given: dict[int, Tensor]) -> dict[int, Tensor]:
        return {k: v[rows].contiguous() if v.dim() > 1 else v for k, v in given.items()}

    return RunArgs(
        n_steps=last - first,
        learning=args.learning,
        normalize=args.normalize and last == args.n_steps,
        reset=args.reset and first == 0,
        reward=args.reward,
        inputs={k: v.part(rows, sample) for k, v in args.inputs.items()},
        clamp=cut(args.clamp),
        unclamp=cut(args.unclamp),
        inject_v=cut(args.inject_v),
        masks=args.masks,
        counts={k: torch.zeros_like(v[:1]) for k, v in args.counts.items()},
        winners=cut(args.winners),
        uniforms=cut(args.uniforms),
    )
