// SPDX-License-Identifier: Apache-2.0
// The loops of sparse projections: rows into queues, queues into sums, random input.
#pragma once

#include <algorithm>
#include <cstring>

#include "../philox16.h"
#include "../sparse/layout.h"
#include "../sparse/queues.h"

namespace fastsnn::inline FASTSNN_ISA {

// Each delay's part of the rows of the sources goes to the queue of the step in which it acts.
inline void send_rows(const sparse::Rows &rows, Ids sources, std::int64_t first, std::uint64_t step,
                      sparse::Queues &queues) {
  constexpr std::uint32_t block = 16, stride = sparse::Queues::slack_words;
  const std::uint32_t *const words = rows.words.get();
  const std::uint64_t *const start = rows.start.get() + first;
  sparse::Queues::Tail *const tails = queues.tails();
  const std::uint64_t mask = queues.slots() - 1;
  // a row is known before it is needed: memory brings it meanwhile
  const auto fetch = [&](std::int32_t k) {
    if (k < sources.n)
      for (std::uint64_t at = start[sources.ptr[k]]; at < start[sources.ptr[k] + 1]; at += block)
        __builtin_prefetch(words + at);
  };
  const std::int32_t ahead = rows.ahead;
  for (std::int32_t k = 0; k < std::min(sources.n, 2 * ahead); ++k)
    __builtin_prefetch(start + sources.ptr[k]);
  for (std::int32_t k = 0; k < ahead; ++k)
    fetch(k);
  for (std::int32_t k = 0; k < sources.n; ++k) {
    if (k + 2 * ahead < sources.n)
      __builtin_prefetch(start + sources.ptr[k + 2 * ahead]);
    fetch(k + ahead);
    const std::uint64_t at = start[sources.ptr[k]];
    if (at == start[sources.ptr[k] + 1])
      continue;
    const std::uint32_t first_delay = words[at] & 0xffff, n_delays = words[at] >> 16;
    const auto *count = reinterpret_cast<const std::uint16_t *>(words + at + 1);
    const std::uint32_t *synapses = words + at + 1 + (n_delays + 1) / 2;
    for (std::uint32_t d = 0; d < n_delays; ++d) {
      const std::uint32_t n = count[d];
      const std::uint64_t slot = (step + first_delay + d) & mask;
      sparse::Queues::Tail &tail = tails[slot];
      if (n <= tail.limit - tail.end) [[likely]] {
        // whole strides, for what stands behind the end does not count: most rows take one turn
        std::uint32_t k = 0;
        do {
          std::memcpy(tail.end + k, synapses + k, stride * sizeof *synapses);
          k += stride;
        } while (k < n);
        tail.end += n;
      } else {
        queues.append(static_cast<std::int64_t>(slot), synapses, n);
      }
      synapses += n;
    }
  }
}

inline void add_up(const std::uint32_t *words, std::uint32_t n, std::int32_t *sums) {
  constexpr std::uint32_t together = 16, ahead = 128;
  const auto add = [&](std::uint32_t word) {
    sums[word & 0xffff] += static_cast<std::int32_t>(word) >> 16;
  };
  std::uint32_t k = 0;
  for (; k + together <= n; k += together) {
    __builtin_prefetch(words + k + ahead);
    for (std::uint32_t i = 0; i < together; ++i)
      add(words[k + i]);
  }
  for (; k < n; ++k)
    add(words[k]);
}

// Events of 16 neurons in four steps, by inversion of one word each; thresholds ascend.  The first
// `common` ones are worth a look without asking.
inline u32x16 count_events(const u32x16 word[4], const std::int64_t *threshold, std::int64_t n,
                           std::int64_t common) {
  vf events[4] = {vf(0.0f), vf(0.0f), vf(0.0f), vf(0.0f)};
  const auto reached = [&](std::int64_t k, int q) {
    return at_most(u32x16{} + static_cast<std::uint32_t>(threshold[k]), word[q]);
  };
  for (std::int64_t k = 0; k < common; ++k)
    for (int q = 0; q < 4; ++q)
      events[q] = events[q] + ones<vf>(reached(k, q));
  u32x16 packed = {};
  for (int q = 0; q < 4; ++q) {
    for (std::int64_t k = common; k < n && any(reached(k, q)); ++k)
      events[q] = events[q] + ones<vf>(reached(k, q));
    packed |= u32x16(__builtin_convertvector(f32x16(events[q].v), i32x16)) << (8 * q);
  }
  return packed;
}

// One rate for all neurons: the events of four steps are counted at once and kept in a byte each;
// kept, [groups of the range, 16].
inline void drive_alike(const DrivePlan &d, std::uint64_t seed, std::uint64_t step, bool fresh,
                        Range range, std::uint32_t *kept, std::int32_t *sums) {
  constexpr std::int64_t rare = (std::int64_t(1) << 32) - (1 << 20);
  const std::int64_t *const threshold = d.table + 2, n = d.width - 2;
  const std::int64_t common = std::lower_bound(threshold, threshold + n, rare) - threshold;
  const auto weight = static_cast<std::int32_t>(d.table[0]);
  const auto sure = static_cast<std::int32_t>(d.table[1]);
  const int shift = 8 * static_cast<int>(step & 3);
  for (std::int64_t j = range.begin; j < range.end; j += lanes, kept += lanes, sums += lanes) {
    u32x16 packed;
    if (fresh) {
      u32x16 drawn[4];
      philox(seed, d.stream, step >> 2,
             u32x16(lane_index) + static_cast<std::uint32_t>(d.offset + j), drawn);
      packed = count_events(drawn, threshold, n, common);
      std::memcpy(kept, &packed, sizeof packed);
    } else {
      std::memcpy(&packed, kept, sizeof packed);
    }
    i32x16 sum;
    std::memcpy(&sum, sums, sizeof sum);
    sum += (i32x16(packed >> shift & 0xffu) + sure) * weight;
    std::memcpy(sums, &sum, sizeof sum);
  }
}

// weight * events of 16 neurons, each with a row of the table
inline i32x16 drive_each(const DrivePlan &d, u32x16 word, std::int64_t j, int count) {
  i32x16 total = {};
  for (int k = 0; k < count; ++k) {
    const std::int64_t *const row = d.table + d.which[j + k] * d.width;
    std::int64_t events = row[1];
    for (const std::int64_t *t = row + 2; t < row + d.width && word[k] >= *t; ++t)
      ++events;
    total[k] = static_cast<std::int32_t>(row[0] * events);
  }
  return total;
}

// Add weight * events to the sums of a range, which begin at its first neuron.  The words of four
// steps are drawn at once and kept: words, [groups of the range, 4, 16].
inline void drive_poisson(const DrivePlan &d, std::uint64_t seed, std::uint64_t step, bool fresh,
                          Range range, std::uint32_t *words, std::int32_t *sums) {
  if (d.n_rows == 1 && d.width - 2 < 256)
    return drive_alike(d, seed, step, fresh, range, words, sums);
  const int lane = step & 3;
  for (std::int64_t j = range.begin; j < range.end; j += lanes, words += 4 * lanes, sums += lanes) {
    if (fresh) {
      u32x16 drawn[4];
      philox(seed, d.stream, step >> 2,
             u32x16(lane_index) + static_cast<std::uint32_t>(d.offset + j), drawn);
      std::memcpy(words, drawn, sizeof drawn);
    }
    u32x16 word;
    i32x16 sum;
    std::memcpy(&word, words + lane * lanes, sizeof word);
    std::memcpy(&sum, sums, sizeof sum);
    sum += drive_each(d, word, j, static_cast<int>(std::min<std::int64_t>(lanes, range.end - j)));
    std::memcpy(sums, &sum, sizeof sum);
  }
}

} // namespace fastsnn::inline FASTSNN_ISA
