// SPDX-License-Identifier: Apache-2.0
// Networks whose populations have nothing to do with each other: no projections, hence nothing to
// exchange.  A thread keeps a few neighbouring neurons in registers for all steps of a launch.
#pragma once

#include <cstdint>
#include <string>

#include "../plan.h"

namespace fastsnn::cuda {

// Why this run of the network has to go another way; empty when it can be run by the function
// below. Nothing is launched and no memory of the device is read.
std::string why_not_isolated(const fastsnn::Plan &, const fastsnn::RunArgs &);

// The steps [first, first + steps) of a run, counted over all its samples: resets, steps, traces,
// counts, records.  args.counts must be zero where a sample begins.  report, on the device: null,
// or 4 numbers that become finished samples, finished steps, the same again, 0.
void launch_isolated(const fastsnn::Plan &, const fastsnn::RunArgs &, std::int64_t first,
                     std::int64_t steps, std::int64_t *report, void *stream);

} // namespace fastsnn::cuda
