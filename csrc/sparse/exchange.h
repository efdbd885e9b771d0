// SPDX-License-Identifier: Apache-2.0
// Sparse projections and drives at run time: spikes go into queues, queues and drives into sums.
//
// Sums are whole numbers, so that their order does not matter; a thread works on the tiles it owns.
#pragma once

#include <vector>

#include "../plan.h"
#include "layout.h"
#include "queues.h"
#include "redraw.h"

namespace fastsnn::sparse {

// what a layout is made of
std::vector<std::int64_t> sizes(const Plan &);
std::vector<Port> ports(const Plan &);

class Exchange {
public:
  Exchange(const Plan &, int threads);

  // whether anything arrives at ports, so that there is something to exchange
  static bool needed(const Plan &plan) { return !plan.ports.empty(); }
  Range part(int population, int tile) const { return layout_.part(population, tile); }
  // tiles of a thread
  Range tiles(int thread) const;

  // take over what is under way from the plan, and give it back
  void begin_run(int thread, std::uint64_t step);
  void end_run(int thread, std::uint64_t step);
  void reset(int thread);

  // sums of what acts in a step
  void gather(int tile, std::uint64_t step);
  // where they are, for neurons of the tile's part; null: nothing arrives there
  Current current(int population, int receptor, int tile) const;
  // whether spikes of a population go anywhere
  bool sends(int population) const { return sends_[population]; }
  void scatter(int tile, std::uint64_t step, int population, Ids spikes);
  // the same of projections that are not stored, for all tiles of a thread
  void redraw(int thread, std::uint64_t step, int population, Ids spikes);

private:
  struct Tile {
    Buffer<std::int32_t> sums;
    Queues queues;
    Rows rows;
    std::vector<std::uint8_t> carried; // [slots]: whether the plan's part of a slot may be nonzero
    std::vector<Buffer<std::uint32_t>> words; // of each drive: [groups, 4, 16]
    std::vector<std::uint64_t> drawn_at;      // of each drive: step / 4, or none
    explicit Tile(std::int64_t n_slots) : queues(n_slots), carried(n_slots) {}
  };
  // what stands in a slot, to the sums
  void add_up(Tile &tile, std::int64_t slot);
  // f(port, sums of its part, the plan's slot of that part, neurons)
  template <class F> void for_ports(Tile &tile, int index, std::uint64_t step, F f);

  const Plan &plan_;
  std::int64_t slots_;
  int threads_;
  Layout layout_;
  std::vector<bool> sends_;
  std::vector<std::vector<int>> port_of_; // [population][receptor], -1: none
  std::vector<Tile> tiles_;
  std::unique_ptr<Redraw> redraw_;                 // null: everything is stored
  std::vector<std::vector<std::int32_t>> in_turn_; // [threads]: 0, 1, 2, ...
};

} // namespace fastsnn::sparse
