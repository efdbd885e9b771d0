// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "kernels.h"

namespace fastsnn {

// kernels that this processor can run, fastest first
std::vector<const Kernels *> usable_kernels();

} // namespace fastsnn
