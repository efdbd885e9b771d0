// SPDX-License-Identifier: Apache-2.0
// How the blocks of a network tell each other who spiked: a bit per neuron, one word per 32, in one
// of two buffers that take turns, and one barrier a step.  What a block writes in step t + 1 others
// may still read of step t, but nothing of step t - 1.
#pragma once

#include "block.h"
#include "models.h"

namespace fastsnn::cuda {

// the whole device: words in global memory
struct Grid {
  static constexpr bool sparse = false, plastic = false;
  static FASTSNN_DEVICE void begin() {}
  static FASTSNN_DEVICE void sync(const Block &k) { sync_grid(k.barrier, k.size); }
  static FASTSNN_DEVICE std::uint32_t read(const Block &k, int turn, std::int64_t at) {
    return load_fresh(k.masks + (turn & 1) * k.mask_words + at);
  }
  // all lanes of a warp
  static FASTSNN_DEVICE void write(const Block &k, int turn, std::int64_t at, std::uint32_t word) {
    if (lane_index() == 0)
      store_fresh(k.masks + (turn & 1) * k.mask_words + at, word);
  }
};

// the same, with what only networks with ports or receptors need
struct Sparse : Grid {
  static constexpr bool sparse = true;
};

// and what only networks with listed synapses need
struct Plastic : Sparse {
  static constexpr bool plastic = true;
};

// one thread-block cluster: every block keeps all words, and writes its own to all the others
struct Cluster {
  static constexpr bool sparse = false, plastic = false;
  static FASTSNN_DEVICE void begin() { sync_cluster(); }
  static FASTSNN_DEVICE void sync(const Block &) { sync_cluster(); }
  static FASTSNN_DEVICE std::uint32_t read(const Block &k, int turn, std::int64_t at) {
    return k.masks[(turn & 1) * k.mask_words + at];
  }
  static FASTSNN_DEVICE void write(const Block &k, int turn, std::int64_t at, std::uint32_t word) {
    if (lane_index() < k.size)
      *of_peer(k.masks + (turn & 1) * k.mask_words + at, lane_index()) = word;
  }
};

// blocks that need nothing of each other
struct Alone {
  static constexpr bool sparse = false, plastic = false;
  static FASTSNN_DEVICE void begin() {}
  static FASTSNN_DEVICE void sync(const Block &) { sync_block(); }
  static FASTSNN_DEVICE std::uint32_t read(const Block &k, int turn, std::int64_t at) {
    return k.masks[(turn & 1) * k.mask_words + at];
  }
  static FASTSNN_DEVICE void write(const Block &k, int turn, std::int64_t at, std::uint32_t word) {
    if (lane_index() == 0)
      k.masks[(turn & 1) * k.mask_words + at] = word;
  }
};

// a word of the neurons that crossed their threshold or, where only one may spike, of that one
template <class Exchange>
FASTSNN_DEVICE std::uint32_t fired(const Block &k, const Now &now, int p, int b, int word) {
  const Population &cells = k.populations[p];
  if (!(cells.one_spike && now.selects()))
    return Exchange::read(k, now.turn, cells.mask_words + std::int64_t(b) * cells.n_words + word);
  const int winner = k.winners[p * k.plan->batch + b];
  return winner >= 0 && winner / 32 == word ? 1u << winner % 32 : 0u;
}

// the same after clamping
FASTSNN_DEVICE std::uint32_t clamped(const Population &cells, const Now &now, int word,
                                     std::uint32_t spikes) {
  if (!now.selects())
    return spikes;
  if (cells.clamp.data)
    spikes |= cells.clamp.data[(cells.clamp.per_step ? now.t * cells.n_words : 0) + word];
  if (cells.unclamp.data)
    spikes &= ~cells.unclamp.data[(cells.unclamp.per_step ? now.t * cells.n_words : 0) + word];
  return spikes;
}

// sum over the lanes before this one; total: over all
FASTSNN_DEVICE int scan(int value, int &total) {
  const int lane = lane_index();
  int sum = value;
  for (int d = 1; d < 32; d *= 2) {
    const int other = shuffle(sum, lane >= d ? lane - d : lane);
    sum += lane >= d ? other : 0;
  }
  total = shuffle(sum, 31);
  return sum - value;
}

// the words of a row that a lane takes: neighbours, in parts that are read in one latency
struct LaneWords {
  static constexpr int at_once = 8;
  int begin, end;
  FASTSNN_DEVICE explicit LaneWords(int n_words) {
    const int share = (n_words + 31) / 32;
    begin = least(lane_index() * share, n_words);
    end = least(begin + share, n_words);
  }
  struct Part {
    std::uint32_t at[at_once];
  };
  template <class Exchange>
  FASTSNN_DEVICE Part part(const Block &k, const Now &now, std::int64_t row, int first) const {
    Part words;
#pragma unroll
    for (int u = 0; u < at_once; ++u)
      words.at[u] = first + u < end ? Exchange::read(k, now.turn, row + first + u) : 0u;
    return words;
  }
  // f(number of the word, word)
  template <class F> FASTSNN_DEVICE void each_of(const Part &words, int first, F f) const {
#pragma unroll
    for (int u = 0; u < at_once; ++u)
      if (first + u < end)
        f(first + u, words.at[u]);
  }
  template <class Exchange, class F>
  FASTSNN_DEVICE void each(const Block &k, const Now &now, std::int64_t row, F f) const {
    each_from<Exchange>(k, now, row, begin, f);
  }
  template <class Exchange, class F>
  FASTSNN_DEVICE void each_from(const Block &k, const Now &now, std::int64_t row, int first,
                                F f) const {
    for (; first < end; first += at_once)
      each_of(part<Exchange>(k, now, row, first), first, f);
  }
};

// the bit of rank `rank` among those that are set
FASTSNN_DEVICE int bit_of_rank(std::uint32_t word, int rank) {
  for (; rank > 0; --rank)
    word &= word - 1;
  return lowest_bit(word);
}

// which of the candidates of batch element b keeps its spike; none: nobody.  All lanes of a warp.
template <class Exchange> FASTSNN_DEVICE int select(const Block &k, const Now &now, int p, int b) {
  const Population &cells = k.populations[p];
  if (cells.winners)
    return cells.winners[now.row * k.plan->batch + b];
  const std::int64_t row = cells.mask_words + std::int64_t(b) * cells.n_words;
  const LaneWords own(cells.n_words);
  int count = 0, total;
  // the first words are read once; most networks have no more of them
  const LaneWords::Part held = own.part<Exchange>(k, now, row, own.begin);
  const int rest = own.begin + LaneWords::at_once;
  const auto add = [&](int, std::uint32_t word) { count += count_bits(word); };
  own.each_of(held, own.begin, add);
  own.each_from<Exchange>(k, now, row, rest, add);
  const int before = scan(count, total);
  if (total == 0)
    return none;
  const Words words = philox(k.plan->seed, cells.stream + one_spike_stream, now.step, b);
  int rank = static_cast<int>(std::uint64_t(words.w[0]) * total >> 32) - before;
  const bool here = rank >= 0 && rank < count;
  int winner = none;
  const auto find = [&](int at, std::uint32_t word) {
    const int n = count_bits(word);
    if (rank >= 0 && rank < n)
      winner = at * 32 + bit_of_rank(word, rank);
    rank -= n;
  };
  if (here) {
    own.each_of(held, own.begin, find);
    own.each_from<Exchange>(k, now, row, rest, find);
  }
  return shuffle(winner, lowest_bit(ballot(here)));
}

// who sent a spike in batch element b: words, list, number.  All lanes of a warp.
template <class Exchange>
FASTSNN_DEVICE void collect(const Block &k, const Now &now, int p, int b) {
  const Population &cells = k.populations[p];
  const int at = p * k.plan->batch + b;
  const bool selects = cells.one_spike && now.selects();
  const int winner = selects ? select<Exchange>(k, now, p, b) : none;
  std::uint32_t *sent = k.in<std::uint32_t>(cells.sent) + std::int64_t(b) * cells.n_words;
  const LaneWords own(cells.n_words);
  int count = 0, total;
  const auto take = [&](int word, std::uint32_t spikes) {
    spikes = clamped(cells, now, word, spikes);
    sent[word] = spikes;
    count += count_bits(spikes);
  };
  if (selects)
    for (int word = own.begin; word < own.end; ++word)
      take(word, winner >= 0 && winner / 32 == word ? 1u << winner % 32 : 0u);
  else
    own.each<Exchange>(k, now, cells.mask_words + std::int64_t(b) * cells.n_words, take);
  const int before = scan(count, total);
  if (lane_index() == 0) {
    k.winners[at] = winner;
    k.n_sent[at] = total;
  }
  if (!cells.has_list)
    return;
  std::int32_t *ids = k.in<std::int32_t>(cells.list) + std::int64_t(b) * cells.n + before;
  for (int word = own.begin; word < own.end; ++word)
    for (std::uint32_t spikes = sent[word]; spikes; spikes &= spikes - 1)
      *ids++ = word * 32 + lowest_bit(spikes);
}

// after the barrier: the spikes of all populations that this block follows
template <class Exchange> FASTSNN_DEVICE void resolve(const Block &k, const Now &now) {
  const int batch = k.plan->batch;
  int item = warp_index();
  for (int p = 0; p < k.plan->n_populations; ++p) {
    if (!k.populations[p].followed)
      continue;
    for (; item < batch; item += n_warps())
      collect<Exchange>(k, now, p, item);
    item -= batch;
  }
}

// the same 32 x 32 bits, turned; lane k gets bit k of every lane's word.  All lanes of a warp.
FASTSNN_DEVICE std::uint32_t turned(std::uint32_t word) {
  std::uint32_t own = 0;
  for (int i = 0; i < 32; ++i) {
    const std::uint32_t who = ballot(bit(word, i));
    own = lane_index() == i ? who : own;
  }
  return own;
}

// in which batch elements each neuron sent a spike
FASTSNN_DEVICE void turn_rows(const Block &k) {
  const int batch = k.plan->batch, batch_words = k.plan->batch_words, lane = lane_index();
  for (int p = 0; p < k.plan->n_populations; ++p) {
    const Population &cells = k.populations[p];
    if (!cells.has_rows)
      continue;
    const std::uint32_t *sent = k.in<std::uint32_t>(cells.sent);
    std::uint32_t *rows = k.in<std::uint32_t>(cells.rows);
    each_warp(std::int64_t(cells.n_words) * batch_words, [&](std::int64_t item) {
      const std::int64_t word = item / batch_words, group = item % batch_words;
      const std::int64_t i = word * 32 + lane, b = group * 32 + lane;
      std::uint32_t spikes;
      if (batch == 1)
        spikes = bit(sent[word], lane);
      else
        spikes = turned(b < batch ? sent[b * cells.n_words + word] : 0u);
      if (i < cells.n)
        rows[i * batch_words + group] = spikes;
    });
  }
}

// nobody sent a spike, as after a reset
FASTSNN_DEVICE void silence(const Block &k) {
  const int batch = k.plan->batch;
  each_thread(std::int64_t(k.plan->n_populations) * batch,
              [&](std::int64_t at) { k.n_sent[at] = 0; });
  for (int p = 0; p < k.plan->n_populations; ++p) {
    std::uint32_t *sent = k.in<std::uint32_t>(k.populations[p].sent);
    if (k.populations[p].followed)
      each_thread(std::int64_t(batch) * k.populations[p].n_words,
                  [&](std::int64_t word) { sent[word] = 0; });
  }
}

} // namespace fastsnn::cuda
