// SPDX-License-Identifier: Apache-2.0
// Learning of listed synapses.  A rule that leaves a weight alone without a spike visits the rows
// that presynaptic spikes reach, where it sees both sides, and the columns that postsynaptic ones
// reach but for the rows: no synapse twice, so that nobody waits in between.
#pragma once

#include "indexed.h"
#include "sides.h"

namespace fastsnn::cuda {

template <class Rule, class Exchange> class ListedLearner : Sides<Rule, Exchange> {
  using Base = Sides<Rule, Exchange>;
  using Base::k, Base::wires, Base::own, Base::n_terms, Base::param, Base::low, Base::high;
  using Base::weights, Base::reward, Base::source, Base::target;

  const Listed listed_;
  const Synapses &s;

  // the lag of a row or a column, by its part
  FASTSNN_DEVICE int lag_of_row(std::int64_t row) const {
    return s.first_lag + (s.row_parts > 1 ? static_cast<int>(row % s.row_parts) : 0);
  }
  FASTSNN_DEVICE std::int32_t source_of_row(std::int64_t row) const {
    return static_cast<std::int32_t>(s.row_parts > 1 ? row / s.row_parts : row);
  }
  FASTSNN_DEVICE int post_lag(std::int32_t at) const {
    return s.dendritic && s.delay ? s.delay[at] : s.first_lag;
  }

  FASTSNN_DEVICE bool pre_spike(std::int32_t i, int lag) const {
    return listed_.late_pre() && lag > 0 ? listed_.sent_late(lag, i) : Base::pre_spike(0, i);
  }
  FASTSNN_DEVICE bool post_spike(int j, int lag) const {
    return listed_.late_post() ? bit(listed_.late_words(lag)[j / 32], j % 32)
                               : Base::post_spike(0, j);
  }
  // variables as the spikes of so long ago met them; those of neurons whose spikes are all as late
  // are moved by late spikes
  FASTSNN_DEVICE void load_pre(float *pre, bool spike, std::int32_t i, int lag) const {
    if (s.past == none || s.dendritic || lag == 0)
      return Base::load_pre(pre, spike, 0, i);
    pre[0] = spike ? 1.0f : 0.0f;
    const float *past = reinterpret_cast<const float *>(k.fields[s.past].home) +
                        std::int64_t(listed_.slot(lag)) * s.n_past * source.n + i;
    for (int e = 1; e < Rule::n_pre; ++e)
      pre[e] = past[std::int64_t(e - 1) * source.n];
  }
  FASTSNN_DEVICE void load_post(float *post, bool spike, int j, int lag) const {
    post[0] = spike ? 1.0f : 0.0f;
    const bool late = s.past != none && s.dendritic;
    const std::int64_t row = late ? std::int64_t(listed_.slot(lag)) * s.n_past : 0;
    for (int e = 1; e < Rule::n_post; ++e)
      post[e] = late ? values<float>(k, s.past)(row + e - 1, j)
                     : values<float>(k, wires.post[e - 1])(0, j);
  }

  FASTSNN_DEVICE float clip(float x, std::int32_t at) const {
    if (!wires.bounded)
      return x;
    x = maximum(x, wires.low == none ? wires.low_each[at] : low);
    return minimum(x, wires.high == none ? wires.high_each[at] : high);
  }

  FASTSNN_DEVICE void load(float *synapse, std::int32_t at) const {
    synapse[0] = weights[at];
    for (int e = 1; e < Rule::n_synapse; ++e)
      synapse[e] = values<float>(k, wires.synapse[e - 1]).at[at];
  }
  FASTSNN_DEVICE void store(const float *synapse, std::int32_t at) const {
    weights[at] = synapse[0];
    for (int e = 1; e < Rule::n_synapse; ++e)
      values<float>(k, wires.synapse[e - 1]).at[at] = synapse[e];
  }
  FASTSNN_DEVICE void note_change(int j, bool changed) const {
    if (changed && wires.changed != none)
      values<std::uint8_t>(k, wires.changed)(0, j) = 1;
  }

  // a synapse that sees both sides
  FASTSNN_DEVICE void update(const float *pre, const float *post, std::int32_t at, int j) const {
    float synapse[Rule::n_synapse], term[n_terms] = {};
    load(synapse, at);
    const float old = synapse[0];
    if (k.plan->learning) {
      for_terms<Rule>([&](auto index) {
        constexpr int e = decltype(index)::value;
        term[e] = Rule::template term<e>(pre, post, this->reward(0), this->param);
      });
      Rule::learn(synapse, term, param);
      if (wires.decay != 1.0f)
        synapse[0] *= wires.decay;
      synapse[0] = clip(synapse[0], at);
    }
    if (wires.mask && wires.mask[at])
      synapse[0] = 0.0f;
    store(synapse, at);
    note_change(j, synapse[0] != old);
  }

  // pre_known: the presynaptic spike is there
  FASTSNN_DEVICE void update_row(std::int64_t row, std::int32_t at, bool pre_known) const {
    float pre[Rule::n_pre] = {}, post[Rule::n_post] = {};
    const std::int32_t i = source_of_row(row), j = s.post[at] - own.first;
    if (k.plan->learning && wires.rule != none) {
      const int lag = lag_of_row(row), behind = post_lag(at);
      load_pre(pre, pre_known || pre_spike(i, lag), i, lag);
      load_post(post, post_spike(j, behind), j, behind);
    }
    update(pre, post, at, j);
  }

  // what of a column no row visits
  FASTSNN_DEVICE void update_column(int j, int part) const {
    const std::int64_t column = std::int64_t(own.first + j) * s.column_parts + part;
    const std::int32_t begin = s.column_ptr[column];
    each_thread(s.column_ptr[column + 1] - begin, [&](std::int64_t e) {
      const std::uint32_t from = s.column_pre[begin + e];
      const auto i = static_cast<std::int32_t>(from & ((1u << s.shift) - 1));
      const int lag = s.first_lag + static_cast<int>(from >> s.shift);
      if (pre_spike(i, lag))
        return;
      float pre[Rule::n_pre], post[Rule::n_post];
      load_pre(pre, false, i, lag);
      load_post(post, true, j, s.first_lag + part);
      update(pre, post, s.column_at[begin + e], j);
    });
  }

public:
  FASTSNN_DEVICE ListedLearner(const Block &block, const Projection &projection, const Now &now)
      : Base(block, projection, now), listed_(block, projection), s(listed_.s) {}

  FASTSNN_DEVICE void everything() const {
    listed_.each_synapse([&](std::int64_t row, std::int32_t at) { update_row(row, at, false); });
  }

  FASTSNN_DEVICE void rows() const {
    listed_.each_reached([&](std::int32_t row, std::int32_t at) { update_row(row, at, true); });
  }

  FASTSNN_DEVICE void columns() const {
    const std::int64_t items = std::int64_t(s.column_parts) * own.n_words;
    for (std::int64_t base = 0; base < items; base += 32) {
      // a lane looks at one word, then all threads take the columns of those with spikes
      const std::int64_t item = base + lane_index();
      const int part = static_cast<int>(item / own.n_words),
                word = static_cast<int>(item % own.n_words);
      std::uint32_t spikes = 0;
      if (item < items)
        spikes = listed_.late_post() ? listed_.late_words(s.first_lag + part)[word]
                                     : this->any_post(word);
      for (std::uint32_t left = ballot(spikes != 0); left; left &= left - 1) {
        const int lane = lowest_bit(left);
        const int own_part = shuffle(part, lane), first = shuffle(word, lane) * 32;
        for (std::uint32_t own_spikes = shuffle(spikes, lane); own_spikes;
             own_spikes &= own_spikes - 1)
          update_column(first + lowest_bit(own_spikes), own_part);
      }
    }
  }

  FASTSNN_DEVICE void consolidate() const {
    if constexpr (Rule::consolidates)
      listed_.each_synapse([&](std::int64_t, std::int32_t at) {
        float synapse[Rule::n_synapse];
        load(synapse, at);
        Rule::consolidate(synapse, param);
        synapse[0] = clip(synapse[0], at);
        if (wires.mask && wires.mask[at])
          synapse[0] = 0.0f;
        store(synapse, at);
      });
  }

  // weights that nobody visits and that lie outside of their bounds
  FASTSNN_DEVICE void clip_all() const {
    listed_.each_synapse([&](std::int64_t, std::int32_t at) {
      const float old = weights[at], x = clip(old, at);
      if (x == old)
        return;
      weights[at] = x;
      note_change(s.post[at] - own.first, true);
    });
  }
};

// one projection, one step
template <class Exchange>
FASTSNN_DEVICE void learn_listed(const Block &k, const Projection &wires, const Now &now) {
  of_rule<Exchange>(wires, [&](auto rule) {
    using Rule = decltype(rule);
    const ListedLearner<Rule, Exchange> learner(k, wires, now);
    if (wires.events) {
      learner.rows();
      learner.columns();
    } else {
      learner.everything();
    }
    const std::int64_t every = part<Synapses>(k.plan, k.plan->indexed)[wires.indexed].every;
    if (every == 0 || !k.plan->learning || (now.step + 1) % every != 0)
      return;
    sync_block();
    learner.consolidate();
  });
}

// columns that changed are scaled, see normalise.h
FASTSNN_DEVICE void normalise_listed(Block &k, const Projection &wires) {
  const Listed listed(k, wires);
  const Synapses &s = listed.s;
  float *w = values<float>(k, wires.w).at, *factor = in<float>(k, wires.current);
  const Values<std::uint8_t> changed = values<std::uint8_t>(k, wires.changed);
  const auto begin = [&](std::int64_t j) {
    return s.column_ptr[(listed.own.first + j) * s.column_parts];
  };
  each_thread(listed.own.n, [&](std::int64_t j) {
    if (!changed(0, static_cast<int>(j)))
      return;
    float total = 0.0f;
    for (std::int32_t e = begin(j); e < begin(j + 1); ++e)
      total += abs(w[s.column_at[e]]);
    factor[j] = wires.norm / (total == 0.0f ? 1.0f : total);
  });
  sync_block();
  for (int j = 0; j < listed.own.n; ++j) {
    if (!changed(0, j))
      continue;
    each_thread(begin(j + 1) - begin(j), [&](std::int64_t e) {
      const std::int32_t at = s.column_at[begin(j) + e];
      w[at] *= factor[j];
      const float low = wires.low == none ? wires.low_each[at] : k.number(wires.low, 0),
                  high = wires.high == none ? wires.high_each[at] : k.number(wires.high, 0);
      if (wires.bounded && wires.events && (w[at] < low || w[at] > high))
        k.outside = 1;
    });
  }
  sync_block();
  each_thread(listed.own.n, [&](std::int64_t j) { changed(0, static_cast<int>(j)) = 0; });
}

// copies of weights and synaptic variables; every block copies those of its own neurons
FASTSNN_DEVICE void copy_listed(const Block &k, const Record &r, std::int64_t place) {
  const Listed listed(k, k.projections[r.projection]);
  const float *from = values<float>(k, r.field).at;
  const std::int64_t n = k.fields[r.field].rows;
  float *to = reinterpret_cast<float *>(r.dest) + place * (r.index ? r.n_index : n);
  if (!r.index)
    return listed.each_synapse([&](std::int64_t, std::int32_t at) { to[at] = from[at]; });
  each_thread(r.n_index, [&](std::int64_t item) {
    const std::int64_t given = r.index[item], at = given < 0 ? given + n : given;
    const std::int32_t j = listed.s.post[at] - listed.own.first;
    if (j >= 0 && j < listed.own.n)
      to[item] = from[at];
  });
}

} // namespace fastsnn::cuda
