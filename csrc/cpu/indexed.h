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
  int count;
  i32x16 other, place;
  bool adjacent; // whether the places follow one another

  vr load(const real *p) const {
    return adjacent ? load_n(p + place[0], count) : gather(p, place, count);
  }
  void store(real *p, vr x, vm which) const {
    if (adjacent && bits(which) == bits(first(count)))
      store_n(p + place[0], x, count);
    else
      scatter(p, place, x, which);
  }
};

// list: which one; own: where its neuron's values stand
template <class F>
void for_synapses(const SynapseLists &lists, std::int64_t list, std::int64_t own, F f) {
  const std::int64_t last = lists.last[list];
  for (std::int64_t at = lists.first[list]; at < last; at += lanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(lanes, last - at));
    const i32x16 other = load_ids(lists.other + at, count);
    const i32x16 place = lists.place ? load_ids(lists.place + at, count)
                                     : static_cast<std::int32_t>(at) + lane_index;
    f(Synapses16{own, count, other, place, !lists.place || are_adjacent(place, count)});
  }
}

// where the values of the neuron of a row or column stand, of n neurons in parts
inline std::int64_t stands(std::int64_t list, std::int64_t parts, std::int64_t lag,
                           std::int64_t n) {
  return parts == 1 ? list : list / parts - (list % parts + lag) * n;
}

// the neuron whose values stand there
inline std::int64_t neuron_of(std::int64_t place, std::int64_t n) {
  return place < 0 ? place % n + (place % n < 0 ? n : 0) : place;
}

template <class F> void for_row(const IndexedLearn &s, std::int64_t row, F f) {
  for_synapses(s.rows, row, stands(row, s.pre_parts, s.pre_lag, s.n_pre), f);
}

// of the own targets' columns
template <class F> void for_column(const IndexedLearn &s, std::int64_t column, F f) {
  for_synapses(s.columns, column, stands(column, s.post_parts, s.post_lag, s.n_post), f);
}

// f(row): those of the list, or all
template <class F> void for_rows(const IndexedLearn &s, bool all, Ids listed, F f) {
  const std::int64_t n = all ? s.n_pre * s.pre_parts : listed.n;
  for (std::int64_t k = 0; k < n; ++k)
    f(all ? k : listed.ptr[k]);
}

// f(column) of those that own targets' spikes reach
template <class F> void for_columns(const IndexedLearn &s, F f) {
  for_ids_in({s.targets.begin * s.post_parts, s.targets.end * s.post_parts}, s.spiking, f);
}

// both sides of 16 synapses in one batch element
template <class Rule> struct Sides {
  vr pre[Rule::n_pre], post[Rule::n_post];

  template <bool by_row> void load(const IndexedLearn &s, const Synapses16 &g, std::int32_t b) {
    const std::int64_t from = b * s.n_pre, to = b * s.n_post;
    const auto pre_of = [&](const real *x) {
      return by_row ? vr(x[from + g.own]) : gather(x + from, g.other, g.count);
    };
    const auto post_of = [&](const real *x) {
      return by_row ? gather(x + to, g.other, g.count) : vr(x[to + g.own]);
    };
    pre[0] = pre_of(s.pre_spike);
    for (int k = 1; k < Rule::n_pre; ++k)
      pre[k] = pre_of(s.pre[k - 1]);
    post[0] = post_of(s.post_spike);
    for (int k = 1; k < Rule::n_post; ++k)
      post[k] = post_of(s.post[k - 1]);
  }

  // a term that a spike drives vanishes where the variables of the other side are zero
  vm pre_awake() const { return nonzero(pre + 1, Rule::n_pre - 1); }
  vm post_awake() const { return nonzero(post + 1, Rule::n_post - 1); }

private:
  static vm nonzero(const vr *x, int n) {
    vm found = none();
    for (int k = 0; k < n; ++k)
      found = found | (x[k] != vr(0.0f));
    return found;
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
  static bool sum_terms(const IndexedLearn &s, const Synapses16 &g, const vr *param, vr *term) {
    std::fill_n(term, n_terms, vr(0.0f));
    if constexpr (Rule::n_term == 0)
      return true;
    bool first_one = true, awake = false;
    for_batch<by_row>(s, g, [&](std::int32_t b) {
      Sides<Rule> sides;
      sides.template load<by_row>(s, g, b);
      const vm may_act =
          by_row ? sides.post_awake() | (sides.post[0] != vr(0.0f)) : sides.pre_awake();
      if (s.event_driven && !any(may_act))
        return;
      awake = true;
      for_terms([&](auto k) {
        const vr x = Traits::template term<k>(sides.pre, sides.post, vr(s.reward[b]), param);
        term[k] = first_one ? x : s.reduction == 2 ? maximum(term[k], x) : term[k] + x;
      });
      first_one = false;
    });
    if (s.reduction == 1)
      for (vr &t : std::span(term, n_terms))
        t = t / vr(static_cast<real>(s.batch));
    return awake || !s.event_driven;
  }

  static vr bound(const Synapses16 &g, Column c) { return c.len == 1 ? vr(*c.ptr) : g.load(c.ptr); }
  static vm masked(const Synapses16 &g, const std::uint8_t *mask) {
    std::uint8_t bytes[lanes] = {};
    for (int l = 0; l < g.count; ++l)
      bytes[l] = mask[g.place[l]];
    return load_mask(bytes);
  }

  template <bool by_row>
  static void learn(const IndexedLearn &s, const Synapses16 &g, const vr *param) {
    vm which = first(g.count);
    if (!by_row && s.event_driven)
      which = which & (gather(s.any_pre_spike, g.other, g.count) == vr(0.0f));
    vr term[n_terms], synapse[Rule::n_synapse];
    if (s.learning && !sum_terms<by_row>(s, g, param, term))
      return;
    for (int k = 0; k < Rule::n_synapse; ++k)
      synapse[k] = g.load(s.synapse[k]);
    const vr old = synapse[0];
    if (s.learning) {
      Rule::learn(synapse, term, param);
      for (int k = 1; k < Rule::n_synapse; ++k)
        g.store(s.synapse[k], synapse[k], which);
      if (s.decay != 1.0f)
        synapse[0] = synapse[0] * vr(s.decay);
      if (s.bounded)
        synapse[0] = minimum(maximum(synapse[0], bound(g, s.w_min)), bound(g, s.w_max));
    }
    if (s.zero)
      synapse[0] = where(masked(g, s.zero), vr(0.0f), synapse[0]);
    g.store(s.synapse[0], synapse[0], which);
    if (s.changed)
      for (unsigned set = bits((synapse[0] != old) & which); set; set &= set - 1)
        s.changed[neuron_of(by_row ? g.other[__builtin_ctz(set)] : g.own, s.n_post)] = 1;
  }

  struct Bounds {
    bool bounded, same;
    vr low, high;
    explicit Bounds(const IndexedLearn &s)
        : bounded(s.bounded), same(s.w_min.len == 1 && s.w_max.len == 1), low(*s.w_min.ptr),
          high(*s.w_max.ptr) {}
    vr clip(const IndexedLearn &s, const Synapses16 &g, vr w) const {
      if (!bounded)
        return w;
      return same ? minimum(maximum(w, low), high)
                  : minimum(maximum(w, bound(g, s.w_min)), bound(g, s.w_max));
    }
  };

  // new values of 16 synapses, from both sides, of a batch of one
  static void renew(const IndexedLearn &s, const Synapses16 &g, const Sides<Rule> &sides,
                    const vr *param, const Bounds &bounds, vr *synapse) {
    vr term[n_terms];
    for_terms([&](auto k) {
      term[k] = Traits::template term<k>(sides.pre, sides.post, vr(s.reward[0]), param);
    });
    for (int k = 0; k < Rule::n_synapse; ++k)
      synapse[k] = g.load(s.synapse[k]);
    Rule::learn(synapse, term, param);
    synapse[0] = bounds.clip(s, g, synapse[0]);
  }

  // A batch of one whose changes nobody counts.  Columns see both sides; where both neurons of a
  // synapse spiked, what its column gave is put back after the rows, so that those need not look
  // for spikes.
  static void learn_events(const IndexedLearn &s, const vr *param) {
    const Bounds bounds(s);
    std::int64_t n_both = 0;
    for_columns(s, [&](std::int64_t column) {
      for_column(s, column, [&](const Synapses16 &g) {
        Sides<Rule> sides;
        sides.template load<false>(s, g, 0);
        sides.post[0] = vr(1.0f);
        vr synapse[Rule::n_synapse];
        renew(s, g, sides, param, bounds, synapse);
        for (int k = 0; k < Rule::n_synapse; ++k)
          g.store(s.synapse[k], synapse[k], first(g.count));
        const vm met = (sides.pre[0] != vr(0.0f)) & first(g.count);
        for (unsigned set = bits(met); set; set &= set - 1, ++n_both) {
          const int l = __builtin_ctz(set);
          s.both[n_both] = g.place[l];
          for (int k = 0; k < Rule::n_synapse; ++k)
            s.both_value[n_both * Rule::n_synapse + k] = synapse[k].v[l];
        }
      });
    });
    for_rows(s, false, s.active, [&](std::int64_t row) {
      for_row(s, row, [&](const Synapses16 &g) {
        Sides<Rule> sides;
        sides.pre[0] = vr(1.0f);
        for (int k = 1; k < Rule::n_pre; ++k)
          sides.pre[k] = vr(s.pre[k - 1][g.own]);
        sides.post[0] = vr(0.0f);
        for (int k = 1; k < Rule::n_post; ++k)
          sides.post[k] = gather(s.post[k - 1], g.other, g.count);
        vr synapse[Rule::n_synapse];
        renew(s, g, sides, param, bounds, synapse);
        for (int k = 0; k < Rule::n_synapse; ++k)
          g.store(s.synapse[k], synapse[k], first(g.count));
      });
    });
    for (std::int64_t e = 0; e < n_both; ++e)
      for (int k = 0; k < Rule::n_synapse; ++k)
        s.synapse[k][s.both[e]] = s.both_value[e * Rule::n_synapse + k];
  }

public:
  // a postsynaptic spike changes its column, a presynaptic one its row; where they meet, the row
  // sees both
  static void learn(const IndexedLearn &s) {
    const Params param(s.param);
    const auto row = [&](std::int64_t i) {
      for_row(s, i, [&](const Synapses16 &g) { learn<true>(s, g, param.of); });
    };
    const auto column = [&](std::int64_t j) {
      for_column(s, j, [&](const Synapses16 &g) { learn<false>(s, g, param.of); });
    };
    if (s.event_driven && s.batch == 1 && !s.changed) {
      if constexpr (Rule::event_driven)
        learn_events(s, param.of);
    } else if (s.event_driven) {
      for_rows(s, false, s.active, row);
      for_columns(s, column);
    } else if (s.rows.place && s.columns.other) {
      // the weights of a column lie side by side more often than those of a row
      for (std::int64_t j = s.targets.begin; j < s.targets.end; ++j)
        column(j);
    } else {
      for_rows(s, true, {}, row);
    }
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
