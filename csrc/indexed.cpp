// SPDX-License-Identifier: Apache-2.0
#include "indexed.h"

#include <algorithm>
#include <cmath>

namespace fastsnn {

Indexed::Indexed(const ProjectionPlan &plan, const Plan &network, const Population &source,
                 const Population &target, int threads)
    : Plastic(plan, network, source, target, threads), synapses_(plan.synapses), states_(threads) {
  const RuleKernel &rule = *plan.rule;
  can_be_event_driven_ =
      plan.has_rule && rule.event_driven() && plan.reduction != 2 && plan.decay == 1.0f;
  current_.reserve(batch_ * stride_);
  std::vector<std::int64_t> owned{0}, learnt{0};
  for (int k = 0; k < threads; ++k) {
    State &s = states_[k];
    const Range own = target.range(k);
    owned.push_back(std::max(owned.back(), own.end));
    s.targets = own;
    if (const std::int64_t filters = synapses_.filters) {
      const std::int64_t first = filters * k / threads, last = filters * (k + 1) / threads;
      const std::int64_t of_target = n_post_ / filters, of_weight = synapses_.n_weights / filters;
      s.targets = {first * of_target, last * of_target};
      s.weights = {first * of_weight, last * of_weight};
    }
    learnt.push_back(std::max(learnt.back(), s.targets.end));
    if (!plan.has_rule)
      continue;
    const std::int64_t sums = std::max(1, rule.n_term()) * padded(s.weights.end - s.weights.begin);
    s.term.reserve(sums);
    if (batch_ > 1)
      s.total.reserve(sums);
    for (int side = 0; side < 2; ++side) {
      Spikes &spikes = s.side[side];
      spikes.n = side ? n_post_ : n_pre_;
      spikes.each.reserve(batch_ * spikes.n);
      spikes.lists.assign(batch_, {});
      if (batch_ > 1) {
        spikes.any.reserve(spikes.n);
        spikes.merged.reserve(spikes.n, batch_);
      }
      if (lag_) {
        spikes.lag_ids.assign(batch_ * (spikes.n + group_size), 0);
        spikes.lag.assign(batch_, {});
      }
    }
  }
  owned.back() = learnt.back() = n_post_;
  cuts_ = cut(owned);
  if (plan.has_rule || plan.decay != 1.0f || plan.changed)
    learn_cuts_ = owned == learnt ? cuts_ : cut(learnt);
  if (plan.has_rule || plan.norm)
    make_columns();
}

std::vector<std::int64_t> Indexed::cut(const std::vector<std::int64_t> &targets) const {
  std::vector<std::int64_t> cuts(targets.size() * n_pre_);
  for (std::int64_t i = 0; i < n_pre_; ++i) {
    const std::int32_t *first = synapses_.post + synapses_.row_ptr[i],
                       *last = synapses_.post + synapses_.row_ptr[i + 1];
    for (std::size_t k = 0; k < targets.size(); ++k)
      cuts[k * n_pre_ + i] = std::lower_bound(first, last, targets[k]) - synapses_.post;
  }
  return cuts;
}

void Indexed::make_columns() {
  column_ptr_.assign(n_post_ + 1, 0);
  for (std::int64_t at = 0; at < synapses_.n; ++at)
    ++column_ptr_[synapses_.post[at] + 1];
  for (std::int64_t j = 0; j < n_post_; ++j)
    column_ptr_[j + 1] += column_ptr_[j];
  column_pre_.resize(synapses_.n);
  column_at_.resize(synapses_.n);
  std::vector<std::int64_t> next(column_ptr_.begin(), column_ptr_.end() - 1);
  for (std::int64_t i = 0; i < n_pre_; ++i)
    for (std::int64_t at = synapses_.row_ptr[i]; at < synapses_.row_ptr[i + 1]; ++at) {
      const std::int64_t to = next[synapses_.post[at]]++;
      column_pre_[to] = static_cast<std::int32_t>(i);
      column_at_[to] = synapses_.weight ? synapses_.weight[at] : static_cast<std::int32_t>(at);
    }
}

SynapseLists Indexed::rows(const std::vector<std::int64_t> &cuts, int thread) const {
  return {cuts.data() + thread * n_pre_, cuts.data() + (thread + 1) * n_pre_, synapses_.post,
          synapses_.weight};
}

void Indexed::begin_run(const RunArgs &args, int index, bool known_ahead) {
  Plastic::begin_run(args, index, known_ahead);
  event_ = changes() && can_be_event_driven_ && !mask_;
  plain_ = mask_ || (changes() && !event_);
}

bool Indexed::lies_outside(float w, std::int64_t at) const {
  return w < plan_.w_min.ptr[plan_.w_min.len == 1 ? 0 : at] ||
         w > plan_.w_max.ptr[plan_.w_max.len == 1 ? 0 : at];
}

void Indexed::begin(int thread) {
  State &s = states_[thread];
  if (!event_ || !bounded_)
    return;
  // normalising may have left weights outside of the bounds; the first learning step clips all
  s.outside = false;
  for (std::int64_t at = 0; at < synapses_.n_weights; ++at)
    s.outside = s.outside || lies_outside(plan_.w[at], at);
}

void Indexed::deliver(int thread, const Ids *last) {
  const Range own = target_.range(thread);
  if (own.empty())
    return;
  const SynapseLists lists = rows(cuts_, thread);
  for (std::int64_t b = 0; b < batch_; ++b) {
    float *current = current_.get() + b * stride_;
    std::fill(current + own.begin, current + own.end, 0.0f);
    kernels_.deliver_indexed(plan_.w, lists, last[b], current);
  }
}

void Indexed::note(State &s, int side, const Ids *lists) {
  Spikes &spikes = s.side[side];
  if (lag_) {
    const std::uint8_t *bytes = side ? plan_.last_post : plan_.last_pre;
    for (std::int64_t b = 0; b < batch_; ++b) {
      std::int32_t *ids = spikes.lag_ids.data() + b * (spikes.n + group_size);
      spikes.lag[b] = {ids, ids_of(bytes + b * spikes.n, spikes.n, ids)};
    }
    lists = spikes.lag.data();
  }
  std::copy_n(lists, batch_, spikes.lists.begin());
  for (std::int64_t b = 0; b < batch_; ++b)
    for (std::int32_t k = 0; k < lists[b].n; ++k)
      spikes.each[b * spikes.n + lists[b].ptr[k]] = 1.0f;
  spikes.ids = batch_ == 1 ? lists[0] : spikes.merged.merge(lists);
  for (std::int32_t k = 0; k < spikes.ids.n && batch_ > 1; ++k)
    spikes.any[spikes.ids.ptr[k]] = 1.0f;
}

void Indexed::forget(State &s, int side) {
  Spikes &spikes = s.side[side];
  for (std::int64_t b = 0; b < batch_; ++b)
    for (std::int32_t k = 0; k < spikes.lists[b].n; ++k)
      spikes.each[b * spikes.n + spikes.lists[b].ptr[k]] = 0.0f;
  for (std::int32_t k = 0; k < spikes.ids.n && batch_ > 1; ++k)
    spikes.any[spikes.ids.ptr[k]] = 0.0f;
}

void Indexed::learn(int thread, std::int64_t, const Ids *pre, const Ids *post) {
  State &s = states_[thread];
  if (!learns() || s.targets.empty())
    return;
  const bool rule_acts = learning_ && plan_.has_rule;
  for (int side = 0; side < 2 && rule_acts; ++side)
    note(s, side, side ? post : pre);
  const Spikes &from = s.side[0], &to = s.side[1];
  IndexedLearn step{};
  describe(step);
  step.rows = rows(learn_cuts_, thread);
  if (!column_ptr_.empty())
    step.columns = {column_ptr_.data(), column_ptr_.data() + 1, column_pre_.data(),
                    column_at_.data()};
  step.event_driven = event_ && !s.outside;
  step.targets = s.targets;
  step.active = from.ids;
  step.spiking = to.ids;
  step.pre_lists = from.lists.data();
  step.post_lists = to.lists.data();
  step.pre_mask = batch_ > 1 ? from.merged.mask() : nullptr;
  step.post_mask = batch_ > 1 ? to.merged.mask() : nullptr;
  step.words = static_cast<std::int32_t>((batch_ + 63) / 64);
  step.pre_spike = from.each.get();
  step.post_spike = to.each.get();
  step.any_pre_spike = batch_ > 1 ? from.any.get() : from.each.get();
  step.weights = s.weights;
  step.sum_size = synapses_.n_weights / std::max<std::int64_t>(1, synapses_.n_sums);
  step.term = s.term.get();
  step.total = s.total.get();
  if (synapses_.filters)
    plan_.rule->learn_shared(step);
  else
    plan_.rule->learn_indexed(step);
  if (learning_)
    s.outside = false;
  for (int side = 0; side < 2 && rule_acts; ++side)
    forget(s, side);
}

void Indexed::normalise(int thread) {
  State &s = states_[thread];
  if (synapses_.filters)
    normalise_filters(s);
  else
    normalise_targets(s);
}

void Indexed::normalise_filters(State &s) {
  const std::int64_t size = synapses_.n_weights / synapses_.n_sums;
  for (std::int64_t first = s.weights.begin; first < s.weights.end; first += size) {
    std::uint8_t &changed = plan_.changed[first / size];
    if (!changed)
      continue;
    changed = 0;
    float sum = 0.0f;
    for (std::int64_t at = first; at < first + size; ++at)
      sum += std::fabs(plan_.w[at]);
    const float factor = *plan_.norm / (sum == 0.0f ? 1.0f : sum);
    for (std::int64_t at = first; at < first + size; ++at) {
      plan_.w[at] *= factor;
      s.outside = s.outside || lies_outside(plan_.w[at], at);
    }
  }
}

void Indexed::normalise_targets(State &s) {
  for (std::int64_t j = s.targets.begin; j < s.targets.end; ++j) {
    if (!plan_.changed[j])
      continue;
    plan_.changed[j] = 0;
    float sum = 0.0f;
    for (std::int64_t k = column_ptr_[j]; k < column_ptr_[j + 1]; ++k)
      sum += std::fabs(plan_.w[column_at_[k]]);
    const float factor = *plan_.norm / (sum == 0.0f ? 1.0f : sum);
    for (std::int64_t k = column_ptr_[j]; k < column_ptr_[j + 1]; ++k) {
      float &w = plan_.w[column_at_[k]];
      w *= factor;
      s.outside = s.outside || lies_outside(w, column_at_[k]);
    }
  }
}

} // namespace fastsnn
