// SPDX-License-Identifier: Apache-2.0
#include "queues.h"

#include <algorithm>
#include <cstring>

namespace fastsnn::sparse {

namespace {
constexpr std::size_t block_words = std::size_t(1) << 19; // a huge page
}

Queues::Queues(std::int64_t slots)
    : nowhere_(slack_words), tails_(slots, nothing()), chunks_(slots) {}

void Queues::add_chunk(std::int64_t slot) {
  if (free_.empty()) {
    blocks_.emplace_back(block_words);
    for (std::size_t at = block_words; at > 0; at -= chunk_words)
      free_.push_back(blocks_.back().get() + at - chunk_words);
  }
  std::uint32_t *chunk = free_.back();
  free_.pop_back();
  chunks_[slot].push_back(chunk);
  tails_[slot] = {chunk, chunk + usable_words};
}

void Queues::append(std::int64_t slot, const std::uint32_t *words, std::uint32_t n) {
  while (n > 0) {
    Tail &tail = tails_[slot];
    const auto count = std::min(n, static_cast<std::uint32_t>(tail.limit - tail.end));
    if (count == 0) {
      add_chunk(slot);
      continue;
    }
    std::memcpy(tail.end, words, count * sizeof *words);
    tail.end += count;
    words += count;
    n -= count;
  }
}

} // namespace fastsnn::sparse
