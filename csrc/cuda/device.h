// SPDX-License-Identifier: Apache-2.0
// The one place that knows what runs the kernels: a GPU (nvcc), or threads emulated on the CPU
// (g++ with FASTSNN_EMULATED), where the kernels are tested.  One-dimensional blocks.
//
// Kernels
//   thread_index n_threads block_index n_blocks lane_index warp_index
//   sync_block sync_warp                 all threads of the block, of the warp
//   ballot shuffle                       all lanes of the warp
//   match                                the lanes of the warp that say the same
//   shared_memory                        of the block, 16-byte aligned
//   load_fresh store_fresh               past the caches of one SM: what blocks tell each other
//   load_pack store_pack                 neighbours in global memory, by one instruction
//   atomic_add
//   sync_grid(barrier, blocks)           all threads of so many neighbouring blocks, the first one
//                                        a multiple of `blocks`, of a cooperative launch
//   sync_cluster cluster_rank cluster_size of_peer
// Host; whatever fails throws std::runtime_error with the words of CUDA
//   launch most_blocks most_clusters most_shared
//   allocate release copy_to_device copy_to_host fill_zero wait Mark n_devices use_device
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "../function.h"

namespace fastsnn::cuda {

// what a launch looks like; cluster: blocks of a cluster, at most 1: none; shared: bytes of a block
struct Shape {
  int blocks = 1, threads = 32, cluster = 1;
  std::size_t shared = 0;
  bool cooperative = false;
  void *stream = nullptr;
};

// neighbours in memory; width * sizeof(T): 1, 4, 8 or 16
template <class T, int width> struct alignas(sizeof(T) * width) Pack {
  T at[width];
};

// in device memory, zero before its first use; reusable
struct GridBarrier {
  unsigned long long arrived;
};

} // namespace fastsnn::cuda

#if defined(FASTSNN_EMULATED)
#define FASTSNN_DEVICE inline
#define FASTSNN_KERNEL
#define FASTSNN_MOST_THREADS(n)
#include "emulation/device.h"
#else
#if defined(__CUDACC__)
#define FASTSNN_DEVICE __device__ __forceinline__
#define FASTSNN_KERNEL __global__
// 1: one block a multiprocessor is enough, so that registers need not be spared
#define FASTSNN_MOST_THREADS(n) __launch_bounds__(n, 1)
#include "gpu.h"
#else
#define FASTSNN_DEVICE inline
#define FASTSNN_KERNEL
#define FASTSNN_MOST_THREADS(n)
#endif
#include "host.h"
#endif
