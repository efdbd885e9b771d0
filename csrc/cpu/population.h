// SPDX-License-Identifier: Apache-2.0
// Skeleton of a population's step: groups of 16 neurons, the batch inside, so that what the batch
// shares stays in registers.
#pragma once

#include <algorithm>

#include "../kernels.h"
#include "../philox.h"

namespace fastsnn::inline FASTSNN_ISA {

inline vf load_n(const float *p, int count) { return count == lanes ? load(p) : load(p, count); }
inline void store_n(float *p, vf x, int count) {
  if (count == lanes)
    store(p, x);
  else
    store(p, x, count);
}
inline vf load_column(Column c, std::int64_t j, int count) {
  return c.len == 1 ? vf(*c.ptr) : load_n(c.ptr + j, count);
}

constexpr int at_least_one(int n) { return n > 0 ? n : 1; }

template <class Model> class PopulationSkeleton final : public PopulationKernel {
  // what a model may ask for besides its variables
  struct Context {
    const PopulationData &d;
    const Advance &a;
    std::int64_t j, row; // first neuron, offset of the batch element
    int count;

    vf rand(int draw) const {
      if (a.uniform && draw == 0)
        return load_n(a.uniform + row + j, count);
      u32x16 words[4];
      const u32x16 index = u32x16(lane_index) + static_cast<std::uint32_t>(row + j);
      philox(d.seed, d.stream, a.step, index, words);
      return uniform(words[draw & 3]);
    }
    vf dot(int kernel, int window) const {
      const Window &w = d.window[window];
      const float *weight = d.kernel[kernel].ptr;
      const std::int64_t slot_size = d.batch * d.n;
      vf total(0.0f);
      for (std::int32_t k = 0, slot = a.slot[window]; k < w.length; ++k) {
        slot = slot + 1 == w.length ? 0 : slot + 1;
        const vf product = vf(weight[k]) * load_n(w.ptr + slot * slot_size + row + j, count);
        total = k == 0 ? product : total + product;
      }
      return total;
    }
  };

  static vf sum_currents(const Current *c, std::int32_t n, std::int64_t j, int count) {
    vf sum(0.0f);
    for (std::int32_t k = 0; k < n; ++k) {
      vf part;
      if (c[k].row) {
        part = load_n(c[k].row + j, count);
      } else {
        const vm on = load_mask(c[k].gate + j, count);
        part = where(on, load_column(c[k].on, j, count), vf(c[k].off));
      }
      if (c[k].bias)
        part = part + load_n(c[k].bias + j, count);
      sum = k == 0 ? part : sum + part;
    }
    return sum;
  }

  // neurons that go through the batch together: few enough for what the batch shares to stay in
  // cache, enough for each batch element's rows to be read in one stream
  static constexpr int tile_groups = 16;

  struct Tile {
    vf param[tile_groups][at_least_one(Model::n_param)];
    vf shared[tile_groups][at_least_one(Model::n_shared)];
    vf n_spikes[tile_groups];
  };

  template <bool scalar>
  static void before(const PopulationData &d, Tile &tile, int g, std::int64_t j, int count) {
    for (int k = 0; k < Model::n_param && !scalar; ++k)
      tile.param[g][k] = load_column(d.param[k], j, count);
    for (int k = 0; k < Model::n_shared; ++k)
      tile.shared[g][k] = load_n(d.shared[k] + j, count);
    vf n_sent(0.0f);
    if constexpr (Model::uses_sent)
      for (std::int32_t b = 0; b < d.batch; ++b)
        n_sent = n_sent + ones(load_mask(d.spike + b * d.n + j, count));
    Model::before(tile.shared[g], n_sent, tile.param[scalar ? 0 : g]);
    tile.n_spikes[g] = vf(0.0f);
  }

  template <bool scalar>
  static void group(const PopulationData &d, const Advance &a, Tile &tile, int g, std::int64_t j,
                    int count, std::int32_t b) {
    const std::int64_t row = b * d.n, at = row + j;
    vf i_syn = sum_currents(a.currents[b], a.n_currents[b], j, count);
    vf state[at_least_one(Model::n_state)];
    for (int k = 0; k < Model::n_state; ++k)
      state[k] = load_n(d.state[k] + at, count);
    if constexpr (Model::v >= 0)
      if (a.inject_v)
        state[Model::v] = state[Model::v] + load_n(a.inject_v + j, count);
    vm last = none();
    if constexpr (Model::uses_spike || Model::n_window > 0)
      last = load_mask(d.spike + at, count);
    for (int k = 0; k < Model::n_window; ++k) {
      const Window &w = d.window[k];
      store_n(w.ptr + a.slot[k] * d.batch * d.n + at, w.of_spike ? ones(last) : i_syn, count);
    }
    const Context context{d, a, j, row, count};
    vm spike = Model::step(state, tile.shared[g], i_syn, last, tile.param[scalar ? 0 : g], context);
    for (int k = 0; k < Model::n_state; ++k)
      store_n(d.state[k] + at, state[k], count);
    if (d.x)
      store_n(d.x + at, load_n(d.x + at, count) * load_column(d.decay_x, j, count), count);
    if (d.summed)
      store_n(d.summed + at, load_n(d.summed + at, count) + i_syn, count);
    if (count < lanes)
      spike = spike & first(count);
    if (any(spike)) {
      std::int32_t *out = a.ids + b * a.ids_stride + a.range.begin + a.n_ids[b];
      a.n_ids[b] += compress(out, lane_index + static_cast<std::int32_t>(j), spike);
      tile.n_spikes[g] = tile.n_spikes[g] + ones(spike);
    }
  }

  static void after(const PopulationData &d, Tile &tile, int g, std::int64_t j, int count,
                    const vf *param) {
    Model::after(tile.shared[g], tile.n_spikes[g], param);
    for (int k = 0; k < Model::n_shared; ++k)
      store_n(d.shared[k] + j, tile.shared[g][k], count);
  }

  // `whole` groups of 16, then `rest` neurons
  template <bool scalar>
  static void neurons(const PopulationData &d, const Advance &a, Tile &tile, std::int64_t j,
                      int whole, int rest) {
    const std::int64_t last = j + whole * lanes;
    for (int g = 0; g < whole; ++g)
      before<scalar>(d, tile, g, j + g * lanes, lanes);
    if (rest)
      before<scalar>(d, tile, whole, last, rest);
    for (std::int32_t b = 0; b < d.batch; ++b) {
      for (int g = 0; g < whole; ++g)
        group<scalar>(d, a, tile, g, j + g * lanes, lanes, b);
      if (rest)
        group<scalar>(d, a, tile, whole, last, rest, b);
    }
    for (int g = 0; g < whole; ++g)
      after(d, tile, g, j + g * lanes, lanes, tile.param[scalar ? 0 : g]);
    if (rest)
      after(d, tile, whole, last, rest, tile.param[scalar ? 0 : whole]);
  }

  template <bool scalar> static void tiles(const PopulationData &d, const Advance &a) {
    Tile tile;
    for (int k = 0; k < Model::n_param && scalar; ++k)
      tile.param[0][k] = vf(*d.param[k].ptr);
    for (std::int32_t b = 0; b < d.batch; ++b)
      a.n_ids[b] = 0;
    constexpr std::int64_t width = (tile_groups - 1) * lanes;
    for (std::int64_t j = a.range.begin; j < a.range.end; j += width) {
      const std::int64_t n = std::min(width, a.range.end - j);
      neurons<scalar>(d, a, tile, j, static_cast<int>(n / lanes), static_cast<int>(n % lanes));
    }
  }

public:
  const char *name() const override { return Model::name; }
  int n_state() const override { return Model::n_state; }
  int n_shared() const override { return Model::n_shared; }
  int n_param() const override { return Model::n_param; }
  int n_window() const override { return Model::n_window; }
  int n_kernel() const override { return Model::n_kernel; }
  int learning() const override { return Model::learning; }
  int v() const override { return Model::v; }

  void advance(const PopulationData &d, const Advance &a) const override {
    bool scalar = true;
    for (int k = 0; k < Model::n_param; ++k)
      scalar = scalar && d.param[k].len == 1;
    if (scalar)
      tiles<true>(d, a);
    else
      tiles<false>(d, a);
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
