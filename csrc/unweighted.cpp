// SPDX-License-Identifier: Apache-2.0
#include "unweighted.h"

#include <algorithm>

namespace fastsnn {

MaxPool::MaxPool(const ProjectionPlan &plan, const Plan &network, const Population &source,
                 const Population &target)
    : Projection(plan, network, source, target), member_ptr_(n_post_ + 1, 0),
      member_(plan.synapses.n), current_(batch_ * stride_) {
  const SynapsesPlan &s = plan.synapses;
  for (std::int64_t at = 0; at < s.n; ++at)
    ++member_ptr_[s.post[at] + 1];
  for (std::int64_t j = 0; j < n_post_; ++j)
    member_ptr_[j + 1] += member_ptr_[j];
  std::vector<std::int64_t> next(member_ptr_.begin(), member_ptr_.end() - 1);
  for (std::int64_t i = 0; i < n_pre_; ++i)
    for (std::int64_t at = s.row_ptr[i]; at < s.row_ptr[i + 1]; ++at)
      member_[next[s.post[at]]++] = static_cast<std::int32_t>(i);
}

void MaxPool::reset(int thread) {
  const Range own = source_.range(thread);
  for (std::int64_t b = 0; b < batch_ && !own.empty(); ++b)
    std::fill(plan_.rate + b * n_pre_ + own.begin, plan_.rate + b * n_pre_ + own.end, 0.0f);
}

void MaxPool::prepare(int thread, const Ids *last) {
  const Range own = source_.range(thread);
  for (std::int64_t b = 0; b < batch_ && !own.empty(); ++b) {
    real *rate = plan_.rate + b * n_pre_;
    kernels_.decay_rates(rate + own.begin, plan_.rate_decay, own.end - own.begin);
    for_ids_in(own, last[b], [&](std::int32_t i) { rate[i] += 1.0f; });
  }
}

bool MaxPool::is_highest(const real *rate, std::int32_t i, std::int32_t j) const {
  for (std::int64_t k = member_ptr_[j]; k < member_ptr_[j + 1]; ++k)
    if (rate[member_[k]] > rate[i] || (rate[member_[k]] == rate[i] && member_[k] < i))
      return false;
  return true;
}

void MaxPool::deliver(int thread, const Ids *last) {
  const Range own = target_.range(thread);
  const SynapsesPlan &s = plan_.synapses;
  for (std::int64_t b = 0; b < batch_ && !own.empty(); ++b) {
    real *current = current_.get() + b * stride_;
    std::fill(current + own.begin, current + own.end, 0.0f);
    for (std::int32_t e = 0; e < last[b].n; ++e) {
      const std::int32_t i = last[b].ptr[e];
      const Ids windows = {s.post + s.row_ptr[i],
                           static_cast<std::int32_t>(s.row_ptr[i + 1] - s.row_ptr[i])};
      for_ids_in(own, windows, [&](std::int32_t j) {
        if (is_highest(plan_.rate + b * n_pre_, i, j))
          current[j] = *plan_.w;
      });
    }
  }
}

MeanField::MeanField(const ProjectionPlan &plan, const Plan &network, const Population &source,
                     const Population &target)
    : Projection(plan, network, source, target), current_(batch_ * stride_) {}

void MeanField::deliver(int thread, const Ids *last) {
  const Range own = target_.range(thread);
  for (std::int64_t b = 0; b < batch_; ++b) {
    const real mean = static_cast<real>(last[b].n) / static_cast<real>(n_pre_);
    for (std::int64_t j = own.begin; j < own.end; ++j)
      current_[b * stride_ + j] = mean * plan_.w[j];
  }
}

} // namespace fastsnn
