// SPDX-License-Identifier: Apache-2.0
#include "spread.h"

#include <algorithm>
#include <stdexcept>

namespace fastsnn::cuda {

namespace {

// neurons of all inputs that a block draws by itself without being slower than a barrier
constexpr std::int64_t most_drawn = 4096;
// from so many batch elements on a block has work for all its threads
constexpr int large_batch = 8;

std::int64_t most_words(const NetworkPlan &plan) {
  std::int64_t most = 1;
  for (const PopulationPlan &p : plan.populations)
    most = std::max(most, words_of(p.n));
  return most;
}

// whether all spikes that anybody needs come from inputs
bool fed_by_inputs_only(const NetworkPlan &plan) {
  for (const PopulationPlan &p : plan.populations)
    if (!p.is_input && p.one_spike)
      return false;
  return std::all_of(plan.projections.begin(), plan.projections.end(),
                     [&](const ProjectionPlan &p) { return plan.populations[p.source].is_input; });
}

std::int64_t drawn(const NetworkPlan &plan) {
  std::int64_t n = 0;
  for (const PopulationPlan &p : plan.populations)
    n += p.is_input ? p.n * plan.batch : 0;
  return n;
}

// A trial: nothing is reserved.
bool fits(const NetworkPlan &plan, const Spread &spread) {
  static float nowhere;
  return build(plan, spread, static_cast<std::int64_t>(most_shared()),
               [](std::size_t) -> void * { return &nowhere; })
      .all_in_shared;
}

Spread one_block() { return {Policy::alone, 1, false}; }

Spread tiles(const NetworkPlan &plan, int blocks) {
  return {Policy::alone, blocks > 0 ? blocks : static_cast<int>(most_words(plan)), true};
}

Spread cluster(const NetworkPlan &plan, int blocks) {
  const auto most = static_cast<int>(std::min<std::int64_t>(most_cluster, most_words(plan)));
  return {Policy::cluster, blocks > 0 ? blocks : most, false};
}

Spread grid(const NetworkPlan &plan, int blocks, int threads) {
  const int resident = std::max(1, resident_blocks(threads, most_shared()));
  const auto most = static_cast<int>(std::min<std::int64_t>(resident, most_words(plan)));
  return {Policy::grid, blocks > 0 ? blocks : most, false};
}

} // namespace

int threads_of(const NetworkPlan &plan, int wished) {
  if (wished % 32 != 0 || wished < 0 || wished > most_threads)
    throw std::invalid_argument("threads of a block: expected a multiple of 32 up to " +
                                std::to_string(most_threads));
  return wished > 0 ? wished : plan.batch >= large_batch ? most_threads : most_threads / 2;
}

Spread choose_spread(const NetworkPlan &plan, std::size_t n_networks, const Wish &wish) {
  const int threads = threads_of(plan, wish.threads);
  const bool may_tile = fed_by_inputs_only(plan) && !wish.retries;
  if (wish.policy == "grid")
    return grid(plan, wish.blocks, threads);
  if (wish.policy == "cluster") {
    if (wish.blocks > most_cluster)
      throw std::invalid_argument("a cluster has at most " + std::to_string(most_cluster) +
                                  " blocks");
    return cluster(plan, wish.blocks);
  }
  if (wish.policy == "alone") {
    if (wish.blocks == 1 || !may_tile)
      return one_block();
    return tiles(plan, wish.blocks);
  }
  if (wish.policy != "auto")
    throw std::invalid_argument("unknown policy '" + wish.policy +
                                "', expected auto, alone, cluster or grid");
  if (most_words(plan) <= 2 && fits(plan, one_block()))
    return one_block();
  if (may_tile && drawn(plan) <= most_drawn)
    return tiles(plan, 0);
  const Spread small = cluster(plan, 0);
  const bool clusters = resident_clusters(small.team, threads, 0) > 0;
  if (clusters && (fits(plan, small) || n_networks >= 4))
    return small;
  return grid(plan, 0, threads);
}

} // namespace fastsnn::cuda
