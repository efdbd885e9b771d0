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
    if (plan.has_rule)
      reserve_learning(s);
    if (is_late())
      reserve_delays(s);
  }
  owned.back() = learnt.back() = n_post_;
  cuts_ = cut(owned);
  // without a rule, too: a mask of a run acts on the same rows
  learn_cuts_ = owned == learnt ? cuts_ : cut(learnt);
  if (plan.has_rule || plan.norm)
    make_columns();
  if (plan.past) {
    const std::vector<real *> &side = plan.dendritic ? plan.post : plan.pre;
    past_ = std::make_unique<Past>(plan.past, late_slots(), late_n(), side);
  }
  if (plan.terminal) {
    terminals_ = std::make_unique<Terminals>(*plan.terminal, plan.efficacy, network);
    terminals_->reserve(threads);
  }
}

void Indexed::reserve_learning(State &s) {
  const RuleKernel &rule = *plan_.rule;
  const std::int64_t sums = std::max(1, rule.n_term()) * padded(s.weights.end - s.weights.begin);
  s.term.reserve(sums);
  if (batch_ > 1)
    s.total.reserve(sums);
  else if (!synapses_.filters) {
    s.both.reserve(synapses_.n);
    s.both_value.reserve(synapses_.n * rule.n_synapse());
  }
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

void Indexed::reserve_delays(State &s) {
  s.sent.reserve(plan_.sent, late_slots(), late_n(), synapses_.delays);
  s.seen.resize((plan_.dendritic ? plan_.post : plan_.pre).size());
}

std::vector<std::int64_t> Indexed::cut(const std::vector<std::int64_t> &targets) const {
  const std::int64_t parts = row_parts(), rows = n_pre_ * parts;
  std::vector<std::int64_t> cuts(targets.size() * rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t i = r / parts;
    std::int64_t from = synapses_.row_ptr[i], to = synapses_.row_ptr[i + 1];
    if (parts > 1) {
      const auto delay = static_cast<std::int32_t>(r % parts + 1);
      const auto [first, last] =
          std::equal_range(synapses_.delays + from, synapses_.delays + to, delay);
      from = first - synapses_.delays;
      to = last - synapses_.delays;
    }
    for (std::size_t k = 0; k < targets.size(); ++k)
      cuts[k * rows + r] =
          std::lower_bound(synapses_.post + from, synapses_.post + to, targets[k]) - synapses_.post;
  }
  return cuts;
}

void Indexed::make_columns() {
  const std::int64_t parts = column_parts();
  const auto column_of = [&](std::int64_t at) {
    return synapses_.post[at] * parts + (parts > 1 ? part_of(at) : 0);
  };
  column_ptr_.assign(n_post_ * parts + 1, 0);
  for (std::int64_t at = 0; at < synapses_.n; ++at)
    ++column_ptr_[column_of(at) + 1];
  for (std::size_t c = 1; c < column_ptr_.size(); ++c)
    column_ptr_[c] += column_ptr_[c - 1];
  column_pre_.resize(synapses_.n);
  column_at_.resize(synapses_.n);
  std::vector<std::int64_t> next(column_ptr_.begin(), column_ptr_.end() - 1);
  for (std::int64_t i = 0; i < n_pre_; ++i)
    for (std::int64_t at = synapses_.row_ptr[i]; at < synapses_.row_ptr[i + 1]; ++at) {
      const std::int64_t to = next[column_of(at)]++;
      const std::int64_t lags = row_parts() > 1 ? part_of(at) * n_pre_ : 0;
      column_pre_[to] = static_cast<std::int32_t>(i - lags);
      column_at_[to] = synapses_.weight ? synapses_.weight[at] : static_cast<std::int32_t>(at);
    }
  if (parts == 1)
    return;
  row_post_.resize(synapses_.n);
  for (std::int64_t at = 0; at < synapses_.n; ++at)
    row_post_[at] = static_cast<std::int32_t>(synapses_.post[at] - synapses_.delays[at] * n_post_);
}

SynapseLists Indexed::rows(const std::vector<std::int64_t> &cuts, int thread) const {
  const std::int64_t rows = n_pre_ * row_parts();
  return {cuts.data() + thread * rows, cuts.data() + (thread + 1) * rows, synapses_.post,
          synapses_.weight};
}

void Indexed::begin_run(const RunArgs &args, int index, bool known_ahead) {
  Plastic::begin_run(args, index, known_ahead);
  event_ = changes() && can_be_event_driven_ && !mask_;
  plain_ = mask_ || (changes() && !event_);
  // what masks, normalising and other programs leave may lie outside of the bounds
  unsure_ = unsure_next_ || args.fresh || plan_.norm;
  unsure_next_ = mask_ || (unsure_ && !event_);
  first_step_ = static_cast<std::int64_t>(args.step);
}

bool Indexed::lies_outside(real w, std::int64_t at) const {
  return w < plan_.w_min.ptr[plan_.w_min.len == 1 ? 0 : at] ||
         w > plan_.w_max.ptr[plan_.w_max.len == 1 ? 0 : at];
}

void Indexed::begin(int thread) {
  State &s = states_[thread];
  s.step = first_step_ - 1;
  if (is_late()) {
    s.sent.begin(first_step_);
    if (!plan_.dendritic && synapses_.delays)
      reach(s, s.step);
  }
  if (past_ && thread == 0)
    past_->begin(first_step_);
  if (!event_ || !bounded_ || !unsure_)
    return;
  // normalising may have left weights outside of the bounds; the first learning step clips all
  s.outside = false;
  for (std::int64_t at = 0; at < synapses_.n_weights; ++at)
    s.outside = s.outside || lies_outside(plan_.w[at], at);
}

void Indexed::reset(int thread) {
  if (terminals_)
    terminals_->reset(source_.range(thread));
  if (!is_late())
    return;
  State &s = states_[thread];
  s.sent.clear((plan_.dendritic ? target_ : source_).range(thread));
  s.reached.clear();
  const Range own = target_.range(thread);
  for (std::int64_t k = 0; k < synapses_.delay && plan_.arriving && !own.empty(); ++k)
    std::fill(arriving(k) + own.begin, arriving(k) + own.end, 0.0f);
}

void Indexed::reach(State &s, std::int64_t step) {
  s.reached.clear();
  for (std::int64_t part = 0; part < parts(); ++part) {
    const Ids ids = s.sent.at(step - first_lag() - part);
    for (std::int32_t k = 0; k < ids.n; ++k)
      s.reached.push_back(static_cast<std::int32_t>(ids.ptr[k] * parts() + part));
  }
}

void Indexed::prepare(int thread, const Ids *) {
  // called for all projections where one prepares
  if (!terminals_)
    return;
  // before deliver counts the step: `step` is the one before
  const State &s = states_[thread];
  const bool late = is_late() && !plan_.dendritic;
  terminals_->advance(thread, source_.range(thread),
                      late ? s.sent.bytes(s.step + 1 - synapses_.delay) : source_.plan().spike);
}

void Indexed::deliver(int thread, const Ids *last) {
  State &s = states_[thread];
  ++s.step;
  const Range own = target_.range(thread);
  if (own.empty())
    return;
  const SynapseLists lists = rows(cuts_, thread);
  if (plan_.dendritic)
    return deliver_dendritic(s, lists, own, *last);
  const auto add = [&](Ids spikes, std::int64_t b) {
    real *current = current_.get() + b * stride_;
    std::fill(current + own.begin, current + own.end, 0.0f);
    kernels_.deliver_indexed(plan_.w, lists, spikes, efficacy(b), current);
  };
  if (synapses_.delays)
    return add({s.reached.data(), static_cast<std::int32_t>(s.reached.size())}, 0);
  if (is_late())
    return add(s.sent.at(s.step - synapses_.delay), 0);
  for (std::int64_t b = 0; b < batch_; ++b)
    add(last[b], b);
}

void Indexed::deliver_dendritic(State &s, const SynapseLists &lists, Range own, Ids last) {
  real *past = arriving(s.step - 1);
  std::fill(past + own.begin, past + own.end, 0.0f);
  if (!synapses_.delays)
    return kernels_.deliver_indexed(plan_.w, lists, last, efficacy(0),
                                    arriving(s.step - 1 + synapses_.delay));
  for (std::int32_t k = 0; k < last.n; ++k)
    for (std::int64_t at = lists.first[last.ptr[k]]; at < lists.last[last.ptr[k]]; ++at)
      arriving(s.step - 1 + synapses_.delays[at])[synapses_.post[at]] +=
          terminals_ ? plan_.w[at] * efficacy(0)[last.ptr[k]] : plan_.w[at];
}

void Indexed::end_block(int thread) {
  if (past_)
    past_->save(states_[thread].step, share(thread, late_side()));
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
    real sum = 0.0f;
    for (std::int64_t at = first; at < first + size; ++at)
      sum += std::fabs(plan_.w[at]);
    const real factor = *plan_.norm / (sum == 0.0f ? 1.0f : sum);
    for (std::int64_t at = first; at < first + size; ++at) {
      plan_.w[at] *= factor;
      s.outside = s.outside || lies_outside(plan_.w[at], at);
    }
  }
}

void Indexed::normalise_targets(State &s) {
  const std::int64_t parts = column_parts();
  for (std::int64_t j = s.targets.begin; j < s.targets.end; ++j) {
    if (!plan_.changed[j])
      continue;
    plan_.changed[j] = 0;
    const std::int64_t first = column_ptr_[j * parts], last = column_ptr_[(j + 1) * parts];
    real sum = 0.0f;
    for (std::int64_t k = first; k < last; ++k)
      sum += std::fabs(plan_.w[column_at_[k]]);
    const real factor = *plan_.norm / (sum == 0.0f ? 1.0f : sum);
    for (std::int64_t k = first; k < last; ++k) {
      real &w = plan_.w[column_at_[k]];
      w *= factor;
      s.outside = s.outside || lies_outside(w, column_at_[k]);
    }
  }
}

} // namespace fastsnn
