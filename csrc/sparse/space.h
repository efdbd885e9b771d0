// SPDX-License-Identifier: Apache-2.0
// Targets by where they are: those near a source are found without looking at the others.
#pragma once

#include <vector>

#include "../plan.h"
#include "../pool.h"

namespace fastsnn::sparse {

class Space {
public:
  Space(const Plan &, const SparsePlan &, Pool &);
  // number of synapses of all sources
  std::int64_t total() const { return total_; }
  // targets that a source is joined to, ascending
  void find(std::int64_t source, std::vector<std::uint32_t> &targets) const;
  float distance(std::int64_t source, std::uint32_t target) const;

private:
  // cells of a dimension that may hold what is near: [first, first + n), modulo their number
  struct Cells {
    std::int64_t first, n;
  };
  void sort_targets();
  std::int64_t cell(int dimension, float x) const;
  Cells near(int dimension, float x) const;

  const Plan &plan_;
  const SparsePlan &spec_;
  double origin_[dimensions] = {}, size_[dimensions] = {}; // of the cells
  std::int64_t n_cells_[dimensions] = {};
  std::vector<std::int64_t> first_;  // of each cell among the sorted targets, then the end
  std::vector<float> x_[dimensions]; // sorted, room for 16 more
  std::vector<std::uint32_t> id_;    // as x_
  std::int64_t total_ = 0;
};

} // namespace fastsnn::sparse
