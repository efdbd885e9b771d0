// SPDX-License-Identifier: Apache-2.0
// learns the rows of the spikes and adds them up
__global__ void __launch_bounds__(64)
    learn(float4 *w, const int *ids, int n, float rate, float4 *out) {
  const int j = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  float4 sum = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 1
  for (int k = 0; k < n; ++k) {
    float4 x = w[ids[k] * 1000 + j];
    x = {x.x - rate, x.y - rate, x.z - rate, x.w - rate};
    w[ids[k] * 1000 + j] = x;
    sum = {sum.x + x.x, sum.y + x.y, sum.z + x.z, sum.w + x.w};
  }
  out[j] = sum;
}
