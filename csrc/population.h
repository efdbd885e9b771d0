// SPDX-License-Identifier: Apache-2.0
// A population at run time: who spiked, trace, clamps, selection of one spike.
#pragma once

#include "inputs.h"

namespace fastsnn {

// step of a run, as populations see it
struct Clock {
  std::int64_t sample = 0, t = 0, row = 0; // row = sample * n_steps + t
  std::uint64_t step = 0;
  int parity = 0; // which half of a double buffer is this step's
};

class Population {
public:
  Population(const PopulationPlan &plan, const Plan &network, int threads);

  bool is_input() const { return !plan_.kernel; }
  const PopulationPlan &plan() const { return plan_; }
  Range range(int thread) const { return ranges_[thread]; }
  // [B] lists, the same on every thread; each thread has its own copy
  const Ids *sent(int thread, int parity) const { return privates_[thread].lists[parity].data(); }

  // bytes_watched: whether an input's spike bytes are looked at before its block ends
  void begin_run(const RunArgs &args, int index, bool bytes_watched);
  // lists from the bytes that the last run left
  void begin(int thread, int parity);
  // lists from the bytes as they are now
  void look(int thread, int parity);
  void reset(int thread, int parity);
  void restart_counts(int thread, std::int64_t sample);
  // inputs: this step's lists; they stay where they are until the block ends
  void send(int thread, int parity, const Ids *lists);
  void keep(int thread, int parity);
  // integrate a part of the own range, one part after another; candidates for a spike become
  // visible at the barrier.  currents, n_currents: [ports, B]
  void begin_step(int thread, const Clock &);
  void advance(int thread, const Clock &, Range part, const Current *const *currents,
               const std::int32_t *n_currents);
  void end_step(int thread);
  // after the barrier: select, trace, clamp, count
  void publish(int thread, const Clock &);
  std::int64_t n_sent(int thread, int parity) const;
  void end_run();

private:
  struct Private {
    std::vector<Ids> lists[2];
    Buffer<std::int32_t> ids[2], forced;
    std::vector<std::int32_t> slot; // of windows
  };
  void trace(Range own, std::int64_t b, Ids ids);
  Ids collect(int thread, int parity, std::int64_t b);
  Ids select(int thread, const Clock &, std::int64_t b, Ids candidates);
  Ids force(int thread, const Clock &, std::int64_t b, Ids ids);
  std::int32_t *own_ids(int thread, int parity, std::int64_t b) const {
    return privates_[thread].ids[parity].get() + b * stride_;
  }

  const PopulationPlan &plan_;
  const Kernels &kernels_;
  const std::int64_t batch_, n_, stride_;
  const std::uint64_t seed_;
  std::vector<Range> ranges_;
  std::vector<Column> param_;
  real learning_ = 0.0f;
  PopulationData data_;
  Buffer<std::int32_t> candidates_[2];
  std::vector<std::vector<std::int32_t>> n_candidates_[2]; // [thread][B]
  std::vector<Private> privates_;

  Forced clamp_, unclamp_, inject_v_;
  bool bytes_watched_ = true;
  std::int32_t *counts_ = nullptr;
  const std::int32_t *winners_ = nullptr;
  const real *uniforms_ = nullptr;
  bool told_ = false; // others write spikes and traces
};

} // namespace fastsnn
