// SPDX-License-Identifier: Apache-2.0
#include "population.h"

#include <algorithm>
#include <cstring>

#include "philox.h"

namespace fastsnn {

namespace {
// purposes of a population's random numbers, see docs/design.md
constexpr std::uint32_t model_stream = 1, one_spike_stream = 2;

real at(Column c, std::int64_t j) { return c.ptr[c.len == 1 ? 0 : j]; }
} // namespace

Population::Population(const PopulationPlan &plan, const Plan &network, int threads)
    : plan_(plan), kernels_(*network.kernels), batch_(network.batch), n_(plan.n),
      stride_(padded(plan.n) + group_size), seed_(network.seed), param_(plan.param),
      privates_(threads) {
  for (int k = 0; k < threads; ++k)
    ranges_.push_back({std::min(n_, groups(n_) * k / threads * group_size),
                       std::min(n_, groups(n_) * (k + 1) / threads * group_size)});
  if (plan.kernel && plan.kernel->learning() >= 0)
    param_[plan.kernel->learning()] = {&learning_, 1};
  data_ = {n_,
           static_cast<std::int32_t>(batch_),
           seed_,
           plan.stream + model_stream,
           plan.state.data(),
           plan.shared.data(),
           param_.data(),
           plan.window.data(),
           plan.kernels.data(),
           plan.spike,
           plan.x,
           plan.summed,
           plan.decay_x};
  for (int parity = 0; parity < 2; ++parity) {
    if (!is_input())
      candidates_[parity].reserve(batch_ * stride_);
    n_candidates_[parity].assign(threads, std::vector<std::int32_t>(batch_ + group_size));
    for (Private &p : privates_) {
      p.lists[parity].assign(batch_, {});
      p.ids[parity].reserve(batch_ * stride_);
      p.slot.assign(plan.window.size(), 0);
    }
  }
}

void Population::begin_run(const RunArgs &args, int index, bool bytes_watched) {
  bytes_watched_ = !is_input() || bytes_watched;
  learning_ = args.learning ? 1.0f : 0.0f;
  clamp_ = args.clamp[index];
  unclamp_ = args.unclamp[index];
  inject_v_ = args.inject_v[index];
  counts_ = args.counts[index];
  winners_ = args.winners[index];
  uniforms_ = args.uniforms[index];
  told_ = !args.told.empty() && args.told[index];
  if (clamp_.ptr || unclamp_.ptr)
    for (Private &p : privates_)
      p.forced.reserve(n_);
}

void Population::restart_counts(int thread, std::int64_t sample) {
  const Range own = ranges_[thread];
  for (std::int64_t b = 0; b < batch_ && counts_ && !own.empty(); ++b)
    std::fill_n(counts_ + (sample * batch_ + b) * n_ + own.begin, own.end - own.begin, 0);
}

void Population::begin(int thread, int parity) {
  Private &p = privates_[thread];
  for (std::size_t k = 0; k < plan_.window.size(); ++k)
    p.slot[k] = static_cast<std::int32_t>(*plan_.window[k].head);
  look(thread, parity);
}

void Population::look(int thread, int parity) {
  for (std::int64_t b = 0; b < batch_; ++b) {
    std::int32_t *ids = own_ids(thread, parity, b);
    privates_[thread].lists[parity][b] = {ids, ids_of(plan_.spike + b * n_, n_, ids)};
  }
}

void Population::reset(int thread, int parity) {
  Private &p = privates_[thread];
  const Range own = ranges_[thread];
  for (std::int64_t b = 0; b < batch_; ++b) {
    p.lists[parity][b].n = 0;
    if (own.empty())
      continue;
    const std::int64_t first = b * n_ + own.begin, last = b * n_ + own.end;
    for (std::size_t k = 0; k < plan_.state.size(); ++k) {
      const Column init = plan_.init[k];
      if (init.len == 1)
        std::fill(plan_.state[k] + first, plan_.state[k] + last, *init.ptr);
      else
        std::copy(init.ptr + own.begin, init.ptr + own.end, plan_.state[k] + first);
    }
    std::fill(plan_.spike + first, plan_.spike + last, std::uint8_t(0));
    for (real *trace : {plan_.x, plan_.summed})
      if (trace)
        std::fill(trace + first, trace + last, 0.0f);
    for (const Window &w : plan_.window)
      for (std::int32_t slot = 0; slot < w.length; ++slot)
        std::fill_n(w.ptr + (slot * batch_ + b) * n_ + own.begin, own.end - own.begin, 0.0f);
  }
  std::fill(p.slot.begin(), p.slot.end(), 0);
}

void Population::send(int thread, int parity, const Ids *lists) {
  std::copy_n(lists, batch_, privates_[thread].lists[parity].begin());
}

void Population::keep(int thread, int parity) {
  for (std::int64_t b = 0; b < batch_; ++b) {
    Ids &list = privates_[thread].lists[parity][b];
    std::int32_t *own = own_ids(thread, parity, b);
    if (list.ptr != own)
      std::copy_n(list.ptr, list.n, own);
    list.ptr = own;
    const Range range = ranges_[thread];
    if (bytes_watched_ || range.empty())
      continue;
    std::uint8_t *bytes = plan_.spike + b * n_;
    std::fill(bytes + range.begin, bytes + range.end, std::uint8_t(0));
    for_ids_in(range, list, [&](std::int32_t j) { bytes[j] = 1; });
  }
}

void Population::begin_step(int thread, const Clock &clock) {
  if (!is_input()) {
    std::fill_n(n_candidates_[clock.parity][thread].begin(), batch_, 0);
    return;
  }
  const Range own = ranges_[thread];
  for (std::int64_t b = 0; b < batch_ && plan_.x && !own.empty(); ++b)
    kernels_.decay(plan_.x + b * n_, plan_.decay_x, own);
}

void Population::advance(int thread, const Clock &clock, Range part, const Current *const *currents,
                         const std::int32_t *n_currents) {
  if (part.empty())
    return;
  Advance a{};
  a.range = part;
  a.first = ranges_[thread].begin;
  a.step = clock.step;
  a.currents = currents;
  a.n_currents = n_currents;
  a.inject_v = inject_v_.at<real>(clock.t, n_);
  a.uniform = uniforms_ ? uniforms_ + clock.row * batch_ * n_ : nullptr;
  a.slot = privates_[thread].slot.data();
  a.ids = candidates_[clock.parity].get();
  a.ids_stride = stride_;
  a.n_ids = n_candidates_[clock.parity][thread].data();
  plan_.kernel->advance(data_, a);
}

void Population::end_step(int thread) {
  Private &p = privates_[thread];
  for (std::size_t k = 0; k < p.slot.size(); ++k)
    p.slot[k] = (p.slot[k] + 1) % plan_.window[k].length;
}

Ids Population::collect(int thread, int parity, std::int64_t b) {
  const std::int32_t *candidates = candidates_[parity].get() + b * stride_;
  if (ranges_.size() == 1)
    return {candidates, n_candidates_[parity][0][b]};
  std::int32_t *out = own_ids(thread, parity, b), n = 0;
  for (std::size_t k = 0; k < ranges_.size(); ++k) {
    const std::int32_t count = ranges_[k].empty() ? 0 : n_candidates_[parity][k][b];
    std::copy_n(candidates + ranges_[k].begin, count, out + n);
    n += count;
  }
  return {out, n};
}

Ids Population::select(int thread, const Clock &clock, std::int64_t b, Ids candidates) {
  std::int32_t winner = -1;
  if (winners_) {
    winner = winners_[clock.row * batch_ + b];
  } else if (candidates.n > 0) {
    const Words words =
        philox(seed_, plan_.stream + one_spike_stream, clock.step, static_cast<std::uint32_t>(b));
    winner = candidates.ptr[(std::uint64_t(words.w[0]) * candidates.n) >> 32];
  }
  if (winner < 0 || winner >= n_)
    return {};
  std::int32_t *out = own_ids(thread, clock.parity, b);
  *out = winner;
  return {out, 1};
}

Ids Population::force(int thread, const Clock &clock, std::int64_t b, Ids ids) {
  const std::uint8_t *on = clamp_.at<std::uint8_t>(clock.t, n_);
  const std::uint8_t *off = unclamp_.at<std::uint8_t>(clock.t, n_);
  std::int32_t *out = own_ids(thread, clock.parity, b), n = 0, k = 0;
  // ids may lie in the array that is written
  std::int32_t *given = privates_[thread].forced.get();
  std::copy_n(ids.ptr, ids.n, given);
  for (std::int32_t j = 0; j < n_; ++j) {
    const bool spike = k < ids.n && given[k] == j;
    k += spike;
    if ((spike || (on && on[j])) && !(off && off[j]))
      out[n++] = j;
  }
  return {out, n};
}

void Population::trace(Range own, std::int64_t b, Ids ids) {
  real *x = plan_.x ? plan_.x + b * n_ : nullptr;
  real *summed = is_input() && plan_.summed ? plan_.summed + b * n_ : nullptr;
  for_ids_in(own, ids, [&](std::int32_t j) {
    if (x) {
      const real scale = at(plan_.trace_scale, j);
      x[j] = plan_.trace == Trace::additive ? x[j] + scale : scale;
    }
    if (summed)
      summed[j] += 1.0f;
  });
}

void Population::publish(int thread, const Clock &clock) {
  if (told_)
    return look(thread, clock.parity);
  Private &p = privates_[thread];
  const Range own = ranges_[thread];
  for (std::int64_t b = 0; b < batch_; ++b) {
    Ids ids = is_input() ? p.lists[clock.parity][b] : collect(thread, clock.parity, b);
    if (plan_.one_spike)
      ids = select(thread, clock, b, ids);
    trace(own, b, ids);
    if (clamp_.ptr || unclamp_.ptr)
      ids = force(thread, clock, b, ids);
    if (bytes_watched_) {
      std::uint8_t *bytes = plan_.spike + b * n_;
      for_ids_in(own, p.lists[!clock.parity][b], [&](std::int32_t j) { bytes[j] = 0; });
      for_ids_in(own, ids, [&](std::int32_t j) { bytes[j] = 1; });
    }
    if (counts_) {
      std::int32_t *counts = counts_ + (clock.sample * batch_ + b) * n_;
      for_ids_in(own, ids, [&](std::int32_t j) { ++counts[j]; });
    }
    p.lists[clock.parity][b] = ids;
  }
}

std::int64_t Population::n_sent(int thread, int parity) const {
  std::int64_t n = 0;
  for (const Ids &list : privates_[thread].lists[parity])
    n += list.n;
  return n;
}

void Population::end_run() {
  for (std::size_t k = 0; k < plan_.window.size(); ++k)
    *plan_.window[k].head = privates_[0].slot[k];
}

} // namespace fastsnn
