// SPDX-License-Identifier: Apache-2.0
#include "redraw.h"

#include <cstring>

#include "queues.h"

namespace fastsnn::sparse {

namespace {
// more room, what is there stays
template <class T> void grow(Buffer<T> &buffer, std::size_t count) {
  if (count <= buffer.size())
    return;
  Buffer<T> larger(2 * count);
  if (buffer.size())
    std::memcpy(larger.get(), buffer.get(), buffer.size() * sizeof(T));
  buffer.swap(larger);
}
} // namespace

Redraw::Redraw(const Plan &plan, const Layout &layout, int threads)
    : sources_(plan, layout, *std::make_unique<Pool>(threads), Kept::redrawn),
      rows_(layout.n_tiles()) {
  for (int k = 0; k < threads; ++k)
    drawers_.push_back(std::make_unique<RowDrawer>(sources_));
}

void Redraw::draw(int thread, int population, Ids neurons, Range tiles) {
  for (std::int64_t t = tiles.begin; t < tiles.end; ++t)
    grow(rows_[t].start, neurons.n + 1);
  RowDrawer &drawer = *drawers_[thread];
  for (std::int32_t k = 0; k < neurons.n; ++k) {
    const auto words = drawer.draw(population, neurons.ptr[k]);
    std::size_t at = 0;
    for (std::int64_t t = 0; t < tiles.end; ++t) {
      const std::size_t size = drawer.sizes()[t];
      if (t >= tiles.begin)
        append(rows_[t], k, words.subspan(at, size));
      at += size;
    }
  }
}

void Redraw::append(Rows &rows, std::int32_t row, std::span<const std::uint32_t> words) {
  const std::uint64_t at = rows.start[row];
  grow(rows.words, at + words.size() + Queues::slack_words);
  std::memcpy(rows.words.get() + at, words.data(), words.size_bytes());
  rows.start[row + 1] = at + words.size();
}

} // namespace fastsnn::sparse
