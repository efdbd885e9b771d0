// SPDX-License-Identifier: Apache-2.0
// device.h on a GPU: what kernels say.
#pragma once

#include "device.h"

namespace fastsnn::cuda {

FASTSNN_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
FASTSNN_DEVICE int n_threads() { return static_cast<int>(blockDim.x); }
FASTSNN_DEVICE int block_index() { return static_cast<int>(blockIdx.x); }
FASTSNN_DEVICE int n_blocks() { return static_cast<int>(gridDim.x); }
FASTSNN_DEVICE int lane_index() { return static_cast<int>(threadIdx.x & 31u); }
FASTSNN_DEVICE int warp_index() { return static_cast<int>(threadIdx.x >> 5u); }

inline constexpr unsigned all_lanes = 0xffffffffu;

FASTSNN_DEVICE void sync_block() { __syncthreads(); }
FASTSNN_DEVICE void sync_warp() { __syncwarp(); }
FASTSNN_DEVICE std::uint32_t ballot(bool value) { return __ballot_sync(all_lanes, value); }
FASTSNN_DEVICE std::uint32_t match(int value) { return __match_any_sync(all_lanes, value); }
template <class T> FASTSNN_DEVICE T shuffle(T value, int from_lane) {
  return __shfl_sync(all_lanes, value, from_lane);
}

FASTSNN_DEVICE unsigned char *shared_memory() {
  extern __shared__ uint4 fastsnn_shared[];
  return reinterpret_cast<unsigned char *>(fastsnn_shared);
}

template <class T> FASTSNN_DEVICE T load_fresh(const T *p) { return __ldcg(p); }
template <class T> FASTSNN_DEVICE void store_fresh(T *p, std::type_identity_t<T> value) {
  __stcg(p, value);
}
template <int bytes> struct WordOf;
template <> struct WordOf<1> {
  using type = unsigned char;
};
template <> struct WordOf<4> {
  using type = unsigned;
};
template <> struct WordOf<8> {
  using type = uint2;
};
template <> struct WordOf<16> {
  using type = uint4;
};
template <int width, class T> FASTSNN_DEVICE Pack<T, width> load_pack(const T *p) {
  using Whole = typename WordOf<sizeof(T) * width>::type;
  const Whole whole = *reinterpret_cast<const Whole *>(p);
  Pack<T, width> parts;
  memcpy(&parts, &whole, sizeof parts);
  return parts;
}
template <int width, class T> FASTSNN_DEVICE void store_pack(T *p, const Pack<T, width> &parts) {
  using Whole = typename WordOf<sizeof(T) * width>::type;
  Whole whole;
  memcpy(&whole, &parts, sizeof parts);
  __stwb(reinterpret_cast<Whole *>(p), whole); // not an assignment, which may be taken apart
}

FASTSNN_DEVICE int atomic_add(int *p, int value) { return atomicAdd(p, value); }

// The first block adds what, with the ones of all others, turns the highest bit: nobody resets the
// counter, and nobody counts rounds.
FASTSNN_DEVICE void sync_grid(GridBarrier *barrier, int blocks) {
  sync_block();
  if (thread_index() == 0) {
    constexpr unsigned long long turns = 1ull << 63;
    const bool first = blockIdx.x % static_cast<unsigned>(blocks) == 0;
    const unsigned long long share = first ? turns - static_cast<unsigned>(blocks - 1) : 1;
    unsigned long long before, now;
    asm volatile("atom.release.gpu.global.add.u64 %0, [%1], %2;"
                 : "=l"(before)
                 : "l"(__cvta_generic_to_global(&barrier->arrived)), "l"(share)
                 : "memory");
    do {
      asm volatile("ld.acquire.gpu.global.u64 %0, [%1];"
                   : "=l"(now)
                   : "l"(__cvta_generic_to_global(&barrier->arrived))
                   : "memory");
    } while (((before ^ now) & turns) == 0);
  }
  sync_block();
}

// devices before sm_90 have no clusters: there a block is one
FASTSNN_DEVICE void sync_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;\n\tbarrier.cluster.wait.acquire;" ::: "memory");
#else
  sync_block();
#endif
}

FASTSNN_DEVICE int cluster_rank() {
#if __CUDA_ARCH__ >= 900
  return static_cast<int>(__clusterRelativeBlockRank());
#else
  return 0;
#endif
}

FASTSNN_DEVICE int cluster_size() {
#if __CUDA_ARCH__ >= 900
  return static_cast<int>(__clusterSizeInBlocks());
#else
  return 1;
#endif
}

template <class T> FASTSNN_DEVICE T *of_peer(T *own_shared, [[maybe_unused]] int rank) {
#if __CUDA_ARCH__ >= 900
  return reinterpret_cast<T *>(__cluster_map_shared_rank(
      const_cast<std::remove_const_t<T> *>(own_shared), static_cast<unsigned>(rank)));
#else
  return own_shared;
#endif
}

} // namespace fastsnn::cuda
