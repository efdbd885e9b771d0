// SPDX-License-Identifier: Apache-2.0
// Skeleton of a learning rule on a dense projection.  Event-driven: slabs of 16 columns, rows of
// presynaptic spikes; where a postsynaptic neuron of the slab spikes, every row that may change.
// Plain: every synapse.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "population.h"

namespace fastsnn::inline FASTSNN_ISA {

template <class Rule> class RuleSkeleton final : public RuleKernel {
  static constexpr int at_least_one(int n) { return n > 0 ? n : 1; }
  static constexpr int n_term_slots = at_least_one(Rule::n_term);
  static constexpr int n_param_slots = at_least_one(Rule::n_param);
  static constexpr int n_post_variables = Rule::n_post - 1;

  template <class F> static void for_terms(F f) {
    [&]<int... K>(std::integer_sequence<int, K...>) {
      (f(std::integral_constant<int, K>{}), ...);
    }(std::make_integer_sequence<int, Rule::n_term>{});
  }

  static void load_params(vf *param, const LearnStep &s) {
    for (int k = 0; k < Rule::n_param; ++k)
      param[k] = vf(s.param[k]);
  }

  // presynaptic side of neuron i of the batch element that begins at `row`
  static void load_pre(vf *pre, const LearnStep &s, std::int64_t at, float spike) {
    pre[0] = vf(spike);
    for (int k = 1; k < Rule::n_pre; ++k)
      pre[k] = vf(s.pre[k - 1][at]);
  }

  struct InPlace {
    const Slab &slab;
    vf load(std::int64_t row) const { return load_n(slab.base + row * slab.stride, slab.count); }
    void store(std::int64_t row, vf w) const {
      store_n(slab.base + row * slab.stride, w, slab.count);
    }
    vf variable(const float *p) const { return load_n(p + slab.ids[0], slab.count); }
    vm spikes(const std::uint8_t *p) const { return load_mask(p + slab.ids[0], slab.count); }
  };
  struct Packed {
    const Slab &slab;
    vf load(std::int64_t row) const { return fastsnn::FASTSNN_ISA::load(slab.base + row * lanes); }
    void store(std::int64_t row, vf w) const {
      fastsnn::FASTSNN_ISA::store(slab.base + row * lanes, w);
    }
    vf variable(const float *p) const {
      alignas(64) float x[lanes];
      for (int k = 0; k < lanes; ++k)
        x[k] = p[slab.ids[k]];
      return fastsnn::FASTSNN_ISA::load(x);
    }
    vm spikes(const std::uint8_t *p) const {
      alignas(16) std::uint8_t x[lanes];
      for (int k = 0; k < lanes; ++k)
        x[k] = p[slab.ids[k]];
      return load_mask(x) & first(slab.count);
    }
  };

  struct Bounds {
    vf low, high;
    bool bounded;
    vf clip(vf w) const { return bounded ? minimum(maximum(w, low), high) : w; }
  };

  template <class Columns>
  static void load_post(vf *post, const LearnStep &s, const Columns &columns, std::int64_t row) {
    for (int k = 0; k < n_post_variables; ++k)
      post[k + 1] = columns.variable(s.post[k] + row);
  }

  // a batch of one: learn the row, then add it to the current while it is in a register
  template <class Columns> static void learn_one(const LearnStep &s, Slab &slab) {
    const Columns columns{slab};
    const Bounds bounds{vf(s.w_min), vf(s.w_max), s.bounded};
    vf param[n_param_slots], pre[Rule::n_pre], post[Rule::n_post];
    load_params(param, s);
    const vf reward(s.reward[0]);
    load_post(post, s, columns, 0);
    vf sum(0.0f);
    vm changed = none();
    auto update = [&](std::int32_t row, const vf *term) {
      const vf old = columns.load(row);
      vf w = old;
      Rule::learn(&w, term, param);
      w = bounds.clip(w);
      changed = changed | (w != old);
      columns.store(row, w);
      return w;
    };
    if (slab.n_spiking == 0) {
      post[0] = vf(0.0f);
      for (std::int32_t r = 0; r < s.rows.n; ++r) {
        const std::int32_t row = s.rows.ptr[r];
        load_pre(pre, s, s.row_id ? s.row_id[row] : row, 1.0f);
        vf term[n_term_slots];
        for_terms([&](auto k) {
          term[k] = Rule::pre_driven[k] ? Rule::template term<k>(pre, post, reward, param) : vf(0.0f);
        });
        sum = sum + update(row, term);
      }
    } else {
      post[0] = ones(columns.spikes(s.post_spike));
      for (std::int32_t k = 0, r = 0; k < s.live.n; ++k) {
        const std::int32_t row = s.live.ptr ? s.live.ptr[k] : k;
        const std::int64_t i = s.row_id ? s.row_id[row] : row;
        const bool spike = r < s.rows.n && s.rows.ptr[r] == row;
        r += spike;
        if (!spike && !has_trace(s, 0, i))
          continue;
        load_pre(pre, s, i, spike ? 1.0f : 0.0f);
        vf term[n_term_slots];
        for_terms([&](auto k) { term[k] = Rule::template term<k>(pre, post, reward, param); });
        const vf w = update(row, term);
        if (spike)
          sum = sum + w;
      }
    }
    slab.changed |= static_cast<std::uint16_t>(bits(changed));
    if (s.current)
      for (std::int32_t k = 0; k < slab.count; ++k)
        s.current[slab.ids[k]] = sum.v[k];
  }

  // whether a presynaptic variable of neuron i is not zero; `row`: where its batch element begins
  static bool has_trace(const LearnStep &s, std::int64_t row, std::int64_t i) {
    bool found = Rule::n_pre == 1;
    for (int k = 1; k < Rule::n_pre; ++k)
      found = found || s.pre[k - 1][row + i] != 0.0f;
    return found;
  }

  template <class Columns>
  static void learn_batch(const LearnStep &s, Slab &slab, const std::int32_t *spiking) {
    const Columns columns{slab};
    const Bounds bounds{vf(s.w_min), vf(s.w_max), s.bounded};
    vf param[n_param_slots];
    load_params(param, s);
    // where all postsynaptic variables are zero a presynaptic spike changes nothing
    std::fill_n(s.awake, s.words, std::uint64_t(0));
    for (std::int32_t b = 0; b < s.batch; ++b) {
      vm nonzero = none();
      for (int k = 0; k < n_post_variables; ++k) {
        const vf x = columns.variable(s.post[k] + b * s.n_post);
        store(s.scratch + (b * n_post_variables + k) * lanes, x);
        nonzero = nonzero | (x != vf(0.0f));
      }
      s.awake[b >> 6] |= std::uint64_t(any(nonzero)) << (b & 63);
    }
    vm changed = none();
    const vf batch(static_cast<float>(s.batch));
    auto add = [&]<bool pre_driven>(vf *term, const vf *pre, vf post_spike, std::int32_t b) {
      vf post[Rule::n_post];
      post[0] = post_spike;
      for (int k = 0; k < n_post_variables; ++k)
        post[k + 1] = load(s.scratch + (b * n_post_variables + k) * lanes);
      for_terms([&](auto k) {
        if constexpr (Rule::pre_driven[k] == pre_driven)
          term[k] = term[k] + Rule::template term<k>(pre, post, vf(s.reward[b]), param);
      });
    };
    auto learn_pre = [&](vf *term, std::int32_t row, std::int64_t i) {
      bool any_awake = false;
      for (std::int32_t w = 0; w < s.words; ++w)
        for (std::uint64_t m = s.row_mask[row * s.words + w] & s.awake[w]; m; m &= m - 1) {
          const std::int32_t b = w * 64 + __builtin_ctzll(m);
          vf pre[Rule::n_pre];
          load_pre(pre, s, b * s.n_pre + i, 1.0f);
          add.template operator()<true>(term, pre, vf(0.0f), b);
          any_awake = true;
        }
      return any_awake;
    };
    auto learn_post = [&](vf *term, std::int64_t i) {
      bool any_trace = false;
      for (std::int32_t e = 0; e < slab.n_spiking; ++e) {
        const std::int32_t b = spiking[e];
        if (!has_trace(s, b * s.n_pre, i))
          continue;
        vf pre[Rule::n_pre];
        load_pre(pre, s, b * s.n_pre + i, 0.0f);
        const vf spikes = ones(columns.spikes(s.post_spike + b * s.n_post));
        add.template operator()<false>(term, pre, spikes, b);
        any_trace = true;
      }
      return any_trace;
    };
    auto update = [&](std::int32_t row, vf *term) {
      if (s.mean)
        for_terms([&](auto k) { term[k] = term[k] / batch; });
      const vf old = columns.load(row);
      vf w = old;
      Rule::learn(&w, term, param);
      w = bounds.clip(w);
      changed = changed | (w != old);
      columns.store(row, w);
    };
    if (slab.n_spiking == 0) {
      for (std::int32_t r = 0; r < s.rows.n; ++r) {
        const std::int32_t row = s.rows.ptr[r];
        vf term[n_term_slots] = {};
        if (learn_pre(term, row, s.row_id ? s.row_id[row] : row))
          update(row, term);
      }
    } else {
      for (std::int32_t k = 0; k < s.live.n; ++k) {
        const std::int32_t row = s.live.ptr ? s.live.ptr[k] : k;
        const std::int64_t i = s.row_id ? s.row_id[row] : row;
        vf term[n_term_slots] = {};
        const bool by_pre = learn_pre(term, row, i), by_post = learn_post(term, i);
        if (by_pre || by_post)
          update(row, term);
      }
    }
    slab.changed |= static_cast<std::uint16_t>(bits(changed));
  }

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
    vf term[n_term_slots], synapse[Rule::n_synapse];
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
  const char *name() const override { return Rule::name; }
  int n_synapse() const override { return Rule::n_synapse; }
  int n_pre() const override { return Rule::n_pre; }
  int n_post() const override { return Rule::n_post; }
  int n_pre_state() const override { return Rule::n_pre_state; }
  int n_post_state() const override { return Rule::n_post_state; }
  int n_param() const override { return Rule::n_param; }
  int reward() const override { return Rule::reward; }
  int lag() const override { return Rule::lag; }
  bool event_driven() const override { return Rule::event_driven; }

  bool pre_driven_reads_pre() const override {
    bool reads = false;
    const vf one(1.0f), nan(std::numeric_limits<float>::quiet_NaN());
    vf param[n_param_slots], pre[Rule::n_pre], post[Rule::n_post];
    for (vf &p : param)
      p = one;
    for (vf &p : pre)
      p = nan;
    for (vf &p : post)
      p = one;
    pre[0] = one;
    for_terms([&](auto k) {
      const vf x = Rule::template term<k>(pre, post, one, param);
      reads = reads || (Rule::pre_driven[k] && any(x != x));
    });
    return reads;
  }

  bool own_rests(bool post) const override {
    vf param[n_param_slots], own[at_least_one(Rule::n_pre_state + Rule::n_post_state)] = {};
    for (vf &p : param)
      p = vf(0.7f);
    if (post)
      Rule::advance_post(own, vf(0.0f), param);
    else
      Rule::advance_pre(own, vf(0.0f), param);
    bool rests = true;
    for (vf x : own)
      rests = rests && !any(x != vf(0.0f));
    return rests;
  }

  void learn([[maybe_unused]] const LearnStep &s, [[maybe_unused]] Slab *slabs,
             [[maybe_unused]] std::int32_t n_slabs) const override {
    if constexpr (Rule::event_driven)
      for (std::int32_t k = 0; k < n_slabs; ++k) {
        Slab &slab = slabs[k];
        const std::int32_t *spiking = s.spiking + k * s.batch;
        if (s.batch == 1)
          slab.packed ? learn_one<Packed>(s, slab) : learn_one<InPlace>(s, slab);
        else
          slab.packed ? learn_batch<Packed>(s, slab, spiking)
                      : learn_batch<InPlace>(s, slab, spiking);
      }
  }

  void learn_plain(const PlainLearn &s) const override {
    vf param[n_param_slots];
    for (int k = 0; k < Rule::n_param; ++k)
      param[k] = vf(s.param[k]);
    for (std::int64_t j = s.columns.begin; j < s.columns.end; j += lanes)
      learn_columns(s, param, j, static_cast<int>(std::min<std::int64_t>(lanes, s.columns.end - j)));
  }

  void advance_own(bool post, float *const *own, const std::uint8_t *spike, const float *params,
                   Range range) const override {
    vf param[n_param_slots], x[at_least_one(Rule::n_pre_state + Rule::n_post_state)];
    const int n_own = post ? Rule::n_post_state : Rule::n_pre_state;
    for (int k = 0; k < Rule::n_param; ++k)
      param[k] = vf(params[k]);
    for (std::int64_t j = range.begin; j < range.end; j += lanes) {
      const int count = static_cast<int>(std::min<std::int64_t>(lanes, range.end - j));
      const vf spikes = ones(load_mask(spike + j, count));
      for (int k = 0; k < n_own; ++k)
        x[k] = load_n(own[k] + j, count);
      if (post)
        Rule::advance_post(x, spikes, param);
      else
        Rule::advance_pre(x, spikes, param);
      for (int k = 0; k < n_own; ++k)
        store_n(own[k] + j, x[k], count);
    }
  }
};

// a projection without a rule: weight decay and masks still act on its weights
struct NoRule {
  static constexpr const char *name = "";
  static constexpr int n_term = 0, n_synapse = 1, n_pre = 1, n_post = 1, n_pre_state = 0,
                       n_post_state = 0, n_param = 0, reward = -1, lag = 0;
  static constexpr bool event_driven = false;
  static constexpr bool pre_driven[] = {false};
  template <int K, class T> static T term(const T *, const T *, T, const T *) { return T(0.0f); }
  template <class T> static void learn(T *, const T *, const T *) {}
  template <class T> static void advance_pre(T *, T, const T *) {}
  template <class T> static void advance_post(T *, T, const T *) {}
};

} // namespace fastsnn::inline FASTSNN_ISA
