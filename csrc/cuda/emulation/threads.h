// SPDX-License-Identifier: Apache-2.0
// The threads of a launch as fibers.  A thread runs until it has to wait for others; who runs next
// is drawn at random, so that a missing barrier shows up as a wrong result.  Waiting for somebody
// who never comes is an error.
#pragma once

#include "fiber.h"

#include <cstdint>
#include <functional>

namespace fastsnn::emulation {

struct Fiber;

// threads that wait for each other
struct Meeting {
  std::vector<Fiber *> waiting;
  const char *what = nullptr; // that brought the first of them here
  std::size_t wanted = 0;
};

struct Warp {
  Meeting meeting;
  int lanes = 0;
};

struct Cluster;

struct Block {
  int index = 0, threads = 0;
  Cluster *cluster = nullptr;
  int rank = 0; // in its cluster
  std::vector<Warp> warps;
  Meeting meeting;
  std::vector<std::uint64_t> shared; // 16 bytes more than asked for, to align them
  std::size_t shared_bytes = 0;
  unsigned char *shared_memory();
};

struct Cluster {
  std::vector<Block *> blocks;
  Meeting meeting;
};

struct Fiber {
  Context context;
  Block *block = nullptr;
  int thread = 0;
  bool ended = false;
  const char *waits_at = nullptr;
  // of an exchange in the warp
  std::uint64_t value = 0, result = 0;
  int from = 0;
};

// the thread that runs now
Fiber &here();
int blocks_of_launch();

struct Extent {
  int blocks, threads, cluster;
  std::size_t shared;
  bool cooperative;
};

// body() as every thread of every block
void run(const Extent &extent, const std::function<void()> &body);

void meet_block();
void meet_warp();
void meet_cluster();
void meet_grid(const void *barrier, int blocks);
std::uint32_t ballot(bool value);
std::uint64_t shuffle(std::uint64_t value, int from);
unsigned char *shared_of_peer(const void *own, int rank);

// what the emulated device has; $FASTSNN_EMULATED_BLOCKS and $FASTSNN_EMULATED_SHARED change it
int most_blocks();
std::size_t most_shared();

} // namespace fastsnn::emulation
