// SPDX-License-Identifier: Apache-2.0
// A projection that is drawn by target, turned into lists by source.
//
// Targets are drawn again for every range of sources that is loaded, so that only the lists of that
// range are held: 4 bytes a synapse.  Lines of all sources' lists stay in the last-level cache
// while they are written.
#pragma once

#include <vector>

#include "../memory.h"
#include "../plan.h"
#include "../pool.h"

namespace fastsnn::sparse {

class Columns {
public:
  Columns(const Plan &, const SparsePlan &, Pool &);
  // the lists of sources of a range that begins where the last one ended
  void load(Range sources, Pool &);
  std::int64_t count(std::int64_t source) const {
    return static_cast<std::int64_t>(start_[source + 1] - start_[source]);
  }
  // counters of the synapses of a loaded source, by ascending target; room for 16 more
  void counters(std::int64_t source, std::uint32_t *k, std::uint32_t *target) const;
  std::int64_t total() const { return static_cast<std::int64_t>(start_.back()); }

private:
  // f(source, entry) for all synapses of thread k's targets
  template <class F> void for_own(int k, int threads, F f) const;

  const Plan &plan_;
  const SparsePlan &spec_;
  int shift_;                                     // an entry is target << shift_ | k
  std::vector<std::uint64_t> start_;              // [n_pre + 1]
  std::vector<std::vector<std::uint32_t>> place_; // [thread][source]: of the thread's next synapse
  Buffer<std::uint32_t> entries_;
  std::uint64_t loaded_ = 0; // number of the first entry that is held
};

} // namespace fastsnn::sparse
