// SPDX-License-Identifier: Apache-2.0
// device.h on the CPU: memory is ordinary memory, a launch returns when it is done.
#pragma once

#include "../device.h"
#include "threads.h"

#include <cstdlib>
#include <cstring>

namespace fastsnn::cuda {

inline int thread_index() { return emulation::here().thread; }
inline int n_threads() { return emulation::here().block->threads; }
inline int block_index() { return emulation::here().block->index; }
inline int n_blocks() { return emulation::blocks_of_launch(); }
inline int lane_index() { return thread_index() % 32; }
inline int warp_index() { return thread_index() / 32; }

inline void sync_block() { emulation::meet_block(); }
inline void sync_warp() { emulation::meet_warp(); }
inline std::uint32_t ballot(bool value) { return emulation::ballot(value); }
template <class T> T shuffle(T value, int from_lane) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  word = emulation::shuffle(word, from_lane);
  std::memcpy(&value, &word, sizeof value);
  return value;
}

inline std::uint32_t match(int value) {
  std::uint32_t same = 0;
  for (int lane = 0; lane < 32; ++lane)
    same |= static_cast<std::uint32_t>(shuffle(value, lane) == value) << lane;
  return same;
}

inline unsigned char *shared_memory() { return emulation::here().block->shared_memory(); }
template <class T> T load_fresh(const T *p) { return *p; }
template <class T> void store_fresh(T *p, std::type_identity_t<T> value) { *p = value; }
template <int width, class T> Pack<T, width> load_pack(const T *p) {
  Pack<T, width> parts;
  std::memcpy(&parts, p, sizeof parts);
  return parts;
}
template <int width, class T> void store_pack(T *p, const Pack<T, width> &parts) {
  if (reinterpret_cast<std::uintptr_t>(p) % sizeof parts != 0)
    throw std::runtime_error(
        "emulated kernel: a pack at an address that is no multiple of its size");
  std::memcpy(p, &parts, sizeof parts);
}
inline int atomic_add(int *p, int value) {
  const int before = *p;
  *p += value;
  return before;
}

inline void sync_grid(GridBarrier *barrier, int blocks) { emulation::meet_grid(barrier, blocks); }
inline void sync_cluster() { emulation::meet_cluster(); }
inline int cluster_rank() { return emulation::here().block->rank; }
inline int cluster_size() {
  return static_cast<int>(emulation::here().block->cluster->blocks.size());
}
template <class T> T *of_peer(T *own_shared, int rank) {
  return reinterpret_cast<T *>(emulation::shared_of_peer(own_shared, rank));
}

template <class... P, class... A>
void launch(void (*kernel)(P...), const Shape &shape, A... arguments) {
  emulation::run({shape.blocks, shape.threads, shape.cluster, shape.shared, shape.cooperative},
                 [&] { kernel(arguments...); });
}

template <class... P> int most_blocks(void (*)(P...), int, std::size_t) {
  return emulation::most_blocks();
}
template <class... P> int most_clusters(void (*)(P...), const Shape &shape) {
  return shape.cluster <= 8 ? std::max(emulation::most_blocks() / shape.cluster, 0) : 0;
}
inline std::size_t most_shared() { return emulation::most_shared(); }

inline void *allocate(std::size_t bytes) {
  void *p = std::malloc(std::max<std::size_t>(bytes, 1));
  if (!p)
    throw std::bad_alloc();
  // neither zero nor a number: who reads before writing shall notice
  return std::memset(p, 0xff, bytes);
}
inline void release(void *p) noexcept { std::free(p); }
inline void copy_to_device(void *to, const void *from, std::size_t bytes, void * = nullptr) {
  std::memcpy(to, from, bytes);
}
inline void copy_to_host(void *to, const void *from, std::size_t bytes, void * = nullptr) {
  std::memcpy(to, from, bytes);
}
inline void fill_zero(void *p, std::size_t bytes, void * = nullptr) { std::memset(p, 0, bytes); }
inline void wait(void * = nullptr) {}
inline int n_devices() { return 1; }
inline void use_device(int) {}

class Mark {
public:
  void place(void *) {}
  bool reached() { return true; }
  void wait() {}
};

} // namespace fastsnn::cuda
