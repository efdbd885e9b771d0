// SPDX-License-Identifier: Apache-2.0
// device.h on a GPU: what the host says.
#pragma once

#include "device.h"

#include <cuda_runtime_api.h>

#include <mutex>
#include <set>
#include <utility>

namespace fastsnn::cuda {

inline void check(cudaError_t error, const char *what) {
  if (error == cudaSuccess)
    return;
  (void)cudaGetLastError(); // so that the next call does not report it again
  throw std::runtime_error(std::string("CUDA: ") + what + " failed: " + cudaGetErrorString(error) +
                           " (" + cudaGetErrorName(error) + ").");
}

inline int attribute(cudaDeviceAttr name) {
  int device = 0, value = 0;
  check(cudaGetDevice(&device), "asking for the device");
  check(cudaDeviceGetAttribute(&value, name, device), "asking for a property of the device");
  return value;
}

inline std::size_t most_shared() {
  return static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
}

// as much as there is, once: another thread may be about to launch the same kernel with more
inline void allow_shared(const void *kernel) {
  static std::mutex mutex;
  static std::set<std::pair<const void *, int>> allowed;
  int device = 0;
  check(cudaGetDevice(&device), "asking for the device");
  const std::lock_guard<std::mutex> lock(mutex);
  if (allowed.count({kernel, device}))
    return;
  cudaFuncAttributes facts{};
  check(cudaFuncGetAttributes(&facts, kernel), "asking for a kernel's shared memory");
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(most_shared() - facts.sharedSizeBytes)),
        "reserving shared memory");
  allowed.insert({kernel, device});
}

inline void allow(const void *kernel, int cluster) {
  allow_shared(kernel);
  if (cluster > 8)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
          "allowing clusters of more than 8 blocks");
}

// room for the attributes of a launch, which its configuration points to
struct Launch {
  cudaLaunchConfig_t config = {};
  cudaLaunchAttribute attributes[2] = {};

  explicit Launch(const Shape &shape) {
    config.gridDim = dim3(static_cast<unsigned>(shape.blocks));
    config.blockDim = dim3(static_cast<unsigned>(shape.threads));
    config.dynamicSmemBytes = shape.shared;
    config.stream = static_cast<cudaStream_t>(shape.stream);
    config.attrs = attributes;
    if (shape.cooperative) {
      cudaLaunchAttribute &a = attributes[config.numAttrs++];
      a.id = cudaLaunchAttributeCooperative;
      a.val.cooperative = 1;
    }
    if (shape.cluster > 1) {
      cudaLaunchAttribute &a = attributes[config.numAttrs++];
      a.id = cudaLaunchAttributeClusterDimension;
      a.val.clusterDim.x = static_cast<unsigned>(shape.cluster);
      a.val.clusterDim.y = a.val.clusterDim.z = 1;
    }
  }
  Launch(const Launch &) = delete;
  Launch &operator=(const Launch &) = delete;
};

template <class... P, class... A>
void launch(void (*kernel)(P...), const Shape &shape, A... arguments) {
  const auto address = reinterpret_cast<const void *>(kernel);
  allow(address, shape.cluster);
  const Launch made(shape);
  [&](std::remove_cv_t<P>... exact) {
    void *pointers[] = {const_cast<void *>(static_cast<const void *>(&exact))..., nullptr};
    check(cudaLaunchKernelExC(&made.config, address, pointers), "launching a kernel");
  }(arguments...);
}

// blocks that the whole device can hold at a time: the most of a cooperative launch
template <class... P> int most_blocks(void (*kernel)(P...), int threads, std::size_t shared) {
  const auto address = reinterpret_cast<const void *>(kernel);
  allow(address, 1);
  int each = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, address, threads, shared),
        "asking how many blocks fit");
  return each * attribute(cudaDevAttrMultiProcessorCount);
}

// clusters of that shape that the device can hold at a time; 0: it has none
template <class... P> int most_clusters(void (*kernel)(P...), const Shape &shape) {
  if (attribute(cudaDevAttrClusterLaunch) == 0)
    return 0;
  const auto address = reinterpret_cast<const void *>(kernel);
  allow(address, shape.cluster);
  const Launch made(shape);
  int n = 0;
  const cudaError_t error = cudaOccupancyMaxActiveClusters(&n, address, &made.config);
  if (error == cudaErrorInvalidClusterSize) {
    (void)cudaGetLastError();
    return 0;
  }
  check(error, "asking how many clusters fit");
  return n;
}

inline void *allocate(std::size_t bytes) {
  void *p = nullptr;
  check(cudaMalloc(&p, std::max<std::size_t>(bytes, 1)), "reserving device memory");
  return p;
}
inline void release(void *p) noexcept { (void)cudaFree(p); }

// in the order of the stream; pageable memory of the host may be reused at once
inline void copy_to_device(void *to, const void *from, std::size_t bytes, void *stream = nullptr) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream)),
        "copying to the device");
}
// waits
inline void copy_to_host(void *to, const void *from, std::size_t bytes, void *stream = nullptr) {
  const auto where = static_cast<cudaStream_t>(stream);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, where), "copying to the host");
  check(cudaStreamSynchronize(where), "waiting for the device");
}
inline void fill_zero(void *p, std::size_t bytes, void *stream = nullptr) {
  check(cudaMemsetAsync(p, 0, bytes, static_cast<cudaStream_t>(stream)), "clearing device memory");
}
inline void wait(void *stream = nullptr) {
  check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "waiting for the device");
}

inline int n_devices() {
  int n = 0;
  if (cudaGetDeviceCount(&n) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return n;
}
inline void use_device(int index) { check(cudaSetDevice(index), "choosing the device"); }

// a point in a stream that the host can wait for
class Mark {
public:
  Mark() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event"); }
  ~Mark() { (void)cudaEventDestroy(event_); }
  Mark(const Mark &) = delete;
  Mark &operator=(const Mark &) = delete;
  void place(void *stream) {
    check(cudaEventRecord(event_, static_cast<cudaStream_t>(stream)), "recording an event");
  }
  bool reached() {
    const cudaError_t state = cudaEventQuery(event_);
    if (state == cudaErrorNotReady)
      return (void)cudaGetLastError(), false;
    check(state, "running the kernels");
    return true;
  }
  void wait() { check(cudaEventSynchronize(event_), "running the kernels"); }

private:
  cudaEvent_t event_ = nullptr;
};

} // namespace fastsnn::cuda
