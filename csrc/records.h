// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan.h"

namespace fastsnn {

// row: steps of this call before this one, presentations that were repeated not counted
bool is_due(const Record &r, std::int64_t row);
void copy_record(const Record &r, std::int64_t row);

} // namespace fastsnn
