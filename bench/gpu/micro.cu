// SPDX-License-Identifier: Apache-2.0
// What the device does at best: launches, barriers, memory.  A plain library for ctypes; with the
// emulation it runs on a CPU, slowly, to show that it would run.
//
// Every function queues its work on a stream and returns 0, or 1 with the reason in micro_error.
#include "cuda/device.h"

using namespace fastsnn::cuda;

namespace {

using Word = unsigned long long;
constexpr int in_flight = 8;

FASTSNN_DEVICE long long thread_of_grid() {
  return static_cast<long long>(block_index()) * n_threads() + thread_index();
}
FASTSNN_DEVICE long long threads_of_grid() {
  return static_cast<long long>(n_blocks()) * n_threads();
}

FASTSNN_KERNEL void nothing() {}

FASTSNN_KERNEL void copy(Word *to, const Word *from, long long n) {
  const long long stride = threads_of_grid();
  long long i = thread_of_grid();
  for (; i + (in_flight - 1) * stride < n; i += in_flight * stride) {
    Word held[in_flight];
    for (int k = 0; k < in_flight; ++k)
      held[k] = load_fresh(from + i + k * stride);
    for (int k = 0; k < in_flight; ++k)
      store_fresh(to + i + k * stride, held[k]);
  }
  for (; i < n; i += stride)
    to[i] = from[i];
}

// 8 * rounds words a thread, the grid side by side, from a buffer of n words again and again
FASTSNN_KERNEL void read(const Word *from, long long n, int rounds, Word *sink) {
  // some words further each time, so that no two rounds of a thread read the same
  const long long stride = (threads_of_grid() + 32 * 17) % n;
  long long at = thread_of_grid() % n;
  Word sum = 0;
  for (int round = 0; round < rounds; ++round)
    for (int k = 0; k < in_flight; ++k) {
      sum += load_fresh(from + at);
      at += stride;
      at = at < n ? at : at - n;
    }
  // never true: the sum must be wanted by somebody
  if (sum == 1)
    *sink = sum;
}

// loads that wait for each other
FASTSNN_KERNEL void chase(const int *next, int steps, int *sink) {
  int at = 0;
  for (int k = 0; k < steps; ++k)
    at = load_fresh(next + at);
  *sink = at;
}

FASTSNN_KERNEL void operate(int steps, float a, float b, float *sink) {
  float x[in_flight];
  for (int k = 0; k < in_flight; ++k)
    x[k] = static_cast<float>(thread_index() + k);
  for (int s = 0; s < steps; ++s)
    for (int k = 0; k < in_flight; ++k)
      x[k] = x[k] * a + b;
  float sum = 0.0f;
  for (int k = 0; k < in_flight; ++k)
    sum += x[k];
  if (sum == -1.0f)
    *sink = sum;
}

// words: [2, blocks], what every block tells the others; null: the barrier alone
FASTSNN_KERNEL void grid_steps(GridBarrier *barrier, unsigned *words, int steps, unsigned *sink) {
  unsigned seen = 0;
  for (int s = 0; s < steps; ++s) {
    unsigned *mine = words + (s & 1) * n_blocks();
    if (words && thread_index() == 0)
      store_fresh(mine + block_index(), static_cast<unsigned>(s));
    sync_grid(barrier, n_blocks());
    if (words)
      for (int b = thread_index(); b < n_blocks(); b += n_threads())
        seen += load_fresh(mine + b);
  }
  if (words)
    store_fresh(sink + thread_of_grid(), seen);
}

FASTSNN_KERNEL void cluster_steps(int exchange, int steps, unsigned *sink) {
  auto *words = reinterpret_cast<unsigned *>(shared_memory()); // [2, blocks of the cluster]
  const int size = cluster_size();
  unsigned seen = 0;
  sync_cluster();
  for (int s = 0; s < steps; ++s) {
    unsigned *turn = words + (s & 1) * size;
    if (exchange && thread_index() < size)
      *of_peer(turn + cluster_rank(), thread_index()) = static_cast<unsigned>(s);
    sync_cluster();
    if (exchange && thread_index() < size)
      seen += turn[thread_index()];
  }
  sync_cluster();
  if (exchange)
    sink[thread_of_grid()] = seen;
}

thread_local std::string reason;

template <class F> int guarded(F &&body) {
  try {
    body();
    return 0;
  } catch (const std::exception &error) {
    reason = error.what();
    return 1;
  }
}

Shape wide(int blocks, int threads, void *stream) {
  Shape shape;
  shape.blocks = blocks;
  shape.threads = threads;
  shape.stream = stream;
  return shape;
}

Shape clustered(int clusters, int cluster, int threads, void *stream) {
  Shape shape = wide(clusters * cluster, threads, stream);
  shape.cluster = cluster;
  shape.shared = 2u * sizeof(unsigned) * static_cast<std::size_t>(cluster);
  return shape;
}

} // namespace

#define MICRO extern "C" __attribute__((visibility("default")))

MICRO const char *micro_error() { return reason.c_str(); }

MICRO int micro_launch(int n, void *stream) {
  return guarded([&] {
    for (int k = 0; k < n; ++k)
      launch(nothing, wide(1, 32, stream));
  });
}

MICRO int micro_copy(void *to, const void *from, long long bytes, int blocks, void *stream) {
  return guarded([&] {
    launch(copy, wide(blocks, 512, stream), static_cast<Word *>(to),
           static_cast<const Word *>(from), bytes / static_cast<long long>(sizeof(Word)));
  });
}

MICRO int micro_read(const void *from, long long bytes, int rounds, int blocks, int threads,
                     void *sink, void *stream) {
  return guarded([&] {
    launch(read, wide(blocks, threads, stream), static_cast<const Word *>(from),
           bytes / static_cast<long long>(sizeof(Word)), rounds, static_cast<Word *>(sink));
  });
}

MICRO int micro_chase(const void *next, int steps, void *sink, void *stream) {
  return guarded([&] {
    launch(chase, wide(1, 1, stream), static_cast<const int *>(next), steps,
           static_cast<int *>(sink));
  });
}

// 2 * 8 * steps operations a thread
MICRO int micro_operations(int steps, int blocks, int threads, void *sink, void *stream) {
  return guarded([&] {
    launch(operate, wide(blocks, threads, stream), steps, 0.5f, 1.0f, static_cast<float *>(sink));
  });
}

// barrier: 8 bytes, zero before its first use with so many blocks; words: [2, blocks], or null;
// sink: [blocks, threads]
MICRO int micro_grid(void *barrier, void *words, int blocks, int threads, int steps, void *sink,
                     void *stream) {
  return guarded([&] {
    Shape shape = wide(blocks, threads, stream);
    shape.cooperative = true;
    launch(grid_steps, shape, static_cast<GridBarrier *>(barrier), static_cast<unsigned *>(words),
           steps, static_cast<unsigned *>(sink));
  });
}

MICRO int micro_cluster(int clusters, int cluster, int threads, int exchange, int steps, void *sink,
                        void *stream) {
  return guarded([&] {
    launch(cluster_steps, clustered(clusters, cluster, threads, stream), exchange, steps,
           static_cast<unsigned *>(sink));
  });
}

// how many clusters of so many blocks the device holds at a time; 0: it has none, -1: an error
MICRO int micro_clusters(int cluster, int threads) {
  int n = -1;
  guarded([&] { n = most_clusters(cluster_steps, clustered(1, cluster, threads, nullptr)); });
  return n;
}
