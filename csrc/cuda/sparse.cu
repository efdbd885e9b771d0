// SPDX-License-Identifier: Apache-2.0
// The persistent kernel for networks with sparse projections, drives or receptors.
#include "network_kernel.h"

namespace fastsnn::cuda {

int resident_sparse_blocks(int threads, std::size_t shared) {
  return most_blocks(network_kernel<Sparse>, threads, shared);
}

void launch_sparse(const Shape &shape, const Call &call) {
  launch(network_kernel<Sparse>, shape, call);
}

} // namespace fastsnn::cuda
