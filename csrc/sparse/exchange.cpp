// SPDX-License-Identifier: Apache-2.0
#include "exchange.h"

#include <algorithm>

#include "build.h"

namespace fastsnn::sparse {

namespace {

// sums of a tile: they stay in L2; smaller ones cost more in shorter parts of rows than L1 gives
// back
constexpr std::int64_t tile_places = 49'152, largest_tile = 60'000;
// synapses that a source should have in a tile: looking for a row takes as long as some
constexpr double row_synapses = 64.0;
// words that are on their way from memory while a row is read
constexpr double words_ahead = 4096.0;
constexpr std::uint64_t never = ~std::uint64_t(0);

int choose_tiles(const Plan &plan, int threads) {
  std::int64_t places = 0;
  for (const PortPlan &p : plan.ports)
    places += padded(plan.populations[p.population].n);
  double sources = 0.0;
  for (const PopulationPlan &p : plan.populations)
    sources += static_cast<double>(p.n);
  const auto by_rows = static_cast<std::int64_t>(plan.expected_synapses / sources / row_synapses);
  const auto parts = [&](std::int64_t size) { return (places + size - 1) / size; };
  const std::int64_t wanted =
      std::max({std::min(parts(tile_places), by_rows), parts(largest_tile), std::int64_t(1)});
  return static_cast<int>((wanted + threads - 1) / threads * threads);
}

} // namespace

std::vector<std::int64_t> sizes(const Plan &plan) {
  std::vector<std::int64_t> n;
  for (const PopulationPlan &p : plan.populations)
    n.push_back(p.n);
  return n;
}

std::vector<Port> ports(const Plan &plan) {
  std::vector<Port> all;
  for (const PortPlan &p : plan.ports)
    all.push_back({p.population, p.receptor});
  return all;
}

Exchange::Exchange(const Plan &plan, int threads)
    : plan_(plan), threads_(threads),
      layout_(sizes(plan), ports(plan), choose_tiles(plan, threads)),
      sends_(plan.populations.size()), port_of_(plan.populations.size()), in_turn_(threads) {
  slots_ = 1;
  for (std::size_t k = 0; k < plan.populations.size(); ++k)
    port_of_[k].assign(
        1 + (plan.populations[k].kernel ? plan.populations[k].kernel->n_receptor() : 0), -1);
  for (std::size_t k = 0; k < plan.ports.size(); ++k) {
    slots_ = std::max(slots_, plan.ports[k].slots);
    port_of_[plan.ports[k].population][plan.ports[k].receptor] = static_cast<int>(k);
  }
  for (const SparsePlan &p : plan.sparse)
    sends_[p.source] = true;
  if (std::any_of(plan.sparse.begin(), plan.sparse.end(),
                  [](const SparsePlan &p) { return !p.stored; }))
    redraw_ = std::make_unique<Redraw>(plan, layout_, threads);
  std::vector<Rows> rows = build(plan, layout_, threads);
  for (int t = 0; t < layout_.n_tiles(); ++t) {
    Tile &tile = tiles_.emplace_back(slots_);
    tile.rows = std::move(rows[t]);
    const double row = 1.0 + static_cast<double>(tile.rows.start[layout_.n_sources()]) /
                                 static_cast<double>(layout_.n_sources());
    tile.rows.ahead = static_cast<std::int32_t>(std::clamp(words_ahead / row, 1.0, 16.0));
    tile.sums.reserve(layout_.n_places(t));
    tile.drawn_at.assign(plan.drives.size(), never);
    for (const DrivePlan &d : plan.drives) {
      const Range part = this->part(plan.ports[d.port].population, t);
      tile.words.emplace_back(4 * padded(part.end - part.begin));
    }
  }
}

Range Exchange::tiles(int thread) const {
  const std::int64_t n = layout_.n_tiles();
  return {n * thread / threads_, n * (thread + 1) / threads_};
}

template <class F> void Exchange::for_ports(Tile &tile, int index, std::uint64_t step, F f) {
  for (int p = 0; p < layout_.n_ports(); ++p) {
    const PortPlan &port = plan_.ports[p];
    const Range part = layout_.part(port.population, index);
    const std::int64_t n = plan_.populations[port.population].n;
    // a port whose own delays are shorter has fewer slots
    std::int32_t *const slot = port.arriving + static_cast<std::int64_t>(step % port.slots) * n;
    if (!part.empty())
      f(tile.sums.get() + layout_.begin(p, index), slot + part.begin, part.end - part.begin, port);
  }
}

void Exchange::add_up(Tile &tile, std::int64_t slot) {
  tile.queues.drain(slot, [&](const std::uint32_t *words, std::uint32_t n) {
    plan_.kernels->add_up(words, n, tile.sums.get());
  });
}

void Exchange::begin_run(int thread, std::uint64_t step) {
  for (std::int64_t t = tiles(thread).begin; t < tiles(thread).end; ++t) {
    Tile &tile = tiles_[t];
    std::fill(tile.drawn_at.begin(), tile.drawn_at.end(), never);
    for (std::int64_t ahead = 0; ahead < slots_; ++ahead) {
      bool any = false;
      for_ports(
          tile, static_cast<int>(t), step + ahead,
          [&](std::int32_t *, const std::int32_t *slot, std::int64_t n, const PortPlan &port) {
            any = any || (ahead < port.slots &&
                          std::any_of(slot, slot + n, [](std::int32_t x) { return x != 0; }));
          });
      tile.carried[(step + ahead) % slots_] = any;
    }
  }
}

void Exchange::end_run(int thread, std::uint64_t step) {
  for (std::int64_t t = tiles(thread).begin; t < tiles(thread).end; ++t) {
    Tile &tile = tiles_[t];
    for (std::int64_t ahead = 0; ahead < slots_; ++ahead) {
      const auto slot = static_cast<std::int64_t>((step + ahead) % slots_);
      if (tile.queues.empty(slot))
        continue;
      add_up(tile, slot);
      for_ports(tile, static_cast<int>(t), step + ahead,
                [&](std::int32_t *sums, std::int32_t *under_way, std::int64_t n, const PortPlan &) {
                  for (std::int64_t j = 0; j < n; ++j)
                    under_way[j] += sums[j];
                  std::fill_n(sums, n, 0);
                });
    }
  }
}

void Exchange::reset(int thread) {
  for (std::int64_t t = tiles(thread).begin; t < tiles(thread).end; ++t) {
    Tile &tile = tiles_[t];
    std::fill(tile.carried.begin(), tile.carried.end(), std::uint8_t(0));
    for (std::int64_t slot = 0; slot < slots_; ++slot) {
      tile.queues.drain(slot, [](const std::uint32_t *, std::uint32_t) {});
      for_ports(tile, static_cast<int>(t), slot,
                [](std::int32_t *, std::int32_t *under_way, std::int64_t n, const PortPlan &) {
                  std::fill_n(under_way, n, 0);
                });
    }
  }
}

void Exchange::gather(int index, std::uint64_t step) {
  Tile &tile = tiles_[index];
  const auto slot = static_cast<std::int64_t>(step % slots_);
  add_up(tile, slot);
  if (tile.carried[slot]) {
    tile.carried[slot] = false;
    for_ports(tile, index, step,
              [](std::int32_t *sums, std::int32_t *under_way, std::int64_t n, const PortPlan &) {
                for (std::int64_t j = 0; j < n; ++j)
                  sums[j] += under_way[j];
                std::fill_n(under_way, n, 0);
              });
  }
  for (std::size_t k = 0; k < plan_.drives.size(); ++k) {
    const DrivePlan &d = plan_.drives[k];
    const Range part = layout_.part(plan_.ports[d.port].population, index);
    const bool fresh = tile.drawn_at[k] != step / 4;
    tile.drawn_at[k] = step / 4;
    plan_.kernels->drive_poisson(d, plan_.seed, step, fresh, part, tile.words[k].get(),
                                 tile.sums.get() + layout_.begin(d.port, index));
  }
}

Current Exchange::current(int population, int receptor, int tile) const {
  Current current;
  const int port = port_of_[population][receptor];
  if (port >= 0) {
    const std::int64_t first = layout_.part(population, tile).begin;
    current.whole = tiles_[tile].sums.get() + layout_.begin(port, tile) - first;
    current.grain = plan_.ports[port].grain;
  }
  return current;
}

void Exchange::scatter(int tile, std::uint64_t step, int population, Ids spikes) {
  plan_.kernels->send_rows(tiles_[tile].rows, spikes, layout_.first_source(population), step,
                           tiles_[tile].queues);
}

void Exchange::redraw(int thread, std::uint64_t step, int population, Ids spikes) {
  if (!redraw_ || !redraw_->sends(population) || spikes.n == 0)
    return;
  const Range own = tiles(thread);
  redraw_->draw(thread, population, spikes, own);
  std::vector<std::int32_t> &row = in_turn_[thread];
  while (static_cast<std::int32_t>(row.size()) < spikes.n)
    row.push_back(static_cast<std::int32_t>(row.size()));
  for (std::int64_t t = own.begin; t < own.end; ++t)
    plan_.kernels->send_rows(redraw_->rows(static_cast<int>(t)), {row.data(), spikes.n}, 0, step,
                             tiles_[t].queues);
}

} // namespace fastsnn::sparse
