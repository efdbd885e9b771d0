// SPDX-License-Identifier: Apache-2.0
// kernels for the checks of bench.static: good ones, and with SPILL one that spills
__device__ float decay(float x) { return expf(-x) * 0.5f; }

template <int N>
__global__ void __launch_bounds__(1024) sums(const float *x, float *out, int stride) {
  float value[N];
#pragma unroll
  for (int k = 0; k < N; ++k)
    value[k] = x[k * stride + threadIdx.x];
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k < N; ++k)
    sum = sum * value[k] + value[N - 1 - k] / sqrtf(sum);
  out[threadIdx.x] = decay(sum);
}

template __global__ void sums<4>(const float *, float *, int);
#ifdef SPILL
template __global__ void sums<200>(const float *, float *, int);
#endif
