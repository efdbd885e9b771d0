# SPDX-License-Identifier: Apache-2.0
"""Philox 4x32-10 with the counters and keys of `fastsnn.random`."""

import triton
import triton.language as tl


@triton.jit
def words(seed_low, seed_high, stream, step, index):
    """Four 32-bit words per index.  seeds, step: int64 scalars; stream: int."""
    first = index.to(tl.uint32)
    zero = first * 0
    low = zero + (step & 0xFFFFFFFF).to(tl.uint32)
    high = zero + (step >> 32).to(tl.uint32)
    last = zero + (zero.to(tl.int64) + stream).to(tl.uint32)
    return tl.philox_impl(
        first, low, high, last, seed_low.to(tl.uint32), seed_high.to(tl.uint32), 10
    )


@triton.jit
def of_lane(four, lane):
    """One of four words, as int64."""
    w0, w1, w2, w3 = four
    word = tl.where(lane < 2, tl.where(lane == 0, w0, w1), tl.where(lane == 2, w2, w3))
    return word.to(tl.int64)
