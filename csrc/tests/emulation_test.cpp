// SPDX-License-Identifier: Apache-2.0
// The emulated GPU: barriers hold, their absence shows, and nobody waits for ever.
#define FASTSNN_EMULATED 1
#include "cuda/device.h"

#include <cstdio>
#include <set>
#include <vector>

using namespace fastsnn::cuda;

static int failures = 0;

static void expect(bool holds, const char *what) {
  if (!holds) {
    std::printf("FAILED: %s\n", what);
    ++failures;
  }
}

template <class F> static std::string error_of(F f) {
  try {
    f();
  } catch (const std::runtime_error &error) {
    return error.what();
  }
  return "";
}

static bool contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

// thread t adds what its neighbour wrote before the barrier
static void neighbours(int *out, int rounds, bool with_barriers) {
  int *values = reinterpret_cast<int *>(shared_memory());
  const int t = thread_index(), n = n_threads();
  values[t] = t;
  sync_block();
  for (int r = 0; r < rounds; ++r) {
    const int sum = values[t] + values[(t + 1) % n];
    if (with_barriers)
      sync_block();
    else
      sync_warp();
    values[t] = sum % 1000;
    sync_block();
  }
  out[block_index() * n + t] = values[t];
}

static std::vector<int> neighbours_by_hand(int n, int rounds) {
  std::vector<int> values(static_cast<std::size_t>(n)), next(values);
  for (int t = 0; t < n; ++t)
    values[t] = t;
  for (int r = 0; r < rounds; ++r, values = next)
    for (int t = 0; t < n; ++t)
      next[t] = (values[t] + values[(t + 1) % n]) % 1000;
  return values;
}

static void test_block() {
  const int blocks = 8, threads = 256, rounds = 5;
  std::vector<int> out(blocks * threads);
  const Shape shape{.blocks = blocks, .threads = threads, .shared = threads * sizeof(int)};
  launch(neighbours, shape, out.data(), rounds, true);
  const std::vector<int> want = neighbours_by_hand(threads, rounds);
  bool same = true;
  for (int k = 0; k < blocks * threads; ++k)
    same = same && out[k] == want[k % threads];
  expect(same, "sync_block separates what comes before and after");
  launch(neighbours, shape, out.data(), rounds, false);
  bool differs = false;
  for (int k = 0; k < blocks * threads; ++k)
    differs = differs || out[k] != want[k % threads];
  expect(differs, "a missing barrier shows");
}

static void across_lanes(std::uint32_t *out) {
  const int t = thread_index();
  const std::uint32_t odd = ballot(t & 1), low = ballot(lane_index() < warp_index());
  const int next = shuffle(t, (lane_index() + 1) % 32);
  const double first = shuffle(t * 0.5, 0);
  const bool right = odd == 0xaaaaaaaau && low == (1u << warp_index()) - 1 &&
                     next == warp_index() * 32 + (lane_index() + 1) % 32 &&
                     first == warp_index() * 16.0;
  out[t] = right;
}

static void test_warp() {
  std::vector<std::uint32_t> out(96);
  launch(across_lanes, {.blocks = 1, .threads = 96}, out.data());
  expect(out == std::vector<std::uint32_t>(96, 1), "ballot and shuffle");
}

// every block reads in turn what all blocks wrote in the step before
static void in_turns(GridBarrier *barrier, int *cells, int *out, int steps) {
  const int me = block_index(), n = n_blocks();
  for (int s = 0; s < steps; ++s) {
    if (thread_index() == 0)
      store_fresh(cells + (s & 1) * n + me, s * 100 + me);
    sync_grid(barrier, n);
    int sum = 0;
    for (int b = 0; b < n; ++b)
      sum += load_fresh(cells + (s & 1) * n + b);
    if (sum == s * 100 * n + n * (n - 1) / 2)
      atomic_add(out, 1);
  }
}

static void test_grid() {
  GridBarrier barrier = {};
  const int blocks = 5, threads = 64, steps = 20;
  std::vector<int> cells(2 * blocks);
  int right = 0;
  const Shape shape{.blocks = blocks, .threads = threads, .cooperative = true};
  launch(in_turns, shape, &barrier, cells.data(), &right, steps);
  launch(in_turns, shape, &barrier, cells.data(), &right, steps);
  expect(right == 2 * blocks * threads * steps, "grid barrier and atomics, twice");
}

static void to_peers(int *out) {
  int *mail = reinterpret_cast<int *>(shared_memory());
  sync_cluster();
  if (thread_index() < cluster_size())
    of_peer(mail, thread_index())[cluster_rank()] = block_index();
  sync_cluster();
  const int first = block_index() - cluster_rank();
  if (thread_index() < cluster_size() && mail[thread_index()] == first + thread_index())
    atomic_add(out, 1);
  sync_cluster();
}

static void test_cluster() {
  int right = 0;
  launch(to_peers, {.blocks = 12, .threads = 32, .cluster = 4, .shared = 64}, &right);
  expect(right == 12 * 4, "cluster barrier and memory of peers");
}

static void order(std::vector<int> *out) { out->push_back(block_index() * 1000 + thread_index()); }

static void test_order() {
  std::vector<int> first, second;
  launch(order, {.blocks = 3, .threads = 40}, &first);
  launch(order, {.blocks = 3, .threads = 40}, &second);
  expect(first != second && std::set<int>(first.begin(), first.end()).size() == 120,
         "every thread runs once, in an order that changes");
}

static void only_some(int who) {
  if (thread_index() < who)
    sync_block();
}

static void lanes_apart(int) {
  if (lane_index() < 5)
    sync_warp();
  else
    ballot(true);
}

static void waits_for_grid(GridBarrier *barrier) { sync_grid(barrier, n_blocks()); }

static void throws(int) { throw std::runtime_error("from a kernel"); }

static void test_errors() {
  const Shape shape{.blocks = 2, .threads = 64};
  const std::string partly = error_of([&] { launch(only_some, shape, 63); });
  expect(contains(partly, "63 of 64 threads wait at sync_block") &&
             contains(partly, "1 have ended"),
         "a barrier that one thread does not reach");
  expect(contains(error_of([&] { launch(lanes_apart, shape, 0); }), "others it belongs to at"),
         "lanes of a warp at different places");
  GridBarrier barrier = {};
  const Shape many{.blocks = 60, .threads = 32};
  expect(contains(error_of([&] { launch(waits_for_grid, many, &barrier); }), "sync_grid"),
         "a grid barrier without a cooperative launch");
  const Shape whole{.blocks = 60, .threads = 32, .cooperative = true};
  expect(contains(error_of([&] { launch(waits_for_grid, whole, &barrier); }), "cooperative"),
         "more blocks than the device holds");
  const Shape big{.blocks = 1, .threads = 32, .shared = std::size_t(1) << 30};
  expect(contains(error_of([&] { launch(throws, big, 0); }), "shared memory"), "too much memory");
  expect(error_of([&] { launch(throws, shape, 0); }) == "from a kernel",
         "an exception of a kernel");
  launch(only_some, shape, 64);
}

int main() {
  test_block();
  test_warp();
  test_grid();
  test_cluster();
  test_order();
  test_errors();
  return failures == 0 ? 0 : 1;
}
