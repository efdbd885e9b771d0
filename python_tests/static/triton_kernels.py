# SPDX-License-Identifier: Apache-2.0
"""Kernels for the checks of bench.static; run as a program, prints what is known of them."""

from __future__ import annotations

import json
from dataclasses import asdict

import triton
import triton.language as tl

from fastsnn.bench import toolchain
from fastsnn.bench.compiled import kernels_of


@triton.jit
def exact(x_ptr, out_ptr, N: tl.constexpr):
    j = tl.arange(0, N)
    x = tl.load(x_ptr + j)
    tl.store(out_ptr + j, tl.div_rn(x * x + 1.0, x) + tl.exp(x) + tl.sqrt_rn(x))


@triton.jit
def inexact(x_ptr, out_ptr, N: tl.constexpr):
    j = tl.arange(0, N)
    x = tl.load(x_ptr + j)
    tl.store(out_ptr + j, (x * x + 1.0) / x)


if __name__ == "__main__":
    units = [
        toolchain.compile_triton(
            kernel,
            {"x_ptr": "*fp32", "out_ptr": "*fp32", "N": "constexpr"},
            {"N": 256},
            {(k,): [["tt.divisibility", 16]] for k in (0, 1)},
            options={"enable_fp_fusion": kernel is inexact},
            label=f"{kernel.__name__}[256]",
        )
        for kernel in (exact, inexact)
    ]
    print(json.dumps([asdict(kernel) for unit in units for kernel in kernels_of(unit)]))
