// SPDX-License-Identifier: Apache-2.0
// The persistent kernel for networks with listed synapses, and how these are cut between blocks.
#include "network_kernel.h"

namespace fastsnn::cuda {

namespace {

// the first of ascending numbers from `from` to `to` that is not below `value`
FASTSNN_DEVICE std::int64_t lower_bound(const std::int32_t *x, std::int64_t from, std::int64_t to,
                                        std::int32_t value) {
  while (from < to) {
    const std::int64_t middle = from + (to - from) / 2;
    if (x[middle] < value)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

FASTSNN_KERNEL void FASTSNN_MOST_THREADS(256)
    cut_kernel(Synapses s, std::int32_t n_pre, std::int32_t n_words, std::int32_t blocks) {
  const std::int64_t rows = std::int64_t(n_pre) * s.row_parts, n = (blocks + 1) * rows;
  for (std::int64_t e = block_index() * std::int64_t(n_threads()) + thread_index(); e < n;
       e += std::int64_t(n_blocks()) * n_threads()) {
    const std::int64_t row = e % rows, i = row / s.row_parts;
    std::int64_t from = s.row_ptr[i], to = s.row_ptr[i + 1];
    if (s.row_parts > 1) {
      const auto delay = static_cast<std::int32_t>(row % s.row_parts + 1);
      from = lower_bound(s.delay, from, to, delay);
      to = lower_bound(s.delay, from, to, delay + 1);
    }
    const std::int32_t target = share(n_words, static_cast<int>(e / rows), blocks) * 32;
    s.cuts[e] = static_cast<std::int32_t>(lower_bound(s.post, from, to, target));
  }
}

} // namespace

int resident_plastic_blocks(int threads, std::size_t shared) {
  return most_blocks(network_kernel<Plastic>, threads, shared);
}

void launch_plastic(const Shape &shape, const Call &call) {
  launch(network_kernel<Plastic>, shape, call);
}

void launch_cuts(const Synapses &synapses, std::int32_t n_pre, std::int32_t n_words, int blocks,
                 void *stream) {
  constexpr std::int64_t most = 1024;
  const std::int64_t n = std::int64_t(n_pre) * synapses.row_parts * (blocks + 1);
  Shape shape{};
  shape.threads = 256;
  shape.blocks = static_cast<int>(std::clamp<std::int64_t>((n + 255) / 256, 1, most));
  shape.stream = stream;
  launch(cut_kernel, shape, synapses, n_pre, n_words, blocks);
}

} // namespace fastsnn::cuda
