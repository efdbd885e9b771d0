// SPDX-License-Identifier: Apache-2.0
#include "dense.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fastsnn {

namespace {
constexpr std::int64_t tile_width = 64;
// below, copying columns and tiles costs more than it saves
constexpr std::int64_t shortest_packed_block = 8;
constexpr std::int64_t most_current_bytes = std::int64_t(16) << 20;

template <class F> void for_ids_in(Range range, Ids ids, F f) {
  for (std::int32_t k = 0; k < ids.n; ++k)
    if (ids.ptr[k] >= range.begin && ids.ptr[k] < range.end)
      f(ids.ptr[k]);
}
} // namespace

Dense::Dense(const ProjectionPlan &plan, const Plan &network, const Population &source,
             const Population &target, int threads)
    : plan_(plan), kernels_(*network.kernels), source_(source), target_(target),
      batch_(network.batch), n_pre_(source.plan().n), n_post_(target.plan().n),
      stride_(padded(n_post_)), words_(static_cast<std::int32_t>((batch_ + 63) / 64)),
      states_(threads) {
  const RuleKernel &rule = *plan.rule;
  const auto rests = [](const std::vector<float *> &variables, int n_own, const float *x,
                        bool own_rests) {
    for (std::size_t k = 0; k + n_own < variables.size(); ++k)
      if (variables[k] != x)
        return false;
    return n_own == 0 || own_rests;
  };
  pre_rests_ = rests(plan.pre, rule.n_pre_state(), source.plan().x, rule.own_rests(false));
  post_rests_ = rests(plan.post, rule.n_post_state(), target.plan().x, rule.own_rests(true));
  lag_ = rule.lag() > 0;
  has_own_ = lag_ || rule.n_pre_state() + rule.n_post_state() > 0;
  reads_pre_ = rule.n_pre() > 1 && rule.pre_driven_reads_pre();
  can_be_event_driven_ = plan.has_rule && rule.event_driven() && plan.reduction != 2 &&
                         plan.decay == 1.0f && plan.w_min.len == 1 && plan.w_max.len == 1;
  param_ = plan.param;
  synapse_ = plan.synapse;
  synapse_.insert(synapse_.begin(), plan.w);
  const auto finite = [](Column c) {
    return std::any_of(c.ptr, c.ptr + c.len, [](float x) { return std::isfinite(x); });
  };
  bounded_ = finite(plan.w_min) || finite(plan.w_max);
  for (int k = 0; k < threads; ++k) {
    State &s = states_[k];
    const Range own = target.range(k);
    const std::int64_t width = std::max<std::int64_t>(0, own.end - own.begin);
    s.slot.assign(width, -1);
    s.awake.assign(width, 0);
    if (!can_be_event_driven_)
      continue;
    s.slabs.reserve(groups(width));
    s.spiking.assign(groups(width) * batch_, 0);
    s.spiking_slabs.reserve(groups(width));
    s.scratch.reserve(batch_ * rule.n_post() * group_size);
    s.rows.assign(n_pre_ + 1, 0);
    s.row_mask.assign(n_pre_ * words_, 0);
    s.awake_words.assign(words_, 0);
    for (int side = 0; side < 2 && lag_; ++side) {
      s.lag_ids[side].assign(batch_ * (side ? n_post_ : n_pre_), 0);
      s.lag[side].assign(batch_, {});
    }
  }
}

void Dense::begin_run(const RunArgs &args, int index, bool known_ahead) {
  learning_ = args.learning;
  // a neuron that is kept from spiking has a trace all the same
  post_stays_zero_ = post_rests_ && !args.unclamp[plan_.target].ptr;
  known_ahead_ = known_ahead;
  mask_ = args.masks[index];
  const bool changes = learning_ && (plan_.has_rule || plan_.decay != 1.0f);
  event_ = changes && can_be_event_driven_ && !mask_;
  plain_ = mask_ || (changes && !event_);
  learns_own_ = learning_ && plan_.has_rule && has_own_;
  reward_.assign(batch_, 1.0f);
  if (args.reward)
    reward_.assign(args.reward, args.reward + batch_);
  if (plan_.rule->reward() >= 0)
    param_[plan_.rule->reward()] = reward_[0];
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
      std::int32_t *pre = s.lag_ids[0].data() + b * n_pre_, *post = s.lag_ids[1].data() + b * n_post_;
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
  const float low = *plan_.w_min.ptr, high = *plan_.w_max.ptr;
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
      const float *x = plan_.pre[v] + b * n_pre_;
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

std::int32_t Dense::wake(State &s, Range own, std::int64_t j) {
  std::int32_t &slot = s.slot[j - own.begin];
  std::uint8_t &awake = s.awake[j - own.begin];
  s.n_awake += !awake;
  awake = 1;
  if (slot >= 0)
    return slot / group_size;
  const std::int32_t k = static_cast<std::int32_t>(s.slabs.size());
  if (s.in_place) {
    const std::int64_t first = j / group_size * group_size;
    const std::int64_t last = std::min(own.end, first + group_size);
    Slab slab{plan_.w + first, n_post_, {static_cast<std::int32_t>(first)},
              static_cast<std::int32_t>(last - first), 0, 0, false};
    s.slabs.push_back(slab);
    for (std::int64_t c = first; c < last; ++c)
      s.slot[c - own.begin] = k * group_size + static_cast<std::int32_t>(c - first);
    return k;
  }
  const std::int64_t n_rows = static_cast<std::int64_t>(s.row_id.size());
  if (s.slabs.empty() || s.slabs.back().count == group_size) {
    Slab slab{s.panel.get() + k * n_rows * group_size, group_size, {}, 0, 0, 0, true};
    std::memset(slab.base, 0, n_rows * group_size * sizeof(float));
    s.slabs.push_back(slab);
  }
  Slab &slab = s.slabs.back();
  const std::int32_t lane = slab.count++;
  // lanes without a column read this one's variables
  std::fill(slab.ids + lane, slab.ids + group_size, static_cast<std::int32_t>(j));
  for (std::int64_t r = 0; r < n_rows; ++r)
    slab.base[r * group_size + lane] = plan_.w[s.row_id[r] * n_post_ + j];
  const std::int32_t index = static_cast<std::int32_t>(s.slabs.size()) - 1;
  slot = index * group_size + lane;
  return index;
}

void Dense::wake_at_start(State &s, Range own) {
  if (!post_stays_zero_) {
    for (std::int64_t j = own.begin; j < own.end; ++j)
      wake(s, own, j);
    return;
  }
  for (std::int64_t b = 0; b < batch_; ++b) {
    for (const float *variable : plan_.post) {
      const float *x = variable + b * n_post_;
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
  if (event_)
    wake_at_start(s, own);
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

const float *Dense::row(int thread, std::int64_t t, std::int64_t b) const {
  return row_ptr(states_[thread], t, b);
}

Ids Dense::merge(State &s, const Ids *lists, std::int64_t n_rows) {
  for (std::int32_t k = 0; k < s.n_merged; ++k)
    std::fill_n(s.row_mask.data() + s.rows[k] * words_, words_, std::uint64_t(0));
  for (std::int64_t b = 0; b < batch_; ++b)
    for (std::int32_t k = 0; k < lists[b].n; ++k)
      s.row_mask[lists[b].ptr[k] * words_ + (b >> 6)] |= std::uint64_t(1) << (b & 63);
  std::int32_t n = 0;
  for (std::int64_t i = 0; i < n_rows; ++i) {
    std::uint64_t any = 0;
    for (std::int32_t w = 0; w < words_; ++w)
      any |= s.row_mask[i * words_ + w];
    s.rows[n] = static_cast<std::int32_t>(i);
    n += any != 0;
  }
  s.n_merged = n;
  return {s.rows.data(), n};
}

void Dense::note_spikes(State &s, Range own, const Ids *post, bool mark) {
  for (std::int64_t b = 0; b < batch_; ++b)
    for_ids_in(own, post[b], [&](std::int32_t j) {
      const std::int32_t k = wake(s, own, j);
      if (!mark)
        return;
      Slab &slab = s.slabs[k];
      std::int32_t *spiking = s.spiking.data() + k * batch_;
      if (slab.n_spiking == 0)
        s.spiking_slabs.push_back(k);
      if (slab.n_spiking == 0 || spiking[slab.n_spiking - 1] != b)
        spiking[slab.n_spiking++] = static_cast<std::int32_t>(b);
    });
}

void Dense::learn(int thread, std::int64_t t, const Ids *pre, const Ids *post) {
  State &s = states_[thread];
  const Range own = target_.range(thread);
  if (own.empty())
    return;
  if (plain_)
    return learn_plain(s, own);
  if (!event_)
    return;
  learn_event_driven(s, own, t, pre, post);
  // untouched weights that normalising left outside of the bounds
  clip(s);
}

void Dense::learn_event_driven(State &s, Range own, std::int64_t t, const Ids *pre,
                               const Ids *post) {
  note_spikes(s, own, post, !lag_);
  if (lag_) {
    pre = s.lag[0].data();
    note_spikes(s, own, s.lag[1].data(), true);
  }
  if (s.slabs.empty())
    return;
  const Ids *lists = s.in_place ? pre : s.numbered.data() + (t + 1) * batch_;
  const std::int32_t n_marked = static_cast<std::int32_t>(s.row_id.size());
  LearnStep step{};
  step.batch = static_cast<std::int32_t>(batch_);
  step.n_pre = n_pre_;
  step.n_post = n_post_;
  step.rows = batch_ == 1 ? lists[0] : merge(s, lists, s.in_place ? n_pre_ : n_marked);
  step.row_mask = s.row_mask.data();
  step.words = words_;
  step.awake = s.awake_words.data();
  if (!s.in_place) {
    step.live = {nullptr, n_marked};
    step.row_id = s.row_id.data();
  } else if (known_ahead_ && pre_rests_ && !lag_) {
    step.live = {s.row_id.data(), n_marked};
  } else {
    step.live = {nullptr, static_cast<std::int32_t>(n_pre_)};
  }
  step.pre = plan_.pre.data();
  step.post = plan_.post.data();
  step.post_spike = lag_ ? plan_.last_post : target_.plan().spike;
  step.spiking = s.spiking.data();
  step.reward = reward_.data();
  step.param = param_.data();
  step.w_min = *plan_.w_min.ptr;
  step.w_max = *plan_.w_max.ptr;
  step.bounded = bounded_;
  step.mean = plan_.reduction == 1;
  step.scratch = s.scratch.get();
  const bool delivers = !s.in_place && t + 1 < s.steps;
  step.current = delivers && batch_ == 1 ? row_ptr(s, t + 1, 0) : nullptr;
  if (s.in_place && batch_ > 1 && known_ahead_ && !lag_)
    learn_and_deliver(s, own, step, pre);
  else
    plan_.rule->learn(step, s.slabs.data(), static_cast<std::int32_t>(s.slabs.size()));
  for (std::int64_t b = 0; b < batch_ && delivers && batch_ > 1; ++b)
    kernels_.deliver_slabs(s.slabs.data(), static_cast<std::int32_t>(s.slabs.size()), lists[b],
                           row_ptr(s, t + 1, b));
  for (std::int32_t k : s.spiking_slabs)
    s.slabs[k].n_spiking = 0;
  s.spiking_slabs.clear();
}

void Dense::learn_and_deliver(State &s, Range own, LearnStep step, const Ids *lists) {
  const std::int32_t *spiking = step.spiking;
  for (std::int64_t j = own.begin; j < own.end; j += tile_width) {
    const Range tile = {j, std::min(j + tile_width, own.end)};
    for (std::int64_t g = tile.begin; g < tile.end; g += group_size)
      if (const std::int32_t slot = s.slot[g - own.begin]; slot >= 0) {
        step.spiking = spiking + slot / group_size * batch_;
        plan_.rule->learn(step, &s.slabs[slot / group_size], 1);
      }
    deliver_columns(s, tile, lists);
  }
  s.delivered = s.outside.empty();
}

void Dense::learn_plain(State &s, Range own) {
  if (learning_)
    s.outside.clear();
  PlainLearn step{};
  step.batch = static_cast<std::int32_t>(batch_);
  step.n_pre = n_pre_;
  step.n_post = n_post_;
  step.columns = own;
  step.synapse = synapse_.data();
  step.pre_spike = lag_ ? plan_.last_pre : source_.plan().spike;
  step.post_spike = lag_ ? plan_.last_post : target_.plan().spike;
  step.pre = plan_.pre.data();
  step.post = plan_.post.data();
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
  plan_.rule->learn_plain(step);
}

bool Dense::reads_others(bool any_post) const {
  return plain_ || learns_own_ || (event_ && (any_post || reads_pre_));
}

void Dense::remember(State &s, int side, const Ids *lists) {
  const std::int64_t n = side ? n_post_ : n_pre_;
  for (std::int64_t b = 0; b < batch_; ++b) {
    std::int32_t *ids = s.lag_ids[side].data() + b * n;
    std::copy_n(lists[b].ptr, lists[b].n, ids);
    s.lag[side][b] = {ids, lists[b].n};
  }
}

void Dense::advance_own(int thread, const Ids *pre, const Ids *post) {
  State &s = states_[thread];
  const std::int64_t threads = static_cast<std::int64_t>(states_.size());
  for (int side = 0; side < 2; ++side) {
    const std::vector<float *> &variables = side ? plan_.post : plan_.pre;
    const int n_own = side ? plan_.rule->n_post_state() : plan_.rule->n_pre_state();
    const std::uint8_t *spike = side ? target_.plan().spike : source_.plan().spike;
    const std::int64_t n = batch_ * (side ? n_post_ : n_pre_);
    const Range share = {std::min(n, groups(n) * thread / threads * group_size),
                         std::min(n, groups(n) * (thread + 1) / threads * group_size)};
    if (n_own > 0)
      plan_.rule->advance_own(side, variables.data() + variables.size() - n_own, spike,
                              param_.data(), share);
    if (lag_)
      std::copy(spike + share.begin, spike + share.end,
                (side ? plan_.last_post : plan_.last_pre) + share.begin);
    if (lag_ && event_)
      remember(s, side, side ? post : pre);
  }
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
  const float low = *plan_.w_min.ptr, high = *plan_.w_max.ptr;
  for (std::int64_t at : s.outside) {
    const float old = plan_.w[at];
    float w = old > low ? old : low;
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
  const bool bounded = can_be_event_driven_;
  const float low = bounded ? *plan_.w_min.ptr : -INFINITY, high = bounded ? *plan_.w_max.ptr : INFINITY;
  for (std::int64_t j = own.begin; j < own.end; j += group_size) {
    const int count = static_cast<int>(std::min<std::int64_t>(group_size, own.end - j));
    if (std::all_of(plan_.changed + j, plan_.changed + j + count, [](std::uint8_t c) { return !c; }))
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
