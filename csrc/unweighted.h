// SPDX-License-Identifier: Apache-2.0
// Projections without a weight per synapse: max-pooling and the mean field.
#pragma once

#include "projection.h"

namespace fastsnn {

// the spike of the source neuron with the highest running rate of each window, the first of equals
class MaxPool final : public Projection {
public:
  MaxPool(const ProjectionPlan &plan, const Plan &network, const Population &source,
          const Population &target);

  void reset(int thread) override;
  bool prepares() const override { return true; }
  // the rates of the thread's part of the source
  void prepare(int thread, const Ids *last) override;
  void deliver(int thread, const Ids *last) override;
  const real *row(int, std::int64_t, std::int64_t b) const override {
    return current_.get() + b * stride_;
  }

private:
  bool is_highest(const real *rate, std::int32_t i, std::int32_t j) const;

  std::vector<std::int64_t> member_ptr_; // [n_post + 1]
  std::vector<std::int32_t> member_;     // source neurons of every window, ascending
  Buffer<real> current_;
};

// i_syn[j] = w[j] * mean spike of the source
class MeanField final : public Projection {
public:
  MeanField(const ProjectionPlan &plan, const Plan &network, const Population &source,
            const Population &target);

  void deliver(int thread, const Ids *last) override;
  const real *row(int, std::int64_t, std::int64_t b) const override {
    return current_.get() + b * stride_;
  }

private:
  Buffer<real> current_;
};

} // namespace fastsnn
