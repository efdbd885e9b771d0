// SPDX-License-Identifier: Apache-2.0
// The learning steps of a dense projection.
#include <algorithm>

#include "dense.h"

namespace fastsnn {

void Dense::wake_spiking(State &s, Range own, const Ids *post) {
  for (std::int64_t b = 0; b < batch_; ++b)
    for_ids_in(own, post[b], [&](std::int32_t j) { wake(s, own, j); });
}

void Dense::note_columns(State &s, Range own, const Ids *post) {
  for (const SpikingColumn &c : s.columns)
    s.column_of[c.id - own.begin] = -1;
  s.columns.clear();
  for (std::int64_t b = 0; b < batch_; ++b)
    for_ids_in(own, post[b], [&](std::int32_t j) {
      std::int32_t &k = s.column_of[j - own.begin];
      if (k < 0) {
        k = static_cast<std::int32_t>(s.columns.size());
        const std::int32_t slot = s.slot[j - own.begin];
        s.columns.push_back(
            {slot / group_size, slot % group_size, j, 0, s.spiking.get() + k * batch_});
        s.slabs[slot / group_size].spiking |= static_cast<std::uint16_t>(1u << slot % group_size);
      }
      s.spiking[k * batch_ + s.columns[k].n++] = static_cast<std::int32_t>(b);
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

void Dense::prepare(State &s) {
  const std::int32_t n_marked = static_cast<std::int32_t>(s.row_id.size());
  LearnStep &step = s.step;
  step = {};
  step.batch = static_cast<std::int32_t>(batch_);
  step.n_pre = n_pre_;
  step.n_post = n_post_;
  step.row_mask = s.merged.mask();
  step.words = words_;
  step.awake = s.awake_words.data();
  if (!s.in_place) {
    step.live = {nullptr, n_marked};
    step.row_id = s.row_id.data();
  } else if (known_ahead_ && pre_rests_ && !lag_) {
    step.live = {s.row_id.data(), n_marked};
    step.position = s.number.data();
  } else {
    step.live = {nullptr, static_cast<std::int32_t>(n_pre_)};
  }
  step.pre = plan_.pre.data();
  step.post = plan_.post.data();
  step.reward = reward_.data();
  step.param = param_.data();
  step.w_min = *plan_.w_min.ptr;
  step.w_max = *plan_.w_max.ptr;
  step.bounded = bounded_;
  step.mean = plan_.reduction == 1;
  step.reads_pre = reads_pre_;
  step.terms = s.terms.get();
  step.variables = s.variables.get();
}

void Dense::learn_event_driven(State &s, Range own, std::int64_t t, const Ids *pre,
                               const Ids *post) {
  wake_spiking(s, own, post);
  if (lag_) {
    pre = s.lag[0].data();
    post = s.lag[1].data();
    wake_spiking(s, own, post);
  }
  if (s.slabs.empty())
    return;
  note_columns(s, own, post);
  const Ids *lists = s.in_place ? pre : s.numbered.data() + (t + 1) * batch_;
  LearnStep &step = s.step;
  step.rows = batch_ == 1 ? lists[0] : s.merged.merge(lists);
  step.lists = lists;
  const bool delivers = !s.in_place && t + 1 < s.steps;
  step.current = delivers && batch_ == 1 ? row_ptr(s, t + 1, 0) : nullptr;
  for (std::size_t k = 0; k < s.columns.size(); ++k)
    plan_.rule->learn_column(step, s.slabs[s.columns[k].slab], s.columns[k],
                             s.after.get() + k * step.rows.n);
  if (s.in_place && batch_ > 1 && known_ahead_ && !lag_)
    return learn_tiles(s, own, step, pre);
  s.slab_ptrs.clear();
  for (Slab &slab : s.slabs)
    s.slab_ptrs.push_back(&slab);
  plan_.rule->learn_rows(step, s.slab_ptrs.data(), static_cast<std::int32_t>(s.slabs.size()));
  put_back(s, own, step);
  for (std::int64_t b = 0; b < batch_ && delivers && batch_ > 1; ++b)
    kernels_.deliver_slabs(s.slabs.data(), static_cast<std::int32_t>(s.slabs.size()), lists[b],
                           row_ptr(s, t + 1, b));
}

void Dense::put_back(State &s, Range columns, const LearnStep &step) {
  for (std::size_t k = 0; k < s.columns.size(); ++k) {
    const SpikingColumn &c = s.columns[k];
    if (c.id < columns.begin || c.id >= columns.end)
      continue;
    Slab &slab = s.slabs[c.slab];
    const real *after = s.after.get() + k * step.rows.n;
    real sum = 0.0f;
    for (std::int32_t r = 0; r < step.rows.n; ++r) {
      slab.base[step.rows.ptr[r] * slab.stride + c.lane] = after[r];
      sum += after[r];
    }
    if (step.current)
      step.current[c.id] = sum;
    slab.spiking = 0;
  }
}

void Dense::learn_tiles(State &s, Range own, const LearnStep &step, const Ids *lists) {
  for (std::int64_t j = own.begin; j < own.end; j += tile_width) {
    const Range tile = {j, std::min(j + tile_width, own.end)};
    s.slab_ptrs.clear();
    for (std::int64_t g = tile.begin; g < tile.end; g += group_size)
      if (const std::int32_t slot = s.slot[g - own.begin]; slot >= 0)
        s.slab_ptrs.push_back(&s.slabs[slot / group_size]);
    plan_.rule->learn_rows(step, s.slab_ptrs.data(), static_cast<std::int32_t>(s.slab_ptrs.size()));
    put_back(s, tile, step);
    deliver_columns(s, tile, lists);
  }
  s.delivered = s.outside.empty();
}

void Dense::learn_plain(State &s, Range own) {
  if (learning_)
    s.outside.clear();
  PlainLearn step{};
  describe(step);
  step.columns = own;
  step.within = s.within;
  step.pre_spike = lag_ ? plan_.last_pre : source_.plan().spike;
  step.post_spike = lag_ ? plan_.last_post : target_.plan().spike;
  plan_.rule->learn_plain(step);
  s.within = s.within || learning_;
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
  Plastic::advance_own(thread, pre, post);
  if (!lag_ || !event_)
    return;
  remember(states_[thread], 0, pre);
  remember(states_[thread], 1, post);
}

} // namespace fastsnn
