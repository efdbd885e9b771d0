# SPDX-License-Identifier: Apache-2.0
"""The words of the model language in Triton, in the order of `fastsnn.models.language`.

What `rand`, `dot` and `over_batch` need besides the words' own arguments stands before the model is
called: a skeleton draws, sums and counts, and hands the results over.
"""

import triton
import triton.language as tl

WORDS = (
    "where",
    "minimum",
    "maximum",
    "abs",
    "exp",
    "log",
    "sqrt",
    "floor",
    "rand",
    "dot",
    "over_batch",
)
# whether `div_rn` takes subnormals for zero
FLUSHES = tl.constexpr([int(part) for part in triton.__version__.split(".")[:2]] < [3, 6])


@triton.jit
def where(condition, a, b):
    """`a` where the condition holds, else `b`."""
    return tl.where(condition, a, b)


# written with `where`, as in every backend: NaN and signed zeros behave the same everywhere
@triton.jit
def minimum(a, b):
    """The smaller of two values."""
    return tl.where(a < b, a, b)


@triton.jit
def maximum(a, b):
    """The larger of two values."""
    return tl.where(a > b, a, b)


@triton.jit
def abs(x):
    """Absolute value."""
    return tl.abs(x)


# in float64: those of float32 are approximations, or take subnormals for zero
@triton.jit
def exp(x):
    """Exponential."""
    return tl.exp(x.to(tl.float64)).to(tl.float32)


@triton.jit
def log(x):
    """Natural logarithm."""
    return tl.log(x.to(tl.float64)).to(tl.float32)


@triton.jit
def sqrt(x):
    """Square root, correctly rounded."""
    return tl.sqrt(x.to(tl.float64)).to(tl.float32)


@triton.jit
def floor(x):
    """Largest whole number not above x."""
    return tl.floor(x.to(tl.float64)).to(tl.float32)


@triton.jit
def rand(word):
    """A 32-bit word as a uniform number in [0, 1)."""
    return (word >> 8).to(tl.float32) * 5.9604644775390625e-08


@triton.jit
def dot(kernel, window, newest, oldest, length, stride, inside):
    """Sum of kernel[k] * window[k], oldest first.

    kernel, window: pointers, the latter at slot 0 of a ring.   newest: value of the last slot.
    oldest: slot after the newest one.   stride: elements from slot to slot.
    """
    total = tl.zeros_like(newest)
    for k in range(length - 1):
        slot = (oldest + k) % length
        value = tl.load(window + slot * stride, mask=inside, other=0.0)
        total = total + tl.load(kernel + k) * value
    return total + tl.load(kernel + length - 1) * newest


@triton.jit
def over_batch(total, value, MAX: tl.constexpr):
    """Reduce one more batch element, in ascending order."""
    if MAX:
        return maximum(total, value)
    else:
        return total + value


@triton.jit
def divide(a, b):
    """Quotient, rounded as IEEE says."""
    if FLUSHES:
        # of float32 values a quotient that is rounded twice is the one that is rounded once
        return (a.to(tl.float64) / b.to(tl.float64)).to(tl.float32)
    else:
        return tl.math.div_rn(a, b)


@triton.jit
def negative(x):
    """-x, which Triton writes as 0 - x: another zero for x = 0."""
    return x * -1.0


@triton.jit
def literal(x: tl.constexpr):
    """A number as float32."""
    return tl.full((), x, tl.float32)


@triton.jit
def number(x):
    """A truth value as 0 or 1; a number as it is."""
    return x.to(tl.float32)
