# SPDX-License-Identifier: Apache-2.0
"""Around the steps: random and listed input, the clock, reset, normalisation."""

import triton
import triton.language as tl

from .language import divide
from .parts import (
    ACTIVE,
    CLOCK,
    CONTROL,
    FRESH,
    PORT_ARRIVING,
    PORT_FIELDS,
    PORT_SLOTS,
    SEED_HIGH,
    SEED_LOW,
)
from .philox import of_lane, words
from .sparse import pointer


@triton.jit(do_not_specialize=["rows"])
def encode(
    control, threshold, out, n, rows, STREAM: tl.constexpr, ROWS: tl.constexpr,
    BATCH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Random spikes of `rows` steps ahead.  Grid: tiles, batch * rows, replicas.

    threshold: int64 [R, B, n].   out: uint8 [R, ROWS, B, n].
    """
    r = tl.program_id(2).to(tl.int64)
    facts = control + r * CONTROL
    if tl.load(facts + ACTIVE) == 0:
        return
    b = tl.program_id(1) % BATCH
    k = tl.program_id(1) // BATCH
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    inside = j < tl.where(k < rows, n, 0)
    step = tl.load(facts + CLOCK) + k
    four = words(
        tl.load(facts + SEED_LOW), tl.load(facts + SEED_HIGH), STREAM, step >> 2, b * n + j
    )
    word = of_lane(four, step & 3)
    bound = tl.load(threshold + (r * BATCH + b) * n + j, mask=inside, other=0)
    at = ((r * ROWS + k) * BATCH + b) * n + j
    tl.store(out + at, (word < bound).to(tl.uint8), mask=inside)


@triton.jit(do_not_specialize=["first"])
def scatter(ids, offsets, out, n, first, BATCH: tl.constexpr, BLOCK: tl.constexpr):
    """Listed spikes as flags.  Grid: steps * batch.  out: uint8 [steps, B, n]; offsets: int64."""
    row = tl.program_id(0).to(tl.int64)
    for start in range(0, n, BLOCK):
        j = start + tl.arange(0, BLOCK)
        tl.store(out + row * n + j, tl.zeros_like(j).to(tl.uint8), mask=j < n)
    # other threads of this program wrote the zeros
    tl.debug_barrier()
    place = offsets + first.to(tl.int64) * BATCH + row
    begin = tl.load(place)
    end = tl.load(place + 1)
    for start in range(begin, end, BLOCK):
        at = start + tl.arange(0, BLOCK)
        j = tl.load(ids + at, mask=at < end, other=0)
        tl.store(out + row * n + j, tl.full((BLOCK,), 1, tl.uint8), mask=at < end)


@triton.jit(do_not_specialize=["steps"])
def tick(
    control, heads, lengths, n_heads, n_sent, steps, BLOCK: tl.constexpr, STEPS: tl.constexpr
):  # fmt: skip
    """Move the clock and the heads of the windows on; forget what was sent.  Grid: replicas.

    n_sent: int32 [R, STEPS rounded up to a power of two].
    """
    r = tl.program_id(0).to(tl.int64)
    facts = control + r * CONTROL
    if tl.load(facts + ACTIVE) == 0:
        return
    tl.store(facts + CLOCK, tl.load(facts + CLOCK) + steps)
    tl.store(facts + FRESH, tl.full((), 0, tl.int64))
    q = tl.arange(0, BLOCK)
    some = q < n_heads
    head = tl.load(heads + r * n_heads + q, mask=some, other=0) + steps
    length = tl.load(lengths + q, mask=some, other=1)
    tl.store(heads + r * n_heads + q, head % length, mask=some)
    step = tl.arange(0, STEPS)
    tl.store(n_sent + r * STEPS + step, tl.zeros_like(step))


@triton.jit
def reset(
    control, states, inits, zeros, ports, spike, n_ids, heads, n, RESET: tl.constexpr,
    BATCH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Put a tile of neurons at its initial values.  Grid: tiles, batch, replicas."""
    r = tl.program_id(2).to(tl.int64)
    if tl.load(control + r * CONTROL + ACTIVE) == 0:
        return
    b = tl.program_id(1)
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    inside = j < n
    at = (r * BATCH + b) * n + j
    for q in tl.static_range(len(states)):
        if RESET[0].each[q]:
            value = tl.load(inits[q] + r * n + j, mask=inside, other=0.0)
        else:
            value = tl.load(inits[q] + r) + tl.zeros_like(j).to(tl.float32)
        tl.store(states[q] + at, value, mask=inside)
    nothing = tl.zeros_like(j).to(tl.float32)
    for q in tl.static_range(len(zeros)):
        for slot in range(RESET[0].slots[q]):
            row = r * RESET[0].slots[q] + slot
            tl.store(zeros[q] + (row * BATCH + b) * n + j, nothing, mask=inside)
    for q in tl.static_range(len(RESET[0].ports)):
        port = ports + (r * RESET[0].n_ports + RESET[0].ports[q]) * PORT_FIELDS
        under_way = pointer(port, PORT_ARRIVING, tl.int32)
        for slot in range(tl.load(port + PORT_SLOTS)):
            tl.store(under_way + slot * n + j, nothing.to(tl.int32), mask=inside)
    tl.store(spike + at, nothing.to(tl.uint8), mask=inside)
    if tl.program_id(0) == 0:
        tl.store(n_ids + r * BATCH + b, tl.full((), 0, tl.int32))
        if b == 0:
            for head in tl.static_range(len(RESET[0].heads)):
                tl.store(heads + r * RESET[0].stride + head, tl.full((), 0, tl.int64))


@triton.jit
def normalise(
    control, w, changed, n_pre, n, norm, BLOCK: tl.constexpr, ROWS: tl.constexpr,
    UNROLL: tl.constexpr,
):  # fmt: skip
    """Scale the columns that changed so that their absolute values sum to `norm`.

    Grid: tiles of columns, 1, replicas.  w: float32 [R, n_pre, n].  changed: uint8 [R, n].
    """
    r = tl.program_id(2).to(tl.int64)
    facts = control + r * CONTROL
    if tl.load(facts + ACTIVE) == 0:
        return
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    moved = tl.load(changed + r * n + j, mask=j < n, other=0) != 0
    if tl.max(moved.to(tl.int32), 0) > 0:
        total = tl.zeros_like(j).to(tl.float32)
        for first in range(0, n_pre, UNROLL):
            values = ()
            for u in tl.static_range(UNROLL):
                # no columns where there is no row
                some = moved & (j < tl.where(first + u < n_pre, n, 0))
                at = (r * n_pre + first + u) * n + j
                values += (tl.load(w + at, mask=some, other=0.0),)
            for u in tl.static_range(UNROLL):
                total = total + tl.abs(values[u])
        factor = divide(norm, tl.where(total == 0.0, 1.0, total))
        # other threads of this program still read the columns
        tl.debug_barrier()
        for first in range(0, n_pre, ROWS):
            i = (first + tl.arange(0, ROWS))[:, None]
            some = (i < n_pre) & moved[None, :]
            at = (r * n_pre + i) * n + j[None, :]
            value = tl.load(w + at, mask=some, other=0.0)
            tl.store(w + at, value * factor[None, :], mask=some)
    tl.store(changed + r * n + j, tl.zeros_like(j).to(tl.uint8), mask=moved)
    tl.store(facts + FRESH, tl.full((), 1, tl.int64))
