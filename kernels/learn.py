# SPDX-License-Identifier: Apache-2.0
"""Learning at dense projections.

A program owns a tile of columns.  Columns that are `hot` (their neuron spiked, or the rule is not
event driven) are learnt over all rows; of the other columns only the rows of presynaptic spikes.
So a synapse whose two neurons spiked is seen by one evaluation of the rule.
"""

import triton
import triton.language as tl

from .language import divide, over_batch
from .parts import ACTIVE, CONTROL, FRESH, load_all, store_all


@triton.jit
def load_side(spike, variables, at, ok):
    """What a rule reads of one side: the spike as a number, then the variables."""
    values = (tl.load(spike + at, mask=ok, other=0).to(tl.float32),)
    for q in tl.static_range(len(variables)):
        values += (tl.load(variables[q] + at, mask=ok, other=0).to(tl.float32),)
    return values


@triton.jit
def load_params(s, r, RULES: tl.constexpr, P: tl.constexpr, BATCH: tl.constexpr):
    """The rule's numbers; the last one is the reward where all samples have one."""
    values = ()
    for q in tl.static_range(0, len(RULES[P].params)):
        if RULES[P].one_reward and q == len(RULES[P].params) - 1:
            values += (tl.load(s.reward + r * BATCH),)
        else:
            values += (tl.load(s.params + r * len(RULES[P].params) + q),)
    return values


@triton.jit
def reduced_terms(
    s, i, j, ok_i, ok_j, r, n, params, RULES: tl.constexpr, P: tl.constexpr, BATCH: tl.constexpr
):
    """The rule's terms, reduced over the batch."""
    pre = load_side(s.pre_spike, s.pre, r * BATCH * s.n_pre + i, ok_i)
    post = load_side(s.post_spike, s.post, r * BATCH * n + j, ok_j)
    terms = RULES[P].terms(pre, post, tl.load(s.reward + r * BATCH), params)
    if BATCH > 1:
        for b in range(1, BATCH):
            row = r * BATCH + b
            pre = load_side(s.pre_spike, s.pre, row * s.n_pre + i, ok_i)
            post = load_side(s.post_spike, s.post, row * n + j, ok_j)
            more = RULES[P].terms(pre, post, tl.load(s.reward + row), params)
            total = ()
            for q in tl.static_range(len(terms)):
                total += (over_batch(terms[q], more[q], RULES[P].takes_max),)
            terms = total
        if RULES[P].takes_mean:
            total = ()
            for q in tl.static_range(len(terms)):
                total += (divide(terms[q], tl.full((), BATCH, tl.float32)),)
            terms = total
    return terms


@triton.jit
def bound(s, w, at, ok, r, RULES: tl.constexpr, P: tl.constexpr):
    """Weights, decayed and within their bounds."""
    if RULES[P].keep != 1.0:
        w = w * RULES[P].keep
    if RULES[P].bounded:
        if RULES[P].w_min_each:
            low = tl.load(s.w_min + at, mask=ok, other=0.0)
        else:
            low = tl.load(s.w_min + r)
        w = tl.where(w > low, w, low)
        if RULES[P].w_max_each:
            high = tl.load(s.w_max + at, mask=ok, other=0.0)
        else:
            high = tl.load(s.w_max + r)
        w = tl.where(w < high, w, high)
    return w


@triton.jit
def hold(s, w, at, ok, RULES: tl.constexpr, P: tl.constexpr):
    """Weights, those that are masked at zero."""
    if RULES[P].masked:
        w = tl.where(tl.load(s.mask + at, mask=ok, other=0) != 0, 0.0, w)
    return w


@triton.jit
def with_weight(w, values):
    """Values of synapses with another weight."""
    changed = (w,)
    for q in tl.static_range(1, len(values)):
        changed += (values[q],)
    return changed


@triton.jit
def learnt(
    s, old, i, j, ok_i, ok_j, ok, r, n, params, RULES: tl.constexpr, P: tl.constexpr,
    BATCH: tl.constexpr,
):  # fmt: skip
    """New values of the synapses of rows i and columns j: rule, decay, bounds, mask."""
    new = old
    at = (r * s.n_pre + i) * n + j
    if RULES[P].learn is not None:
        terms = reduced_terms(s, i, j, ok_i, ok_j, r, n, params, RULES, P, BATCH)
        new = RULES[P].learn(old, terms, params)
    w = bound(s, new[0], at, ok, r, RULES, P)
    return with_weight(hold(s, w, at, ok, RULES, P), new)


@triton.jit
def hot_columns(
    s, j, inside, fresh, r, n, RULES: tl.constexpr, P: tl.constexpr, BATCH: tl.constexpr
):
    """Which columns are learnt over all rows."""
    if RULES[P].event:
        hot = j < 0
        if RULES[P].bounded:
            hot = j < tl.where(fresh != 0, n, 0)
        for b in range(BATCH):
            at = (r * BATCH + b) * n + j
            hot = hot | (tl.load(s.post_spike + at, mask=inside, other=0) != 0)
        return hot & inside
    else:
        return inside


@triton.jit
def learn_columns(
    s, j, hot, params, r, n, RULES: tl.constexpr, P: tl.constexpr, BATCH: tl.constexpr,
    ROWS: tl.constexpr,
):  # fmt: skip
    """Learn the hot columns over all rows; returns which of them changed."""
    changed = tl.zeros_like(j).to(tl.int32)
    column, ok_j = j[None, :], hot[None, :]
    for first in range(0, s.n_pre, ROWS):
        i = (first + tl.arange(0, ROWS)).to(tl.int64)[:, None]
        ok_i = i < s.n_pre
        ok = ok_i & ok_j
        at = (r * s.n_pre + i) * n + column
        old = load_all(s.synapse, at, ok)
        new = learnt(s, old, i, column, ok_i, ok_j, ok, r, n, params, RULES, P, BATCH)
        store_all(s.synapse, at, new, ok)
        changed = changed | tl.max(((new[0] != old[0]) & ok).to(tl.int32), 0)
    return changed


@triton.jit
def learn_row(
    s, i, j, cold, params, r, n, RULES: tl.constexpr, P: tl.constexpr, BATCH: tl.constexpr
):
    """Learn one row in the columns that are not hot; returns its weights, and which changed."""
    at = (r * s.n_pre + i) * n + j
    there = j < n
    old = load_all(s.synapse, at, there)
    new = learnt(s, old, i, j, i >= 0, there, there, r, n, params, RULES, P, BATCH)
    store_all(s.synapse, at, new, cold)
    return tl.where(cold, new[0], old[0]), ((new[0] != old[0]) & cold).to(tl.int32)


@triton.jit
def spiked_before(s, i, b, r, BATCH: tl.constexpr):
    """Whether row i spiked in a batch element before b, so that it is learnt already."""
    seen = i < 0
    for c in range(b):
        seen = seen | (tl.load(s.pre_spike + (r * BATCH + c) * s.n_pre + i) != 0)
    return seen


@triton.jit
def note_changed(s, changed, j, inside, r, n):
    """Remember which columns must be normalised."""
    at = s.changed + r * n + j
    tl.store(at, tl.full((), 1, tl.uint8), mask=inside & (changed != 0))


@triton.jit(do_not_specialize=["k"])
def learn(
    control, s, n, k, RULES: tl.constexpr, BATCH: tl.constexpr, BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):  # fmt: skip
    """Learn one step.  Grid: tiles of columns, 1, replicas."""
    r = tl.program_id(2).to(tl.int64)
    if tl.load(control + r * CONTROL + ACTIVE) == 0:
        return
    j = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    inside = j < n
    fresh = tl.load(control + r * CONTROL + FRESH) * (k == 0)
    params = load_params(s, r, RULES, 0, BATCH)
    hot = hot_columns(s, j, inside, fresh, r, n, RULES, 0, BATCH)
    changed = tl.zeros_like(j).to(tl.int32)
    if tl.max(hot.to(tl.int32), 0) > 0:
        changed = learn_columns(s, j, hot, params, r, n, RULES, 0, BATCH, ROWS)
    if RULES[0].event:
        for b in range(BATCH):
            row = r * BATCH + b
            for q in range(tl.load(s.n_ids + row)):
                i = tl.load(s.ids + row * s.n_pre + q).to(tl.int64)
                if not spiked_before(s, i, b, r, BATCH):
                    _, moved = learn_row(s, i, j, inside & ~hot, params, r, n, RULES, 0, BATCH)
                    changed = changed | moved
    note_changed(s, changed, j, inside, r, n)
