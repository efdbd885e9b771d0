// SPDX-License-Identifier: Apache-2.0
// Projections whose rows are never stored: they are drawn again at each spike.
#pragma once

#include <memory>
#include <vector>

#include "row.h"

namespace fastsnn::sparse {

class Redraw {
public:
  Redraw(const Plan &, const Layout &, int threads);

  // whether a population has such projections
  bool sends(int population) const { return !sources_.of_population[population].empty(); }
  // Draws the rows of some neurons for tiles of a thread's own: row k of `rows` is that of
  // neurons.ptr[k].
  void draw(int thread, int population, Ids neurons, Range tiles);
  const Rows &rows(int tile) const { return rows_[tile]; }

private:
  void append(Rows &, std::int32_t row, std::span<const std::uint32_t> words);

  Sources sources_;
  std::vector<std::unique_ptr<RowDrawer>> drawers_; // [threads]
  std::vector<Rows> rows_;                          // [tiles]
};

} // namespace fastsnn::sparse
