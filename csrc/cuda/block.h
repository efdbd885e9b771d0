// SPDX-License-Identifier: Apache-2.0
// What a block knows: its share of a network, and where everything lies.  In shared memory, set up
// at the start of a launch and constant from then on.
#pragma once

#include "device.h"
#include "plan.h"

namespace fastsnn::cuda {

// the part of a population that a block owns: whole words, the last one may be short
struct Slice {
  std::int32_t first_word, n_words, first, n;
  bool writes; // another block holds the same part and writes it back
};

// an own slice of a field: (row, neuron of the slice)
struct View {
  unsigned char *at;
  std::int64_t stride;
  std::int32_t each; // 0: one number for all
};

template <class T> struct Values {
  T *at;
  std::int64_t stride;
  std::int32_t each;
  FASTSNN_DEVICE T &operator()(std::int64_t row, std::int32_t j) const {
    return at[row * stride + j * each];
  }
};

struct Block {
  const Plan *plan;
  const Population *populations;
  const Projection *projections;
  const Field *fields;
  View *views;
  Slice *slices;
  std::int32_t *winners, *n_sent; // [populations, B]
  unsigned char *shared, *scratch;
  std::uint32_t *masks; // exchange buffer, [2, mask_words]
  std::int64_t mask_words;
  GridBarrier *barrier;
  std::int32_t rank, size; // among the blocks of the network
  std::int32_t outside;    // whether normalising left a weight outside of its bounds
  std::int64_t record_row; // no record is due before this row of the run

  template <class T> FASTSNN_DEVICE T *in(Room room) const {
    return reinterpret_cast<T *>(room.offset >= 0 ? shared + room.offset : scratch + ~room.offset);
  }
  template <class T> FASTSNN_DEVICE Values<T> values(std::int32_t field) const {
    const View &v = views[field];
    return {reinterpret_cast<T *>(v.at), v.stride, v.each};
  }
  FASTSNN_DEVICE float number(std::int32_t field, std::int32_t j) const {
    return values<const float>(field)(0, j);
  }
};

// a part of the plan by its offset
template <class T> FASTSNN_DEVICE const T *part(const Plan *plan, std::int64_t offset) {
  return reinterpret_cast<const T *>(reinterpret_cast<const unsigned char *>(plan) + offset);
}

// the same for templates, in which a block is of no type yet
template <class T> FASTSNN_DEVICE T *in(const Block &k, Room room) { return k.in<T>(room); }
template <class T> FASTSNN_DEVICE Values<T> values(const Block &k, std::int32_t field) {
  return k.values<T>(field);
}

// the step that is worked on
struct Now {
  std::int64_t sample, t, row; // row: sample * n_steps + t
  std::uint64_t step;
  std::int32_t turn; // steps since the launch began; 0: the spikes that the last launch left
  FASTSNN_DEVICE bool selects() const { return turn > 0; }
};

FASTSNN_DEVICE int n_warps() { return n_threads() / 32; }

FASTSNN_DEVICE int count_bits(std::uint32_t x) {
#if defined(__CUDA_ARCH__)
  return __popc(x);
#else
  return __builtin_popcount(x);
#endif
}

FASTSNN_DEVICE int lowest_bit(std::uint32_t x) {
#if defined(__CUDA_ARCH__)
  return __ffs(static_cast<int>(x)) - 1;
#else
  return __builtin_ctz(x);
#endif
}

FASTSNN_DEVICE int least(int a, int b) { return a < b ? a : b; }

FASTSNN_DEVICE bool bit(std::uint32_t word, int k) { return word >> k & 1u; }

// f(item) for the items of this thread (warp): neighbours take neighbours
template <class F> FASTSNN_DEVICE void each_thread(std::int64_t n, F f) {
  for (std::int64_t k = thread_index(); k < n; k += n_threads())
    f(k);
}
template <class F> FASTSNN_DEVICE void each_warp(std::int64_t n, F f) {
  for (std::int64_t k = warp_index(); k < n; k += n_warps())
    f(k);
}

// f(population, its index, batch element, own word) for the items of this warp, all populations at
// once
template <class F> FASTSNN_DEVICE void each_own_word(const Block &k, F f) {
  const int n = k.plan->n_populations, batch = k.plan->batch;
  int item = warp_index();
  for (int p = 0; p < n; ++p) {
    const int words = k.slices[p].n_words, items = words * batch;
    for (; item < items; item += n_warps())
      f(k.populations[p], p, item / words, item % words);
    item -= items;
  }
}

} // namespace fastsnn::cuda
