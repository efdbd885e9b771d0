// SPDX-License-Identifier: Apache-2.0
// Short-term plasticity: a model of the presynaptic terminals, whose efficacy scales deliveries.
#pragma once

#include <vector>

#include "memory.h"
#include "plan.h"

namespace fastsnn {

class Terminals {
public:
  Terminals(const PopulationPlan &plan, int efficacy, const Plan &network);
  void reset(Range own) const;
  // bytes: spikes that arrive, [B, n]
  void advance(int thread, Range own, const std::uint8_t *bytes);
  // [B, n]
  const real *efficacy() const { return plan_.state[efficacy_]; }
  // room for so many threads
  void reserve(int threads) { n_ids_.assign(threads, std::vector<std::int32_t>(batch_)); }

private:
  const PopulationPlan &plan_;
  const int efficacy_;
  const std::int64_t batch_, stride_;
  PopulationData data_{};      // of one batch element, but for its state
  std::vector<real *> states_; // [B, states]
  Buffer<std::int32_t> ids_;
  std::vector<std::vector<std::int32_t>> n_ids_; // [thread][B]
};

} // namespace fastsnn
