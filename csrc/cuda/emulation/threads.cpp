// SPDX-License-Identifier: Apache-2.0
#include "threads.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <unordered_map>

namespace fastsnn::emulation {

namespace {

constexpr int warp_size = 32, most_threads = 1024, most_cluster = 16;
constexpr int blocks_at_once = 8; // of a launch whose blocks do not wait for each other

long number(const char *name, long otherwise) {
  const char *text = std::getenv(name);
  return text && *text ? std::strtol(text, nullptr, 10) : otherwise;
}

// the blocks that are alive at the same time
struct Wave {
  const std::function<void()> *body = nullptr;
  int n_blocks = 0; // of the launch
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<std::unique_ptr<Cluster>> clusters;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber *> ready;
  std::unordered_map<const void *, Meeting> grids;
  std::exception_ptr error;
  Context host;
};

thread_local Stacks stacks;
thread_local Wave *wave = nullptr;
thread_local Fiber *current = nullptr;
thread_local std::mt19937_64 chance;

std::string name(const Fiber &f) {
  return "thread " + std::to_string(f.thread) + " of block " + std::to_string(f.block->index);
}

[[noreturn]] void fail(const std::string &message) {
  throw std::runtime_error("emulated kernel: " + message);
}

void wake(Meeting &meeting) {
  for (Fiber *f : meeting.waiting) {
    f->waits_at = nullptr;
    wave->ready.push_back(f);
  }
  meeting.waiting.clear();
}

void yield(const char *at) {
  current->waits_at = at;
  Fiber &self = *current;
  switch_to(self.context, wave->host);
}

// complete(): what the last one does for all of them
template <class F> void meet(Meeting &meeting, const char *what, std::size_t wanted, F complete) {
  if (meeting.waiting.empty()) {
    meeting.what = what;
    meeting.wanted = wanted;
  } else if (meeting.what != what || meeting.wanted != wanted) {
    fail(name(*current) + " is at " + what + ", others it belongs to at " + meeting.what + ".");
  }
  meeting.waiting.push_back(current);
  if (meeting.waiting.size() == wanted) {
    complete();
    wake(meeting);
  }
  yield(what);
}

void meet(Meeting &meeting, const char *what, std::size_t wanted) {
  meet(meeting, what, wanted, [] {});
}

void live() {
  arrive(wave->host);
  try {
    (*wave->body)();
  } catch (...) {
    wave->error = std::current_exception();
  }
  current->ended = true;
  Fiber &self = *current;
  switch_to(self.context, wave->host);
}

Warp &own_warp() {
  return current->block->warps[static_cast<std::size_t>(current->thread / warp_size)];
}

void add_block(int index, const Extent &extent) {
  auto block = std::make_unique<Block>();
  block->index = index;
  block->threads = extent.threads;
  block->shared_bytes = extent.shared;
  // neither zero nor a number: who reads before writing shall notice
  block->shared.assign(extent.shared / 8 + 3, ~std::uint64_t(0));
  for (int first = 0; first < extent.threads; first += warp_size)
    block->warps.push_back({{}, std::min(warp_size, extent.threads - first)});
  const int size = std::max(extent.cluster, 1);
  block->rank = index % size;
  if (block->rank == 0)
    wave->clusters.push_back(std::make_unique<Cluster>());
  block->cluster = wave->clusters.back().get();
  block->cluster->blocks.push_back(block.get());
  for (int t = 0; t < extent.threads; ++t) {
    auto fiber = std::make_unique<Fiber>();
    fiber->block = block.get();
    fiber->thread = t;
    prepare(fiber->context, stacks[wave->fibers.size()], Stacks::bytes, live);
    wave->ready.push_back(fiber.get());
    wave->fibers.push_back(std::move(fiber));
  }
  wave->blocks.push_back(std::move(block));
}

// words for threads that wait for others who will not come
std::string stuck() {
  for (const auto &fiber : wave->fibers) {
    if (fiber->ended)
      continue;
    std::size_t ended = 0, same = 0, other = 0;
    for (const auto &f : wave->fibers)
      if (f->block == fiber->block)
        ++(f->ended ? ended : f->waits_at == fiber->waits_at ? same : other);
    return "a barrier is not reached by all: in block " + std::to_string(fiber->block->index) +
           ", " + std::to_string(same) + " of " + std::to_string(fiber->block->threads) +
           " threads wait at " + fiber->waits_at + ", " + std::to_string(other) + " elsewhere, " +
           std::to_string(ended) + " have ended.";
  }
  return "nobody can go on.";
}

void run_wave() {
  while (!wave->ready.empty()) {
    const std::size_t k = chance() % wave->ready.size();
    std::swap(wave->ready[k], wave->ready.back());
    current = wave->ready.back();
    wave->ready.pop_back();
    switch_to(wave->host, current->context);
    current = nullptr;
    if (wave->error)
      std::rethrow_exception(wave->error);
  }
  if (std::any_of(wave->fibers.begin(), wave->fibers.end(), [](auto &f) { return !f->ended; }))
    fail(stuck());
}

void check(const Extent &e) {
  const auto demand = [](bool holds, const std::string &message) {
    if (!holds)
      throw std::runtime_error("emulated launch: " + message);
  };
  demand(e.blocks > 0 && e.threads > 0 && e.threads <= most_threads,
         std::to_string(e.blocks) + " blocks of " + std::to_string(e.threads) + " threads.");
  demand(e.shared <= most_shared(), std::to_string(e.shared) + " bytes of shared memory, at most " +
                                        std::to_string(most_shared()) + ".");
  demand(e.cluster <= most_cluster && (e.cluster <= 1 || e.blocks % e.cluster == 0),
         std::to_string(e.blocks) + " blocks in clusters of " + std::to_string(e.cluster) + ".");
  demand(!e.cooperative || e.blocks <= most_blocks(),
         std::to_string(e.blocks) + " blocks of a cooperative launch, at most " +
             std::to_string(most_blocks()) + ".");
  demand(wave == nullptr, "a kernel launches a kernel.");
}

} // namespace

unsigned char *Block::shared_memory() {
  const auto address = (reinterpret_cast<std::uintptr_t>(shared.data()) + 15) & ~std::uintptr_t(15);
  return reinterpret_cast<unsigned char *>(address);
}

Fiber &here() { return *current; }
int blocks_of_launch() { return wave->n_blocks; }

int most_blocks() { return static_cast<int>(number("FASTSNN_EMULATED_BLOCKS", 6)); }
std::size_t most_shared() {
  return static_cast<std::size_t>(number("FASTSNN_EMULATED_SHARED", 96 << 10));
}

void run(const Extent &extent, const std::function<void()> &body) {
  check(extent);
  static thread_local std::uint64_t launches = 0;
  chance.seed(static_cast<std::uint64_t>(number("FASTSNN_EMULATED_SEED", 1)) * 1000003 +
              ++launches);
  const int size = std::max(extent.cluster, 1);
  const int together =
      extent.cooperative ? extent.blocks : std::max(blocks_at_once / size, 1) * size;
  for (int first = 0; first < extent.blocks; first += together) {
    Wave own;
    struct Reset {
      ~Reset() { wave = nullptr; }
    } reset;
    wave = &own;
    own.body = &body;
    own.n_blocks = extent.blocks;
    for (int k = first; k < std::min(first + together, extent.blocks); ++k)
      add_block(k, extent);
    run_wave();
  }
}

void meet_block() {
  Block &block = *current->block;
  meet(block.meeting, "sync_block", static_cast<std::size_t>(block.threads));
}

void meet_warp() {
  Warp &warp = own_warp();
  meet(warp.meeting, "sync_warp", static_cast<std::size_t>(warp.lanes));
}

void meet_cluster() {
  Cluster &cluster = *current->block->cluster;
  const int threads = current->block->threads;
  meet(cluster.meeting, "sync_cluster", cluster.blocks.size() * static_cast<std::size_t>(threads));
}

void meet_grid(const void *barrier, int blocks) {
  const int threads = current->block->threads;
  meet(wave->grids[barrier], "sync_grid",
       static_cast<std::size_t>(blocks) * static_cast<std::size_t>(threads));
}

std::uint32_t ballot(bool value) {
  Warp &warp = own_warp();
  current->value = value;
  Fiber &self = *current;
  meet(warp.meeting, "ballot", static_cast<std::size_t>(warp.lanes), [&] {
    std::uint64_t word = 0;
    for (const Fiber *f : warp.meeting.waiting)
      word |= f->value << (f->thread % warp_size);
    for (Fiber *f : warp.meeting.waiting)
      f->result = word;
  });
  return static_cast<std::uint32_t>(self.result);
}

std::uint64_t shuffle(std::uint64_t value, int from) {
  Warp &warp = own_warp();
  if (from < 0 || from >= warp.lanes)
    fail(name(*current) + " shuffles from lane " + std::to_string(from) + ".");
  current->value = value;
  current->from = from;
  Fiber &self = *current;
  meet(warp.meeting, "shuffle", static_cast<std::size_t>(warp.lanes), [&] {
    std::uint64_t values[warp_size] = {};
    for (const Fiber *f : warp.meeting.waiting)
      values[f->thread % warp_size] = f->value;
    for (Fiber *f : warp.meeting.waiting)
      f->result = values[f->from];
  });
  return self.result;
}

unsigned char *shared_of_peer(const void *own, int rank) {
  Block &block = *current->block;
  const auto offset = static_cast<const unsigned char *>(own) - block.shared_memory();
  if (offset < 0 || offset >= static_cast<std::ptrdiff_t>(block.shared_bytes))
    fail(name(*current) + " maps an address that is not in its shared memory.");
  if (rank < 0 || rank >= static_cast<int>(block.cluster->blocks.size()))
    fail(name(*current) + " maps shared memory of block " + std::to_string(rank) +
         " of a cluster of " + std::to_string(block.cluster->blocks.size()) + ".");
  return block.cluster->blocks[static_cast<std::size_t>(rank)]->shared_memory() + offset;
}

} // namespace fastsnn::emulation
