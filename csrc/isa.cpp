// SPDX-License-Identifier: Apache-2.0
#include "isa.h"

namespace fastsnn {

namespace baseline {
const Kernels &kernels();
}
#if defined(__x86_64__)
namespace avx2 {
const Kernels &kernels();
}
namespace avx512 {
const Kernels &kernels();
}
#endif

std::vector<const Kernels *> usable_kernels() {
  std::vector<const Kernels *> usable;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    usable.push_back(&avx512::kernels());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    usable.push_back(&avx2::kernels());
#endif
  usable.push_back(&baseline::kernels());
  return usable;
}

} // namespace fastsnn
