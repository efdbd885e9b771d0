# SPDX-License-Identifier: Apache-2.0
"""What a step tells the others: winners, traces, clamps, counts, lists of spikes.

One program per batch element and replica walks over all neurons: an ascending list has one order.
"""

import triton
import triton.language as tl

from .language import where
from .parts import (
    ACTIVE,
    CLOCK,
    CONTROL,
    SEED_HIGH,
    SEED_LOW,
    TRACE_ADDITIVE,
    add_list,
    load_all,
    load_numbers,
    number_of,
    row_of,
    store_all,
)
from .philox import words


@triton.jit
def candidates(cell, j, inside, k, b, r, n, CELL: tl.constexpr, BATCH: tl.constexpr):
    """Whether neurons j crossed their threshold (or were given a spike)."""
    row = r * CELL[0].candidate_rows + row_of(k, CELL[0].candidate_rows)
    at = (row * BATCH + b) * n + j
    return tl.load(cell.candidate + at, mask=inside, other=0) != 0


@triton.jit
def chosen(control, cell, k, b, r, n, CELL: tl.constexpr, BATCH: tl.constexpr, BLOCK: tl.constexpr):
    """The candidate that keeps its spike, drawn uniformly or replayed; -1: none."""
    if CELL[0].replays_winners:
        row = r * CELL[0].winner_rows + row_of(k, CELL[0].winner_rows)
        return tl.load(cell.winners + row * BATCH + b).to(tl.int64)
    else:
        count = tl.full((), 0, tl.int64)
        for first in range(0, n, BLOCK):
            j = (first + tl.arange(0, BLOCK)).to(tl.int64)
            spike = candidates(cell, j, j < n, k, b, r, n, CELL, BATCH)
            count = count + tl.sum(spike.to(tl.int32), 0)
        facts = control + r * CONTROL
        word, _, _, _ = words(
            tl.load(facts + SEED_LOW), tl.load(facts + SEED_HIGH), CELL[0].stream + 2,
            tl.load(facts + CLOCK) + k, b,
        )  # fmt: skip
        place = (word.to(tl.int64) * count) >> 32
        winner = tl.full((), -1, tl.int64)
        passed = tl.full((), 0, tl.int64)
        for first in range(0, n, BLOCK):
            j = (first + tl.arange(0, BLOCK)).to(tl.int64)
            spike = candidates(cell, j, j < n, k, b, r, n, CELL, BATCH)
            order = passed + tl.cumsum(spike.to(tl.int32), 0) - 1
            winner = tl.maximum(winner, tl.max(tl.where(spike & (order == place), j, -1), 0))
            passed = passed + tl.sum(spike.to(tl.int32), 0)
        return winner


@triton.jit
def trace(cell, spike, j, inside, at, r, n, CELL: tl.constexpr):
    """Decay the trace and let it jump."""
    if CELL[0].trace > 0:
        decay = number_of(cell, r, j, n, inside, CELL[0].decay_x, CELL)
        scale = number_of(cell, r, j, n, inside, CELL[0].trace_scale, CELL)
        x = tl.load(cell.x + at, mask=inside, other=0.0) * decay
        jump = x + scale if CELL[0].trace == TRACE_ADDITIVE else scale
        tl.store(cell.x + at, where(spike, jump, x), mask=inside)


@triton.jit
def forced(cell, spike, j, inside, k, r, n, CELL: tl.constexpr):
    """Clamp, then unclamp."""
    if CELL[0].clamp_rows > 0:
        row = r * CELL[0].clamp_rows + row_of(k, CELL[0].clamp_rows)
        spike = spike | (tl.load(cell.clamp + row * n + j, mask=inside, other=0) != 0)
    if CELL[0].unclamp_rows > 0:
        row = r * CELL[0].unclamp_rows + row_of(k, CELL[0].unclamp_rows)
        spike = spike & (tl.load(cell.unclamp + row * n + j, mask=inside, other=0) == 0)
    return spike


@triton.jit
def finish(cell, spike, j, inside, k, b, r, n, CELL: tl.constexpr, BATCH: tl.constexpr):
    """Trace, clamp, count, store and list the spikes of neurons j; returns them."""
    at = (r * BATCH + b) * n + j
    trace(cell, spike, j, inside, at, r, n, CELL)
    if CELL[0].is_input and CELL[0].summed:
        before = tl.load(cell.summed + at, mask=inside, other=0.0)
        tl.store(cell.summed + at, before + spike.to(tl.float32), mask=inside)
    spike = forced(cell, spike, j, inside, k, r, n, CELL)
    tl.store(cell.spike + at, spike.to(tl.uint8), mask=inside)
    if CELL[0].counted:
        before = tl.load(cell.counts + at, mask=inside, other=0)
        tl.store(cell.counts + at, before + spike.to(tl.int32), mask=inside)
    if CELL[0].sends:
        count = tl.sum((spike & inside).to(tl.int32), 0)
        if count > 0:
            n_sent = cell.n_sent + r * CELL[0].sent_rows + k
            base = tl.atomic_add(n_sent, count, sem="relaxed")
            sent = cell.sent + r * CELL[0].n_sources
            add_list(sent, base, CELL[0].first_source + j, spike & inside)
    return spike


@triton.jit
def shared_after(cell, j, inside, k, r, n, CELL: tl.constexpr, BATCH: tl.constexpr):
    """Shared variables after this step's candidates of the whole batch."""
    count = tl.zeros_like(j).to(tl.float32)
    for b in range(BATCH):
        count += candidates(cell, j, inside, k, b, r, n, CELL, BATCH).to(tl.float32)
    numbers = load_numbers(cell, r, j, n, inside, CELL)
    learning = tl.full((), CELL[0].learning, tl.int1)
    values = load_all(cell.halfway, r * n + j, inside)
    store_all(cell.shared, r * n + j, CELL[0].after(values, count, numbers, learning), inside)


@triton.jit(do_not_specialize=["k"])
def publish(control, cell, n, k, CELL: tl.constexpr, BATCH: tl.constexpr, BLOCK: tl.constexpr):
    """Finish a step of one population.  Grid: 1, batch, replicas."""
    r = tl.program_id(2).to(tl.int64)
    if tl.load(control + r * CONTROL + ACTIVE) == 0:
        return
    b = tl.program_id(1)
    length = tl.full((), 0, tl.int32)
    winner = tl.full((), -1, tl.int64)
    if CELL[0].one_spike:
        winner = chosen(control, cell, k, b, r, n, CELL, BATCH, BLOCK)
    for first in range(0, n, BLOCK):
        j = (first + tl.arange(0, BLOCK)).to(tl.int64)
        inside = j < n
        if CELL[0].one_spike:
            spike = inside & (j == winner)
        else:
            spike = candidates(cell, j, inside, k, b, r, n, CELL, BATCH)
        spike = finish(cell, spike, j, inside, k, b, r, n, CELL, BATCH)
        length = add_list(cell.ids + (r * BATCH + b) * n, length, j, spike & inside)
        if BATCH > 1 and len(cell.shared) > 0:
            shared_after(cell, j, j < tl.where(b == 0, n, 0), k, r, n, CELL, BATCH)
    tl.store(cell.n_ids + r * BATCH + b, length)


@triton.jit
def compact(control, spike, ids, n_ids, n, BATCH: tl.constexpr, BLOCK: tl.constexpr):
    """List the spikes that are flagged.  Grid: 1, batch, replicas."""
    r = tl.program_id(2).to(tl.int64)
    row = r * BATCH + tl.program_id(1)
    length = tl.full((), 0, tl.int32)
    for first in range(0, n, BLOCK):
        j = (first + tl.arange(0, BLOCK)).to(tl.int64)
        flags = tl.load(spike + row * n + j, mask=j < n, other=0) != 0
        length = add_list(ids + row * n, length, j, flags)
    tl.store(n_ids + row, length)


@triton.jit(do_not_specialize=["k"])
def trail(
    control, spike, own, rule, last, ids, n_ids, n, k, TRAIL: tl.constexpr, BATCH: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Advance a rule's own variables on one side; note the spikes.  Grid: 1, batch, replicas.

    rule: its numbers, float32 [R, TRAIL.stride].
    """
    r = tl.program_id(2).to(tl.int64)
    if tl.load(control + r * CONTROL + ACTIVE) == 0:
        return
    row = r * BATCH + tl.program_id(1)
    numbers = ()
    for q in tl.static_range(len(TRAIL[0].params)):
        numbers += (tl.load(rule + r * TRAIL[0].stride + q),)
    length = tl.full((), 0, tl.int32)
    for first in range(0, n, BLOCK):
        j = (first + tl.arange(0, BLOCK)).to(tl.int64)
        inside = j < n
        at = row * n + j
        seen = at
        if TRAIL[0].slots > 0:
            now = tl.load(control + r * CONTROL + CLOCK) + k
            slot = (now + TRAIL[0].slots - TRAIL[0].late) % TRAIL[0].slots
            seen = (row * TRAIL[0].slots + slot) * n + j
        flags = tl.load(spike + seen, mask=inside, other=0)
        if len(own) > 0:
            values = load_all(own, at, inside)
            values = TRAIL[0].advance(values, flags.to(tl.float32), numbers)
            store_all(own, at, values, inside)
        if TRAIL[0].lag:
            tl.store(last + at, flags, mask=inside)
            length = add_list(ids + row * n, length, j, flags != 0)
    if TRAIL[0].lag:
        tl.store(n_ids + row, length)
