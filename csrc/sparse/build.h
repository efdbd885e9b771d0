// SPDX-License-Identifier: Apache-2.0
// The synapses of all stored sparse projections of a plan, drawn in parallel and laid down in rows.
#pragma once

#include <vector>

#include "row.h"

namespace fastsnn::sparse {

// One entry per tile.  The same for any number of threads.  Throws std::length_error where a row
// cannot be written down, std::bad_alloc.
std::vector<Rows> build(const Plan &, const Layout &, int threads);

} // namespace fastsnn::sparse
