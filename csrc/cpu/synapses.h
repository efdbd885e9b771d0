// SPDX-License-Identifier: Apache-2.0
// Drawing of synapses, 16 at a time.
#pragma once

#include "../philox16.h"
#include "../sparse/draw.h"
#include "../sparse/quantile.h"

namespace fastsnn::inline FASTSNN_ISA {

namespace synapses_detail {
inline u32x16 load_words(const void *p) {
  u32x16 x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store_words(std::uint32_t *p, u32x16 x) { std::memcpy(p, &x, sizeof x); }

// floor(word * n / 2^32)
inline u32x16 below(u32x16 word, std::uint32_t n) {
  const u64x8 even = philox_detail::widening_mul(u64x8(word), n),
              odd = philox_detail::widening_mul(u64x8(word) >> 32, n);
  return u32x16((even >> 32) | (odd & 0xffffffff00000000u));
}

inline u32x16 counters(std::uint32_t first) { return u32x16(lane_index) + first; }

inline u32x16 gather_words(const std::uint32_t *base, u32x16 at) {
#if defined(__AVX512F__)
  return u32x16(_mm512_i32gather_epi32(__m512i(at), base, 4));
#else
  u32x16 x;
  for (int k = 0; k < lanes; ++k)
    x[k] = base[at[k]];
  return x;
#endif
}

inline vf value(const sparse::Table &table, u32x16 word) {
  return table.is_one ? vf(*table.ptr) : quantile(table.ptr, word);
}
} // namespace synapses_detail

inline void draw_partners(const sparse::PartnerDraw &d) {
  using namespace synapses_detail;
  for (std::int64_t i = 0; i < d.count; i += lanes) {
    u32x16 words[4];
    philox(d.seed, d.stream, d.row, counters(d.first + static_cast<std::uint32_t>(i)), words);
    store_words(d.out + i, below(words[0], d.n));
  }
}

inline void throw_sources(const sparse::Throw &d) {
  using namespace synapses_detail;
  for (std::int64_t m = d.begin; m < d.end; m += 4 * lanes) {
    const std::uint64_t first = static_cast<std::uint64_t>(m / 4);
    u32x16 words[4];
    // 16 counters never cross 2^32, for begin is a multiple of 64
    philox(d.seed, d.stream, first >> 32, counters(static_cast<std::uint32_t>(first)), words);
    for (int w = 0; w < 4; ++w) {
      const u32x16 source = below(words[w], d.n);
      for (int k = 0; k < lanes; ++k)
        if (m + 4 * k + w < d.end)
          ++d.times[source[k]];
    }
  }
}

inline std::int64_t draw_near(const sparse::NearDraw &d) {
  using namespace synapses_detail;
  std::int64_t found = 0;
  const vf per_length(static_cast<float>(sparse::chance_steps) / d.cutoff);
  for (std::int64_t i = d.begin; i < d.end; i += lanes) {
    vf square(0.0f);
    for (int k = 0; k < sparse::dimensions; ++k) {
      const vf apart = abs(load(d.x[k] + i) - vf(d.point[k])),
               shorter = minimum(apart, vf(d.period[k]) - apart);
      square = square + shorter * shorter;
    }
    const vf distance = sqrt(square);
    vm joined = (distance <= vf(d.cutoff)) & first(d.end - i < lanes ? int(d.end - i) : lanes);
    if (!any(joined))
      continue;
    const vf x = minimum(distance, vf(d.cutoff)) * per_length;
    const i32x16 at = __builtin_convertvector(x.v, i32x16);
    const vf part = x - vf::from(at);
    const vf a = gather(d.chance, at, lanes), b = gather(d.chance + 1, at, lanes);
    const u32x16 id = load_words(d.id + i);
    u32x16 words[4];
    philox(d.seed, d.stream, d.row, id, words);
    const vf drawn = vf::from(i32x16(words[0] >> 1)) * vf(0x1p-31f);
    joined = joined & (drawn < a + part * (b - a));
    std::int32_t chosen[lanes];
    const int n = compress(chosen, i32x16(id), joined);
    for (int k = 0; k < n; ++k)
      if (static_cast<std::uint32_t>(chosen[k]) != d.skip)
        d.out[found++] = static_cast<std::uint32_t>(chosen[k]);
  }
  return found;
}

inline void draw_synapses(const sparse::SynapseDraw &d) {
  using namespace synapses_detail;
  const bool draws = !d.target || !(d.w || d.weight.is_one) || !(d.steps || d.delay.is_one);
  for (std::int32_t i = 0; i < d.count; i += lanes) {
    u32x16 words[4] = {};
    if (draws && d.k)
      philox(d.seed, d.stream, load_words(d.row_of + i), load_words(d.k + i), words);
    else if (draws)
      philox(d.seed, d.stream, d.row, counters(d.first + static_cast<std::uint32_t>(i)), words);
    u32x16 target;
    if (d.target) {
      target = load_words(d.target + i);
    } else {
      target = below(words[0], d.n_target);
      target -= u32x16(target >= d.skip);
    }
    const vf w = d.w ? load(d.w + i) : value(d.weight, words[1]);
    const i32x16 q = nearest(minimum(maximum(w * vf(d.scale), vf(-32767.0f)), vf(32767.0f)));
    vf steps = d.steps ? vf::from(i32x16(load_words(d.steps + i))) : value(d.delay, words[2]);
    if (d.more)
      steps = steps + load(d.more + i);
    const i32x16 delay = nearest(minimum(maximum(steps, vf(1.0f)), vf(static_cast<float>(d.span))));
    const u32x16 place = gather_words(d.group, target / 16u) + (target & 15u);
    store_words(d.synapse + i, (place & 0xffffu) | (u32x16(q) << 16));
    store_words(d.bucket + i,
                (place >> 16) * static_cast<std::uint32_t>(d.span) + u32x16(delay - 1));
  }
}

} // namespace fastsnn::inline FASTSNN_ISA
