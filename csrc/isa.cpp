// SPDX-License-Identifier: Apache-2.0
#include "isa.h"
#include "trains.h"

namespace fastsnn {

namespace baseline {
const Kernels &kernels();
const Trains &trains();
} // namespace baseline
#if defined(__x86_64__)
namespace avx2 {
const Kernels &kernels();
const Trains &trains();
} // namespace avx2
namespace avx512 {
const Kernels &kernels();
const Trains &trains();
} // namespace avx512
#endif

#if defined(__x86_64__)
namespace {
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
} // namespace
#endif

std::vector<const Kernels *> usable_kernels() {
  std::vector<const Kernels *> usable;
#if defined(__x86_64__)
  if (has_avx512())
    usable.push_back(&avx512::kernels());
  if (has_avx2())
    usable.push_back(&avx2::kernels());
#endif
  usable.push_back(&baseline::kernels());
  return usable;
}

const Trains &usable_trains() {
#if defined(__x86_64__)
  if (has_avx512())
    return avx512::trains();
  if (has_avx2())
    return avx2::trains();
#endif
  return baseline::trains();
}

} // namespace fastsnn
