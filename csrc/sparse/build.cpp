// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "queues.h"

namespace fastsnn::sparse {

namespace {

// sources drawn at a time by a thread: many short rows, few long ones
constexpr double synapses_at_a_time = 1 << 16;
constexpr std::int64_t most_at_a_time = 4096;
// projections drawn by target are turned over in so many parts, to hold few lists at a time
constexpr std::int64_t parts_of_columns = 8, small = 1 << 22;

// Threads take chunks of sources in turn and draw them at the same time; they write one after
// another, so that rows lie in the order of their sources, gapless.
class Writer {
public:
  Writer(const Sources &sources, std::vector<Rows> &rows)
      : sources_(sources), layout_(sources.layout), rows_(rows), next_(layout_.n_tiles()) {}

  void write(Range all, std::int64_t chunk, Pool &pool) {
    begin_ = all.begin;
    chunk_ = chunk;
    taken_ = turn_ = 0;
    const std::int64_t n_chunks = (all.end - all.begin + chunk - 1) / chunk;
    pool.run([&](int) {
      try {
        Thread thread(sources_);
        for (std::int64_t c; !failed_ && (c = taken_++) < n_chunks;)
          write_chunk(thread, c, std::min(all.end, all.begin + (c + 1) * chunk));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        failed_ = true;
        failure_ = std::current_exception();
      }
    });
    if (failure_)
      std::rethrow_exception(failure_);
  }

  // how far tile k is written
  std::uint64_t end(int k) const { return next_[k]; }

private:
  struct Thread {
    explicit Thread(const Sources &s) : drawer(s) {}
    RowDrawer drawer;
    std::vector<std::uint32_t> words, sizes; // of a chunk, source after source, tile after tile
    std::vector<std::uint64_t> at;           // of each tile
  };

  void write_chunk(Thread &thread, std::int64_t c, std::int64_t end) {
    const std::int64_t begin = begin_ + c * chunk_;
    const int tiles = layout_.n_tiles();
    thread.words.clear();
    thread.sizes.clear();
    draw(thread, begin, end);
    while (turn_.load(std::memory_order_acquire) != c) {
      if (failed_)
        return;
      std::this_thread::yield();
    }
    thread.at = next_;
    for (std::size_t k = 0; k < thread.sizes.size(); ++k)
      next_[k % tiles] += thread.sizes[k];
    for (int k = 0; k < tiles; ++k)
      if (next_[k] + Queues::slack_words > rows_[k].words.size())
        throw std::length_error("sparse projections: more synapses than were foreseen");
    turn_.store(c + 1, std::memory_order_release);
    copy(thread, begin, end);
  }

  void draw(Thread &thread, std::int64_t source, std::int64_t end) const {
    int population = 0;
    for (; source < end; ++source) {
      while (source >= layout_.first_source(population + 1))
        ++population;
      const auto row = thread.drawer.draw(population, source - layout_.first_source(population));
      thread.words.insert(thread.words.end(), row.begin(), row.end());
      thread.sizes.insert(thread.sizes.end(), thread.drawer.sizes().begin(),
                          thread.drawer.sizes().end());
    }
  }

  void copy(Thread &thread, std::int64_t begin, std::int64_t end) const {
    const int tiles = layout_.n_tiles();
    const std::uint32_t *from = thread.words.data(), *size = thread.sizes.data();
    for (std::int64_t source = begin; source < end; ++source)
      for (int k = 0; k < tiles; ++k) {
        std::memcpy(rows_[k].words.get() + thread.at[k], from, *size * sizeof *from);
        from += *size;
        thread.at[k] += *size++;
        rows_[k].start[source + 1] = thread.at[k];
      }
  }

  const Sources &sources_;
  const Layout &layout_;
  std::vector<Rows> &rows_;
  std::vector<std::uint64_t> next_; // of each tile; of the thread whose turn it is
  std::int64_t begin_ = 0, chunk_ = 1;
  std::atomic<std::int64_t> taken_{0}, turn_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
  std::mutex mutex_;
};

// Memory is taken when it is first written to, so that a generous size costs nothing.
std::vector<Rows> reserve(const Sources &sources) {
  const Layout &layout = sources.layout;
  std::vector<Rows> rows(layout.n_tiles());
  for (int k = 0; k < layout.n_tiles(); ++k) {
    double most = 0.0;
    for (const Sources::Part &part : sources.parts)
      most += part.most(layout.part(layout.port(part.spec->port).population, k));
    const double heads =
        std::min(static_cast<double>(layout.n_sources()), most) * (2 + sources.span / 2);
    rows[k].words =
        Buffer<std::uint32_t>(static_cast<std::size_t>(most + heads) + Queues::slack_words);
    rows[k].start = Buffer<std::uint64_t>(layout.n_sources() + 1);
  }
  return rows;
}

} // namespace

std::vector<Rows> build(const Plan &plan, const Layout &layout, int threads) {
  Pool pool(std::max(1, threads));
  Sources sources(plan, layout, pool, Kept::stored);
  std::vector<Rows> rows = reserve(sources);
  double synapses = 1.0, by_column = 0.0;
  for (const Sources::Part &part : sources.parts) {
    synapses += static_cast<double>(part.most());
    by_column += part.columns ? static_cast<double>(part.columns->total()) : 0.0;
  }
  const std::int64_t n = layout.n_sources(), n_parts = by_column > small ? parts_of_columns : 1;
  const auto chunk = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(synapses_at_a_time * static_cast<double>(n) / synapses), 1,
      most_at_a_time);
  Writer writer(sources, rows);
  for (std::int64_t k = 0; k < n_parts; ++k) {
    const Range range = {n * k / n_parts, n * (k + 1) / n_parts};
    for (Sources::Part &part : sources.parts)
      if (part.columns)
        part.columns->load(sources.within(part, range), pool);
    writer.write(range, chunk, pool);
  }
  for (int k = 0; k < layout.n_tiles(); ++k)
    // whole blocks are read
    rows[k].words.shrink(writer.end(k) + Queues::slack_words);
  return rows;
}

} // namespace fastsnn::sparse
