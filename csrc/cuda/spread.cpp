// SPDX-License-Identifier: Apache-2.0
#include "spread.h"

#include <algorithm>
#include <stdexcept>

namespace fastsnn::cuda {

namespace {

// neurons of all inputs that a block draws by itself without being slower than a barrier
constexpr std::int64_t most_drawn = 4096;
// words of neurons, over the batch, that keep more threads busy
constexpr std::int64_t many_words = 16;

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
Built tried(const NetworkPlan &plan, const Spread &spread) {
  static float nowhere;
  return build(plan, spread, shared_of(spread), [](std::size_t) -> void * { return &nowhere; });
}

int threads_for(const NetworkPlan &plan, int team) {
  const std::int64_t words = (most_words(plan) + team - 1) / team * plan.batch;
  if (words < many_words)
    return most_threads / 2;
  return is_sparse(plan.grid()) ? most_sparse_threads : most_threads;
}

class Chooser {
public:
  Chooser(const NetworkPlan &plan, int n_networks, const Wish &wish)
      : plan_(plan), n_networks_(n_networks), wish_(wish), words_(most_words(plan)) {}

  Spread choose() const {
    const std::string &policy = wish_.policy;
    const bool sparse = is_sparse(plan_.grid());
    if (sparse && policy != "auto" && policy != "grid")
      throw std::invalid_argument("policy '" + policy + "': a network with sparse projections, " +
                                  "drives or receptors is spread over a grid");
    if (policy == "grid" || sparse)
      return grid(wish_.blocks);
    if (policy == "cluster") {
      const Spread together = cluster(wish_.blocks);
      if (!tried(plan_, together).masks_in_shared)
        throw std::invalid_argument("the spikes of the network do not fit into a cluster");
      return together;
    }
    if (policy == "alone")
      return wish_.blocks == 1 || !may_tile() ? one_block() : tiles(wish_.blocks);
    return n_networks_ == 1 ? for_one() : for_many();
  }

private:
  Spread spread(Policy policy, int team, bool whole_inputs) const {
    const int threads = wish_.threads > 0 ? wish_.threads : threads_for(plan_, team);
    return {policy, team, whole_inputs, threads, false};
  }
  bool may_tile() const { return fed_by_inputs_only(plan_) && !wish_.retries; }
  // Where there are more networks than multiprocessors, two share one, unless they fit it one by
  // one only.
  Spread one_block() const {
    const Spread whole = spread(Policy::alone, 1, false);
    if (n_networks_ == 1 || wish_.threads > most_threads / 2 ||
        n_networks_ <= resident_blocks(Policy::grid, most_threads, most_shared()))
      return whole;
    Spread half = whole;
    half.shares = true;
    half.threads = std::min(half.threads, most_threads / 2);
    return tried(plan_, half).all_in_shared || !tried(plan_, whole).all_in_shared ? half : whole;
  }
  Spread tiles(int blocks) const {
    return spread(Policy::alone, blocks > 0 ? blocks : static_cast<int>(words_), true);
  }
  // a power of two of blocks, none without a word
  Spread cluster(int blocks) const {
    int team = blocks > 0 ? blocks : most_cluster;
    while (blocks == 0 && team > words_)
      team /= 2;
    return spread(Policy::cluster, team, false);
  }
  Spread grid(int blocks) const {
    const Policy policy = plan_.grid();
    const int most_of_block = is_sparse(policy) ? most_sparse_threads : most_threads;
    const int threads = wish_.threads > 0 ? wish_.threads : most_of_block;
    if (threads > most_of_block)
      throw std::invalid_argument("threads of a block: expected at most " +
                                  std::to_string(most_of_block) + " for this network");
    const int resident = std::max(1, resident_blocks(policy, threads, most_shared()));
    const auto most = static_cast<int>(std::min<std::int64_t>(resident, words_));
    return spread(policy, blocks > 0 ? blocks : most, false);
  }
  // clusters at a time; their blocks tell each other their spikes in shared memory
  int clusters(const Spread &s) const {
    const Built built = tried(plan_, s);
    if (!built.masks_in_shared)
      return 0;
    return resident_clusters(s.team, s.threads, static_cast<std::size_t>(built.layout.bytes));
  }
  bool can(const Spread &s) const { return clusters(s) > 0; }

  Spread for_one() const {
    if (words_ <= 2 && tried(plan_, one_block()).all_in_shared)
      return one_block();
    if (may_tile() && drawn(plan_) <= most_drawn)
      return tiles(0);
    const Spread together = cluster(0);
    if (tried(plan_, together).all_in_shared && can(together))
      return together;
    return grid(0);
  }

  // all of them at once, each on as many multiprocessors as there are for it
  Spread for_many() const {
    const int resident = std::max(1, resident_blocks(Policy::grid, most_threads, most_shared()));
    const Spread widest = cluster(0);
    // a few large ones would leave most of the device idle
    if (2 * n_networks_ * widest.team <= resident &&
        !(tried(plan_, widest).all_in_shared && can(widest)))
      return grid(static_cast<int>(std::min<std::int64_t>(resident / n_networks_, words_)));
    // a cluster lies within one part of the device, so that fewer may fit than there are blocks for
    for (int team = most_cluster; team > 1; team /= 2)
      if (team * n_networks_ <= resident && team <= words_ &&
          clusters(cluster(team)) >= n_networks_)
        return cluster(team);
    return one_block();
  }

  const NetworkPlan &plan_;
  const int n_networks_;
  const Wish &wish_;
  const std::int64_t words_;
};

void check(const Wish &wish) {
  if (wish.policy != "auto" && wish.policy != "alone" && wish.policy != "cluster" &&
      wish.policy != "grid")
    throw std::invalid_argument("unknown policy '" + wish.policy +
                                "', expected auto, alone, cluster or grid");
  if (wish.threads % 32 != 0 || wish.threads < 0 || wish.threads > most_threads)
    throw std::invalid_argument("threads of a block: expected a multiple of 32 up to " +
                                std::to_string(most_threads));
  if (wish.policy == "cluster" && wish.blocks > most_cluster)
    throw std::invalid_argument("a cluster has at most " + std::to_string(most_cluster) +
                                " blocks");
}

} // namespace

std::int64_t shared_of(const Spread &spread) {
  const auto most = static_cast<std::int64_t>(most_shared());
  // the device keeps 1 KB of every block for itself
  return spread.shares ? most / 2 - 1024 : most;
}

Spread choose_spread(const NetworkPlan &plan, std::size_t n_networks, const Wish &wish) {
  check(wish);
  return Chooser(plan, static_cast<int>(n_networks), wish).choose();
}

} // namespace fastsnn::cuda
