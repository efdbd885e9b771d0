// SPDX-License-Identifier: Apache-2.0
// Spike trains drawn ahead of a run with the numbers that torch draws.
#include "trains.h"

#include <cstdlib>

#include "generator.h"

namespace fastsnn::inline FASTSNN_ISA {
namespace {

bool not_negative(const float *value, std::int64_t n) {
  bool good = true;
  for (std::int64_t i = 0; i < n; ++i)
    good &= value[i] >= 0.0f;
  return good;
}

// log(k!), for k that come often looked up
struct LogFactorials {
  static constexpr int n = 2048;
  double of[n];
  LogFactorials() {
    for (int k = 0; k < n; ++k)
      of[k] = std::lgamma(double(k) + 1.0);
  }
};

double log_factorial(double k) {
  static const LogFactorials known;
  return k < double(known.n) ? known.of[std::size_t(k)] : std::lgamma(k + 1.0);
}

// not std::vector: code of the standard library compiled here could serve older processors, too
template <class T> class Array {
public:
  explicit Array(std::int64_t n)
      : data_(static_cast<T *>(std::malloc(std::size_t(n > 0 ? n : 1) * sizeof(T)))) {}
  Array(const Array &) = delete;
  ~Array() { std::free(data_); }
  explicit operator bool() const { return data_; }
  T &operator[](std::int64_t k) { return data_[k]; }

private:
  T *data_;
};

// A Poisson distribution: transformed rejection (Hoermann 1993, algorithm PTRS) from a mean of 10
// on, below it a product of uniform numbers. What depends on the mean alone is computed once.
struct Poisson {
  double mean, log_mean, a, b, v_sure, log_inverse_alpha, none;

  explicit Poisson(double mean) : mean(mean), log_mean(std::log(mean)) {
    b = 0.931 + 2.53 * std::sqrt(mean);
    a = -0.059 + 0.02483 * b;
    log_inverse_alpha = std::log(1.1239 + 1.1328 / (b - 3.4));
    v_sure = 0.9277 - 3.6224 / (b - 2.0);
    none = std::exp(-mean);
  }

  double draw(Generator &generator) const {
    return mean < 10.0 ? by_product(generator) : by_rejection(generator);
  }

private:
  double by_product(Generator &generator) const {
    double product = generator.uniform(), k = 0.0;
    for (; product > none; product *= generator.uniform())
      k += 1.0;
    return k;
  }

  double by_rejection(Generator &generator) const {
    for (;;) {
      const double u = generator.uniform() - 0.5, v = generator.uniform();
      const double side = 0.5 - std::fabs(u);
      const double k = std::floor((2.0 * a / side + b) * u + mean + 0.43);
      if (side >= 0.07 && v <= v_sure)
        return k;
      if (k < 0.0 || (side < 0.013 && v > side))
        continue;
      const double below = std::log(v) + log_inverse_alpha - std::log(a / (side * side) + b);
      if (below <= -mean + k * log_mean - log_factorial(k))
        return k;
    }
  }
};

struct Train {
  Poisson interval;
  std::int64_t place;
  double step; // of the last spike, 1 is the first step
};

bool poisson_train(const TrainPlan &plan, float scale) {
  if (!not_negative(plan.value, plan.n))
    return false;
  Generator generator(plan.state);
  Array<Train> trains(plan.n);
  if (!trains)
    return false;
  std::int64_t n_trains = 0;
  for (std::int64_t i = 0; i < plan.n; ++i)
    // for a rate of 0 nothing is drawn; a mean of 1e9 steps is as good as never
    if (plan.value[i] != 0.0f)
      trains[n_trains++] = {Poisson(std::min(1.0f / plan.value[i] * scale, 1e9f)), i, 0.0};
  const double n_steps = double(plan.n_steps);
  for (std::int64_t draw = 0; draw <= plan.n_steps; ++draw)
    for (std::int64_t i = 0; i < n_trains; ++i) {
      Train &train = trains[i];
      train.step += std::max(train.interval.draw(generator), 1.0);
      if (train.step <= n_steps)
        plan.out[(std::int64_t(train.step) - 1) * plan.n + train.place] = 1;
    }
  generator.store(plan.state);
  return true;
}

bool bernoulli_train(const TrainPlan &plan) {
  if (!not_negative(plan.value, plan.n))
    return false;
  Generator generator(plan.state);
  // a number u has 24 bits: u / 2^24 < p if and only if u < ceil(2^24 p)
  Array<std::uint32_t> limit(plan.n);
  if (!limit)
    return false;
  for (std::int64_t i = 0; i < plan.n; ++i)
    limit[i] = std::uint32_t(std::ceil(std::min(double(plan.value[i]), 1.0) * 0x1p24));
  for (std::int64_t step = 0; step < plan.n_steps; ++step)
    for (std::int64_t i = 0; i < plan.n;) {
      int ready;
      const std::uint32_t *words = generator.words(plan.n - i, ready);
      std::uint8_t *out = plan.out + step * plan.n + i;
      for (int k = 0; k < ready; ++k)
        out[k] = (words[k] & 0xffffffu) < limit[i + k];
      i += ready;
    }
  generator.store(plan.state);
  return true;
}

} // namespace

const Trains &trains() {
  static constexpr Trains known{poisson_train, bernoulli_train};
  return known;
}

} // namespace fastsnn::inline FASTSNN_ISA
