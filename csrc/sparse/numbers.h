// SPDX-License-Identifier: Apache-2.0
// How many synapses each source has in a projection that is drawn by source.
#pragma once

#include <vector>

#include "../plan.h"
#include "../pool.h"

namespace fastsnn::sparse {

class Numbers {
public:
  Numbers(const Plan &, const SparsePlan &, Pool &);
  std::int64_t of(std::int64_t row) const;
  // of all rows together; no less than there are
  std::int64_t most() const;

private:
  void throw_all(Pool &);
  void throw_distinct();

  const Plan &plan_;
  const SparsePlan &spec_;
  std::vector<std::uint32_t> thrown_; // [n_pre]
};

} // namespace fastsnn::sparse
