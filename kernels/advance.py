# SPDX-License-Identifier: Apache-2.0
"""A step of one population.

A program owns a tile of neurons of one batch element of one replica.  In one pass over the weight
rows of the spikes that arrived it learns the step before and sums the current; then it moves the
neurons.  What other programs may still read (spikes, traces, lists) is left to `publish`.
"""

import triton
import triton.language as tl

from .language import dot, number, rand
from .learn import hot_columns, learn_columns, learn_row, load_params, note_changed
from .listed import deliver_listed
from .parts import (
    ACTIVE,
    CLOCK,
    CONTROL,
    DENSE,
    FRESH,
    LISTED,
    ONE_TO_ONE,
    SEED_HIGH,
    SEED_LOW,
    load_all,
    load_numbers,
    row_of,
    store_all,
)
from .philox import words
from .publish import finish
from .sparse import taken


@triton.jit
def deliver(wire, j, inside, b, r, n, BATCH: tl.constexpr, UNROLL: tl.constexpr):
    """Sum the rows of the spikes that arrived, in ascending order."""
    total = tl.zeros_like(j).to(tl.float32)
    row = r * BATCH + b
    count = tl.load(wire.n_ids + row)
    for first in range(0, count, UNROLL):
        values = ()
        # loads first: they are in flight together
        for u in tl.static_range(UNROLL):
            there = first + u < count
            i = tl.load(wire.ids + row * wire.n_pre + first + u, mask=there, other=0)
            at = (r * wire.n_pre + i) * n + j
            values += (tl.load(wire.w + at, mask=j < tl.where(there, n, 0), other=0.0),)
        for u in tl.static_range(UNROLL):
            total = total + values[u]
    return total


@triton.jit
def learn_and_deliver(
    control, wire, s, j, inside, k, r, n, RULES: tl.constexpr, P: tl.constexpr, ROWS: tl.constexpr,
    UNROLL: tl.constexpr,
):  # fmt: skip
    """Learn the step before and sum the current: every row of a spike is read once.  Batch 1."""
    params = load_params(s, r, RULES, P, 1)
    fresh = tl.load(control + r * CONTROL + FRESH) * (k == 1)
    hot = hot_columns(s, j, inside, fresh, r, n, RULES, P, 1)
    changed = tl.zeros_like(j).to(tl.int32)
    if tl.max(hot.to(tl.int32), 0) > 0:
        changed = learn_columns(s, j, hot, params, r, n, RULES, P, 1, ROWS)
        # other threads of this program read what was written
        tl.debug_barrier()
    total = tl.zeros_like(j).to(tl.float32)
    if RULES[P].event:
        for q in range(tl.load(s.n_ids + r)):
            i = tl.load(s.ids + r * s.n_pre + q).to(tl.int64)
            w, moved = learn_row(s, i, j, inside & ~hot, params, r, n, RULES, P, 1)
            changed = changed | moved
            total = total + w
    if RULES[P].lag or not RULES[P].event:
        # the spikes that arrive are not those that were learnt
        tl.debug_barrier()
        total = deliver(wire, j, inside, 0, r, n, 1, UNROLL)
    note_changed(s, changed, j, inside, r, n)
    return total


@triton.jit
def current_of(
    control, wire, synapses, j, inside, k, b, r, n, p: tl.constexpr, WIRES: tl.constexpr,
    RULES: tl.constexpr, BATCH: tl.constexpr, ROWS: tl.constexpr, UNROLL: tl.constexpr,
):  # fmt: skip
    """What one projection delivers."""
    if WIRES[p].kind == DENSE:
        if WIRES[p].fused >= 0:
            current = learn_and_deliver(
                control, wire, synapses[WIRES[p].fused], j, inside, k, r, n, RULES,
                WIRES[p].fused, ROWS, UNROLL,
            )  # fmt: skip
        else:
            current = deliver(wire, j, inside, b, r, n, BATCH, UNROLL)
    elif WIRES[p].kind == LISTED:
        current = deliver_listed(control, wire, j, inside, k, r, n, WIRES, p)
    else:
        row = r * BATCH + b
        sent = tl.load(wire.spike + row * n + j, mask=inside, other=0).to(tl.float32)
        if WIRES[p].kind == ONE_TO_ONE:
            current = sent * tl.load(wire.w + r * n + j, mask=inside, other=0.0)
        else:
            others = tl.load(wire.n_ids + row).to(tl.float32) - sent
            current = others * tl.load(wire.w + r)
    if WIRES[p].bias:
        current = current + tl.load(wire.bias + r * n + j, mask=inside, other=0.0)
    return current


@triton.jit
def received(
    control, cell, wires, synapses, j, inside, k, b, r, n, RECEPTOR: tl.constexpr,
    CELL: tl.constexpr, WIRES: tl.constexpr, RULES: tl.constexpr, BATCH: tl.constexpr,
    ROWS: tl.constexpr, UNROLL: tl.constexpr,
):  # fmt: skip
    """What arrives at a receptor (0: i_syn): projections in the order of their declaration, then
    sparse projections and drives."""
    total = tl.zeros_like(j).to(tl.float32)
    for p in tl.static_range(len(wires)):
        if WIRES[p].receptor == RECEPTOR:
            total = total + current_of(
                control, wires[p], synapses, j, inside, k, b, r, n, p, WIRES, RULES, BATCH, ROWS,
                UNROLL,
            )  # fmt: skip
    if CELL[0].ports[RECEPTOR] >= 0:
        total = total + taken(control, cell, j, inside, k, r, n, CELL, RECEPTOR)
    return total


@triton.jit
def at_receptors(
    control, cell, wires, synapses, j, inside, k, b, r, n, CELL: tl.constexpr,
    WIRES: tl.constexpr, RULES: tl.constexpr, BATCH: tl.constexpr, ROWS: tl.constexpr,
    UNROLL: tl.constexpr,
):  # fmt: skip
    """What arrives at the model's receptors, in their order."""
    values = ()
    for q in tl.static_range(1, len(CELL[0].ports)):
        values += (
            received(
                control, cell, wires, synapses, j, inside, k, b, r, n, q, CELL, WIRES, RULES,
                BATCH, ROWS, UNROLL,
            ),
        )  # fmt: skip
    return values


@triton.jit
def shift_windows(
    cell, i_syn, sent, j, inside, k, b, r, n, CELL: tl.constexpr, BATCH: tl.constexpr
):
    """Write this step into the windows; returns the products that the model asks for."""
    newest = ()
    for q in tl.static_range(len(cell.windows)):
        value = sent.to(tl.float32) if CELL[0].windows[q][1] else i_syn
        head = (tl.load(cell.heads + r * CELL[0].n_heads + q) + k) % CELL[0].windows[q][0]
        ring = cell.windows[q] + (r * CELL[0].windows[q][0] * BATCH + b) * n + j
        tl.store(ring + head * BATCH * n, value, mask=inside)
        newest += (value,)
    return newest


@triton.jit
def products(cell, newest, j, inside, k, b, r, n, CELL: tl.constexpr, BATCH: tl.constexpr):
    """The `dot`s of a model, in the order of their calls."""
    values = ()
    for q in tl.static_range(len(CELL[0].dots)):
        values += (product(cell, newest, j, inside, k, b, r, n, q, CELL, BATCH),)
    return values


@triton.jit
def product(
    cell, newest, j, inside, k, b, r, n, q: tl.constexpr, CELL: tl.constexpr, BATCH: tl.constexpr
):
    """One `dot`."""
    which: tl.constexpr = CELL[0].dots[q][1]
    length: tl.constexpr = CELL[0].windows[which][0]
    kernel = cell.kernels[CELL[0].dots[q][0]] + r * length
    ring = cell.windows[which] + (r * length * BATCH + b) * n + j
    oldest = (tl.load(cell.heads + r * CELL[0].n_heads + which) + k + 1) % length
    return dot(kernel, ring, newest[which], oldest, length, BATCH * n, inside)


@triton.jit
def drawn(control, cell, j, inside, k, b, r, n, CELL: tl.constexpr, BATCH: tl.constexpr):
    """Numbers for the model's `rand`s: lane q for the q-th call, or replayed ones."""
    values = ()
    if len(CELL[0].lanes) > 0:
        if CELL[0].replays_uniforms:
            row = r * CELL[0].uniform_rows + row_of(k, CELL[0].uniform_rows)
            at = (row * BATCH + b) * n + j
            value = tl.load(cell.uniforms + at, mask=inside, other=0.0)
            for _ in tl.static_range(len(CELL[0].lanes)):
                values += (value,)
        else:
            facts = control + r * CONTROL
            four = words(
                tl.load(facts + SEED_LOW), tl.load(facts + SEED_HIGH), CELL[0].stream + 1,
                tl.load(facts + CLOCK) + k, b * n + j,
            )  # fmt: skip
            for q in tl.static_range(len(CELL[0].lanes)):
                values += (rand(four[q]),)
    return values


@triton.jit
def shared_before(cell, numbers, j, inside, b, r, n, CELL: tl.constexpr, BATCH: tl.constexpr):
    """Shared variables after what changes them at the beginning of a step."""
    values = load_all(cell.shared, r * n + j, inside)
    if len(cell.shared) > 0:
        sent = tl.zeros_like(j).to(tl.float32)
        for c in range(BATCH):
            at = (r * BATCH + c) * n + j
            sent = sent + tl.load(cell.spike + at, mask=inside, other=0).to(tl.float32)
        values = CELL[0].before(values, sent, numbers, tl.full((), CELL[0].learning, tl.int1))
    return values


@triton.jit
def injected(cell, state, j, inside, k, r, n, CELL: tl.constexpr):
    """The state with what is added to v from outside."""
    if CELL[0].inject_rows > 0:
        row = r * CELL[0].inject_rows + row_of(k, CELL[0].inject_rows)
        more = tl.load(cell.inject + row * n + j, mask=inside, other=0.0)
        values = ()
        for q in tl.static_range(len(state)):
            values += (state[q] + more if q == CELL[0].v else state[q],)
        return values
    else:
        return state


@triton.jit(do_not_specialize=["k"])
def advance(
    control, cell, wires, synapses, n, k, CELL: tl.constexpr, WIRES: tl.constexpr,
    RULES: tl.constexpr, BATCH: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
    UNROLL: tl.constexpr,
):  # fmt: skip
    """One step of a tile of neurons.  Grid: tiles, batch, replicas."""
    r = tl.program_id(2).to(tl.int64)
    if tl.load(control + r * CONTROL + ACTIVE) == 0:
        return
    b = tl.program_id(1)
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    inside = j < n
    at = (r * BATCH + b) * n + j
    i_syn = received(
        control, cell, wires, synapses, j, inside, k, b, r, n, 0, CELL, WIRES, RULES, BATCH, ROWS,
        UNROLL,
    )  # fmt: skip
    ports = at_receptors(
        control, cell, wires, synapses, j, inside, k, b, r, n, CELL, WIRES, RULES, BATCH, ROWS,
        UNROLL,
    )  # fmt: skip
    if len(synapses) > 0:
        # other threads of this program may still read variables of the neurons to learn
        tl.debug_barrier()
    if CELL[0].current_rows > 0:
        row = r * CELL[0].current_rows + row_of(k, CELL[0].current_rows)
        given = tl.load(cell.current + (row * BATCH + b) * n + j, mask=inside, other=0.0)
        i_syn = i_syn + given
    numbers = load_numbers(cell, r, j, n, inside, CELL)
    shared = shared_before(cell, numbers, j, inside, b, r, n, CELL, BATCH)
    state = injected(cell, load_all(cell.state, at, inside), j, inside, k, r, n, CELL)
    sent = tl.load(cell.spike + at, mask=inside, other=0) != 0
    newest = shift_windows(cell, i_syn, sent, j, inside, k, b, r, n, CELL, BATCH)
    dots = products(cell, newest, j, inside, k, b, r, n, CELL, BATCH)
    draws = drawn(control, cell, j, inside, k, b, r, n, CELL, BATCH)
    learning = tl.full((), CELL[0].learning, tl.int1)
    state, spike, i_syn = CELL[0].step(
        state, shared, numbers, i_syn, sent, learning, dots, draws, ports
    )
    store_all(cell.state, at, state, inside)
    if CELL[0].finishes:
        finish(cell, spike, j, inside, k, b, r, n, CELL, BATCH)
    else:
        tl.store(cell.candidate + at, spike.to(tl.uint8), mask=inside)
    if CELL[0].summed:
        tl.store(cell.summed + at, tl.load(cell.summed + at, mask=inside, other=0.0) + i_syn,
                 mask=inside)  # fmt: skip
    if BATCH == 1:
        if len(cell.shared) > 0:
            shared = CELL[0].after(shared, number(spike), numbers, learning)
            store_all(cell.shared, r * n + j, shared, inside)
    else:
        # the others of the batch still read the old values
        store_all(cell.halfway, r * n + j, shared, j < tl.where(b == 0, n, 0))
