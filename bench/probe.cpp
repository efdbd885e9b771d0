// SPDX-License-Identifier: Apache-2.0
// How fast this machine can do the three things of which a simulation is made. Every thread has its own
// share of the buffer; the best of many short passes counts, so that a disturbed pass does not.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

typedef float Lanes __attribute__((vector_size(64)));
constexpr std::size_t kLane = sizeof(Lanes);

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// eight independent sums hide the latency of an add
void read(const Lanes* p, std::size_t n) {
  Lanes s[8] = {};
  for (std::size_t i = 0; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) s[k] += p[i + k];
  Lanes total = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
  asm volatile("" : : "m"(total) : "memory");
}

void copy(const Lanes* p, std::size_t n) {
  char* half = reinterpret_cast<char*>(const_cast<Lanes*>(p));
  std::memcpy(half, half + n / 2 * kLane, n / 2 * kLane);
  asm volatile("" : : "r"(half) : "memory");
}

// adds and multiplications in registers, in the mix of a neuron model
void operate(const Lanes* p, std::size_t n) {
  Lanes a[6], m[6];
  for (int k = 0; k < 6; ++k) a[k] = p[k], m[k] = p[k];
  const Lanes x = p[6], y = p[7];
  for (std::size_t i = 0; i < n; i += 12)
    for (int k = 0; k < 6; ++k) {
      a[k] += x;
      m[k] *= y;
    }
  for (int k = 0; k < 6; ++k) asm volatile("" : : "m"(a[k]), "m"(m[k]) : "memory");
}

using Work = void (*)(const Lanes*, std::size_t);

double best(Work work, std::size_t bytes, int threads, double seconds, std::size_t units) {
  std::vector<double> rate(threads, 0.0);
  std::atomic<int> ready{0};
  auto one = [&](int t) {
    const std::size_t lanes = std::max<std::size_t>(bytes / threads / kLane, 16) / 16 * 16;
    auto* p = static_cast<Lanes*>(std::aligned_alloc(kLane, lanes * kLane));
    // 1 keeps sums, products and copies clear of denormal numbers
    std::fill(reinterpret_cast<float*>(p), reinterpret_cast<float*>(p + lanes), 1.0f);
    const std::size_t count = units ? units : lanes;
    const std::size_t passes = std::max<std::size_t>(1, 4096 * 16 / count);
    ++ready;
    while (ready < threads) std::this_thread::yield();
    const double end = now() + seconds;
    do {
      const double start = now();
      for (std::size_t i = 0; i < passes; ++i) work(p, count);
      rate[t] = std::max(rate[t], passes * count / (now() - start));
    } while (now() < end);
    std::free(p);
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(one, t);
  one(0);
  for (auto& thread : others) thread.join();
  double sum = 0.0;
  for (double r : rate) sum += r;
  return sum * kLane;
}

}  // namespace

// bytes a second, summing a buffer of `bytes` again and again
extern "C" double read_rate(double bytes, int threads, double seconds) {
  return best(read, static_cast<std::size_t>(bytes), threads, seconds, 0);
}

// bytes a second, read and written ones both counted, copying one half of a buffer onto the other
extern "C" double copy_rate(double bytes, int threads, double seconds) {
  return best(copy, static_cast<std::size_t>(bytes), threads, seconds, 0);
}

// float operations a second in registers
extern "C" double operation_rate(int threads, double seconds) {
  return best(operate, 4096, threads, seconds, 12 * 4096) / sizeof(float);
}
