// SPDX-License-Identifier: Apache-2.0
// Learning of synapses in lists, each with a weight of its own.
#pragma once

#include <span>

#include "gather.h"
#include "rule.h"

namespace fastsnn::inline FASTSNN_ISA {

// 16 synapses of one neuron: a piece of a row (by presynaptic neuron) or of a column
struct Synapses16 {
  std::int64_t own; // the neuron
  std::int64_t at;  // the first of them
  int count;
  i32x16 other, place;
};

template <class F> void for_synapses(const SynapseLists &lists, std::int64_t own, F f) {
  for (std::int64_t at = lists.first[own]; at < lists.last[own]; at += lanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(lanes, lists.last[own] - at));
    const i32x16 other = load_ids(lists.other + at, count);
    f(Synapses16{own, at, count, other,
                 lists.place ? load_ids(lists.place + at, count) : i32x16{}});
  }
}

// f(row): those of the list, or all
template <class F> void for_rows(const IndexedLearn &s, bool all, Ids listed, F f) {
  const std::int64_t n = all ? s.n_pre : listed.n;
  for (std::int64_t k = 0; k < n; ++k)
    f(all ? k : listed.ptr[k]);
}

// both sides of 16 synapses in one batch element
template <class Rule> struct Sides {
  vf pre[Rule::n_pre], post[Rule::n_post];

  template <bool by_row> void load(const IndexedLearn &s, const Synapses16 &g, std::int32_t b) {
    const std::int64_t from = b * s.n_pre, to = b * s.n_post;
    const auto pre_of = [&](const float *x) {
      return by_row ? vf(x[from + g.own]) : gather(x + from, g.other, g.count);
    };
    const auto post_of = [&](const float *x) {
      return by_row ? gather(x + to, g.other, g.count) : vf(x[to + g.own]);
    };
    pre[0] = pre_of(s.pre_spike);
    for (int k = 1; k < Rule::n_pre; ++k)
      pre[k] = pre_of(s.pre[k - 1]);
    post[0] = post_of(s.post_spike);
    for (int k = 1; k < Rule::n_post; ++k)
      post[k] = post_of(s.post[k - 1]);
  }

  // a term that a spike drives vanishes where the other side's variables are zero
  template <bool by_row> vm awake() const {
    vm nonzero = none();
    if (by_row)
      for (vf x : post)
        nonzero = nonzero | (x != vf(0.0f));
    else
      for (int k = 1; k < Rule::n_pre; ++k)
        nonzero = nonzero | (pre[k] != vf(0.0f));
    return nonzero;
  }
};

template <class Rule> class Indexed : RuleTraits<Rule> {
  using Traits = RuleTraits<Rule>;
  using Traits::for_terms, Traits::n_terms;
  using typename Traits::Params;

  // f(b), ascending, for the batch elements in which one of the neurons spiked
  template <bool by_row, class F>
  static void for_batch(const IndexedLearn &s, const Synapses16 &g, F f) {
    if (s.batch == 1 || !s.event_driven) {
      for (std::int32_t b = 0; b < s.batch; ++b)
        f(b);
      return;
    }
    for (std::int32_t word = 0; word < s.words; ++word) {
      std::uint64_t m = (by_row ? s.pre_mask : s.post_mask)[g.own * s.words + word];
      if (by_row)
        for (int l = 0; l < g.count; ++l)
          m |= s.post_mask[g.other[l] * s.words + word];
      for (; m; m &= m - 1)
        f(word * 64 + __builtin_ctzll(m));
    }
  }

  // returns whether a term may be other than zero
  template <bool by_row>
  static bool sum_terms(const IndexedLearn &s, const Synapses16 &g, const vf *param, vf *term) {
    std::fill_n(term, n_terms, vf(0.0f));
    if constexpr (Rule::n_term == 0)
      return true;
    bool first_one = true, awake = false;
    for_batch<by_row>(s, g, [&](std::int32_t b) {
      Sides<Rule> sides;
      sides.template load<by_row>(s, g, b);
      if (s.event_driven && !any(sides.template awake<by_row>()))
        return;
      awake = true;
      for_terms([&](auto k) {
        const vf x = Traits::template term<k>(sides.pre, sides.post, vf(s.reward[b]), param);
        term[k] = first_one ? x : s.reduction == 2 ? maximum(term[k], x) : term[k] + x;
      });
      first_one = false;
    });
    if (s.reduction == 1)
      for (vf &t : std::span(term, n_terms))
        t = t / vf(static_cast<float>(s.batch));
    return awake || !s.event_driven;
  }

  static vf load(const SynapseLists &lists, const Synapses16 &g, const float *p) {
    return lists.place ? gather(p, g.place, g.count) : load_n(p + g.at, g.count);
  }
  static void store(const SynapseLists &lists, const Synapses16 &g, float *p, vf x, vm which) {
    if (lists.place)
      scatter(p, g.place, x, which);
    else
      store_n(p + g.at, x, g.count);
  }
  static vf bound(const SynapseLists &lists, const Synapses16 &g, Column c) {
    return c.len == 1 ? vf(*c.ptr) : load(lists, g, c.ptr);
  }
  static vm masked(const SynapseLists &lists, const Synapses16 &g, const std::uint8_t *mask) {
    std::uint8_t bytes[lanes] = {};
    for (int l = 0; l < g.count; ++l)
      bytes[l] = mask[lists.place ? g.place[l] : g.at + l];
    return load_mask(bytes);
  }

  template <bool by_row>
  static void learn(const IndexedLearn &s, const SynapseLists &lists, const Synapses16 &g,
                    const vf *param) {
    vm which = first(g.count);
    if (!by_row)
      which = which & (gather(s.any_pre_spike, g.other, g.count) == vf(0.0f));
    vf term[n_terms], synapse[Rule::n_synapse];
    if (s.learning && !sum_terms<by_row>(s, g, param, term))
      return;
    for (int k = 0; k < Rule::n_synapse; ++k)
      synapse[k] = load(lists, g, s.synapse[k]);
    const vf old = synapse[0];
    if (s.learning) {
      Rule::learn(synapse, term, param);
      for (int k = 1; k < Rule::n_synapse; ++k)
        store(lists, g, s.synapse[k], synapse[k], which);
      if (s.decay != 1.0f)
        synapse[0] = synapse[0] * vf(s.decay);
      if (s.bounded)
        synapse[0] =
            minimum(maximum(synapse[0], bound(lists, g, s.w_min)), bound(lists, g, s.w_max));
    }
    if (s.zero)
      synapse[0] = where(masked(lists, g, s.zero), vf(0.0f), synapse[0]);
    store(lists, g, s.synapse[0], synapse[0], which);
    if (s.changed)
      for (unsigned set = bits((synapse[0] != old) & which); set; set &= set - 1)
        s.changed[by_row ? g.other[__builtin_ctz(set)] : g.own] = 1;
  }

public:
  // a postsynaptic spike changes its column, a presynaptic one its row; where they meet, the row
  // sees both
  static void learn(const IndexedLearn &s) {
    const Params param(s.param);
    for_rows(s, !s.event_driven, s.active, [&](std::int64_t i) {
      for_synapses(s.rows, i, [&](const Synapses16 &g) { learn<true>(s, s.rows, g, param.of); });
    });
    if (s.event_driven)
      for_ids_in(s.targets, s.spiking, [&](std::int32_t j) {
        for_synapses(s.columns, j,
                     [&](const Synapses16 &g) { learn<false>(s, s.columns, g, param.of); });
      });
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
