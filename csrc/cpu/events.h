// SPDX-License-Identifier: Apache-2.0
// Event-driven learning: rows of presynaptic spikes across slabs of 16 columns, and columns of
// postsynaptic spikes along their rows.
#pragma once

#include "rule.h"

namespace fastsnn::inline FASTSNN_ISA {

template <class Rule> class Events : RuleTraits<Rule> {
  using Traits = RuleTraits<Rule>;
  using Traits::n_post_variables, Traits::n_terms;
  using typename Traits::Params;

  struct Bounds {
    vr low, high;
    bool bounded;
    explicit Bounds(const LearnStep &s) : low(s.w_min), high(s.w_max), bounded(s.bounded) {}
    vr clip(vr w) const { return bounded ? minimum(maximum(w, low), high) : w; }
  };

  template <bool packed> static real *row_of(const Slab &slab, std::int64_t row) {
    return slab.base + row * (packed ? lanes : slab.stride);
  }
  template <bool packed> static vr load_row(const Slab &slab, std::int64_t row) {
    return packed ? load(row_of<packed>(slab, row)) : load_n(row_of<packed>(slab, row), slab.count);
  }
  template <bool packed> static void store_row(const Slab &slab, std::int64_t row, vr w) {
    if (packed)
      store(row_of<packed>(slab, row), w);
    else
      store_n(row_of<packed>(slab, row), w, slab.count);
  }
  template <bool packed> static vr variable(const Slab &slab, const real *p) {
    if (!packed)
      return load_n(p + slab.ids[0], slab.count);
    vr x;
    for (int k = 0; k < lanes; ++k)
      x.v[k] = p[slab.ids[k]];
    return x;
  }

  // presynaptic side of one neuron with a spike; what no term reads may be changing by now
  template <class T> static void load_pre(T *pre, const LearnStep &s, std::int64_t at) {
    pre[0] = T(1.0f);
    for (int k = 1; k < Rule::n_pre; ++k)
      pre[k] = s.reads_pre ? T(s.pre[k - 1][at]) : T(0.0f);
  }

  // learn the row of S slabs; returns the new weights in w
  template <bool packed, int S>
  static void update(const LearnStep &s, Slab *const *slabs, std::int64_t row,
                     const vr (*term)[n_terms], const Params &param, const Bounds &bounds, vr *w,
                     vm *changed) {
    for (int k = 0; k < S; ++k) {
      vr mean[n_terms];
      for (int e = 0; e < n_terms; ++e)
        mean[e] = s.mean && s.batch > 1 ? term[k][e] / vr(static_cast<real>(s.batch)) : term[k][e];
      const vr old = load_row<packed>(*slabs[k], row);
      vr synapse[Rule::n_synapse] = {old};
      Rule::learn(synapse, mean, param.of);
      w[k] = bounds.clip(synapse[0]);
      changed[k] = changed[k] | (w[k] != old);
      store_row<packed>(*slabs[k], row, w[k]);
    }
  }

  static void note_changes(Slab &slab, vm changed) {
    slab.changed |= static_cast<std::uint16_t>(bits(changed)) & ~slab.spiking;
  }

  // a batch of one: learn the row, then add it to the current while it is in a register
  template <bool packed, int S> static void rows_of_one(const LearnStep &s, Slab *const *slabs) {
    const Params param(s.param);
    const Bounds bounds(s);
    const vr reward(s.reward[0]);
    vr post[S][Rule::n_post], sum[S];
    vm changed[S];
    for (int k = 0; k < S; ++k) {
      sum[k] = post[k][0] = vr(0.0f);
      changed[k] = none();
      for (int v = 0; v < n_post_variables; ++v)
        post[k][v + 1] = variable<packed>(*slabs[k], s.post[v]);
    }
    for (std::int32_t r = 0; r < s.rows.n; ++r) {
      const std::int64_t row = s.rows.ptr[r];
      vr pre[Rule::n_pre], term[S][n_terms], w[S];
      load_pre(pre, s, s.row_id ? s.row_id[row] : row);
      for (int k = 0; k < S; ++k) {
        std::fill_n(term[k], n_terms, vr(0.0f));
        Traits::template for_terms_driven<true>(
            [&](auto e) { term[k][e] = Traits::template term<e>(pre, post[k], reward, param.of); });
      }
      update<packed, S>(s, slabs, row, term, param, bounds, w, changed);
      for (int k = 0; k < S; ++k)
        sum[k] = sum[k] + w[k];
    }
    for (int k = 0; k < S; ++k) {
      note_changes(*slabs[k], changed[k]);
      if (s.current)
        for (std::int32_t l = 0; l < slabs[k]->count; ++l)
          s.current[slabs[k]->ids[l]] = sum[k].v[l];
    }
  }

  // postsynaptic variables of every batch element; returns how many have one that is not zero
  template <bool packed, int S> static int load_variables(const LearnStep &s, Slab *const *slabs) {
    int n_awake = 0;
    std::fill_n(s.awake, s.words, std::uint64_t(0));
    for (std::int32_t b = 0; b < s.batch; ++b) {
      vm nonzero = none();
      real *out = s.variables + b * n_post_variables * S * lanes;
      for (int v = 0; v < n_post_variables; ++v)
        for (int k = 0; k < S; ++k) {
          const vr x = variable<packed>(*slabs[k], s.post[v] + b * s.n_post);
          store(out + (v * S + k) * lanes, x);
          nonzero = nonzero | (x != vr(0.0f));
        }
      s.awake[b >> 6] |= std::uint64_t(any(nonzero)) << (b & 63);
      n_awake += any(nonzero);
    }
    return n_awake;
  }

  // where all postsynaptic variables are zero a presynaptic spike changes nothing
  template <bool packed, int S> static void rows_of_batch(const LearnStep &s, Slab *const *slabs) {
    if (load_variables<packed, S>(s, slabs) == 0)
      return;
    const Params param(s.param);
    const Bounds bounds(s);
    vm changed[S];
    std::fill_n(changed, S, none());
    const auto add = [&](vr(*term)[n_terms], std::int64_t i, std::int32_t b) {
      const real *variables = s.variables + b * n_post_variables * S * lanes;
      vr pre[Rule::n_pre];
      load_pre(pre, s, b * s.n_pre + i);
      for (int k = 0; k < S; ++k) {
        vr post[Rule::n_post];
        post[0] = vr(0.0f);
        for (int v = 0; v < n_post_variables; ++v)
          post[v + 1] = load(variables + (v * S + k) * lanes);
        Traits::template for_terms_driven<true>([&](auto e) {
          term[k][e] = term[k][e] + Traits::template term<e>(pre, post, vr(s.reward[b]), param.of);
        });
      }
    };
    for (std::int32_t r = 0; r < s.rows.n; ++r) {
      const std::int64_t row = s.rows.ptr[r], i = s.row_id ? s.row_id[row] : row;
      vr term[S][n_terms] = {}, w[S];
      bool any_awake = false;
      for (std::int32_t word = 0; word < s.words; ++word)
        for (std::uint64_t m = s.row_mask[row * s.words + word] & s.awake[word]; m; m &= m - 1) {
          add(term, i, word * 64 + __builtin_ctzll(m));
          any_awake = true;
        }
      if (any_awake)
        update<packed, S>(s, slabs, row, term, param, bounds, w, changed);
    }
    for (int k = 0; k < S; ++k)
      note_changes(*slabs[k], changed[k]);
  }

  // terms of one column that presynaptic spikes drive, in s.terms at the positions of their rows
  static void column_terms(const LearnStep &s, const SpikingColumn &c, std::int64_t stride) {
    const auto add = [&](std::int64_t row, std::int32_t b) {
      real pre[Rule::n_pre], post[Rule::n_post];
      load_pre(pre, s, b * s.n_pre + (s.row_id ? s.row_id[row] : row));
      post[0] = 0.0f;
      for (int v = 0; v < n_post_variables; ++v)
        post[v + 1] = s.post[v][b * s.n_post + c.id];
      real *terms = s.terms + (s.position ? s.position[row] : row);
      Traits::template for_terms_driven<true>([&](auto e) {
        terms[e * stride] += Traits::template term<e>(pre, post, s.reward[b], s.param);
      });
    };
    for (std::int32_t b = 0; b < s.batch; ++b) {
      bool awake = false;
      for (int v = 0; v < n_post_variables; ++v)
        awake = awake || s.post[v][b * s.n_post + c.id] != 0.0f;
      for (std::int32_t k = 0; k < s.lists[b].n && awake; ++k)
        add(s.lists[b].ptr[k], b);
    }
  }

public:
  static void learn_column(const LearnStep &s, Slab &slab, const SpikingColumn &c, real *after) {
    const Params param(s.param);
    const Bounds bounds(s);
    const std::int64_t stride = padded(s.live.n);
    column_terms(s, c, stride);
    real *column = slab.base + c.lane;
    vm changed = none();
    for (std::int32_t p = 0; p < s.live.n; p += lanes) {
      const int count = std::min(lanes, s.live.n - p);
      std::int64_t row[lanes], id[lanes];
      vr old(0.0f);
      for (int l = 0; l < count; ++l) {
        row[l] = s.live.ptr ? s.live.ptr[p + l] : p + l;
        id[l] = s.row_id ? s.row_id[row[l]] : row[l];
        old.v[l] = column[row[l] * slab.stride];
      }
      vr term[n_terms] = {};
      Traits::template for_terms_driven<true>([&](auto e) {
        term[e] = load(s.terms + e * stride + p);
        store(s.terms + e * stride + p, vr(0.0f));
      });
      for (std::int32_t e = 0; e < c.n; ++e) {
        const std::int32_t b = c.batch[e];
        vr pre[Rule::n_pre], post[Rule::n_post];
        pre[0] = vr(0.0f);
        for (int k = 1; k < Rule::n_pre; ++k) {
          pre[k] = vr(0.0f);
          for (int l = 0; l < count; ++l)
            pre[k].v[l] = s.pre[k - 1][b * s.n_pre + id[l]];
        }
        post[0] = vr(1.0f);
        for (int v = 0; v < n_post_variables; ++v)
          post[v + 1] = vr(s.post[v][b * s.n_post + c.id]);
        Traits::template for_terms_driven<false>([&](auto k) {
          term[k] = term[k] + Traits::template term<k>(pre, post, vr(s.reward[b]), param.of);
        });
      }
      if (s.mean && s.batch > 1)
        for (vr &t : term)
          t = t / vr(static_cast<real>(s.batch));
      vr synapse[Rule::n_synapse] = {old};
      Rule::learn(synapse, term, param.of);
      const vr w = bounds.clip(synapse[0]);
      changed = changed | ((w != old) & first(count));
      for (int l = 0; l < count; ++l)
        column[row[l] * slab.stride] = w.v[l];
    }
    if (any(changed))
      slab.changed |= static_cast<std::uint16_t>(1u << c.lane);
    for (std::int32_t r = 0; r < s.rows.n; ++r)
      after[r] = column[s.rows.ptr[r] * slab.stride];
  }

  template <bool packed, int S> static void rows_of(const LearnStep &s, Slab *const *slabs) {
    if (s.batch == 1)
      rows_of_one<packed, S>(s, slabs);
    else
      rows_of_batch<packed, S>(s, slabs);
  }

  template <bool packed>
  static void learn_rows(const LearnStep &s, Slab *const *slabs, std::int32_t n_slabs) {
    std::int32_t k = 0;
    for (; k + 4 <= n_slabs; k += 4)
      rows_of<packed, 4>(s, slabs + k);
    for (; k + 2 <= n_slabs; k += 2)
      rows_of<packed, 2>(s, slabs + k);
    for (; k < n_slabs; ++k)
      rows_of<packed, 1>(s, slabs + k);
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
