# SPDX-License-Identifier: Apache-2.0
"""What the kernels are given: pointers in tuples, and what is known when they are compiled.

Every tensor has a leading dimension of replicas: R networks of one shape lie behind each other.
`[R, B, n]` is written [.., n] where the leading dimensions are these two.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import triton
import triton.language as tl

# columns of `control`, int64 [R, CONTROL]
SEED_LOW = tl.constexpr(0)
SEED_HIGH = tl.constexpr(1)
CLOCK = tl.constexpr(2)
ACTIVE = tl.constexpr(3)  # 0: the replica rests while others go on
FRESH = tl.constexpr(4)  # 1: weights may lie outside of their bounds
CONTROL = tl.constexpr(5)

# columns of the tables of addresses, int64: ports [R, ports, ..], drives [R, drives, ..], tiles
PORT_ARRIVING = tl.constexpr(0)  # int32 [slots, n]
PORT_SLOTS = tl.constexpr(1)
PORT_FIELDS = tl.constexpr(2)
TABLE = tl.constexpr(0)  # int64 [rates, 2 + thresholds]
WHICH = tl.constexpr(1)  # int32 [n]
THRESHOLDS = tl.constexpr(2)
DRIVE_FIELDS = tl.constexpr(3)
TILE_WORDS = tl.constexpr(0)  # the rows of csrc/sparse/layout.h
TILE_START = tl.constexpr(1)
TILE_ARRIVING = tl.constexpr(2)  # of its port, at its first neuron
TILE_N = tl.constexpr(3)  # neurons of its port
TILE_SLOTS = tl.constexpr(4)
TILE_FIELDS = tl.constexpr(5)
COLUMN_PTR = tl.constexpr(0)  # int64 [slices + 1]: where the columns of SLICE neurons begin
COLUMN_PRE = tl.constexpr(1)  # int32: the source; -1: the column is shorter than its slice
COLUMN_PLACE = tl.constexpr(2)  # int32: which weight
COLUMN_DELAY = tl.constexpr(3)  # int32, steps, where they differ
COLUMN_FIELDS = tl.constexpr(4)
SLICE = tl.constexpr(32)

DENSE = tl.constexpr(0)
ONE_TO_ONE = tl.constexpr(1)
ALL_BUT_ONE = tl.constexpr(2)
LISTED = tl.constexpr(3)
# which side of listed synapses is late
AXONAL = tl.constexpr(1)
DENDRITIC = tl.constexpr(2)
TRACE_ADDITIVE = tl.constexpr(2)


class Cells(NamedTuple):
    """A population.  Where something does not exist, its pointer is that of `spike`."""

    state: tuple  # float32 [.., n] each
    shared: tuple  # float32 [R, n]
    halfway: tuple  # float32 [R, n]: shared variables between `before` and `after`
    numbers: Any  # float32 [R, numbers]
    columns: Any  # float32 [R, columns, n]: numbers that differ from neuron to neuron
    windows: tuple  # float32 [R, W, B, n]
    kernels: tuple  # float32 [R, W]
    heads: Any  # int64 [R, n_heads], from the population's first one on
    spike: Any  # uint8 [.., n]
    candidate: Any  # uint8 [R, rows, B, n]: before `one_spike`, clamp, unclamp
    x: Any
    summed: Any
    ids: Any  # int32 [.., n]: the spikes, ascending
    n_ids: Any  # int32 [R, B]
    counts: Any  # int32 [.., n]
    current: Any  # float32 [R, rows, B, n]
    inject: Any  # float32 [R, rows, n]
    clamp: Any  # uint8 [R, rows, n]
    unclamp: Any
    uniforms: Any  # float32 [R, rows, B, n]
    winners: Any  # int32 [R, rows, B]
    ports: Any  # tables of addresses, see `kernels.sparse`
    drives: Any
    grains: Any  # float32 [R, ports]
    sent: Any  # int32 [R, sources]: spikes of a step, in any order
    n_sent: Any  # int32 [R, steps of a block]


class Wires(NamedTuple):
    """A projection, as its target sees it."""

    w: Any
    bias: Any
    ids: Any
    n_ids: Any
    spike: Any
    n_pre: Any
    # of listed synapses
    n_w: Any
    columns: Any  # int64 [R, COLUMN_FIELDS]
    sent: Any  # uint8 [R, slots, n_pre or n]: spikes of the late side
    arriving: Any  # float32 [R, delay, n]: dendritic, currents that are to act


class Listed(NamedTuple):
    """Listed synapses, as learning sees them."""

    synapse: tuple  # float32 [R, n_w]: w, then the rule's own
    params: Any
    reward: Any
    pre: tuple  # [R, n_pre]
    post: tuple  # [R, n_post]
    pre_spike: Any
    post_spike: Any
    w_min: Any
    w_max: Any
    mask: Any
    n_pre: Any
    n_w: Any
    columns: Any
    sent: Any
    past: Any  # float32 [R, slots, own, n]: the late side's traces, as they were


class Synapses(NamedTuple):
    """A dense projection, as learning sees it."""

    synapse: tuple  # float32 [R, n_pre, n_post]: w, then the rule's own
    changed: Any  # uint8 [R, n_post]
    params: Any  # float32 [R, params]
    reward: Any  # float32 [R, B]
    pre: tuple  # [.., n_pre]
    post: tuple  # [.., n_post]
    pre_spike: Any  # uint8; those of the step before for a rule with lag
    post_spike: Any
    ids: Any
    n_ids: Any
    w_min: Any
    w_max: Any
    mask: Any  # uint8 [R, n_pre, n_post]
    n_pre: Any


@dataclass(frozen=True)
class CellKind:
    """What is known of a population."""

    step: Any = None
    before: Any = None
    after: Any = None
    v: int = -1
    columns: tuple = ()  # per number: its column, or -1
    n_columns: int = 0
    decay_x: int = 0  # which of the numbers it is
    trace_scale: int = 0
    windows: tuple = ()  # (length, whether of spikes) each
    dots: tuple = ()  # (kernel, window) each
    n_heads: int = 0
    lanes: tuple = ()  # one per `rand` of the model
    stream: int = 0
    learning: bool = False
    is_input: bool = False
    one_spike: bool = False
    replays_winners: bool = False
    replays_uniforms: bool = False
    trace: int = 0
    summed: bool = False
    finishes: bool = False  # nothing waits for its spikes: `publish` is done in `advance`
    counted: bool = False
    candidate_rows: int = 1
    # rows of what comes from outside: 0 none, 1 the same at every step
    current_rows: int = 0
    inject_rows: int = 0
    clamp_rows: int = 0
    unclamp_rows: int = 0
    uniform_rows: int = 1
    winner_rows: int = 1
    # of sparse projections and drives: per receptor (0: i_syn) the port or -1, and its drives
    ports: tuple = (-1,)
    drives: tuple = ((),)
    n_ports: int = 0
    n_drives: int = 0
    sends: bool = False  # its spikes go to sparse projections
    first_source: int = 0
    n_sources: int = 0
    sent_rows: int = 1


@dataclass(frozen=True)
class DriveKind:
    """What is known of a drive.  bits: of the number of thresholds."""

    index: int
    stream: int
    offset: int
    bits: int


@dataclass(frozen=True)
class WireKind:
    """What is known of a projection by its target."""

    kind: int = 0
    receptor: int = 0
    bias: bool = False
    fused: int = -1  # index of its rule among those learnt in the same pass
    # of listed synapses
    late: int = 0
    each: bool = False  # whether delays differ
    delay: int = 1  # of the slowest
    slots: int = 1


@dataclass(frozen=True)
class RuleKind:
    """What is known of learning at a dense projection."""

    terms: Any = None
    learn: Any = None
    params: tuple = ()  # their names
    one_reward: bool = False
    takes_max: bool = False
    takes_mean: bool = False
    keep: float = 1.0
    bounded: bool = False
    w_min_each: bool = False
    w_max_each: bool = False
    masked: bool = False
    event: bool = False
    lag: bool = False
    # of listed synapses
    consolidate: Any = None
    every: int = 1  # steps
    late: int = 0
    each: bool = False
    delay: int = 1
    slots: int = 1
    past: int = 0


@dataclass(frozen=True)
class TrailKind:
    """What is known of a rule's own variables on one side."""

    advance: Any = None
    params: tuple = ()
    stride: int = 0  # numbers of the rule with its reward
    lag: bool = False
    # spikes that come late stand in a ring
    slots: int = 0
    late: int = 0


@dataclass(frozen=True)
class ResetKind:
    """What is known of a population's reset."""

    each: tuple = ()  # per state variable, whether its initial value differs between neurons
    slots: tuple = ()  # per tensor of zeros, its leading dimension
    heads: tuple = ()  # its windows
    stride: int = 0
    ports: tuple = ()
    n_ports: int = 0


class Static:
    """Facts for a `constexpr` argument: FACTS[p].name.

    Its text names all that goes into the code, so that compiled kernels are kept apart by it.
    """

    def __init__(self, *items: Any) -> None:
        self.items = items
        told = [(k, _told(v)) for item in items for k, v in vars(item).items()]
        self.cache_key = hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def __getitem__(self, index: int) -> Any:
        return self.items[int(index)]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"Static_{self.cache_key}"

    def __hash__(self) -> int:
        return hash(self.cache_key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and self.cache_key == other.cache_key


def _told(value: Any) -> Any:
    return getattr(value, "source_key", value)


@triton.jit
def row_of(k, ROWS: tl.constexpr):
    """Row of a buffer for step k of a block."""
    if ROWS > 1:
        return k
    else:
        return 0


@triton.jit
def load_all(pointers, at, mask):
    """The values behind several pointers, as a tuple."""
    values = ()
    for q in tl.static_range(len(pointers)):
        values += (tl.load(pointers[q] + at, mask=mask, other=0.0),)
    return values


@triton.jit
def store_all(pointers, at, values, mask):
    """Store a tuple of values."""
    for q in tl.static_range(len(pointers)):
        tl.store(pointers[q] + at, values[q], mask=mask)


@triton.jit
def number_of(cell, r, j, n, inside, q: tl.constexpr, CELL: tl.constexpr):
    """Number q of a population for its neurons j."""
    if CELL[0].columns[q] >= 0:
        column = r * CELL[0].n_columns + CELL[0].columns[q]
        return tl.load(cell.columns + column * n + j, mask=inside, other=0.0)
    else:
        return tl.load(cell.numbers + r * len(CELL[0].columns) + q)


@triton.jit
def load_numbers(cell, r, j, n, inside, CELL: tl.constexpr):
    """All numbers of a population."""
    values = ()
    for q in tl.static_range(len(CELL[0].columns)):
        values += (number_of(cell, r, j, n, inside, q, CELL),)
    return values


@triton.jit
def add_list(ids, base, j, spike):
    """Append the neurons that spiked to a list in ascending order; returns its length."""
    flags = spike.to(tl.int32)
    place = base + tl.cumsum(flags, 0) - 1
    tl.store(ids + place, j.to(tl.int32), mask=spike)
    return base + tl.sum(flags, 0)
