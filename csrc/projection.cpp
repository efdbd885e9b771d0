// SPDX-License-Identifier: Apache-2.0
#include "projection.h"

#include <algorithm>
#include <cmath>

namespace fastsnn {

Plastic::Plastic(const ProjectionPlan &plan, const Plan &network, const Population &source,
                 const Population &target, int threads)
    : Projection(plan, network, source, target), threads_(threads) {
  const RuleKernel &rule = *plan.rule;
  lag_ = rule.lag() > 0;
  has_own_ = lag_ || rule.n_pre_state() + rule.n_post_state() > 0;
  synapse_ = plan.synapse;
  synapse_.insert(synapse_.begin(), plan.w);
  const auto finite = [](Column c) {
    return std::any_of(c.ptr, c.ptr + c.len, [](real x) { return std::isfinite(x); });
  };
  bounded_ = finite(plan.w_min) || finite(plan.w_max);
}

void Plastic::begin_run(const RunArgs &args, int index, bool) {
  learning_ = args.learning;
  mask_ = args.masks[index];
  learns_own_ = learning_ && plan_.has_rule && has_own_;
  reward_.assign(batch_, 1.0f);
  if (args.reward)
    reward_.assign(args.reward, args.reward + batch_);
  param_.assign(plan_.param.ptr, plan_.param.ptr + plan_.param.len);
  if (plan_.rule->reward() >= 0)
    param_[plan_.rule->reward()] = reward_[0];
}

void Plastic::describe(Learning &step) const {
  step.batch = static_cast<std::int32_t>(batch_);
  step.n_pre = n_pre_;
  step.n_post = n_post_;
  step.pre = plan_.pre.data();
  step.post = plan_.post.data();
  step.synapse = synapse_.data();
  step.reward = reward_.data();
  step.param = param_.data();
  step.reduction = plan_.reduction;
  step.w_min = plan_.w_min;
  step.w_max = plan_.w_max;
  step.learning = learning_;
  step.bounded = plan_.has_rule && bounded_;
  step.decay = plan_.decay;
  step.zero = mask_;
  step.changed = plan_.changed;
}

Range Plastic::share(int thread, int side) const {
  const std::int64_t n = batch_ * (side ? n_post_ : n_pre_);
  return {std::min(n, groups(n) * thread / threads_ * group_size),
          std::min(n, groups(n) * (thread + 1) / threads_ * group_size)};
}

void Plastic::advance_own(int thread, const Ids *, const Ids *) {
  for (int side = 0; side < 2; ++side) {
    const std::vector<real *> &variables = side ? plan_.post : plan_.pre;
    const int n_own = side ? plan_.rule->n_post_state() : plan_.rule->n_pre_state();
    const std::uint8_t *spike = spikes_of(thread, side);
    const Range own = share(thread, side);
    if (n_own > 0)
      plan_.rule->advance_own(side, variables.data() + variables.size() - n_own, spike,
                              param_.data(), own);
    if (lag_)
      std::copy(spike + own.begin, spike + own.end,
                (side ? plan_.last_post : plan_.last_pre) + own.begin);
  }
}

} // namespace fastsnn
