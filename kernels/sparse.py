# SPDX-License-Identifier: Apache-2.0
"""Sparse projections and drives: what is under way, in whole numbers of a port's grain.

What acts in a step stands in the slot of that step, of a ring that the plan keeps: whole numbers
are added up there by atomics, and any order gives the same sum.  A delay is one step at least and
shorter than the ring, so that nobody adds to the slot that is being read.

Sizes differ between ports and between replicas, so that tensors are found by tables of addresses.
"""

import triton
import triton.language as tl

from .parts import (
    CLOCK,
    CONTROL,
    DRIVE_FIELDS,
    PORT_ARRIVING,
    PORT_FIELDS,
    PORT_SLOTS,
    SEED_HIGH,
    SEED_LOW,
    TABLE,
    THRESHOLDS,
    TILE_ARRIVING,
    TILE_FIELDS,
    TILE_N,
    TILE_SLOTS,
    TILE_START,
    TILE_WORDS,
    WHICH,
)
from .philox import of_lane, words


@triton.jit
def pointer(row, FIELD: tl.constexpr, TYPE: tl.constexpr):
    """The address in a field of a row of a table, as a pointer."""
    return tl.load(row + FIELD).to(tl.pointer_type(TYPE))


@triton.jit
def events(
    control, cell, j, inside, k, r, CELL: tl.constexpr, PORT: tl.constexpr, DRIVE: tl.constexpr
):
    """Weight times the number of events of neurons j, by inversion of one word.

    The thresholds of a neuron ascend: those that its word reaches are counted by bisection.
    """
    facts = control + r * CONTROL
    step = tl.load(facts + CLOCK) + k
    four = words(
        tl.load(facts + SEED_LOW), tl.load(facts + SEED_HIGH),
        CELL[0].drives[PORT][DRIVE].stream, step >> 2,
        CELL[0].drives[PORT][DRIVE].offset + j,
    )  # fmt: skip
    word = of_lane(four, step & 3)
    row = cell.drives + (r * CELL[0].n_drives + CELL[0].drives[PORT][DRIVE].index) * DRIVE_FIELDS
    which = tl.load(pointer(row, WHICH, tl.int32) + j, mask=inside, other=0)
    thresholds = tl.load(row + THRESHOLDS)
    entry = pointer(row, TABLE, tl.int64) + which * (thresholds + 2)
    reached = tl.zeros_like(j)
    bits: tl.constexpr = CELL[0].drives[PORT][DRIVE].bits
    for bit in tl.static_range(bits):
        further = reached + (1 << (bits - 1 - bit))
        there = inside & (further <= thresholds)
        bound = tl.load(entry + 1 + further, mask=there, other=1 << 32)
        reached = tl.where(word < bound, reached, further)
    sure = tl.load(entry + 1, mask=inside, other=0)
    return (tl.load(entry, mask=inside, other=0) * (sure + reached)).to(tl.int32)


@triton.jit
def taken(control, cell, j, inside, k, r, n, CELL: tl.constexpr, PORT: tl.constexpr):
    """What acts on neurons j in this step, taken out of what is under way to a port."""
    index: tl.constexpr = CELL[0].ports[PORT]
    row = cell.ports + (r * CELL[0].n_ports + index) * PORT_FIELDS
    slot = (tl.load(control + r * CONTROL + CLOCK) + k) % tl.load(row + PORT_SLOTS)
    place = pointer(row, PORT_ARRIVING, tl.int32) + slot * n + j
    total = tl.load(place, mask=inside, other=0)
    tl.store(place, tl.zeros_like(total), mask=inside & (total != 0))
    for drive in tl.static_range(len(CELL[0].drives[PORT])):
        total += events(control, cell, j, inside, k, r, CELL, PORT, drive)
    return total.to(tl.float32) * tl.load(cell.grains + r * CELL[0].n_ports + index)


@triton.jit
def send_row(tile, source, step, part, parts, DELAYS: tl.constexpr, BLOCK: tl.constexpr):
    """Send a spike to the synapses that its source has in a tile: every `parts`-th block of them.

    A row: the first delay and the number of delays, 16 bits each; the numbers of synapses with each
    delay, 16 bits each; the synapses by ascending delay, place | weight << 16.
    """
    start = pointer(tile, TILE_START, tl.int64) + source
    begin = tl.load(start)
    if begin < tl.load(start + 1):
        row = pointer(tile, TILE_WORDS, tl.int32) + begin
        arriving = pointer(tile, TILE_ARRIVING, tl.int32)
        n = tl.load(tile + TILE_N)
        slots = tl.load(tile + TILE_SLOTS)
        head = tl.load(row)
        delays = (head >> 16) & 0xFFFF
        due = step + (head & 0xFFFF)
        synapses = row + 1 + (delays + 1) // 2
        for first in range(0, delays, DELAYS):
            d = first + tl.arange(0, DELAYS)
            two = tl.load(row + 1 + d // 2, mask=d < delays, other=0)
            counts = (two >> (16 * (d & 1))) & 0xFFFF
            ends = tl.cumsum(counts, 0)
            total = tl.max(ends, 0)
            for at in range(part * BLOCK, total, parts * BLOCK):
                s = at + tl.arange(0, BLOCK)
                synapse = tl.load(synapses + s, mask=s < total, other=0)
                passed = tl.sum((ends[:, None] <= s[None, :]).to(tl.int32), 0)
                slot = (due + first + passed) % slots
                place = arriving + slot * n + (synapse & 0xFFFF)
                tl.atomic_add(place, synapse >> 16, mask=s < total, sem="relaxed")
            synapses += total


@triton.jit(do_not_specialize=["k"])
def send(
    control, tiles, sent, n_sent, n_sources, k, STEPS: tl.constexpr, DELAYS: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Send the spikes of a step on their way.  Grid: any number of programs, tiles, replicas.

    tiles: int64 [R, tiles, TILE_FIELDS].   sent: int32 [R, sources].   n_sent: int32 [R, STEPS].
    """
    r = tl.program_id(2).to(tl.int64)
    spikes = tl.load(n_sent + r * STEPS + k)
    if spikes == 0:
        return
    # few spikes: several programs share a row
    parts = tl.maximum(tl.num_programs(0) // spikes, 1)
    teams = tl.num_programs(0) // parts
    team = tl.program_id(0) // parts
    part = tl.program_id(0) % parts
    tile = tiles + (r * tl.num_programs(1) + tl.program_id(1)) * TILE_FIELDS
    step = tl.load(control + r * CONTROL + CLOCK) + k
    # programs beyond the last whole team have nothing to do
    for q in range(team, tl.where(team < teams, spikes, 0), teams):
        source = tl.load(sent + r * n_sources + q)
        send_row(tile, source, step, part, parts, DELAYS, BLOCK)
