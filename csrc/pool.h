// SPDX-License-Identifier: Apache-2.0
// Threads that live as long as their program, and a barrier between their steps.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace fastsnn {

class Barrier {
public:
  explicit Barrier(int n) : n_(n) {}
  void wait();

private:
  const int n_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> generation_{0};
};

// Which processors the threads of a run stand on.  A thread that wakes on a taken one moves: the
// scheduler leaves threads that take turns on one processor for many steps.
class Places {
public:
  void clear();
  void take();

private:
  std::atomic<unsigned long> taken_[16] = {};
};

class Pool {
public:
  explicit Pool(int n) : n_(n) {}
  ~Pool() { stop(); }
  int size() const { return n_; }
  // work(k) on thread k of size(); k = 0 is the caller
  void run(const std::function<void(int)> &work);

private:
  void start();
  void stop();

  const int n_;
  Places places_;
  std::vector<std::thread> threads_;
  pid_t owner_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  const std::function<void(int)> *work_ = nullptr;
  unsigned long round_ = 0;
  int busy_ = 0;
  bool stopping_ = false;
};

} // namespace fastsnn
