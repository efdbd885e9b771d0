// SPDX-License-Identifier: Apache-2.0
// How a function is declared that models, their language and random numbers are made of: the same
// text serves a processor and a GPU.
#pragma once

#if defined(__CUDACC__)
#define FASTSNN_FN __host__ __device__ __forceinline__
#else
// in a file with all models the compiler would leave some as calls, with vectors in memory
#define FASTSNN_FN __attribute__((always_inline)) inline
#endif
