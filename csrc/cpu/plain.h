// SPDX-License-Identifier: Apache-2.0
// Learning where every synapse changes every step, and the variables of a rule's own.
#pragma once

#include "rule.h"

namespace fastsnn::inline FASTSNN_ISA {

template <class Rule> class Plain : RuleTraits<Rule> {
  using Traits = RuleTraits<Rule>;
  using Traits::for_terms, Traits::n_terms;
  using typename Traits::Params;

  template <int K>
  static vf over_batch(const PlainLearn &s, const vf *param, std::int64_t i, std::int64_t j,
                       int count) {
    vf total(0.0f);
    for (std::int32_t b = 0; b < s.batch; ++b) {
      const std::int64_t from = b * s.n_pre + i, to = b * s.n_post + j;
      vf pre[Rule::n_pre], post[Rule::n_post];
      pre[0] = vf(s.pre_spike[from] ? 1.0f : 0.0f);
      for (int k = 1; k < Rule::n_pre; ++k)
        pre[k] = vf(s.pre[k - 1][from]);
      post[0] = ones(load_mask(s.post_spike + to, count));
      for (int k = 1; k < Rule::n_post; ++k)
        post[k] = load_n(s.post[k - 1] + to, count);
      const vf x = Rule::template term<K>(pre, post, vf(s.reward[b]), param);
      total = b == 0 ? x : s.reduction == 2 ? maximum(total, x) : total + x;
    }
    return s.reduction == 1 ? total / vf(static_cast<float>(s.batch)) : total;
  }

  static vf learn_synapses(const PlainLearn &s, const vf *param, std::int64_t i, std::int64_t j,
                           int count, vf w) {
    const std::int64_t at = i * s.n_post + j;
    vf term[n_terms], synapse[Rule::n_synapse];
    for_terms([&](auto k) { term[k] = over_batch<k>(s, param, i, j, count); });
    synapse[0] = w;
    for (int k = 1; k < Rule::n_synapse; ++k)
      synapse[k] = load_n(s.synapse[k] + at, count);
    Rule::learn(synapse, term, param);
    for (int k = 1; k < Rule::n_synapse; ++k)
      store_n(s.synapse[k] + at, synapse[k], count);
    return synapse[0];
  }

  static void learn_columns(const PlainLearn &s, const vf *param, std::int64_t j, int count) {
    vm changed = none();
    for (std::int64_t i = 0; i < s.n_pre; ++i) {
      const std::int64_t at = i * s.n_post + j;
      const vf old = load_n(s.synapse[0] + at, count);
      vf w = old;
      if (s.learning) {
        w = learn_synapses(s, param, i, j, count, w);
        if (s.decay != 1.0f)
          w = w * vf(s.decay);
        if (s.bounded)
          w = minimum(maximum(w, load_column(s.w_min, at, count)), load_column(s.w_max, at, count));
      }
      if (s.zero)
        w = where(load_mask(s.zero + at, count), vf(0.0f), w);
      changed = changed | (w != old);
      store_n(s.synapse[0] + at, w, count);
    }
    if (s.changed)
      for (unsigned set = bits(changed) & bits(first(count)); set; set &= set - 1)
        s.changed[j + __builtin_ctz(set)] = 1;
  }

public:
  static void learn(const PlainLearn &s) {
    const Params param(s.param);
    for (std::int64_t j = s.columns.begin; j < s.columns.end; j += lanes)
      learn_columns(s, param.of, j,
                    static_cast<int>(std::min<std::int64_t>(lanes, s.columns.end - j)));
  }

  static void advance_own(bool post, float *const *own, const std::uint8_t *spike,
                          const float *params, Range range) {
    const Params param(params);
    vf x[at_least_one(Rule::n_pre_state + Rule::n_post_state)];
    const int n_own = post ? Rule::n_post_state : Rule::n_pre_state;
    for (std::int64_t j = range.begin; j < range.end; j += lanes) {
      const int count = static_cast<int>(std::min<std::int64_t>(lanes, range.end - j));
      const vf spikes = ones(load_mask(spike + j, count));
      for (int k = 0; k < n_own; ++k)
        x[k] = load_n(own[k] + j, count);
      if (post)
        Rule::advance_post(x, spikes, param.of);
      else
        Rule::advance_pre(x, spikes, param.of);
      for (int k = 0; k < n_own; ++k)
        store_n(own[k] + j, x[k], count);
    }
  }

  // whether own variables stay zero without a spike
  static bool own_rests(bool post) {
    vf param[Traits::n_params], own[at_least_one(Rule::n_pre_state + Rule::n_post_state)] = {};
    std::fill_n(param, Traits::n_params, vf(0.7f));
    if (post)
      Rule::advance_post(own, vf(0.0f), param);
    else
      Rule::advance_pre(own, vf(0.0f), param);
    bool rests = true;
    for (vf x : own)
      rests = rests && !any(x != vf(0.0f));
    return rests;
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
