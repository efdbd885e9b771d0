// SPDX-License-Identifier: Apache-2.0
#include "dense.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fastsnn {

namespace {
// below, copying columns and tiles costs more than it saves
constexpr std::int64_t shortest_packed_block = 8;
constexpr std::int64_t most_current_bytes = std::int64_t(16) << 20;
} // namespace

Dense::Dense(const ProjectionPlan &plan, const Plan &network, const Population &source,
             const Population &target, int threads)
    : Plastic(plan, network, source, target, threads),
      words_(static_cast<std::int32_t>((batch_ + 63) / 64)), states_(threads) {
  const RuleKernel &rule = *plan.rule;
  const auto rests = [](const std::vector<real *> &variables, int n_own, const real *x,
                        bool own_rests) {
    for (std::size_t k = 0; k + n_own < variables.size(); ++k)
      if (variables[k] != x)
        return false;
    return n_own == 0 || own_rests;
  };
  pre_rests_ = rests(plan.pre, rule.n_pre_state(), source.plan().x, rule.own_rests(false));
  post_rests_ = rests(plan.post, rule.n_post_state(), target.plan().x, rule.own_rests(true));
  reads_pre_ = rule.n_pre() > 1 && rule.pre_driven_reads_pre();
  can_be_event_driven_ = plan.has_rule && rule.event_driven() && plan.reduction != 2 &&
                         plan.decay == 1.0f && plan.w_min.len == 1 && plan.w_max.len == 1 &&
                         !rule.mixes_spikes();
  for (int k = 0; k < threads; ++k) {
    State &s = states_[k];
    const Range own = target.range(k);
    const std::int64_t width = std::max<std::int64_t>(0, own.end - own.begin);
    s.slot.assign(width, -1);
    s.awake.assign(width, 0);
    if (!can_be_event_driven_)
      continue;
    s.slabs.reserve(groups(width));
    s.slab_ptrs.reserve(groups(width));
    s.columns.reserve(width);
    s.column_of.assign(width, -1);
    s.spiking.reserve(width * batch_);
    s.after.reserve(width * n_pre_);
    s.terms.reserve(std::max(1, rule.n_term()) * padded(n_pre_));
    s.variables.reserve(batch_ * rule.n_post() * group_size * most_slabs);
    s.merged.reserve(n_pre_, batch_);
    s.awake_words.assign(words_, 0);
    for (int side = 0; side < 2 && lag_; ++side) {
      s.lag_ids[side].assign(batch_ * (side ? n_post_ : n_pre_), 0);
      s.lag[side].assign(batch_, {});
    }
  }
}

void Dense::begin_run(const RunArgs &args, int index, bool known_ahead) {
  Plastic::begin_run(args, index, known_ahead);
  for (State &s : states_) {
    s.within = !bounded_;
    if (args.fresh) {
      s.scanned = false;
      s.outside.clear();
    }
  }
  // a neuron that is kept from spiking has a trace all the same
  post_stays_zero_ = post_rests_ && !args.unclamp[plan_.target].ptr;
  known_ahead_ = known_ahead;
  event_ = changes() && can_be_event_driven_ && !mask_;
  plain_ = mask_ || (changes() && !event_);
}

std::int64_t Dense::longest_block() const {
  const std::int64_t w_bytes = n_pre_ * n_post_ * 4, step_bytes = batch_ * stride_ * 4;
  const std::int64_t bytes = std::clamp<std::int64_t>(w_bytes, 1 << 20, most_current_bytes);
  return std::max<std::int64_t>(1, bytes / step_bytes);
}

void Dense::reserve(std::int64_t steps) {
  const std::int64_t rows = known_ahead_ && !plain_ ? steps : 1;
  current_.reserve(rows * batch_ * stride_);
  if (!known_ahead_)
    return;
  for (State &s : states_) {
    s.number.assign(n_pre_, 0);
    s.marked.assign(n_pre_, 0);
    s.row_id.reserve(n_pre_);
    s.numbers.reserve((1 + rows) * batch_ * n_pre_);
    s.numbered.resize((1 + rows) * batch_);
    s.tile.reserve(n_pre_ * tile_width);
    if (event_)
      s.panel.reserve(groups(static_cast<std::int64_t>(s.slot.size())) * n_pre_ * group_size);
  }
}

void Dense::begin(int thread) {
  State &s = states_[thread];
  const Range own = target_.range(thread);
  if (!event_ && !plain_)
    return;
  if (lag_) {
    for (std::int64_t b = 0; b < batch_; ++b) {
      std::int32_t *pre = s.lag_ids[0].data() + b * n_pre_,
                   *post = s.lag_ids[1].data() + b * n_post_;
      if (!event_)
        break;
      s.lag[0][b] = {pre, ids_of(plan_.last_pre + b * n_pre_, n_pre_, pre)};
      s.lag[1][b] = {post, ids_of(plan_.last_post + b * n_post_, n_post_, post)};
    }
  }
  if (!event_ || s.scanned || own.empty())
    return;
  s.scanned = true;
  // weights may have been left outside of the bounds by a program before this one
  const real low = *plan_.w_min.ptr, high = *plan_.w_max.ptr;
  for (std::int64_t i = 0; bounded_ && i < n_pre_; ++i)
    for (std::int64_t at = i * n_post_ + own.begin; at < i * n_post_ + own.end; ++at)
      if (plan_.w[at] < low || plan_.w[at] > high)
        s.outside.push_back(at);
}

bool Dense::overshoots() const {
  for (const State &s : states_)
    if (event_ && !s.outside.empty())
      return true;
  return false;
}

void Dense::mark_rows(State &s, const Ids *last, const Ids *lists) {
  s.row_id.clear();
  const bool all = event_ && !pre_rests_;
  std::fill(s.marked.begin(), s.marked.end(), all);
  const auto mark = [&](Ids ids) {
    for (std::int32_t k = 0; k < ids.n; ++k)
      s.marked[ids.ptr[k]] = 1;
  };
  for (std::int64_t b = 0; b < batch_; ++b)
    mark(last[b]);
  for (std::int64_t k = 0; k < s.steps * batch_; ++k)
    mark(lists[k]);
  for (std::size_t v = 0; v < plan_.pre.size() && event_ && !all; ++v)
    for (std::int64_t b = 0; b < batch_; ++b) {
      const real *x = plan_.pre[v] + b * n_pre_;
      if (kernels_.any_nonzero(x, n_pre_))
        for (std::int64_t i = 0; i < n_pre_; ++i)
          s.marked[i] |= x[i] != 0.0f;
    }
  for (std::int64_t i = 0; i < n_pre_; ++i)
    if (s.marked[i]) {
      s.number[i] = static_cast<std::int32_t>(s.row_id.size());
      s.row_id.push_back(static_cast<std::int32_t>(i));
    }
}

void Dense::number_lists(State &s, const Ids *last, const Ids *lists) {
  std::int32_t *out = s.numbers.get();
  for (std::int64_t k = 0; k < (1 + s.steps) * batch_; ++k) {
    const Ids ids = k < batch_ ? last[k] : lists[k - batch_];
    for (std::int32_t e = 0; e < ids.n; ++e)
      out[e] = s.number[ids.ptr[e]];
    s.numbered[k] = {out, ids.n};
    out += ids.n;
  }
}

void Dense::precompute(State &s, Range own) {
  const Ids rows = {s.row_id.data(), static_cast<std::int32_t>(s.row_id.size())};
  for (std::int64_t j = own.begin; j < own.end; j += tile_width) {
    const std::int64_t columns = std::min(tile_width, own.end - j);
    kernels_.pack(plan_.w + j, n_post_, rows, s.tile.get(), columns);
    kernels_.deliver_lists(s.tile.get(), s.numbered.data(), s.steps * batch_, current_.get() + j,
                           stride_, static_cast<int>(groups(columns)));
  }
}

void Dense::wake(State &s, Range own, std::int64_t j) {
  std::int32_t &slot = s.slot[j - own.begin];
  std::uint8_t &awake = s.awake[j - own.begin];
  s.n_awake += !awake;
  awake = 1;
  if (slot >= 0)
    return;
  const std::int32_t k = static_cast<std::int32_t>(s.slabs.size());
  if (s.in_place) {
    const std::int64_t first = j / group_size * group_size;
    const std::int64_t last = std::min(own.end, first + group_size);
    Slab slab{plan_.w + first,
              n_post_,
              {static_cast<std::int32_t>(first)},
              static_cast<std::int32_t>(last - first),
              0,
              0,
              false};
    s.slabs.push_back(slab);
    for (std::int64_t c = first; c < last; ++c)
      s.slot[c - own.begin] = k * group_size + static_cast<std::int32_t>(c - first);
    return;
  }
  const std::int64_t n_rows = static_cast<std::int64_t>(s.row_id.size());
  if (s.slabs.empty() || s.slabs.back().count == group_size) {
    Slab slab{s.panel.get() + k * n_rows * group_size, group_size, {}, 0, 0, 0, true};
    std::memset(slab.base, 0, n_rows * group_size * sizeof(real));
    s.slabs.push_back(slab);
  }
  Slab &slab = s.slabs.back();
  const std::int32_t lane = slab.count++;
  // lanes without a column read this one's variables
  std::fill(slab.ids + lane, slab.ids + group_size, static_cast<std::int32_t>(j));
  for (std::int64_t r = 0; r < n_rows; ++r)
    slab.base[r * group_size + lane] = plan_.w[s.row_id[r] * n_post_ + j];
  slot = (static_cast<std::int32_t>(s.slabs.size()) - 1) * group_size + lane;
}

void Dense::wake_at_start(State &s, Range own) {
  if (!post_stays_zero_) {
    for (std::int64_t j = own.begin; j < own.end; ++j)
      wake(s, own, j);
    return;
  }
  for (std::int64_t b = 0; b < batch_; ++b) {
    for (const real *variable : plan_.post) {
      const real *x = variable + b * n_post_;
      if (kernels_.any_nonzero(x + own.begin, own.end - own.begin))
        for (std::int64_t j = own.begin; j < own.end; ++j)
          if (x[j] != 0.0f)
            wake(s, own, j);
    }
    if (lag_)
      for_ids_in(own, s.lag[1][b], [&](std::int32_t j) { wake(s, own, j); });
  }
}

void Dense::begin_block(int thread, std::int64_t steps, const Ids *last, const Ids *lists) {
  State &s = states_[thread];
  const Range own = target_.range(thread);
  s.steps = steps;
  s.delivered = false;
  if (own.empty())
    return;
  const std::int64_t width = own.end - own.begin;
  const bool too_short = event_ && steps < shortest_packed_block;
  const bool mostly_awake = event_ && (2 * s.expected_awake > width || !post_stays_zero_);
  s.in_place = !known_ahead_ || plain_ || too_short || mostly_awake || (event_ && lag_);
  if (known_ahead_ && !plain_)
    mark_rows(s, last, lists);
  if (!s.in_place) {
    number_lists(s, last, lists);
    precompute(s, own);
  }
  if (!event_)
    return;
  wake_at_start(s, own);
  prepare(s);
}

void Dense::deliver(int thread, const Ids *last) {
  State &s = states_[thread];
  const Range own = target_.range(thread);
  if (s.in_place && !own.empty() && !s.delivered)
    deliver_columns(s, own, last);
  s.delivered = false;
}

void Dense::deliver_columns(State &s, Range columns, const Ids *lists) {
  // a tile of weights stays in cache over the batch
  const std::int64_t width = batch_ == 1 ? n_post_ : tile_width;
  for (std::int64_t j = columns.begin; j < columns.end; j += width)
    for (std::int64_t b = 0; b < batch_; ++b)
      kernels_.deliver(plan_.w + j, n_post_, lists[b], row_ptr(s, 0, b) + j,
                       std::min(width, columns.end - j));
}

const real *Dense::row(int thread, std::int64_t t, std::int64_t b) const {
  return row_ptr(states_[thread], t, b);
}

void Dense::sync(int thread) {
  State &s = states_[thread];
  for (Slab &slab : s.slabs)
    for (std::int32_t lane = 0; lane < slab.count; ++lane) {
      if (!(slab.changed >> lane & 1))
        continue;
      const std::int64_t j = slab.packed ? slab.ids[lane] : slab.ids[0] + lane;
      if (plan_.changed)
        plan_.changed[j] = 1;
      if (slab.packed)
        for (std::size_t r = 0; r < s.row_id.size(); ++r)
          plan_.w[s.row_id[r] * n_post_ + j] = slab.base[r * group_size + lane];
    }
}

void Dense::end_block(int thread) {
  State &s = states_[thread];
  sync(thread);
  if (s.steps >= shortest_packed_block)
    s.expected_awake = s.n_awake;
  if (!s.slabs.empty()) {
    std::fill(s.slot.begin(), s.slot.end(), -1);
    std::fill(s.awake.begin(), s.awake.end(), 0);
  }
  s.n_awake = 0;
  s.slabs.clear();
}

void Dense::clip(State &s) {
  const real low = *plan_.w_min.ptr, high = *plan_.w_max.ptr;
  for (std::int64_t at : s.outside) {
    const real old = plan_.w[at];
    real w = old > low ? old : low;
    w = w < high ? w : high;
    plan_.w[at] = w;
    if (plan_.changed && w != old)
      plan_.changed[at % n_post_] = 1;
  }
  s.outside.clear();
}

void Dense::normalise(int thread) {
  State &s = states_[thread];
  const Range own = target_.range(thread);
  s.within = !bounded_;
  const bool bounded = can_be_event_driven_;
  const real low = bounded ? *plan_.w_min.ptr : -INFINITY,
             high = bounded ? *plan_.w_max.ptr : INFINITY;
  for (std::int64_t j = own.begin; j < own.end; j += group_size) {
    const int count = static_cast<int>(std::min<std::int64_t>(group_size, own.end - j));
    if (std::all_of(plan_.changed + j, plan_.changed + j + count,
                    [](std::uint8_t c) { return !c; }))
      continue;
    unsigned outside = kernels_.normalise(plan_.w + j, n_post_, n_pre_, count, plan_.changed + j,
                                          *plan_.norm, low, high);
    for (; outside; outside &= outside - 1)
      for (std::int64_t at = j + __builtin_ctz(outside); at < n_pre_ * n_post_; at += n_post_)
        if (plan_.w[at] < low || plan_.w[at] > high)
          s.outside.push_back(at);
    std::fill_n(plan_.changed + j, count, std::uint8_t(0));
  }
}

} // namespace fastsnn
