// SPDX-License-Identifier: Apache-2.0
// What models, their language and random numbers are made of: how a function is declared, so that
// the same text serves a processor and a GPU, and the type of numbers.
#pragma once

#if defined(__CUDACC__)
#define FASTSNN_FN __host__ __device__ __forceinline__
#else
// in a file with all models the compiler would leave some as calls, with vectors in memory
#define FASTSNN_FN __attribute__((always_inline)) inline
#endif

namespace fastsnn {

// Of states, parameters, weights and their sums.  The engine for the CPU is compiled twice, for
// float and for double (CMakeLists.txt).
#if defined(FASTSNN_DOUBLE)
using real = double;
#else
using real = float;
#endif

} // namespace fastsnn
