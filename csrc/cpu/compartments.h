// SPDX-License-Identifier: Apache-2.0
// What the features of a projection make of the weights of a spike's row.
#pragma once

#include "philox16.h"
#include "population.h"

namespace fastsnn::inline FASTSNN_ISA {

// one draw gives a word to each of 64 columns
inline constexpr std::int64_t drawn_columns = 4 * lanes;

inline vr signal(const Signals &s, std::int64_t at, int count, u32x16 word) {
  vr x = load_n(s.w + at, count), rest(0.0f);
  for (std::int32_t k = 0; k < s.n_steps; ++k) {
    const vr value = load_n(s.steps[k].value + at, count);
    switch (s.steps[k].act) {
    case SignalStep::Act::multiply:
      x = x * value;
      rest = rest * value;
      break;
    case SignalStep::Act::draw:
      x = where(uniform(word) < value, x, vr(0.0f));
      break;
    case SignalStep::Act::add:
      x = x + value;
      rest = rest + value;
      break;
    case SignalStep::Act::subtract:
      x = x - value;
      rest = rest - value;
      break;
    }
  }
  return s.rests ? x - rest : x;
}

inline void delay(const Signals &s, std::int64_t i, std::int64_t j, int count, vr x) {
  const std::int32_t *delays = s.delay + i * s.n_post + j;
  for (int k = 0; k < count; ++k) {
    const std::int32_t later = s.head + delays[k];
    const std::int32_t slot = later < s.length ? later : later - s.length;
    s.ring[slot * s.slot_size + j + k] += x.v[k];
  }
}

// columns [first, end) of a tile that begins at a multiple of 64
inline void deliver_signals_of(const Signals &s, Ids rows, std::int64_t first, std::int64_t end,
                               real *out) {
  const std::int64_t tile = first / drawn_columns, tiles = (s.n_post - 1) / drawn_columns + 1;
  const std::int64_t begin = tile * drawn_columns;
  const int from = static_cast<int>((first - begin) / lanes);
  const int to = static_cast<int>((end - begin - 1) / lanes) + 1;
  vr sum[4] = {vr(0.0f), vr(0.0f), vr(0.0f), vr(0.0f)};
  for (std::int32_t r = 0; r < rows.n; ++r) {
    const std::int64_t i = rows.ptr[r];
    u32x16 words[4] = {};
    if (s.draws)
      philox(s.seed, s.stream, s.step,
             u32x16(lane_index) + static_cast<std::uint32_t>((i * tiles + tile) * lanes), words);
    for (int q = from; q < to; ++q) {
      const std::int64_t j = begin + q * lanes;
      const int count = static_cast<int>(end - j < lanes ? end - j : lanes);
      const vr x = signal(s, i * s.n_post + j, count, words[q]);
      if (s.delay)
        delay(s, i, j, count, x);
      else
        sum[q] = sum[q] + x;
    }
  }
  for (int q = from; q < to && !s.delay; ++q)
    store(out + begin + q * lanes, sum[q]);
}

inline void deliver_signals(const Signals &s, Ids rows, real *out) {
  for (std::int64_t j = s.own.begin; j < s.own.end;) {
    const std::int64_t next = (j / drawn_columns + 1) * drawn_columns;
    const std::int64_t end = next < s.own.end ? next : s.own.end;
    deliver_signals_of(s, rows, j, end, out);
    j = end;
  }
}

} // namespace fastsnn::inline FASTSNN_ISA
