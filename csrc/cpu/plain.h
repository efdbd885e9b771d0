// SPDX-License-Identifier: Apache-2.0
// Learning where every synapse changes every step, and the variables of a
// rule's own.
//
// Most of the work can be told to give nothing: a term that a spike drives is
// zero without it, all terms may be where one side's variables are, and a
// synapse whose own variables are zero then keeps its weight.
#pragma once

#include "rule.h"

namespace fastsnn::inline FASTSNN_ISA {

template <class Rule> class Plain : RuleTraits<Rule> {
  using Traits = RuleTraits<Rule>;
  using Traits::for_terms, Traits::n_terms;
  using typename Traits::Params;

  // 16 columns that are learnt together, row by row; post: of a batch of one
  struct Group {
    std::int64_t first;
    int count;
    bool spikes;
    vr post[Rule::n_post];
  };

  // pre: of a batch of one.  silent: all variables are zero in all batch
  // elements
  struct Row {
    std::int64_t i;
    bool spikes, silent;
    vr pre[Rule::n_pre];
  };

  // what probing has told of the rule: whether terms are zero for a silent row,
  // and whether a weight then stays as it is while the synapse's own variables
  // are zero
  struct Facts {
    bool terms_rest = true, weight_rests = true;

    explicit Facts(const vr *param) {
      for (real scale = 0.01f; scale < 1e4f; scale *= 7.3f) {
        vr probe;
        for (int l = 0; l < lanes; ++l)
          probe.v[l] = scale * static_cast<real>(l % 2 ? l + 1 : -l - 1);
        look(param, probe);
      }
    }

    void look(const vr *param, vr probe) {
      vr pre[Rule::n_pre], post[Rule::n_post], zero[n_terms], synapse[Rule::n_synapse];
      std::fill_n(pre, Rule::n_pre, vr(0.0f));
      std::fill_n(post, Rule::n_post, abs(probe));
      std::fill_n(zero, n_terms, vr(0.0f));
      std::fill_n(synapse, Rule::n_synapse, vr(0.0f));
      for_terms([&](auto k) {
        const vr x = Rule::template term<k>(pre, post, vr(0.3f), param);
        terms_rest = terms_rest && !any(x != vr(0.0f));
      });
      synapse[0] = probe;
      Rule::learn(synapse, zero, param);
      weight_rests = weight_rests && !any(synapse[0] != probe);
      for (int k = 1; k < Rule::n_synapse; ++k)
        weight_rests = weight_rests && !any(synapse[k] != vr(0.0f));
    }
  };

  static Group group_at(const PlainLearn &s, std::int64_t j) {
    const int count = static_cast<int>(std::min<std::int64_t>(lanes, s.columns.end - j));
    Group g{j, count, false, {}};
    for (std::int32_t b = 0; b < s.batch; ++b)
      g.spikes = g.spikes || any(load_mask(s.post_spike + b * s.n_post + j, count) & first(count));
    g.post[0] = ones(load_mask(s.post_spike + j, count));
    for (int k = 1; k < Rule::n_post; ++k)
      g.post[k] = load_n(s.post[k - 1] + j, count);
    return g;
  }

  static Row row_at(const PlainLearn &s, std::int64_t i) {
    Row r{i, false, true, {}};
    for (std::int32_t b = 0; b < s.batch; ++b) {
      const std::int64_t from = b * s.n_pre + i;
      r.spikes = r.spikes || s.pre_spike[from];
      for (int k = 1; k < Rule::n_pre; ++k)
        r.silent = r.silent && s.pre[k - 1][from] == 0.0f;
    }
    r.silent = r.silent && !r.spikes;
    r.pre[0] = vr(s.pre_spike[i] ? 1.0f : 0.0f);
    for (int k = 1; k < Rule::n_pre; ++k)
      r.pre[k] = vr(s.pre[k - 1][i]);
    return r;
  }

  template <int K>
  static vr over_batch(const PlainLearn &s, const vr *param, std::int64_t i, std::int64_t j,
                       int count) {
    vr total(0.0f);
    for (std::int32_t b = 0; b < s.batch; ++b) {
      const std::int64_t from = b * s.n_pre + i, to = b * s.n_post + j;
      vr pre[Rule::n_pre], post[Rule::n_post];
      pre[0] = vr(s.pre_spike[from] ? 1.0f : 0.0f);
      for (int k = 1; k < Rule::n_pre; ++k)
        pre[k] = vr(s.pre[k - 1][from]);
      post[0] = ones(load_mask(s.post_spike + to, count));
      for (int k = 1; k < Rule::n_post; ++k)
        post[k] = load_n(s.post[k - 1] + to, count);
      const vr x = Rule::template term<K>(pre, post, vr(s.reward[b]), param);
      total = b == 0 ? x : s.reduction == 2 ? maximum(total, x) : total + x;
    }
    return s.reduction == 1 ? total / vr(static_cast<real>(s.batch)) : total;
  }

  // whether a term may be other than zero
  template <int K> static bool acts(const Row &r, const Group &g) {
    return (!Rule::pre_driven[K] || r.spikes) && (!Rule::post_driven[K] || g.spikes);
  }

  static vr clipped(const PlainLearn &s, std::int64_t at, int count, vr w) {
    if (s.decay != 1.0f)
      w = w * vr(s.decay);
    if (s.bounded)
      w = minimum(maximum(w, load_column(s.w_min, at, count)), load_column(s.w_max, at, count));
    return w;
  }

  // rest: all terms are zero.  Returns what changed
  template <bool single, bool rest>
  static vm learn_synapses(const PlainLearn &s, const vr *param, const Row &r, const Group &g) {
    const std::int64_t at = r.i * s.n_post + g.first;
    vr term[n_terms], synapse[Rule::n_synapse];
    std::fill_n(term, n_terms, vr(0.0f));
    if constexpr (!rest)
      for_terms([&](auto k) {
        if (!acts<k>(r, g))
          return;
        if constexpr (single)
          term[k] = Rule::template term<k>(r.pre, g.post, vr(s.reward[0]), param);
        else
          term[k] = over_batch<k>(s, param, r.i, g.first, g.count);
      });
    const vr old = load_n(s.synapse[0] + at, g.count);
    synapse[0] = old;
    for (int k = 1; k < Rule::n_synapse; ++k)
      synapse[k] = load_n(s.synapse[k] + at, g.count);
    Rule::learn(synapse, term, param);
    for (int k = 1; k < Rule::n_synapse; ++k)
      store_n(s.synapse[k] + at, synapse[k], g.count);
    vr w = clipped(s, at, g.count, synapse[0]);
    if (s.zero)
      w = where(load_mask(s.zero + at, g.count), vr(0.0f), w);
    store_n(s.synapse[0] + at, w, g.count);
    return w != old;
  }

  // whether the synapses' own variables are zero
  static bool is_zero(const PlainLearn &s, std::int64_t at, int count) {
    vm found = none();
    for (int k = 1; k < Rule::n_synapse; ++k)
      found = found | (load_n(s.synapse[k] + at, count) != vr(0.0f));
    return !any(found & first(count));
  }

  template <bool single>
  static vm learn_columns(const PlainLearn &given, const Params &params, const Facts &facts,
                          std::int64_t first) {
    // copies that no store can reach: what depends on them alone leaves the
    // loop
    const PlainLearn s = given;
    const Params param = params;
    const Group g = group_at(s, first);
    const bool may_skip = facts.weight_rests && s.within && s.decay == 1.0f && !s.zero;
    vm changed = none();
    for (std::int64_t i = 0; i < s.n_pre; ++i) {
      const Row r = row_at(s, i);
      bool rests = true;
      for_terms([&](auto k) { rests = rests && !acts<k>(r, g); });
      rests = rests || (facts.terms_rest && r.silent);
      if (!rests)
        changed = changed | learn_synapses<single, false>(s, param.of, r, g);
      else if (!may_skip || !is_zero(s, i * s.n_post + g.first, g.count))
        changed = changed | learn_synapses<single, true>(s, param.of, r, g);
    }
    return changed;
  }

  // learning is off: only the mask acts
  static vm mask_columns(const PlainLearn &s, std::int64_t j) {
    const int count = static_cast<int>(std::min<std::int64_t>(lanes, s.columns.end - j));
    vm changed = none();
    for (std::int64_t at = j; at < s.n_pre * s.n_post; at += s.n_post) {
      const vr old = load_n(s.synapse[0] + at, count);
      const vr w = where(load_mask(s.zero + at, count), vr(0.0f), old);
      changed = changed | (w != old);
      store_n(s.synapse[0] + at, w, count);
    }
    return changed;
  }

public:
  static void learn(const PlainLearn &s) {
    const Params param(s.param);
    const Facts facts(param.of);
    for (std::int64_t j = s.columns.begin; j < s.columns.end; j += lanes) {
      const vm changed = !s.learning    ? mask_columns(s, j)
                         : s.batch == 1 ? learn_columns<true>(s, param, facts, j)
                                        : learn_columns<false>(s, param, facts, j);
      const int count = static_cast<int>(std::min<std::int64_t>(lanes, s.columns.end - j));
      for (unsigned set = s.changed ? bits(changed) & bits(first(count)) : 0u; set; set &= set - 1)
        s.changed[j + __builtin_ctz(set)] = 1;
    }
  }

  static void consolidate(const Learning &s, Range range) {
    const Params param(s.param);
    for (std::int64_t at = range.begin; at < range.end; at += lanes) {
      const int count = static_cast<int>(std::min<std::int64_t>(lanes, range.end - at));
      vr synapse[Rule::n_synapse];
      for (int k = 0; k < Rule::n_synapse; ++k)
        synapse[k] = load_n(s.synapse[k] + at, count);
      Rule::consolidate(synapse, param.of);
      if (s.bounded)
        synapse[0] = minimum(maximum(synapse[0], load_column(s.w_min, at, count)),
                             load_column(s.w_max, at, count));
      if (s.zero)
        synapse[0] = where(load_mask(s.zero + at, count), vr(0.0f), synapse[0]);
      for (int k = 0; k < Rule::n_synapse; ++k)
        store_n(s.synapse[k] + at, synapse[k], count);
    }
  }

  static void advance_own(bool post, real *const *own, const std::uint8_t *spike,
                          const real *params, Range range) {
    const Params param(params);
    vr x[at_least_one(Rule::n_pre_state + Rule::n_post_state)];
    const int n_own = post ? Rule::n_post_state : Rule::n_pre_state;
    for (std::int64_t j = range.begin; j < range.end; j += lanes) {
      const int count = static_cast<int>(std::min<std::int64_t>(lanes, range.end - j));
      const vr spikes = ones(load_mask(spike + j, count));
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
    vr param[Traits::n_params], own[at_least_one(Rule::n_pre_state + Rule::n_post_state)] = {};
    std::fill_n(param, Traits::n_params, vr(0.7f));
    if (post)
      Rule::advance_post(own, vr(0.0f), param);
    else
      Rule::advance_pre(own, vr(0.0f), param);
    bool rests = true;
    for (vr x : own)
      rests = rests && !any(x != vr(0.0f));
    return rests;
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
