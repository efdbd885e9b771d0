// SPDX-License-Identifier: Apache-2.0
// The end of a sample: columns that changed are scaled so that their absolute values sum to `norm`.
#pragma once

#include "block.h"
#include "models.h"

namespace fastsnn::cuda {

// one column: the factor.  The sum runs over ascending rows.
FASTSNN_DEVICE float normalising_factor(const Values<float> &w, std::int32_t n_pre, int j,
                                        float norm) {
  float total = 0.0f;
  for (std::int32_t i = 0; i < n_pre; ++i)
    total += abs(w(i, j));
  return norm / (total == 0.0f ? 1.0f : total);
}

FASTSNN_DEVICE void normalise(Block &k, const Projection &wires) {
  const Slice own = k.slices[wires.target];
  const std::int32_t n_pre = k.populations[wires.source].n;
  const Values<float> w = k.values<float>(wires.w);
  const Values<std::uint8_t> changed = k.values<std::uint8_t>(wires.changed);
  // currents of this step were used up
  float *factor = k.in<float>(wires.current);
  each_thread(own.n, [&](std::int64_t j) {
    const int column = static_cast<int>(j);
    if (changed(0, column))
      factor[j] = normalising_factor(w, n_pre, column, wires.norm);
  });
  sync_block();
  each_warp(std::int64_t(n_pre) * own.n_words, [&](std::int64_t item) {
    const std::int64_t i = item / own.n_words;
    const int j = static_cast<int>(item % own.n_words) * 32 + lane_index();
    if (j >= own.n || !changed(0, j))
      return;
    const float x = w(i, j) * factor[j];
    w(i, j) = x;
    // bounds per synapse are seen to where every synapse is learnt
    if (wires.bounded && wires.events &&
        (x < k.number(wires.low, 0) || x > k.number(wires.high, 0)))
      k.outside = 1;
  });
  sync_block();
  each_thread(own.n, [&](std::int64_t j) { changed(0, static_cast<int>(j)) = 0; });
}

} // namespace fastsnn::cuda
