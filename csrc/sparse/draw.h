// SPDX-License-Identifier: Apache-2.0
// What kernels that draw synapses are asked for; arrays that they write have room for 16 more, and
// those that they read hold 16 more numbers in range.
#pragma once

#include <cstdint>

namespace fastsnn::sparse {

// numbers below n from word 0 of the counters first .. first + count - 1 of a row
struct PartnerDraw {
  std::uint64_t seed;
  std::uint32_t stream, row, first;
  std::int64_t count;
  std::uint32_t n;
  std::uint32_t *out;
};

// A draw of sources: draw m has word m % 4 of counter m / 4.  begin is a multiple of 64.
struct Throw {
  std::uint64_t seed;
  std::uint32_t stream, n;
  std::int64_t begin, end;
  std::uint32_t *times; // [n], added to
};

inline constexpr int dimensions = 3, chance_steps = 1024;

// Targets begin .. end - 1 of a list that are joined to a point: where word 0 of the target's
// counter lies below the chance of its distance.
struct NearDraw {
  std::uint64_t seed;
  std::uint32_t stream, row, skip; // skip: a target that is not joined
  float point[dimensions], period[dimensions];
  const float *x[dimensions]; // of the targets
  const std::uint32_t *id;    // of the targets
  std::int64_t begin, end;
  const float *chance; // [chance_steps + 2], at the distances 0 .. cutoff
  float cutoff;
  std::uint32_t *out; // ids
};

// one number, or a quantile table
struct Table {
  const float *ptr = nullptr;
  bool is_one = true;
};

// The synapses of one source in one projection.
struct SynapseDraw {
  std::uint64_t seed;
  std::uint32_t stream;
  std::int32_t count;
  // their counters: k[i] of row_of[i], or, without a list, first + i of row
  const std::uint32_t *k, *row_of;
  std::uint32_t first, row;
  // targets, or null: drawn by word 0 among n_target, those from `skip` on moved up by one
  const std::uint32_t *target;
  std::uint32_t n_target, skip;
  Table weight, delay;
  const float *w;            // given weights, or null
  const std::int32_t *steps; // given delays, or null
  const float *more;         // added to delays, or null
  float scale;
  const std::uint32_t *group; // of 16 targets: tile << 16 | place of the first
  std::int32_t span;          // largest delay
  // out: place | int16 weight << 16; tile * span + delay - 1
  std::uint32_t *synapse, *bucket;
};

} // namespace fastsnn::sparse
