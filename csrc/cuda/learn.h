// SPDX-License-Identifier: Apache-2.0
// Learning of the own columns.  A rule that leaves a weight alone without a spike visits the
// columns of postsynaptic spikes (all rows) and the rows of presynaptic ones (all other columns);
// every visited synapse sees its terms of both sides.  Other rules visit every synapse.
#pragma once

#include "deliver.h"
#include "sides.h"

namespace fastsnn::cuda {

// rows whose loads are under way at a time; more would not fit into registers
inline constexpr int learnt_in_flight = 8;

template <class Rule, class Exchange> class Learner : Sides<Rule, Exchange> {
  using Base = Sides<Rule, Exchange>;
  using Base::all_terms, Base::add_pre_terms, Base::finish_terms;
  using Base::k, Base::wires, Base::source, Base::target, Base::own, Base::batch, Base::rows;
  using Base::n_terms;
  using Base::posts, Base::param, Base::low, Base::high;
  using Base::w, Base::post_spike, Base::any_post, Base::reward, Base::load_pre, Base::load_post;

  FASTSNN_DEVICE float clip(float x) const {
    return wires.bounded ? minimum(maximum(x, low), high) : x;
  }
  // bounds for all, or one per synapse
  FASTSNN_DEVICE float clip_at(float x, std::int64_t at) const {
    if (!wires.bounded)
      return x;
    x = maximum(x, wires.low == none ? wires.low_each[at] : low);
    return minimum(x, wires.high == none ? wires.high_each[at] : high);
  }

  FASTSNN_DEVICE void note_change(int j, bool changed) const {
    if (changed && wires.changed != none)
      values<std::uint8_t>(k, wires.changed)(0, j) = 1;
  }

  // a weight of a rule that may visit only what spiked: it has nothing but the weight
  FASTSNN_DEVICE float learnt(const float *term, float old) const {
    float synapse[Rule::n_synapse] = {old};
    Rule::learn(synapse, term, param);
    return clip(synapse[0]);
  }

  // a weight with all that there may be: synaptic variables, decay, bounds, a mask
  FASTSNN_DEVICE void update(const float *term, std::int64_t i, int j) const {
    float synapse[Rule::n_synapse];
    const std::int64_t at = i * target.n + own.first + j;
    const float old = w(i, j);
    synapse[0] = old;
    if (k.plan->learning) {
      for (int e = 1; e < Rule::n_synapse; ++e)
        synapse[e] = values<float>(k, wires.synapse[e - 1])(i, j);
      Rule::learn(synapse, term, param);
      for (int e = 1; e < Rule::n_synapse; ++e)
        values<float>(k, wires.synapse[e - 1])(i, j) = synapse[e];
      if (wires.decay != 1.0f)
        synapse[0] *= wires.decay;
      synapse[0] = clip_at(synapse[0], at);
    }
    if (wires.mask && wires.mask[at])
      synapse[0] = 0.0f;
    w(i, j) = synapse[0];
    note_change(j, synapse[0] != old);
  }

public:
  using Base::Base, Base::copy_pre;

  // every synapse of the own columns
  FASTSNN_DEVICE void everything() const {
    each_warp(std::int64_t(source.n) * own.n_words, [&](std::int64_t item) {
      const std::int64_t i = item / own.n_words;
      const int j = static_cast<int>(item % own.n_words) * 32 + lane_index();
      float term[n_terms] = {};
      if (j >= own.n)
        return;
      if (k.plan->learning)
        all_terms(term, i, j);
      update(term, i, j);
    });
  }

  // all rows of the columns whose neuron spiked; returns whether there are any
  FASTSNN_DEVICE bool columns() const {
    bool any = false;
    for (int word = 0; word < own.n_words; ++word)
      for (std::uint32_t spikes = any_post(word); spikes; spikes &= spikes - 1) {
        const int j = word * 32 + lowest_bit(spikes);
        any = true;
        each_thread(source.n, [&](std::int64_t i) {
          float term[n_terms];
          all_terms(term, i, j);
          const float old = w(i, j), x = learnt(term, old);
          w(i, j) = x;
          note_change(j, x != old);
        });
      }
    return any;
  }

  // the other columns of the rows whose neuron spiked
  FASTSNN_DEVICE void spiking_rows() const {
    for (int word = 0; word < own.n_words; ++word) {
      const int j = word * 32 + lane_index();
      const bool elsewhere = j >= own.n || bit(any_post(word), lane_index());
      bool changed = false;
      // a lane looks at one row, then all lanes take those with spikes
      for (std::int64_t first = warp_index(); first < source.n; first += 32 * n_warps()) {
        std::uint32_t left = ballot(any_pre(first + std::int64_t(lane_index()) * n_warps()));
        for (; left; left &= left - 1)
          if (!elsewhere)
            changed = spiking_row(first + lowest_bit(left) * n_warps(), j) || changed;
      }
      if (j < own.n)
        note_change(j, changed);
    }
  }

private:
  // whether row i spiked in any batch element
  FASTSNN_DEVICE bool any_pre(std::int64_t i) const {
    const int batch_words = k.plan->batch_words;
    std::uint32_t any = 0;
    for (int group = 0; group < batch_words && i < source.n; ++group)
      any |= rows[i * batch_words + group];
    return any != 0;
  }

  FASTSNN_DEVICE bool spiking_row(std::int64_t i, int j) const {
    const int batch_words = k.plan->batch_words;
    float term[n_terms] = {};
    if (wires.max) {
      all_terms(term, i, j);
    } else {
      for (int group = 0; group < batch_words; ++group)
        for (std::uint32_t left = rows[i * batch_words + group]; left; left &= left - 1)
          add_pre_terms(term, i, j, group * 32 + lowest_bit(left));
      finish_terms(term);
    }
    const float old = w(i, j), x = learnt(term, old);
    w(i, j) = x;
    return x != old;
  }

public:
  // One batch element: learn the other columns of a spike's row, and add it to the current of the
  // next step while it is in a register.
  FASTSNN_DEVICE void rows_and_deliver(bool delivers) const {
    const std::int32_t *ids = in<std::int32_t>(k, source.list);
    const int n = k.n_sent[wires.source];
    each_warp(own.n_words, [&](std::int64_t word) {
      const int j = static_cast<int>(word) * 32 + lane_index();
      if (j >= own.n)
        return;
      const bool elsewhere = post_spike(0, j);
      bool changed = false;
      float sum = 0.0f, post[Rule::n_post];
      load_post(post, 0, j);
      for (int first = 0; first < n; first += learnt_in_flight) {
        float old[learnt_in_flight];
#pragma unroll
        for (int u = 0; u < learnt_in_flight; ++u)
          old[u] = first + u < n ? w(ids[first + u], j) : 0.0f;
#pragma unroll
        for (int u = 0; u < learnt_in_flight; ++u)
          if (first + u < n) {
            const std::int32_t i = ids[first + u];
            const float x = elsewhere ? old[u] : row_learnt(i, post, old[u]);
            if (!elsewhere)
              w(i, j) = x;
            changed = changed || x != old[u];
            sum += x;
          }
      }
      note_change(j, changed);
      if (delivers)
        in<float>(k, wires.current)[j] = sum;
    });
  }

private:
  FASTSNN_DEVICE float row_learnt(std::int64_t i, const float *post, float old) const {
    float term[n_terms] = {}, pre[Rule::n_pre];
    load_pre(pre, true, 0, i);
    for_terms<Rule>([&](auto index) {
      constexpr int e = decltype(index)::value;
      if constexpr (Rule::pre_driven[e])
        term[e] = Rule::template term<e>(pre, post, this->reward(0), this->param);
    });
    return learnt(term, old);
  }

public:
  // weights that nobody visits and that lie outside of their bounds
  FASTSNN_DEVICE void clip_all() const {
    for (int word = 0; word < own.n_words; ++word) {
      const int j = word * 32 + lane_index();
      bool changed = false;
      each_warp(source.n, [&](std::int64_t i) {
        if (j >= own.n)
          return;
        const float old = w(i, j), x = clip(old);
        if (x != old)
          w(i, j) = x;
        changed = changed || x != old;
      });
      if (j < own.n)
        note_change(j, changed);
    }
  }
};

} // namespace fastsnn::cuda
