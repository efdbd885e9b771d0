// SPDX-License-Identifier: Apache-2.0
// The partners of one neuron: other ends of its synapses, in the order drawn.
#pragma once

#include <cstdint>
#include <vector>

#include "../plan.h"

namespace fastsnn::sparse {

class Partners {
public:
  // `count` numbers below spec.partners() of a row, or of a column, without its own number where
  // the plan says so; valid until the next call, 16 zeros behind
  const std::uint32_t *draw(const Plan &, const SparsePlan &, std::uint32_t row,
                            std::int64_t count);
  // the neighbours on a ring, some of them rewired
  const std::uint32_t *ring(const Plan &, const SparsePlan &, std::uint32_t row);

private:
  void any(const Plan &, const SparsePlan &, std::uint32_t row, std::int64_t count);
  void distinct(const Plan &, const SparsePlan &, std::uint32_t row, std::int64_t count);
  // attempts whose bit is not set yet, until there are `count`; f(partner)
  template <class F>
  void attempt(const Plan &, const SparsePlan &, std::uint32_t row, std::int64_t n,
               std::int64_t count, F f);
  bool mark(std::uint32_t j) {
    const std::uint64_t bit = std::uint64_t(1) << (j % 64), before = marked_[j / 64];
    marked_[j / 64] = before | bit;
    return !(before & bit);
  }

  std::vector<std::uint32_t> out_, attempts_;
  std::vector<std::uint64_t> marked_;
};

} // namespace fastsnn::sparse
