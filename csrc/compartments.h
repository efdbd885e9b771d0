// SPDX-License-Identifier: Apache-2.0
// Matrices whose spikes pass through features (fastsnn/compartments.py), and values of features
// that learn.  Both learn as Dense does; here is what they deliver.
#pragma once

#include "dense.h"

namespace fastsnn {

class Compartments final : public Dense {
public:
  Compartments(const ProjectionPlan &plan, const Plan &network, const Population &source,
               const Population &target, int threads);

  void begin_run(const RunArgs &args, int index, bool known_ahead) override;
  void begin(int thread) override;
  void reset(int thread) override;
  bool prepares() const override { return features_.adaptation.has_value(); }
  void prepare(int thread, const Ids *last) override;
  void deliver(int thread, const Ids *last) override;
  const real *row(int, std::int64_t, std::int64_t b) const override {
    return current_.get() + b * stride_;
  }
  void end_block(int thread) override;

private:
  // where a thread stands; all say the same
  struct alignas(64) Now {
    std::uint64_t step = 0;
    std::int32_t head = 0;
  };
  void record(const AdaptationPlan &, const Ids *last);
  void decide(const AdaptationPlan &, Range own);
  void take_from_ring(Range own, std::int32_t head, std::int64_t b);

  const CompartmentsPlan &features_;
  const std::uint64_t seed_;
  std::uint64_t first_step_ = 0;
  std::vector<SignalStep> steps_;
  bool draws_ = false, rests_ = false;
  Buffer<real> current_; // [B, stride]
  std::vector<Now> now_; // [threads]
  // of an adaptation: spikes of the step, what the network says, whether it just spoke
  std::vector<std::uint8_t> spiking_;
  std::vector<real> decision_; // [n_pre]
  bool decided_ = false;
};

class Silent final : public Dense {
public:
  using Dense::Dense;

  void begin_run(const RunArgs &args, int index, bool) override {
    Dense::begin_run(args, index, false);
  }
  void deliver(int, const Ids *) override {}
};

} // namespace fastsnn
