// SPDX-License-Identifier: Apache-2.0
// The kernels of one instruction set: built-in models by name, and code that knows no model.
#include "compartments.h"
#include "dense.h"
#include "models.gen.h"
#include "sparse.h"
#include "synapses.h"

namespace fastsnn::inline FASTSNN_ISA {
namespace {

template <class... Models>
const PopulationKernel *find_population(models::List<Models...>,
                                        [[maybe_unused]] const char *name) {
  const PopulationKernel *found = nullptr;
  (
      [&] {
        static const PopulationSkeleton<Models> kernel;
        if (std::strcmp(name, Models::name) == 0)
          found = &kernel;
      }(),
      ...);
  return found;
}

template <class... Models> const RuleKernel *find_rule(models::List<Models...>, const char *name) {
  const RuleKernel *found = nullptr;
  (
      [&] {
        static const RuleSkeleton<Models> kernel;
        if (std::strcmp(name, Models::name) == 0)
          found = &kernel;
      }(),
      ...);
  return found;
}

const PopulationKernel *population(const char *name) {
  const PopulationKernel *found = find_population(models::Neurons{}, name);
  return found ? found : find_population(models::NeuronsWithReceptors{}, name);
}

const RuleKernel *rule(const char *name) {
  static const RuleSkeleton<NoRule> no_rule;
  if (!*name)
    return &no_rule;
  const RuleKernel *found = find_rule(models::Rules{}, name);
  return found ? found : find_rule(models::HostRules{}, name);
}

void encode(Encode &e) {
  std::int32_t n[4] = {};
  for (std::int32_t k = 0; k < e.n; k += lanes) {
    u32x16 id, last, words[4];
    std::memcpy(&id, e.id + k, sizeof id);
    std::memcpy(&last, e.last_word + k, sizeof last);
    philox(e.seed, e.stream, e.quad, id + e.offset, words);
    const vm valid = first(e.n - k < lanes ? e.n - k : lanes);
    for (int q = 0; q < 4; ++q)
      n[q] += compress(e.out[q] + n[q], i32x16(id), at_most(words[q], last) & valid);
  }
  for (int q = 0; q < 4; ++q)
    e.n_out[q] = n[q];
}

template <int vectors>
void deliver_tile(const real *w, std::int64_t stride, Ids rows, real *out, int last_count) {
  vr sum[vectors];
  for (vr &s : sum)
    s = vr(0.0f);
  for (std::int32_t r = 0; r < rows.n; ++r) {
    const real *row = w + rows.ptr[r] * stride;
    for (int v = 0; v + 1 < vectors; ++v)
      sum[v] = sum[v] + load(row + v * lanes);
    sum[vectors - 1] = sum[vectors - 1] + load_n(row + (vectors - 1) * lanes, last_count);
  }
  for (int v = 0; v < vectors; ++v)
    store(out + v * lanes, sum[v]);
}

void deliver(const real *w, std::int64_t stride, Ids rows, real *out, std::int64_t columns) {
  std::int64_t j = 0;
  for (; j + 4 * lanes <= columns; j += 4 * lanes)
    deliver_tile<4>(w + j, stride, rows, out + j, lanes);
  for (; j + lanes <= columns; j += lanes)
    deliver_tile<1>(w + j, stride, rows, out + j, lanes);
  if (j < columns)
    deliver_tile<1>(w + j, stride, rows, out + j, static_cast<int>(columns - j));
}

template <int vectors>
void deliver_lists_of(const real *packed, const Ids *lists, std::int64_t n_lists, real *out,
                      std::int64_t out_stride) {
  for (std::int64_t k = 0; k < n_lists; ++k) {
    vr sum[vectors];
    for (vr &s : sum)
      s = vr(0.0f);
    for (std::int32_t r = 0; r < lists[k].n; ++r) {
      const real *row = packed + lists[k].ptr[r] * std::int64_t(4 * lanes);
      for (int v = 0; v < vectors; ++v)
        sum[v] = sum[v] + load(row + v * lanes);
    }
    for (int v = 0; v < vectors; ++v)
      store(out + k * out_stride + v * lanes, sum[v]);
  }
}

void deliver_lists(const real *packed, const Ids *lists, std::int64_t n_lists, real *out,
                   std::int64_t out_stride, int vectors) {
  constexpr decltype(&deliver_lists_of<1>) by_width[] = {deliver_lists_of<1>, deliver_lists_of<2>,
                                                         deliver_lists_of<3>, deliver_lists_of<4>};
  by_width[vectors - 1](packed, lists, n_lists, out, out_stride);
}

template <int n> void deliver_slabs_of(const Slab *slabs, Ids rows, real *out) {
  vr sum[n];
  for (vr &s : sum)
    s = vr(0.0f);
  for (std::int32_t r = 0; r < rows.n; ++r)
    for (int k = 0; k < n; ++k)
      sum[k] = sum[k] + load(slabs[k].base + rows.ptr[r] * std::int64_t(lanes));
  for (int k = 0; k < n; ++k)
    for (std::int32_t l = 0; l < slabs[k].count; ++l)
      out[slabs[k].ids[l]] = sum[k].v[l];
}

void deliver_slabs(const Slab *slabs, std::int32_t n_slabs, Ids rows, real *out) {
  std::int32_t k = 0;
  for (; k + 4 <= n_slabs; k += 4)
    deliver_slabs_of<4>(slabs + k, rows, out);
  for (; k < n_slabs; ++k)
    deliver_slabs_of<1>(slabs + k, rows, out);
}

void pack(const real *w, std::int64_t stride, Ids rows, real *packed, std::int64_t columns) {
  for (std::int32_t r = 0; r < rows.n; ++r) {
    const real *row = w + rows.ptr[r] * stride;
    real *out = packed + r * std::int64_t(4 * lanes);
    if (columns == 4 * lanes) {
      for (int v = 0; v < 4; ++v) {
        store(out + v * lanes, load(row + v * lanes));
        // the next tile arrives while this one is summed
        __builtin_prefetch(row + (4 + v) * lanes, 0, 2);
      }
      continue;
    }
    for (std::int64_t j = 0; j < columns; j += lanes)
      store(out + j, load_n(row + j, static_cast<int>(columns - j < lanes ? columns - j : lanes)));
  }
}

template <bool placed>
void deliver_rows(const real *w, const SynapseLists &rows, Ids spikes, real *out) {
  for (std::int32_t k = 0; k < spikes.n; ++k) {
    const std::int64_t last = rows.last[spikes.ptr[k]];
    for (std::int64_t at = rows.first[spikes.ptr[k]]; at < last; ++at)
      out[rows.other[at]] += w[placed ? rows.place[at] : at];
  }
}

void deliver_scaled(const real *w, const SynapseLists &rows, Ids spikes, const real *scale,
                    real *out) {
  for (std::int32_t k = 0; k < spikes.n; ++k) {
    const std::int64_t last = rows.last[spikes.ptr[k]];
    for (std::int64_t at = rows.first[spikes.ptr[k]]; at < last; ++at)
      out[rows.other[at]] += w[at] * scale[spikes.ptr[k]];
  }
}

void deliver_indexed(const real *w, const SynapseLists &rows, Ids spikes, const real *scale,
                     real *out) {
  if (scale)
    deliver_scaled(w, rows, spikes, scale, out);
  else if (rows.place)
    deliver_rows<true>(w, rows, spikes, out);
  else
    deliver_rows<false>(w, rows, spikes, out);
}

// f(first element, how many) of every group of a range
template <class F> void for_groups(Range range, F f) {
  std::int64_t j = range.begin;
  for (; j + lanes <= range.end; j += lanes)
    f(j, lanes);
  if (j < range.end)
    f(j, static_cast<int>(range.end - j));
}

void decay(real *x, Column column, Range range) {
  for_groups(range, [&](std::int64_t j, int count) {
    store_n(x + j, load_n(x + j, count) * load_column(column, j, count), count);
  });
}

void decay_rates(real *rate, real decay, std::int64_t n) {
  for_groups({0, n}, [&](std::int64_t j, int count) {
    const vr x = load_n(rate + j, count);
    store_n(rate + j, x - x * vr(decay), count);
  });
}

bool any_nonzero(const real *x, std::int64_t n) {
  vm found = none();
  for_groups({0, n}, [&](std::int64_t j, int count) {
    found = found | (load_n(x + j, count) != vr(0.0f));
  });
  return any(found);
}

unsigned normalise(real *w, std::int64_t stride, std::int64_t n_pre, int count,
                   const std::uint8_t *changed, real norm, real w_min, real w_max) {
  vr sum(0.0f);
  for (std::int64_t i = 0; i < n_pre; ++i)
    sum = sum + abs(load_n(w + i * stride, count));
  sum = where(sum == vr(0.0f), vr(1.0f), sum);
  const vr factor = where(load_mask(changed, count), vr(norm) / sum, vr(1.0f));
  vm outside = none();
  for (std::int64_t i = 0; i < n_pre; ++i) {
    const vr x = load_n(w + i * stride, count) * factor;
    outside = outside | (x < vr(w_min)) | (x > vr(w_max));
    store_n(w + i * stride, x, count);
  }
  return bits(outside & first(count));
}

} // namespace

#define FASTSNN_TEXT(x) #x
#define FASTSNN_NAME(x) FASTSNN_TEXT(x)

const Kernels &kernels() {
  static const Kernels all = {FASTSNN_NAME(FASTSNN_ISA),
                              population,
                              rule,
                              encode,
                              deliver,
                              deliver_lists,
                              deliver_slabs,
                              deliver_indexed,
                              deliver_signals,
                              decay_rates,
                              pack,
                              decay,
                              any_nonzero,
                              normalise,
                              send_rows,
                              add_up,
                              drive_poisson,
                              draw_partners,
                              throw_sources,
                              draw_near,
                              draw_synapses};
  return all;
}

} // namespace fastsnn::inline FASTSNN_ISA
