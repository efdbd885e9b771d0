// SPDX-License-Identifier: Apache-2.0
// Learning of listed synapses: what a thread's kernel is told of a step.
#include "indexed.h"

#include <algorithm>

namespace fastsnn {

void Indexed::note(State &s, int side, const Ids *lists) {
  Spikes &spikes = s.side[side];
  if (is_late() && side == late_side()) {
    // the kernel is told where the flags of the step stand
    if (synapses_.delays) {
      spikes.ids = {s.reached.data(), static_cast<std::int32_t>(s.reached.size())};
      return;
    }
    spikes.late = s.sent.at(s.step - first_lag());
    lists = &spikes.late;
  } else if (lag_) {
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
  if (is_late() && side == late_side() && synapses_.delays)
    return;
  for (std::int64_t b = 0; b < batch_; ++b)
    for (std::int32_t k = 0; k < spikes.lists[b].n; ++k)
      spikes.each[b * spikes.n + spikes.lists[b].ptr[k]] = 0.0f;
  for (std::int32_t k = 0; k < spikes.ids.n && batch_ > 1; ++k)
    spikes.any[spikes.ids.ptr[k]] = 0.0f;
}

void Indexed::learn(int thread, std::int64_t, const Ids *pre, const Ids *post) {
  State &s = states_[thread];
  if (is_late()) {
    s.sent.note(s.step, *(plan_.dendritic ? post : pre),
                (plan_.dendritic ? target_ : source_).range(thread));
    if (synapses_.delays)
      reach(s, s.step);
  }
  if (!learns() || s.targets.empty())
    return;
  const bool rule_acts = learning_ && plan_.has_rule;
  for (int side = 0; side < 2 && rule_acts; ++side)
    note(s, side, side ? post : pre);
  const IndexedLearn step = tell(s, thread);
  if (synapses_.filters)
    plan_.rule->learn_shared(step);
  else
    plan_.rule->learn_indexed(step);
  if (rule_acts && plan_.every && (s.step + 1) % plan_.every == 0)
    consolidate(step);
  if (learning_)
    s.outside = false;
  for (int side = 0; side < 2 && rule_acts; ++side)
    forget(s, side);
}

void Indexed::consolidate(const IndexedLearn &step) const {
  if (threads_ == 1)
    return plan_.rule->consolidate(step, {0, synapses_.n});
  for (std::int64_t r = 0; r < n_pre_ * row_parts(); ++r)
    plan_.rule->consolidate(step, {step.rows.first[r], step.rows.last[r]});
}

IndexedLearn Indexed::tell(State &s, int thread) const {
  const Spikes &from = s.side[0], &to = s.side[1];
  IndexedLearn step{};
  describe(step);
  step.rows = rows(learn_cuts_, thread);
  if (!row_post_.empty())
    step.rows.other = row_post_.data();
  if (!column_ptr_.empty())
    step.columns = {column_ptr_.data(), column_ptr_.data() + 1, column_pre_.data(),
                    column_at_.data()};
  step.pre_parts = row_parts();
  step.post_parts = column_parts();
  step.post_lag = 1; // see SynapsesPlan::delays
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
  if (is_late() && synapses_.delays) {
    (plan_.dendritic ? step.post_spike : step.pre_spike) = s.sent.flags(s.step);
    if (past_) {
      past_->at(s.step, s.seen.data());
      (plan_.dendritic ? step.post : step.pre) = s.seen.data();
    }
  }
  step.any_pre_spike = batch_ > 1 ? from.any.get() : step.pre_spike;
  step.both = s.both.get();
  step.both_value = s.both_value.get();
  step.weights = s.weights;
  step.sum_size = synapses_.n_weights / std::max<std::int64_t>(1, synapses_.n_sums);
  step.term = s.term.get();
  step.total = s.total.get();
  return step;
}

const std::uint8_t *Indexed::spikes_of(int thread, int side) const {
  const bool late = is_late() && side == late_side() && !synapses_.delays;
  const State &s = states_[thread];
  return late ? s.sent.bytes(s.step - first_lag()) : Plastic::spikes_of(thread, side);
}

void Indexed::advance_own(int thread, const Ids *pre, const Ids *post) {
  if (learns_own_)
    Plastic::advance_own(thread, pre, post);
  if (past_)
    past_->note(states_[thread].step + 1, share(thread, late_side()));
}

} // namespace fastsnn
