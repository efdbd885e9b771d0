// SPDX-License-Identifier: Apache-2.0
// Spike trains drawn ahead of a run with the numbers that torch draws.
#pragma once

#include <cstdint>

namespace fastsnn {

struct TrainPlan {
  std::uint8_t *state; // bytes of torch.Generator.get_state(); go on behind what was drawn
  const float *value;  // [n]
  std::int64_t n, n_steps;
  std::uint8_t *out; // [n_steps, n], zeros
};

// Nothing is drawn, and false returned, where a value is negative or no number.
struct Trains {
  // intervals of whole steps, at least 1, from Poisson distributions with means scale / value
  bool (*poisson)(const TrainPlan &, float scale);
  // a spike with probability `value` in every step
  bool (*bernoulli)(const TrainPlan &);
};

// by the fastest instruction set that this processor has
const Trains &usable_trains();

} // namespace fastsnn
