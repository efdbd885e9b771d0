# SPDX-License-Identifier: Apache-2.0
"""Neurons over a whole sequence, and back.

A program owns a tile of neurons and takes it through all steps with the state in registers.
Rows of x, spikes and courses lie M apart; so do those of the state, [n_state, M].
"""

import triton
import triton.language as tl


@triton.jit
def load_rows(base, j, inside, stride, N: tl.constexpr):
    """N rows of a tile, as a tuple."""
    values = ()
    for k in tl.static_range(N):
        values += (tl.load(base + k * stride + j, mask=inside, other=0.0),)
    return values


@triton.jit
def store_rows(base, j, inside, stride, values, N: tl.constexpr):
    """N rows of a tile."""
    for k in tl.static_range(N):
        tl.store(base + k * stride + j, values[k], mask=inside)


@triton.jit
def load_params(param, j, inside, wide, N: tl.constexpr, SCALAR: tl.constexpr):
    """One number for all neurons, or one each."""
    if SCALAR:
        values = ()
        for k in tl.static_range(N):
            values += (tl.broadcast_to(tl.load(param + k), j.shape),)
        return values
    else:
        return load_rows(param, j, inside, wide, N)


@triton.jit
def zeros(like, N: tl.constexpr):
    """N tiles of zeros."""
    values = ()
    for _ in tl.static_range(N):
        values += (tl.zeros_like(like),)
    return values


@triton.jit
def choose(condition, new, old, N: tl.constexpr):
    """The new values where the condition holds."""
    values = ()
    for k in tl.static_range(N):
        values += (tl.where(condition, new[k], old[k]),)
    return values


@triton.jit
def added(sums, terms, N: tl.constexpr):
    """Sums with one term more."""
    values = ()
    for k in tl.static_range(N):
        values += (sums[k] + terms[k],)
    return values


@triton.jit
def forward(
    x, state, param, spike, trail, last, T, M, STEP: tl.constexpr, N_STATE: tl.constexpr,
    N_PARAM: tl.constexpr, SCALAR: tl.constexpr, SPIKE: tl.constexpr, TRAIL: tl.constexpr,
    UNROLL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """All steps of a tile.  TRAIL: the state whose course is wanted, -1 for none."""
    j = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = j < M
    # products of steps and neurons may exceed 32 bits
    wide = tl.full((), 1, tl.int64) * M
    params = load_params(param, j, inside, wide, N_PARAM, SCALAR)
    now = load_rows(state, j, inside, wide, N_STATE)
    for first in range(0, T, UNROLL):
        # loads first: they are in flight together
        given = ()
        for u in tl.static_range(UNROLL):
            there = j < tl.where(first + u < T, M, 0)
            given += (tl.load(x + (first + u) * wide + j, mask=there, other=0.0),)
        for u in tl.static_range(UNROLL):
            there = j < tl.where(first + u < T, M, 0)
            made, fired, _ = STEP(now, (), params, given[u], False, 0, (), (), ())
            now = choose(there, made, now, N_STATE)
            if SPIKE:
                tl.store(spike + (first + u) * wide + j, fired.to(tl.float32), mask=there)
            if TRAIL >= 0:
                tl.store(trail + (first + u) * wide + j, now[TRAIL], mask=there)
    store_rows(last, j, inside, wide, now, N_STATE)


@triton.jit
def backward(
    x, state, param, kept, g_spike, g_trail, g_last, g_x, g_state, g_param, T, M, alpha, through,
    STEP: tl.constexpr, ADJOINT: tl.constexpr, N_STATE: tl.constexpr, N_PARAM: tl.constexpr,
    SCALAR: tl.constexpr, SPIKE: tl.constexpr, TRAIL: tl.constexpr, LAST: tl.constexpr,
    LEARNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Forward once more, keeping the states [T, n_state, M] that only this program reads; back."""
    j = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = j < M
    # products of steps and neurons may exceed 32 bits
    wide = tl.full((), 1, tl.int64) * M
    params = load_params(param, j, inside, wide, N_PARAM, SCALAR)
    now = load_rows(state, j, inside, wide, N_STATE)
    for t in range(T):
        store_rows(kept + t * N_STATE * wide, j, inside, wide, now, N_STATE)
        i_syn = tl.load(x + t * wide + j, mask=inside, other=0.0)
        now, _, _ = STEP(now, (), params, i_syn, False, 0, (), (), ())
    grad = zeros(now[0], N_STATE)
    if LAST:
        grad = load_rows(g_last, j, inside, wide, N_STATE)
    sums = zeros(now[0], N_PARAM)
    for back in range(T):
        t = T - 1 - back
        before = load_rows(kept + t * N_STATE * wide, j, inside, wide, N_STATE)
        i_syn = tl.load(x + t * wide + j, mask=inside, other=0.0)
        fired = tl.zeros_like(i_syn)
        if SPIKE:
            fired = tl.load(g_spike + t * wide + j, mask=inside, other=0.0)
        if TRAIL >= 0:
            course = tl.load(g_trail + t * wide + j, mask=inside, other=0.0)
            given = ()
            for k in tl.static_range(N_STATE):
                given += (grad[k] + course if k == TRAIL else grad[k],)
            grad = given
        grad, g_input, terms = ADJOINT(before, i_syn, params, through, grad, fired, alpha)
        tl.store(g_x + t * wide + j, g_input, mask=inside)
        if LEARNS:
            sums = added(sums, terms, N_PARAM)
    store_rows(g_state, j, inside, wide, grad, N_STATE)
    if LEARNS:
        store_rows(g_param, j, inside, wide, sums, N_PARAM)
