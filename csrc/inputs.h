// SPDX-License-Identifier: Apache-2.0
// Spikes of an input population, for a whole block of steps before the block starts.
#pragma once

#include "memory.h"
#include "plan.h"

namespace fastsnn {

class InputEvents {
public:
  InputEvents(const PopulationPlan &plan, const Plan &network, int threads);

  void begin_run(const Input &input) { input_ = &input; }
  void begin_sample(int thread, std::int64_t sample, double boost);
  // room for blocks of so many steps; not inside a run
  void reserve(std::int64_t steps);
  // draw this thread's share of the steps [row, row + steps) whose global number begins at `step`
  void draw(int thread, std::int64_t row, std::int64_t steps, std::uint64_t step);
  // [B] lists of step t of the block
  const Ids *at(std::int64_t t) const { return lists_.get() + t * batch_; }

private:
  struct Share {
    Buffer<std::int32_t> arena;
    // neurons with a rate, one batch element after the other
    Buffer<std::int32_t> id;
    Buffer<std::uint32_t> last_word;
    std::vector<std::int32_t> begin, count;
  };
  void draw_rates(Share &, std::int64_t from, std::int64_t to, std::uint64_t step);
  void read_bytes(Share &, std::int64_t row, std::int64_t from, std::int64_t to);
  void read_events(std::int64_t row, std::int64_t from, std::int64_t to);

  const PopulationPlan &plan_;
  const Kernels &kernels_;
  const std::int64_t n_, batch_;
  const std::uint64_t seed_;
  const Input *input_ = nullptr;
  std::vector<Share> shares_;
  Buffer<Ids> lists_;
};

// ids of the nonzero bytes
std::int32_t ids_of(const std::uint8_t *bytes, std::int64_t n, std::int32_t *ids);

} // namespace fastsnn
