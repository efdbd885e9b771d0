# SPDX-License-Identifier: Apache-2.0
"""Listed synapses for the Triton kernels: columns by target, and launches of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.backends.pointers import as_bytes
from fastsnn.backends.triton_sparse import table
from fastsnn.kernels import parts
from fastsnn.plan import Plan, ProjectionPlan
from fastsnn.synapses import Synapses

if TYPE_CHECKING:
    from fastsnn.backends.triton_layout import Layout, Mode

_SLICE = int(parts.SLICE.value)


def refusal(plan: Plan) -> str | None:
    """Why projections of kind "indexed" cannot run on Triton, or None."""
    for q in plan.projections:
        s, why = q.synapses, None
        if q.kind != "indexed" or s is None:
            if q.rule is not None and q.rule.host_only:
                why = f"learns by {q.rule.__name__}, which takes listed synapses here"
        elif s.weight is not None:
            why = "is a convolution or a local connection"
        elif plan.batch > 1:
            why = f"has listed synapses, which need batch_size=1 here; it is {plan.batch}"
        elif q.terminal is not None:
            why = "has short-term plasticity"
        elif q.norm is not None:
            why = "has listed synapses and a norm"
        elif q.last_pre is not None:
            why = "has listed synapses and a rule that sees the spikes of the step before"
        if why:
            return f"projection '{q.name}' {why}; the backends cpu and torch run it."
    return None


def facts(q: ProjectionPlan) -> dict[str, Any]:
    """What the kernels know of delays when they are compiled."""
    s = q.synapses
    assert s is not None
    late = 0 if q.sent is None else int((parts.DENDRITIC if q.dendritic else parts.AXONAL).value)
    return {
        "late": late,
        "each": s.delays is not None,
        "delay": s.delay,
        "slots": 1 if q.sent is None else len(q.sent),
    }


def late_by(q: ProjectionPlan, at: str) -> int | None:
    """Steps by which all spikes of a side come late, as its traces see it; None: none of them."""
    if q.sent is None or at != ("post" if q.dendritic else "pre"):
        return None
    assert q.synapses is not None
    if q.synapses.delays is not None:
        # each synapse looks traces up as they were
        return None
    return q.synapses.delay - (at == "pre")


class Columns:
    """Addresses of the columns of a projection's synapses, int64 [R, COLUMN_FIELDS]."""

    def __init__(self, layout: Layout, q: ProjectionPlan) -> None:
        self.keep: list[Tensor] = []
        lists = [plan.projections[q.index].synapses for plan in layout.plans]
        rows = [self._row(s, q.dendritic) for s in lists if s is not None]
        self.table = table([[row] for row in rows], layout.plan.device)

    def _row(self, s: Synapses, dendritic: bool) -> tuple[int, ...]:
        held = columns(s, dendritic)
        # where delays are the same, a pointer to something
        self.keep += held
        return tuple(t.data_ptr() for t in (*held, held[0])[: int(parts.COLUMN_FIELDS.value)])


def columns(s: Synapses, dendritic: bool) -> list[Tensor]:
    """Where slices begin, sources, places of weights, and delays where they differ.

    A column is in the order in which its synapses are summed: by number, with axonal delays that
    differ by delay first.
    """
    where = s.post.device
    order = torch.arange(s.n_syn, device=where)
    if s.delays is not None and not dendritic:
        order = torch.argsort(s.delays, stable=True)
    order = order[torch.argsort(s.post[order].long(), stable=True)]
    post = s.post[order].long()
    lengths = torch.bincount(post, minlength=s.n_post)
    rank = torch.arange(s.n_syn, device=where) - (lengths.cumsum(0) - lengths)[post]
    padded = torch.nn.functional.pad(lengths, (0, -s.n_post % _SLICE)).view(-1, _SLICE)
    sizes = padded.max(1).values * _SLICE
    ptr = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
    at = ptr[post // _SLICE] + rank * _SLICE + post % _SLICE

    def laid(values: Tensor, other: int) -> Tensor:
        # a pointer to something, where there are no synapses at all
        out = torch.full((max(1, int(ptr[-1])),), other, dtype=torch.int32, device=where)
        out[at] = values[order].to(torch.int32)
        return out

    found = [ptr, laid(s.pre, -1), laid(torch.arange(s.n_syn, device=where), 0)]
    return found if s.delays is None else [*found, laid(s.delays, 1)]


def pointers_of(layout: Layout, q: ProjectionPlan, mode: Mode) -> parts.Listed:
    """Pointers of listed synapses for learning."""
    source, target = (layout.plan.populations[k] for k in (q.source, q.target))
    return parts.Listed(
        synapse=(q.w, *q.synapse),
        params=q.params if q.params.numel() else q.w,
        reward=layout.reward(),
        pre=tuple(as_bytes(t) for t in q.pre),
        post=tuple(as_bytes(t) for t in q.post),
        pre_spike=as_bytes(source.spike),
        post_spike=as_bytes(target.spike),
        w_min=q.w_min,
        w_max=q.w_max,
        mask=layout.mask(q) if q.index in mode.masks else as_bytes(source.spike),
        n_pre=source.n,
        n_w=q.w.numel(),
        columns=layout.columns(q),
        sent=as_bytes(source.spike if q.sent is None else q.sent),
        past=q.w if q.past is None else q.past,
    )


def rings(q: ProjectionPlan) -> Iterator[Tensor]:
    """What a reset forgets."""
    for ring in (q.sent, q.arriving):
        if ring is not None:
            yield as_bytes(ring)


__all__ = ["Columns", "columns", "facts", "late_by", "pointers_of", "refusal", "rings"]
