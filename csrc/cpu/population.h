// SPDX-License-Identifier: Apache-2.0
// Skeleton of a population's step: groups of 16 neurons, the batch inside, so that what the batch
// shares stays in registers.
#pragma once

#include <algorithm>
#include <type_traits>

#include "../kernels.h"
#include "../philox16.h"

namespace fastsnn::inline FASTSNN_ISA {

inline vr load_n(const real *p, int count) { return count == lanes ? load(p) : load(p, count); }
inline void store_n(real *p, vr x, int count) {
  if (count == lanes)
    store(p, x);
  else
    store(p, x, count);
}
inline vr load_column(Column c, std::int64_t j, int count) {
  return c.len == 1 ? vr(*c.ptr) : load_n(c.ptr + j, count);
}

#define FASTSNN_IN_PLACE __attribute__((always_inline))

constexpr int at_least_one(int n) { return n > 0 ? n : 1; }

template <class Model> class PopulationSkeleton final : public PopulationKernel {
  static constexpr int n_ports = 1 + Model::n_receptor;

  // what arrives at a port, if that is one row, or whole numbers
  struct Port {
    const real *row = nullptr;
    std::int32_t *whole = nullptr;
    real grain = 0.0f;
  };

  // what one batch element needs, in registers instead of behind pointers
  struct Row {
    real *state[at_least_one(Model::n_state)], *x, *summed;
    const real *inject_v;
    Port port[n_ports];
    std::int32_t *ids;
    std::int32_t n_ids;
    Column decay_x;

    Row(const PopulationData &d, const Advance &a, std::int32_t b)
        : x(d.x ? d.x + b * d.n : nullptr), summed(d.summed ? d.summed + b * d.n : nullptr),
          inject_v(a.inject_v), ids(a.ids + b * a.ids_stride + a.first), n_ids(a.n_ids[b]),
          decay_x(d.decay_x) {
      for (int k = 0; k < Model::n_state; ++k)
        state[k] = d.state[k] + b * d.n;
      for (int k = 0; k < n_ports; ++k)
        if (const std::int64_t at = k * static_cast<std::int64_t>(d.batch) + b; a.n_currents[at])
          port[k] = {a.currents[at]->row, a.currents[at]->whole, a.currents[at]->grain};
    }
  };

  // what a model may ask for besides its variables
  template <bool simple> struct Context {
    const PopulationData &d;
    const Advance &a;
    const Row &r;
    std::int64_t j, row; // first neuron, offset of the batch element
    int count;
    std::int32_t b;

    [[gnu::always_inline]] vr receptor(int k) const { return arriving(*this, k + 1); }
    vr rand(int draw) const {
      if (a.uniform && draw == 0)
        return load_n(a.uniform + row + j, count);
      u32x16 words[4];
      const u32x16 index = u32x16(lane_index) + static_cast<std::uint32_t>(row + j);
      philox(d.seed, d.stream, a.step, index, words);
      return uniform(words[draw & 3]);
    }
    vr dot(int kernel, int window) const {
      const Window &w = d.window[window];
      const real *weight = d.kernel[kernel].ptr;
      const std::int64_t slot_size = d.batch * d.n;
      vr total(0.0f);
      for (std::int32_t k = 0, slot = a.slot[window]; k < w.length; ++k) {
        slot = slot + 1 == w.length ? 0 : slot + 1;
        const vr product = vr(weight[k]) * load_n(w.ptr + slot * slot_size + row + j, count);
        total = k == 0 ? product : total + product;
      }
      return total;
    }
  };

  // whole numbers are padded to groups; not memcpy, after which all pointers would be read again
  [[gnu::always_inline]] static vr take(std::int32_t *sums, real grain, std::int64_t j) {
    auto &whole = *reinterpret_cast<i32x16_anywhere *>(sums + j);
    const i32x16 taken = whole;
    whole = i32x16{};
    return vr::from(taken) * vr(grain);
  }

  // simple: at every port arrives a row, or whole numbers, or nothing
  static bool is_simple(const Advance &a, std::int64_t batch) {
    bool simple = true;
    for (std::int64_t at = 0; at < n_ports * batch; ++at) {
      const Current &c = *a.currents[at];
      simple = simple &&
               (a.n_currents[at] == 0 || (a.n_currents[at] == 1 && !c.bias && (c.row || c.whole)));
    }
    return simple;
  }

  template <bool simple>
  [[gnu::always_inline]] static vr arriving(const Context<simple> &at, int port) {
    if constexpr (!simple) {
      const std::int64_t of = port * static_cast<std::int64_t>(at.d.batch) + at.b;
      if (at.a.n_currents[of] == 0)
        return vr(0.0f);
      return sum(at.a.currents[of], at.a.n_currents[of], at.j, at.count);
    }
    const Port &p = at.r.port[port];
    if (p.whole)
      return take(p.whole, p.grain, at.j);
    return p.row ? load_n(p.row + at.j, at.count) : vr(0.0f);
  }

  // what is called leaves no vector in its register
  static vr sum(const Current *c, std::int32_t n, std::int64_t j, int count) {
    vr total(0.0f);
    for (std::int32_t k = 0; k < n; ++k) {
      vr part;
      if (c[k].row) {
        part = load_n(c[k].row + j, count);
      } else if (c[k].whole) {
        part = take(c[k].whole, c[k].grain, j);
      } else {
        const vm on = load_mask(c[k].gate + j, count);
        part = where(on, load_column(c[k].on, j, count), vr(c[k].off));
      }
      if (c[k].bias)
        part = part + load_n(c[k].bias + j, count);
      total = k == 0 ? part : total + part;
    }
    return total;
  }

  // neurons that go through the batch together: few enough for what the batch shares to stay in
  // cache, enough for each batch element's rows to be read in one stream
  static constexpr int tile_groups = 16;

  struct Tile {
    vr param[tile_groups][at_least_one(Model::n_param)];
    vr shared[tile_groups][at_least_one(Model::n_shared)];
    vr n_spikes[tile_groups];
  };

  // parameters of a group: what all neurons have in common is read once
  template <bool scalar> struct Params {
    vr of[at_least_one(Model::n_param)] = {};
    int n_varied = 0, varied[at_least_one(Model::n_param)];
    const real *from[at_least_one(Model::n_param)];

    explicit Params(const PopulationData &d) {
      for (int k = 0; k < Model::n_param; ++k)
        if (scalar || d.param[k].len == 1) {
          of[k] = vr(*d.param[k].ptr);
        } else {
          from[n_varied] = d.param[k].ptr;
          varied[n_varied++] = k;
        }
    }
    [[gnu::always_inline]] void load(std::int64_t j, int count) {
      for (int k = 0; k < n_varied && !scalar; ++k)
        of[varied[k]] = load_n(from[k] + j, count);
    }
  };

  [[gnu::always_inline]] static void before(const PopulationData &d, const vr *param, vr *shared,
                                            std::int64_t j, int count) {
    for (int k = 0; k < Model::n_shared; ++k)
      shared[k] = load_n(d.shared[k] + j, count);
    vr n_sent(0.0f);
    if constexpr (Model::uses_sent)
      for (std::int32_t b = 0; b < d.batch; ++b)
        n_sent = n_sent + ones(load_mask(d.spike + b * d.n + j, count));
    Model::before(shared, n_sent, param);
  }

  template <bool simple>
  [[gnu::always_inline]] static void group(const PopulationData &d, const Advance &a,
                                           const vr *param, const vr *shared, vr &n_spikes, Row &r,
                                           std::int64_t j, int count, std::int32_t b) {
    const std::int64_t row = b * d.n, at = row + j;
    const Context<simple> context{d, a, r, j, row, count, b};
    vr i_syn = arriving(context, 0);
    vr state[at_least_one(Model::n_state)];
    for (int k = 0; k < Model::n_state; ++k)
      state[k] = load_n(r.state[k] + j, count);
    if constexpr (Model::v >= 0)
      if (r.inject_v)
        state[Model::v] = state[Model::v] + load_n(r.inject_v + j, count);
    vm last = none();
    if constexpr (Model::uses_spike || Model::n_window > 0)
      last = load_mask(d.spike + at, count);
    for (int k = 0; k < Model::n_window; ++k) {
      const Window &w = d.window[k];
      store_n(w.ptr + a.slot[k] * d.batch * d.n + at, w.of_spike ? ones(last) : i_syn, count);
    }
    vm spike = Model::step(state, shared, i_syn, last, param, context);
    for (int k = 0; k < Model::n_state; ++k)
      store_n(r.state[k] + j, state[k], count);
    if (r.x)
      store_n(r.x + j, load_n(r.x + j, count) * load_column(r.decay_x, j, count), count);
    if (r.summed)
      store_n(r.summed + j, load_n(r.summed + j, count) + i_syn, count);
    if (count < lanes)
      spike = spike & first(count);
    if (any(spike)) [[unlikely]] {
      r.n_ids += compress(r.ids + r.n_ids, lane_index + static_cast<std::int32_t>(j), spike);
      n_spikes = n_spikes + ones(spike);
    }
  }

  [[gnu::always_inline]] static void after(const PopulationData &d, const vr *param, vr *shared,
                                           vr n_spikes, std::int64_t j, int count) {
    Model::after(shared, n_spikes, param);
    for (int k = 0; k < Model::n_shared; ++k)
      store_n(d.shared[k] + j, shared[k], count);
  }

  // Copies of a step for what is most common: whole groups, and one thing at most that arrives at a
  // port.  They stand in place, for a call would pass vectors through memory.  Where 16 numbers are
  // many registers, copies take longer in compiling than they are worth.
  static constexpr bool has_copies = sizeof(real) == sizeof(float);

  // f(group of the range, first neuron) of whole groups; returns what is left
  template <class F> [[gnu::always_inline]] static Range for_whole_groups(Range range, F f) {
    std::int64_t j = range.begin;
    for (int g = 0; j + lanes <= range.end; j += lanes)
      f(g++, j);
    return {j, range.end};
  }

  // f(group of the range, first neuron, how many neurons)
  template <class F> static void for_groups(Range range, F f) {
    int g = 0;
    for (std::int64_t j = range.begin; j < range.end; j += lanes)
      f(g++, j, static_cast<int>(std::min<std::int64_t>(lanes, range.end - j)));
  }

  // a group in a batch of one: nothing leaves the registers between the three parts
  template <bool scalar, bool simple>
  [[gnu::always_inline]] static void alone(const PopulationData &d, const Advance &a,
                                           Params<scalar> &param, Row &r, std::int64_t j,
                                           int count) {
    vr shared[at_least_one(Model::n_shared)], n_spikes(0.0f);
    param.load(j, count);
    before(d, param.of, shared, j, count);
    group<simple>(d, a, param.of, shared, n_spikes, r, j, count, 0);
    after(d, param.of, shared, n_spikes, j, count);
  }

  template <bool scalar>
  static Range whole_groups_alone(const PopulationData &d, const Advance &a, Row &given) {
    Params<scalar> param(d);
    Row r = given;
    const Range left = for_whole_groups(a.range, [&](int, std::int64_t j) FASTSNN_IN_PLACE {
      alone<scalar, true>(d, a, param, r, j, lanes);
    });
    given.n_ids = r.n_ids;
    return left;
  }

  static void single(const PopulationData &d, const Advance &a, bool scalar) {
    Row r(d, a, 0);
    Range left = a.range;
    if constexpr (has_copies)
      if (is_simple(a, 1))
        left = scalar ? whole_groups_alone<true>(d, a, r) : whole_groups_alone<false>(d, a, r);
    if (!left.empty()) {
      Params<false> param(d);
      for_groups(left, [&](int, std::int64_t j, int count) {
        alone<false, false>(d, a, param, r, j, count);
      });
    }
    a.n_ids[0] = r.n_ids;
  }

  // param of group g of the tile: tile.param[g * step]
  static Range whole_groups_of_row(const PopulationData &d, const Advance &a, Tile &tile, int step,
                                   Range range, std::int32_t b, Row &given) {
    Row r = given;
    const Range left = for_whole_groups(range, [&](int g, std::int64_t j) FASTSNN_IN_PLACE {
      group<true>(d, a, tile.param[g * step], tile.shared[g], tile.n_spikes[g], r, j, lanes, b);
    });
    given.n_ids = r.n_ids;
    return left;
  }

  static void row(const PopulationData &d, const Advance &a, Tile &tile, int step, Range range,
                  std::int32_t b, bool simple) {
    Row r(d, a, b);
    Range left = range;
    if constexpr (has_copies)
      if (simple)
        left = whole_groups_of_row(d, a, tile, step, range, b, r);
    const int done = static_cast<int>((left.begin - range.begin) / lanes);
    for_groups(left, [&](int k, std::int64_t j, int count) {
      const int g = done + k;
      group<false>(d, a, tile.param[g * step], tile.shared[g], tile.n_spikes[g], r, j, count, b);
    });
    a.n_ids[b] = r.n_ids;
  }

  static void rows(const PopulationData &d, const Advance &a, bool scalar) {
    const bool simple = is_simple(a, d.batch);
    const int step = scalar ? 0 : 1;
    Tile tile;
    for (int k = 0; k < Model::n_param && scalar; ++k)
      tile.param[0][k] = vr(*d.param[k].ptr);
    constexpr std::int64_t width = tile_groups * lanes;
    for (std::int64_t first = a.range.begin; first < a.range.end; first += width) {
      const Range range = {first, std::min(first + width, a.range.end)};
      for_groups(range, [&](int g, std::int64_t j, int count) {
        vr *const param = tile.param[g * step];
        for (int k = 0; k < Model::n_param && !scalar; ++k)
          param[k] = load_column(d.param[k], j, count);
        before(d, param, tile.shared[g], j, count);
        tile.n_spikes[g] = vr(0.0f);
      });
      for (std::int32_t b = 0; b < d.batch; ++b)
        row(d, a, tile, step, range, b, simple);
      for_groups(range, [&](int g, std::int64_t j, int count) {
        after(d, tile.param[g * step], tile.shared[g], tile.n_spikes[g], j, count);
      });
    }
  }

public:
  const char *name() const override { return Model::name; }
  int n_state() const override { return Model::n_state; }
  int n_shared() const override { return Model::n_shared; }
  int n_param() const override { return Model::n_param; }
  int n_receptor() const override { return Model::n_receptor; }
  int n_window() const override { return Model::n_window; }
  int n_kernel() const override { return Model::n_kernel; }
  int learning() const override { return Model::learning; }
  int v() const override { return Model::v; }

  void advance(const PopulationData &d, const Advance &a) const override {
    bool scalar = true;
    for (int k = 0; k < Model::n_param; ++k)
      scalar = scalar && d.param[k].len == 1;
    d.batch == 1 ? single(d, a, scalar) : rows(d, a, scalar);
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
