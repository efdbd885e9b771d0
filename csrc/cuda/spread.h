// SPDX-License-Identifier: Apache-2.0
// How networks are spread over a device.
#pragma once

#include "builder.h"

namespace fastsnn::cuda {

struct Wish {
  std::string policy;
  int blocks, threads; // 0: as seems best
  bool retries;        // blocks must know each other's spikes
};

// bytes of shared memory that a block may have
std::int64_t shared_of(const Spread &);

// Raises std::invalid_argument when what is wished cannot be.
Spread choose_spread(const NetworkPlan &, std::size_t n_networks, const Wish &);

} // namespace fastsnn::cuda
