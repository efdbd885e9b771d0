// SPDX-License-Identifier: Apache-2.0
// Currents of the spikes of the step before.  A warp takes 32 neighbouring columns; every sum runs
// over ascending rows, from 0.
#pragma once

#include "block.h"

namespace fastsnn::cuda {

// loads that are under way at a time: the spikes of a step, mostly, in one latency
inline constexpr int rows_in_flight = 16;

// sum of one column over the listed rows
FASTSNN_DEVICE float sum_rows(const float *w, std::int64_t stride, const std::int32_t *ids, int n) {
  float sum = 0.0f;
  for (int k = 0; k < n; k += rows_in_flight) {
    float row[rows_in_flight];
#pragma unroll
    for (int u = 0; u < rows_in_flight; ++u)
      row[u] = k + u < n ? w[ids[k + u] * stride] : 0.0f;
    // a sum that began with +0 does not change when +0 is added
#pragma unroll
    for (int u = 0; u < rows_in_flight; ++u)
      sum += row[u];
  }
  return sum;
}

// dense projections for which `wanted` holds
template <class Wanted> FASTSNN_DEVICE void deliver(const Block &k, Wanted wanted) {
  const int batch = k.plan->batch;
  int item = warp_index();
  for (int q = 0; q < k.plan->n_projections; ++q) {
    const Projection &wires = k.projections[q];
    if (wires.kind != Kind::dense || !wanted(wires))
      continue;
    const Slice own = k.slices[wires.target];
    const Population &source = k.populations[wires.source];
    const Values<const float> w = k.values<const float>(wires.w);
    float *current = k.in<float>(wires.current);
    const int width = k.populations[wires.target].most_words * 32, items = own.n_words * batch;
    for (; item < items; item += n_warps()) {
      const int b = item / own.n_words, j = item % own.n_words * 32 + lane_index();
      if (j < own.n)
        current[std::int64_t(b) * width + j] = sum_rows(
            w.at + j, w.stride, k.in<std::int32_t>(source.list) + std::int64_t(b) * source.n,
            k.n_sent[wires.source * batch + b]);
    }
    item -= items;
  }
}

// what one projection gives to an own neuron
FASTSNN_DEVICE float delivered(const Block &k, const Projection &wires, int b, int j) {
  const Population &target = k.populations[wires.target];
  float current;
  if (wires.kind == Kind::dense || wires.kind == Kind::indexed) {
    current = k.in<float>(wires.current)[std::int64_t(b) * target.most_words * 32 + j];
  } else {
    const std::int32_t i = k.slices[wires.target].first + j;
    const bool spike =
        bit(k.in<std::uint32_t>(
                k.populations[wires.source].sent)[std::int64_t(b) * target.n_words + i / 32],
            i % 32);
    const int others = k.n_sent[wires.source * k.plan->batch + b] - spike;
    const float w = k.number(wires.w, j);
    current = static_cast<float>(wires.kind == Kind::one_to_one ? spike : others) * w;
  }
  return wires.bias == none ? current : current + k.number(wires.bias, j);
}

} // namespace fastsnn::cuda
