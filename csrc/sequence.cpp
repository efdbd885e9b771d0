// SPDX-License-Identifier: Apache-2.0
#include "sequence.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "pool.h"

namespace fastsnn {

namespace {

// a share is worth waking a thread for, and small enough that a slow thread holds up little
constexpr std::int64_t share = 4096, least_work = 64 * 1024;

// pools by their size; a second caller at the same time works alone
class Pools {
public:
  template <class F> void run(int threads, const F &work) {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (threads == 1 || !lock)
      return work(0);
    auto &pool = pools_[threads];
    if (!pool)
      pool = std::make_unique<Pool>(threads);
    pool->run(work);
  }

private:
  std::mutex mutex_;
  std::map<int, std::unique_ptr<Pool>> pools_;
};

// Output in huge pages: fresh memory costs more in page faults than in all of the arithmetic.
void in_huge_pages([[maybe_unused]] real *output, [[maybe_unused]] std::int64_t n) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t page = 4096, huge = 2 << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(output) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(output + n) / page * page;
  // a wish: where it is not granted, all is as it was
  if (output && end > begin + 2 * huge)
    madvise(reinterpret_cast<void *>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

} // namespace

void run_sequence(const SequenceKernel &kernel, const Sequence &s, bool backward, int threads) {
  // never destroyed: its threads may outlive what else is torn down at exit
  static Pools &pools = *new Pools;
  const std::int64_t work = s.steps * s.columns;
  for (real *output : {s.spike, s.trail, s.g_x})
    in_huge_pages(output, work);
  const std::int64_t useful = std::min((s.columns + share - 1) / share, work / least_work + 1);
  const std::int64_t n = std::clamp<std::int64_t>(useful, 1, std::max(threads, 1));
  std::atomic<std::int64_t> next{0};
  pools.run(static_cast<int>(n), [&](int) {
    for (;;) {
      const std::int64_t begin = next.fetch_add(share, std::memory_order_relaxed);
      if (begin >= s.columns)
        return;
      const Range range = {begin, std::min(begin + share, s.columns)};
      backward ? kernel.backward(s, range) : kernel.forward(s, range);
    }
  });
}

} // namespace fastsnn
