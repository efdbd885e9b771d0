// SPDX-License-Identifier: Apache-2.0
// Learning of weights that synapses share: the terms of a weight's synapses are summed in ascending
// order, batch element by batch element; then the weights are learnt once, one after another.
#pragma once

#include "indexed.h"

namespace fastsnn::inline FASTSNN_ISA {

template <class Rule> class Shared : RuleTraits<Rule> {
  using Traits = RuleTraits<Rule>;
  using Traits::for_terms, Traits::n_terms;
  using typename Traits::Params;

  static constexpr bool driven(int k) { return Rule::pre_driven[k] || Rule::post_driven[k]; }
  static constexpr bool all_driven() {
    for (int k = 0; k < Rule::n_term; ++k)
      if (!driven(k))
        return false;
    return true;
  }

  static std::int64_t stride(const IndexedLearn &s) {
    return padded(s.weights.end - s.weights.begin);
  }

  // add the chosen terms of 16 synapses, all of other weights, to the sums of their weights
  template <class Chosen>
  static void add(const IndexedLearn &s, const Synapses16 &g, std::int32_t b, const vr *param,
                  const Sides<Rule> &sides, Chosen chosen) {
    for_terms([&](auto k) {
      if (!chosen(k))
        return;
      real *sums = s.term + k * stride(s) - s.weights.begin;
      const vr x = Traits::template term<k>(sides.pre, sides.post, vr(s.reward[b]), param);
      g.store(sums, g.load(sums) + x, first(g.count));
    });
  }

  static void add_row(const IndexedLearn &s, std::int64_t i, std::int32_t b, const vr *param) {
    const bool spikes = s.pre_spike[b * s.n_pre + i] != 0.0f;
    for_row(s, i, [&](const Synapses16 &g) {
      Sides<Rule> sides;
      sides.template load<true>(s, g, b);
      if (all_driven() && !any(sides.post_awake()))
        return;
      add(s, g, b, param, sides,
          [&](int k) { return !driven(k) || (spikes && Rule::pre_driven[k]); });
    });
  }

  static void add_column(const IndexedLearn &s, std::int64_t j, std::int32_t b, const vr *param) {
    for_column(s, j, [&](const Synapses16 &g) {
      Sides<Rule> sides;
      sides.template load<false>(s, g, b);
      if (any(sides.pre_awake()))
        add(s, g, b, param, sides, [](int k) { return Rule::post_driven[k]; });
    });
  }

  // returns whether anything was added
  static bool add_all(const IndexedLearn &s, std::int32_t b, const vr *param) {
    bool added = !all_driven();
    for_rows(s, !all_driven(), s.pre_lists[b], [&](std::int64_t i) {
      add_row(s, i, b, param);
      added = true;
    });
    for_ids_in(s.targets, s.post_lists[b], [&](std::int32_t j) {
      add_column(s, j, b, param);
      added = true;
    });
    return added;
  }

  // take the sums of batch element b into the total
  static void reduce(const IndexedLearn &s, std::int32_t b) {
    for (std::int64_t k = 0; k < n_terms * stride(s); k += lanes) {
      const vr x = load(s.term + k), total = load(s.total + k);
      store(s.total + k, s.reduction != 2 ? total + x : b == 0 ? x : maximum(total, x));
      store(s.term + k, vr(0.0f));
    }
  }

  static void learn_weights(const IndexedLearn &s, real *sums, const vr *param, std::int64_t at,
                            int count) {
    vr term[n_terms] = {}, synapse[Rule::n_synapse];
    for (int k = 0; k < Rule::n_synapse; ++k)
      synapse[k] = load_n(s.synapse[k] + at, count);
    const vr old = synapse[0];
    if (s.learning) {
      for (int k = 0; k < Rule::n_term; ++k) {
        real *sum = sums + k * stride(s) + at - s.weights.begin;
        term[k] = s.reduction == 1 ? load(sum) / vr(static_cast<real>(s.batch)) : load(sum);
        store(sum, vr(0.0f));
      }
      Rule::learn(synapse, term, param);
      for (int k = 1; k < Rule::n_synapse; ++k)
        store_n(s.synapse[k] + at, synapse[k], count);
      if (s.decay != 1.0f)
        synapse[0] = synapse[0] * vr(s.decay);
      if (s.bounded)
        synapse[0] = minimum(maximum(synapse[0], load_column(s.w_min, at, count)),
                             load_column(s.w_max, at, count));
    }
    if (s.zero)
      synapse[0] = where(load_mask(s.zero + at, count), vr(0.0f), synapse[0]);
    store_n(s.synapse[0] + at, synapse[0], count);
    if (s.changed)
      for (unsigned set = bits((synapse[0] != old) & first(count)); set; set &= set - 1)
        s.changed[(at + __builtin_ctz(set)) / s.sum_size] = 1;
  }

public:
  static void learn(const IndexedLearn &s) {
    const Params param(s.param);
    bool any_added = false;
    for (std::int32_t b = 0; b < s.batch && s.learning && Rule::n_term > 0; ++b) {
      const bool added = add_all(s, b, param.of);
      any_added = any_added || added;
      if (s.batch > 1 && (added || s.reduction == 2))
        reduce(s, b);
    }
    if (s.event_driven && !any_added)
      return;
    real *sums = s.batch > 1 ? s.total : s.term;
    for (std::int64_t at = s.weights.begin; at < s.weights.end; at += lanes)
      learn_weights(s, sums, param.of, at,
                    static_cast<int>(std::min<std::int64_t>(lanes, s.weights.end - at)));
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
