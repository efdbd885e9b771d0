// SPDX-License-Identifier: Apache-2.0
// What drives a population from outside.
#pragma once

#include "block.h"
#include "models.h"

namespace fastsnn::cuda {

inline constexpr double all_words = 4294967296.0;

// whether neuron i is among the ascending ids of a row
FASTSNN_DEVICE bool listed(const Drive &drive, std::int64_t row, std::int32_t i) {
  const std::int32_t *ids = static_cast<const std::int32_t *>(drive.data);
  std::int64_t low = drive.offsets[row], high = drive.offsets[row + 1];
  const std::int64_t end = high;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (ids[middle] < i)
      low = middle + 1;
    else
      high = middle;
  }
  return low < end && ids[low] == i;
}

FASTSNN_DEVICE bool drawn(const Block &k, const Population &cells, const Now &now, double boost,
                          std::int64_t b, std::int32_t i) {
  const std::int64_t at = b * cells.n + i;
  const double rate =
      static_cast<const float *>(cells.drive.data)[now.sample * k.plan->batch * cells.n + at];
  const double scaled = rate * (cells.drive.scale * boost);
  const double threshold = scaled < all_words ? scaled : all_words;
  if (threshold < 1.0)
    return false;
  const Words words =
      philox(k.plan->seed, cells.stream, now.step >> 2, static_cast<std::uint32_t>(at));
  const std::uint32_t lane = now.step & 3;
  // no array in registers can be indexed by a variable
  const std::uint32_t word = lane == 0   ? words.w[0]
                             : lane == 1 ? words.w[1]
                             : lane == 2 ? words.w[2]
                                         : words.w[3];
  return word < static_cast<std::uint64_t>(threshold);
}

// what an input population, or a current, gives neuron i of batch element b in this step
FASTSNN_DEVICE float driven(const Block &k, const Population &cells, const Now &now, double boost,
                            std::int64_t b, std::int32_t i) {
  const Drive &drive = cells.drive;
  const std::int64_t batch = k.plan->batch, row = now.row * batch + b;
  switch (drive.source) {
  case Source::rates:
    return drawn(k, cells, now, boost, b, i) ? 1.0f : 0.0f;
  case Source::spikes:
    return static_cast<const std::uint8_t *>(drive.data)[row * cells.n + i] ? 1.0f : 0.0f;
  case Source::events:
    return listed(drive, row, i) ? 1.0f : 0.0f;
  case Source::current:
    return static_cast<const float *>(
        drive.data)[((drive.per_step ? now.row : now.sample) * batch + b) * cells.n + i];
  default:
    return 0.0f;
  }
}

} // namespace fastsnn::cuda
