// SPDX-License-Identifier: Apache-2.0
#include "pool.h"

#include <algorithm>
#if defined(__linux__)
#include <sched.h>
#endif
#include <unistd.h>

namespace fastsnn {

namespace {
constexpr int most_spins = 200, most_yields = 5000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}
} // namespace

void Barrier::wait() {
  if (n_ == 1)
    return;
  const int generation = generation_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == n_) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    generation_.notify_all();
    return;
  }
  for (int spins = 0; spins < most_spins; ++spins) {
    if (generation_.load(std::memory_order_acquire) != generation)
      return;
    pause();
  }
  // the machine may be shared: the thread waited for may need this core
  for (int yields = 0; yields < most_yields; ++yields) {
    if (generation_.load(std::memory_order_acquire) != generation)
      return;
    std::this_thread::yield();
  }
  generation_.wait(generation, std::memory_order_acquire);
}

#if defined(__linux__)
namespace {
constexpr int word_bits = 64;
}

void Places::clear() {
  for (auto &word : taken_)
    word.store(0, std::memory_order_relaxed);
}

void Places::take() {
  constexpr int known = 16 * word_bits;
  const auto claim = [this](int cpu) {
    const unsigned long bit = 1ul << (cpu % word_bits);
    return !(taken_[cpu / word_bits].fetch_or(bit, std::memory_order_relaxed) & bit);
  };
  const int here = sched_getcpu();
  cpu_set_t allowed, elsewhere;
  if (here < 0 || here >= known || claim(here) ||
      sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return;
  CPU_ZERO(&elsewhere);
  for (int cpu = 0; cpu < std::min(known, CPU_SETSIZE); ++cpu)
    if (CPU_ISSET(cpu, &allowed) &&
        !(taken_[cpu / word_bits].load(std::memory_order_relaxed) >> (cpu % word_bits) & 1))
      CPU_SET(cpu, &elsewhere);
  if (CPU_COUNT(&elsewhere) == 0 || sched_setaffinity(0, sizeof elsewhere, &elsewhere) != 0)
    return;
  claim(sched_getcpu());
  sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
void Places::clear() {}
void Places::take() {}
#endif

void Pool::run(const std::function<void(int)> &work) {
  if (n_ == 1)
    return work(0);
  // threads do not survive a fork
  if (owner_ != getpid())
    start();
  places_.clear();
  places_.take();
  {
    std::lock_guard lock(mutex_);
    work_ = &work;
    busy_ = n_ - 1;
    ++round_;
  }
  wake_.notify_all();
  work(0);
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return busy_ == 0; });
}

void Pool::start() {
  for (std::thread &t : threads_)
    t.detach();
  threads_.clear();
  owner_ = getpid();
  for (int k = 1; k < n_; ++k)
    threads_.emplace_back([this, k, round = round_]() mutable {
      for (;;) {
        const std::function<void(int)> *work;
        {
          std::unique_lock lock(mutex_);
          wake_.wait(lock, [&] { return stopping_ || round_ != round; });
          if (stopping_)
            return;
          round = round_;
          work = work_;
        }
        places_.take();
        (*work)(k);
        std::lock_guard lock(mutex_);
        if (--busy_ == 0)
          idle_.notify_one();
      }
    });
}

void Pool::stop() {
  if (owner_ == getpid()) {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread &t : threads_)
      t.join();
  } else {
    for (std::thread &t : threads_)
      t.detach();
  }
}

} // namespace fastsnn
