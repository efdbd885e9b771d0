// SPDX-License-Identifier: Apache-2.0
#include "terminals.h"

#include <algorithm>

namespace fastsnn {

Terminals::Terminals(const PopulationPlan &plan, int efficacy, const Plan &network)
    : plan_(plan), efficacy_(efficacy), batch_(network.batch), stride_(padded(plan.n) + group_size),
      ids_(batch_ * stride_) {
  data_.n = plan.n;
  data_.param = plan.param.data();
  data_.spike = plan.spike;
  data_.decay_x = plan.decay_x;
  data_.batch = 1;
  for (std::int64_t b = 0; b < batch_; ++b)
    for (real *state : plan.state)
      states_.push_back(state + b * plan.n);
}

void Terminals::reset(Range own) const {
  for (std::int64_t b = 0; b < batch_ && !own.empty(); ++b)
    for (std::size_t k = 0; k < plan_.state.size(); ++k)
      for (std::int64_t i = own.begin; i < own.end; ++i)
        plan_.state[k][b * plan_.n + i] = plan_.init[k].ptr[plan_.init[k].len == 1 ? 0 : i];
}

void Terminals::advance(int thread, Range own, const std::uint8_t *bytes) {
  if (own.empty())
    return;
  static const real one = 1.0f;
  std::vector<std::int32_t> &n_ids = n_ids_[thread];
  for (std::int64_t b = 0; b < batch_; ++b) {
    Current current;
    current.gate = bytes + b * plan_.n;
    current.on = {&one, 1};
    const Current *const currents[] = {&current};
    const std::int32_t n_currents = 1;
    PopulationData row = data_;
    row.state = states_.data() + b * plan_.state.size();
    Advance a{};
    a.range = own;
    a.first = own.begin;
    a.currents = currents;
    a.n_currents = &n_currents;
    a.ids = ids_.get() + b * stride_;
    a.ids_stride = stride_;
    a.n_ids = &n_ids[b];
    n_ids[b] = 0;
    plan_.kernel->advance(row, a);
  }
}

} // namespace fastsnn
