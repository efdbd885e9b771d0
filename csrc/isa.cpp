// SPDX-License-Identifier: Apache-2.0
#include "isa.h"
#include "sequence.h"
#include "trains.h"

namespace fastsnn {

// FASTSNN_WITH_x: compiled for x (CMakeLists.txt)
#define FASTSNN_DECLARE(isa)                                                                       \
  namespace isa {                                                                                  \
  const Kernels &kernels();                                                                        \
  const Trains &trains();                                                                          \
  const SequenceKernel *find_sequence_kernel(const char *name);                                    \
  }
#if defined(FASTSNN_WITH_avx512)
FASTSNN_DECLARE(avx512)
#endif
#if defined(FASTSNN_WITH_avx2)
FASTSNN_DECLARE(avx2)
#endif
#if defined(FASTSNN_WITH_baseline)
FASTSNN_DECLARE(baseline)
#endif

namespace {

struct Isa {
  const Kernels &kernels;
  const Trains &trains;
  const SequenceKernel *(*sequence_kernel)(const char *name);
};

// fastest first
std::vector<Isa> usable() {
  std::vector<Isa> found;
#if defined(FASTSNN_WITH_avx512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    found.push_back({avx512::kernels(), avx512::trains(), avx512::find_sequence_kernel});
#endif
#if defined(FASTSNN_WITH_avx2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    found.push_back({avx2::kernels(), avx2::trains(), avx2::find_sequence_kernel});
#endif
#if defined(FASTSNN_WITH_baseline)
  found.push_back({baseline::kernels(), baseline::trains(), baseline::find_sequence_kernel});
#endif
  return found;
}

} // namespace

std::vector<const Kernels *> usable_kernels() {
  std::vector<const Kernels *> kernels;
  for (const Isa &isa : usable())
    kernels.push_back(&isa.kernels);
  return kernels;
}

const SequenceKernel *sequence_kernel(const char *model) {
  static const auto find = usable().at(0).sequence_kernel;
  return find(model);
}

const Trains &usable_trains() { return usable().at(0).trains; }

} // namespace fastsnn
