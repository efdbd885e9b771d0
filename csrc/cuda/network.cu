// SPDX-License-Identifier: Apache-2.0
// The persistent kernel for networks without sparse projections, drives or receptors.
#include "network_kernel.h"

namespace fastsnn::cuda {

namespace {

// what every block had of its own goes home from where one of them left it
FASTSNN_KERNEL void FASTSNN_MOST_THREADS(most_threads) exit_kernel(Call call) {
  for (int network = block_index(); network < call.n_networks; network += n_blocks()) {
    const Plan *plan = reinterpret_cast<const Plan *>(call.plans + network * call.plan_bytes);
    for (int e = 0; e < plan->n_fields; ++e) {
      const Field &field = part<Field>(plan, plan->fields)[e];
      if (field.exit == field.home)
        continue;
      const std::int64_t n = part<Population>(plan, plan->populations)[field.population].n;
      each_thread(field.rows * n * field.item,
                  [&](std::int64_t byte) { field.home[byte] = field.exit[byte]; });
    }
  }
}

} // namespace

Sizes sizes_of_block() { return {sizeof(Block), sizeof(View), sizeof(Slice)}; }

int resident_blocks(Policy policy, int threads, std::size_t shared) {
  if (policy == Policy::plastic)
    return resident_plastic_blocks(threads, shared);
  if (policy == Policy::sparse)
    return resident_sparse_blocks(threads, shared);
  return most_blocks(network_kernel<Grid>, threads, shared);
}

int resident_clusters(int cluster, int threads, std::size_t shared) {
  Shape shape{};
  shape.blocks = shape.cluster = cluster;
  shape.threads = threads;
  shape.shared = shared;
  return most_clusters(network_kernel<Cluster>, shape);
}

void launch_network(Policy policy, const Call &call, int blocks, int threads, void *stream) {
  Shape shape{};
  shape.blocks = blocks;
  shape.threads = threads;
  shape.cluster = policy == Policy::cluster ? call.team : 1;
  shape.shared = static_cast<std::size_t>(call.layout.bytes);
  shape.cooperative = is_grid(policy);
  shape.stream = stream;
  if (policy == Policy::plastic)
    launch_plastic(shape, call);
  else if (policy == Policy::sparse)
    launch_sparse(shape, call);
  else if (policy == Policy::grid)
    launch(network_kernel<Grid>, shape, call);
  else if (policy == Policy::cluster)
    launch(network_kernel<Cluster>, shape, call);
  else
    launch(network_kernel<Alone>, shape, call);
}

void launch_exit(const Call &call, void *stream) {
  Shape shape{};
  shape.blocks = call.n_networks;
  shape.threads = 256;
  shape.stream = stream;
  launch(exit_kernel, shape, call);
}

} // namespace fastsnn::cuda
