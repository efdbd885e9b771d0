// SPDX-License-Identifier: Apache-2.0
// Memory of the engine's own: zeroed, page aligned, touched lazily, in huge pages where it is
// large.
#pragma once

#include <cstddef>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace fastsnn {

template <class T> class Buffer {
public:
  Buffer() = default;
  explicit Buffer(std::size_t count) { reserve(count); }
  Buffer(Buffer &&other) noexcept { swap(other); }
  Buffer &operator=(Buffer &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_)
      munmap(data_, bytes_);
  }

  // what it held is lost when it grows
  void reserve(std::size_t count) {
    if (count <= size_)
      return;
    Buffer larger;
    larger.bytes_ = (count * sizeof(T) + page - 1) / page * page;
    void *p = mmap(nullptr, larger.bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
      throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (larger.bytes_ >= huge)
      madvise(p, larger.bytes_, MADV_HUGEPAGE);
#endif
    larger.data_ = static_cast<T *>(p);
    larger.size_ = count;
    swap(larger);
  }
  // gives back what lies beyond the first `count`
  void shrink(std::size_t count) {
    const std::size_t kept = (count * sizeof(T) + page - 1) / page * page;
    if (kept < bytes_)
      munmap(reinterpret_cast<char *>(data_) + kept, bytes_ - kept);
    if (kept == 0)
      data_ = nullptr;
    size_ = count < size_ ? count : size_;
    bytes_ = kept < bytes_ ? kept : bytes_;
  }
  void swap(Buffer &other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(bytes_, other.bytes_);
  }
  T *get() const { return data_; }
  T &operator[](std::size_t k) const { return data_[k]; }
  std::size_t size() const { return size_; }

private:
  static constexpr std::size_t page = 4096, huge = std::size_t(2) << 20;
  T *data_ = nullptr;
  std::size_t size_ = 0, bytes_ = 0;
};

} // namespace fastsnn
