// SPDX-License-Identifier: Apache-2.0
// What the host knows of the kernels of whole networks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device.h"
#include "plan.h"

namespace fastsnn::cuda {

// sparse: grid, for networks with ports or receptors; plastic: also with listed synapses
enum class Policy { alone, cluster, grid, sparse, plastic };

inline bool is_grid(Policy policy) { return policy >= Policy::grid; }
inline bool is_sparse(Policy policy) { return policy >= Policy::sparse; }

// where the first things of a block's shared memory lie; the plan says the rest
struct Layout {
  std::int64_t plan, views, slices, winners, n_sent, bytes;
  Room masks; // of the exchange, where it is the block's own
};

// one launch
struct Call {
  const unsigned char *plans; // one after another
  std::int64_t plan_bytes;
  std::int32_t n_networks, team; // blocks of a network
  unsigned char *scratch;
  std::int64_t scratch_bytes; // of a block
  std::uint32_t *masks;       // [teams, 2, mask_words]
  std::int64_t mask_words;
  GridBarrier *barriers; // [teams]
  const Position *from;  // [networks]
  Position *to;
  std::int64_t *report; // [networks, 4]: samples and steps done, steps since windows were empty (1)
  std::int64_t steps;
  Layout layout;
};

inline constexpr int most_cluster = 8;

// of a block; fewer of sparse networks, whose kernel takes more registers
inline constexpr int most_threads = 512, most_sparse_threads = 384;

// bytes of what a block keeps at the start of its shared memory
struct Sizes {
  std::int64_t block, view, slice;
};
Sizes sizes_of_block();

int resident_blocks(Policy policy, int threads, std::size_t shared);
int resident_sparse_blocks(int threads, std::size_t shared);
int resident_plastic_blocks(int threads, std::size_t shared);
int resident_clusters(int cluster, int threads, std::size_t shared);
void launch_network(Policy policy, const Call &call, int blocks, int threads, void *stream);
void launch_sparse(const Shape &, const Call &call);
void launch_plastic(const Shape &, const Call &call);
// where the listed synapses of a projection are cut between so many blocks; n_words: of the target
void launch_cuts(const Synapses &, std::int32_t n_pre, std::int32_t n_words, int blocks,
                 void *stream);
// what every block had of its own goes home from where one of them left it
void launch_exit(const Call &call, void *stream);

int neuron_index(const char *name); // none: not built in
int rule_index(const char *name);
int terminal_index(const char *name);
struct RuleFacts {
  int n_param, n_pre, n_post, n_synapse, n_own_pre, n_own_post, lag, reward;
  bool events, host_only; // host_only: of kernels for listed synapses only
};
struct NeuronFacts {
  int n_state, n_shared, n_param, n_window, n_kernel, learning, n_receptor;
};
RuleFacts rule_facts(int rule);
NeuronFacts neuron_facts(int model);

} // namespace fastsnn::cuda
