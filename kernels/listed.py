# SPDX-License-Identifier: Apache-2.0
"""Listed synapses, each with a weight of its own, and maybe a delay; a batch of one.

A neuron walks over the column of its synapses, in the order in which they are to be summed: so no
order is left to chance.  Columns lie in slices of 32 neurons, as long as the longest of them.

What is late stands in a ring, what is of step t in slot t % slots: spikes of the source (axonal
delays), or of the target and the currents that are to act (dendritic ones).
"""

import triton
import triton.language as tl

from .language import where
from .learn import bound, hold, load_params, with_weight
from .parts import (
    ACTIVE,
    AXONAL,
    CLOCK,
    COLUMN_DELAY,
    COLUMN_FIELDS,
    COLUMN_PLACE,
    COLUMN_PRE,
    COLUMN_PTR,
    CONTROL,
    DENDRITIC,
    FRESH,
    SLICE,
    load_all,
    store_all,
)
from .sparse import pointer


@triton.jit
def column(row, j, inside):
    """Where the columns of neurons j begin, and their lengths; row: of a table of addresses."""
    ptr = pointer(row, COLUMN_PTR, tl.int64) + j // SLICE
    first = tl.load(ptr, mask=inside, other=0)
    last = tl.load(ptr + 1, mask=inside, other=0)
    return first + j % SLICE, (last - first) // SLICE


@triton.jit
def synapse(row, at, there, EACH: tl.constexpr, DELAY: tl.constexpr):
    """Source (-1: none), place of the weight, and delay of the synapses at some entries."""
    pre = tl.load(pointer(row, COLUMN_PRE, tl.int32) + at, mask=there, other=-1).to(tl.int64)
    place = tl.load(pointer(row, COLUMN_PLACE, tl.int32) + at, mask=pre >= 0, other=0)
    delay = tl.full((), DELAY, tl.int64)
    if EACH:
        delay = tl.load(pointer(row, COLUMN_DELAY, tl.int32) + at, mask=pre >= 0, other=1)
    return pre, place.to(tl.int64), delay


@triton.jit
def slot_of(step, lag, SLOTS: tl.constexpr):
    """Slot of what was `lag` steps ago, 0 to SLOTS."""
    return (step + SLOTS - lag) % SLOTS


@triton.jit
def deliver_listed(control, wire, j, inside, k, r, n, WIRES: tl.constexpr, P: tl.constexpr):
    """What listed synapses deliver in a step."""
    step = tl.load(control + r * CONTROL + CLOCK) + k
    row = wire.columns + r * COLUMN_FIELDS
    entry, length = column(row, j, inside)
    total = tl.zeros_like(j).to(tl.float32)
    slots: tl.constexpr = WIRES[P].slots
    slowest: tl.constexpr = WIRES[P].delay
    ring = wire.arriving + r * slowest * n + j
    if WIRES[P].late == DENDRITIC:
        tl.store(ring + slot_of(step, 1, slowest) * n, total, mask=inside)
    for c in range(tl.max(length, 0)):
        pre, place, delay = synapse(row, entry + c * SLICE, c < length, WIRES[P].each, slowest)
        if WIRES[P].late == AXONAL:
            sent = (r * slots + slot_of(step, delay, slots)) * wire.n_pre + pre
            fires = tl.load(wire.sent + sent, mask=pre >= 0, other=0) != 0
        else:
            fires = tl.load(wire.spike + r * wire.n_pre + pre, mask=pre >= 0, other=0) != 0
        w = tl.load(wire.w + r * wire.n_w + place, mask=fires, other=0.0)
        if WIRES[P].late == DENDRITIC:
            later = ring + slot_of(step, slowest + 1 - delay, slowest) * n
            before = tl.load(later, mask=fires, other=0.0)
            tl.store(later, before + w, mask=fires)
        else:
            total = tl.where(fires, total + w, total)
    if WIRES[P].late == DENDRITIC:
        total = tl.load(ring + (step % slowest) * n, mask=inside, other=0.0)
    return total


@triton.jit
def spike_seen(s, spike, neuron, n, there, lag, step, r, LATE: tl.constexpr, RULES: tl.constexpr):
    """Spikes of one side as the synapses see them."""
    if LATE:
        slots: tl.constexpr = RULES[0].slots
        at = (r * slots + slot_of(step, lag, slots)) * n + neuron
        return tl.load(s.sent + at, mask=there, other=0) != 0
    else:
        return tl.load(spike + r * n + neuron, mask=there, other=0) != 0


@triton.jit
def side_seen(
    s, spikes, variables, neuron, n, there, lag, step, r, LATE: tl.constexpr, RULES: tl.constexpr
):
    """What a rule reads of one side: spikes as numbers, then variables, the rule's own last."""
    values = (spikes.to(tl.float32),)
    slots: tl.constexpr = RULES[0].slots
    past: tl.constexpr = RULES[0].past
    for q in tl.static_range(len(variables)):
        if LATE and q >= len(variables) - past:
            row = (r * slots + slot_of(step, lag, slots)) * past + q - (len(variables) - past)
            value = tl.load(s.past + row * n + neuron, mask=there, other=0.0)
        else:
            value = tl.load(variables[q] + r * n + neuron, mask=there, other=0).to(tl.float32)
        values += (value,)
    return values


@triton.jit(do_not_specialize=["k"])
def learn_listed(control, s, n, k, RULES: tl.constexpr, BLOCK: tl.constexpr):
    """Learn one step.  Grid: tiles of targets, 1, replicas.

    Synapses of which neither side is seen to spike are looked at and left alone, but for a rule
    that is not event driven, and in steps in which it consolidates.
    """
    r = tl.program_id(2).to(tl.int64)
    facts = control + r * CONTROL
    if tl.load(facts + ACTIVE) == 0:
        return
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    inside = j < n
    step = tl.load(facts + CLOCK) + k
    due = (step + 1) % RULES[0].every == 0
    # weights may lie outside of their bounds, or all synapses are to be consolidated
    fresh = tl.load(facts + FRESH) * (k == 0)
    all_of = j < tl.where(fresh != 0, n, 0)
    if RULES[0].consolidate is not None:
        all_of = all_of | (j < tl.where(due, n, 0))
    params = load_params(s, r, RULES, 0, 1)
    row = s.columns + r * COLUMN_FIELDS
    entry, length = column(row, j, inside)
    for c in range(tl.max(length, 0)):
        pre, place, delay = synapse(
            row, entry + c * SLICE, c < length, RULES[0].each, RULES[0].delay
        )
        which = pre >= 0
        sent = spike_seen(s, s.pre_spike, pre, s.n_pre, which, delay - 1, step, r,
                          RULES[0].late == AXONAL, RULES)  # fmt: skip
        fired = spike_seen(s, s.post_spike, j, n, which, delay, step, r,
                           RULES[0].late == DENDRITIC, RULES)  # fmt: skip
        if RULES[0].event:
            which = which & (sent | fired | all_of)
        if tl.max(which.to(tl.int32), 0) > 0:
            at = r * s.n_w + place
            old = load_all(s.synapse, at, which)
            new = old
            if RULES[0].learn is not None:
                pre_side = side_seen(s, sent, s.pre, pre, s.n_pre, which, delay - 1, step, r,
                                     RULES[0].late == AXONAL, RULES)  # fmt: skip
                post_side = side_seen(s, fired, s.post, j, n, which, delay, step, r,
                                      RULES[0].late == DENDRITIC, RULES)  # fmt: skip
                terms = RULES[0].terms(pre_side, post_side, tl.load(s.reward + r), params)
                new = RULES[0].learn(old, terms, params)
            values = with_weight(bound(s, new[0], at, which, r, RULES, 0), new)
            if RULES[0].consolidate is not None:
                merged = RULES[0].consolidate(values, params)
                merged = with_weight(bound(s, merged[0], at, which, r, RULES, 0), merged)
                kept = ()
                for q in tl.static_range(len(s.synapse)):
                    kept += (where(due, merged[q], values[q]),)
                values = kept
            w = hold(s, values[0], at, which, RULES, 0)
            store_all(s.synapse, at, with_weight(w, values), which)


@triton.jit(do_not_specialize=["k"])
def note(
    control, spike, own, sent, past, n, k, SLOTS: tl.constexpr, PAST: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Note the spikes of a step, and the rule's own traces, of the late side.

    Grid: tiles, 1, replicas.   sent: uint8 [R, SLOTS, n].   past: float32 [R, SLOTS, PAST, n].
    """
    r = tl.program_id(2).to(tl.int64)
    facts = control + r * CONTROL
    if tl.load(facts + ACTIVE) == 0:
        return
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    inside = j < n
    row = r * SLOTS + (tl.load(facts + CLOCK) + k) % SLOTS
    tl.store(sent + row * n + j, tl.load(spike + r * n + j, mask=inside, other=0), mask=inside)
    for q in tl.static_range(PAST):
        value = tl.load(own[q] + r * n + j, mask=inside, other=0.0)
        tl.store(past + (row * PAST + q) * n + j, value, mask=inside)


@triton.jit
def forget(control, ring, size, BLOCK: tl.constexpr):
    """Put a ring at zero.  Grid: tiles, 1, replicas.   ring: [R, size]."""
    r = tl.program_id(2).to(tl.int64)
    if tl.load(control + r * CONTROL + ACTIVE) == 0:
        return
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    tl.store(ring + r * size + j, tl.zeros_like(j).to(ring.dtype.element_ty), mask=j < size)
