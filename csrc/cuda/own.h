// SPDX-License-Identifier: Apache-2.0
// Variables of a rule's own, advanced by the owners of their neurons after learning, and what a
// rule with lag sees in the next step.
#pragma once

#include "indexed.h"
#include "sides.h"

namespace fastsnn::cuda {

template <class Rule, class Exchange> class Own : Sides<Rule, Exchange> {
  using Base = Sides<Rule, Exchange>;
  using Base::batch, Base::param;
  using Base::k, Base::wires, Base::now, Base::source, Base::target, Base::own, Base::own_pre;

  template <bool post>
  FASTSNN_DEVICE void advance_side(const Slice side, const Population &cells, int n_own) const {
    if (n_own == 0 && !wires.lag)
      return;
    each_thread(std::int64_t(batch) * side.n, [&](std::int64_t item) {
      const int b = static_cast<int>(item / side.n), j = static_cast<int>(item % side.n);
      const bool spike = moves<post>(cells, b, j);
      float x[at_least_one(Rule::n_pre_state + Rule::n_post_state)];
      for (int e = 0; e < (post ? Rule::n_post_state : Rule::n_pre_state); ++e)
        x[e] = values<float>(k, own_field<post>(e))(b, j);
      if constexpr (post && Rule::n_post_state > 0)
        Rule::advance_post(x, spike ? 1.0f : 0.0f, param);
      if constexpr (!post && Rule::n_pre_state > 0)
        Rule::advance_pre(x, spike ? 1.0f : 0.0f, param);
      for (int e = 0; e < (post ? Rule::n_post_state : Rule::n_pre_state); ++e)
        values<float>(k, own_field<post>(e))(b, j) = x[e];
      if (!post)
        publish(x, b, side.first + j, now.turn + 1);
      if (wires.lag)
        values<std::uint8_t>(k, post ? wires.last_post : wires.last_pre)(b, j) = spike;
    });
  }

  // the spike that moves the variables of an own neuron: where all reach the synapses alike, of
  // the step that does
  template <bool post> FASTSNN_DEVICE bool moves(const Population &cells, int b, int j) const {
    if constexpr (Exchange::plastic)
      if (wires.kind == Kind::indexed) {
        const Listed listed(k, wires);
        const int lag = listed.s.first_lag;
        if (listed.one_lag() && post && listed.late_post())
          return bit(listed.late_words(lag)[j / 32], j % 32);
        if (listed.one_lag() && !post && listed.late_pre())
          return listed.sent_late(lag, own_pre.first + j);
      }
    return bit(in<std::uint32_t>(k, cells.sent_own)[b * cells.most_words + j / 32], j % 32);
  }

  template <bool post> FASTSNN_DEVICE std::int32_t own_field(int e) const {
    return post ? wires.post[Rule::n_post - 1 - Rule::n_post_state + e]
                : wires.pre[Rule::n_pre - 1 - Rule::n_pre_state + e].field;
  }

  FASTSNN_DEVICE void publish(const float *x, int b, std::int64_t i, int turn) const {
    for (int e = 0; e < Rule::n_pre_state; ++e)
      if (float *out = wires.published_own[e])
        store_fresh(out + (std::int64_t(turn & 1) * batch + b) * source.n + i, x[e]);
  }

public:
  using Base::Base;

  FASTSNN_DEVICE void advance() const {
    advance_side<false>(own_pre, source, Rule::n_pre_state);
    advance_side<true>(own, target, Rule::n_post_state);
    if (!wires.lag)
      return;
    const std::uint32_t *sent_rows = in<std::uint32_t>(k, source.rows);
    std::uint32_t *last_rows = in<std::uint32_t>(k, wires.last_rows);
    each_thread(std::int64_t(source.n) * k.plan->batch_words,
                [&](std::int64_t at) { last_rows[at] = sent_rows[at]; });
    const std::uint32_t *sent_own = in<std::uint32_t>(k, target.sent_own);
    std::uint32_t *last_own = in<std::uint32_t>(k, wires.last_own);
    each_thread(std::int64_t(batch) * target.most_words,
                [&](std::int64_t at) { last_own[at] = sent_own[at]; });
  }

  // at the start of a launch: own variables for the first step, and the spikes of the step before
  FASTSNN_DEVICE void begin() const {
    each_thread(std::int64_t(batch) * own_pre.n, [&](std::int64_t item) {
      const int b = static_cast<int>(item / own_pre.n), j = static_cast<int>(item % own_pre.n);
      float x[at_least_one(Rule::n_pre_state)];
      for (int e = 0; e < Rule::n_pre_state; ++e)
        x[e] = values<float>(k, own_field<false>(e))(b, j);
      publish(x, b, own_pre.first + j, now.turn + 1);
    });
    if (!wires.lag)
      return;
    std::uint32_t *last_rows = in<std::uint32_t>(k, wires.last_rows);
    const std::uint8_t *bytes = k.fields[wires.last_pre].home;
    const int batch_words = k.plan->batch_words;
    each_thread(std::int64_t(source.n) * batch_words, [&](std::int64_t at) {
      const std::int64_t i = at / batch_words, group = at % batch_words;
      std::uint32_t spikes = 0;
      for (int b = static_cast<int>(group) * 32; b < batch && b < (group + 1) * 32; ++b)
        spikes |= static_cast<std::uint32_t>(bytes[b * std::int64_t(source.n) + i]) << b % 32;
      last_rows[at] = spikes;
    });
    std::uint32_t *last_own = in<std::uint32_t>(k, wires.last_own);
    each_warp(std::int64_t(batch) * own.n_words, [&](std::int64_t item) {
      const int b = static_cast<int>(item) / own.n_words,
                word = static_cast<int>(item) % own.n_words;
      const int j = word * 32 + lane_index();
      const std::uint32_t spikes =
          ballot(j < own.n && values<std::uint8_t>(k, wires.last_post)(b, j));
      if (lane_index() == 0)
        last_own[b * target.most_words + word] = spikes;
    });
  }
};

} // namespace fastsnn::cuda
