// SPDX-License-Identifier: Apache-2.0
// Synapses of one tile whose spikes are under way, by the step in which they act.
//
// A queue is a list of chunks that are written and read in order; chunks that were read are the
// first to be written again, so that what is under way stays in few pages and near caches.
#pragma once

#include <cstdint>
#include <vector>

#include "../memory.h"

namespace fastsnn::sparse {

class Queues {
public:
  // blocks of 16 words may be written behind the end
  static constexpr std::uint32_t chunk_words = 2048, slack_words = 32;
  static constexpr std::uint32_t usable_words = chunk_words - slack_words;

  // next word to write, end of the chunk
  struct Tail {
    std::uint32_t *end, *limit;
  };

  // slots: a power of two, more than the longest delay
  explicit Queues(std::int64_t slots);

  std::int64_t slots() const { return static_cast<std::int64_t>(tails_.size()); }
  Tail *tails() { return tails_.data(); }
  // append words that do not fit the chunk
  void append(std::int64_t slot, const std::uint32_t *words, std::uint32_t n);
  // f(words, n) for what stands in a slot, in order; then it is empty
  template <class F> void drain(std::int64_t slot, F f) {
    std::vector<std::uint32_t *> &chunks = chunks_[slot];
    for (std::size_t k = 0; k < chunks.size(); ++k) {
      const bool last = k + 1 == chunks.size();
      f(chunks[k], last ? static_cast<std::uint32_t>(tails_[slot].end - chunks[k]) : usable_words);
      free_.push_back(chunks[k]);
    }
    chunks.clear();
    tails_[slot] = nothing();
  }
  bool empty(std::int64_t slot) const { return chunks_[slot].empty(); }

private:
  // a chunk without room, to which nothing may be written for sure
  Tail nothing() { return {nowhere_.get(), nowhere_.get()}; }
  void add_chunk(std::int64_t slot);

  Buffer<std::uint32_t> nowhere_;
  std::vector<Buffer<std::uint32_t>> blocks_;
  std::vector<std::uint32_t *> free_;
  std::vector<Tail> tails_;                          // [slots]
  std::vector<std::vector<std::uint32_t *>> chunks_; // [slots]
};

} // namespace fastsnn::sparse
