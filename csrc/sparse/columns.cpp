// SPDX-License-Identifier: Apache-2.0
#include "columns.h"

#include <algorithm>
#include <bit>

#include "partners.h"

namespace fastsnn::sparse {

Columns::Columns(const Plan &plan, const SparsePlan &spec, Pool &pool)
    : plan_(plan), spec_(spec),
      shift_(std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(spec.n, 1) - 1))),
      start_(spec.n_pre + 1), place_(pool.size()) {
  pool.run([&](int t) {
    place_[t].resize(spec_.n_pre);
    for_own(t, pool.size(), [&](std::uint32_t i, std::uint32_t) { ++place_[t][i]; });
  });
  for (std::int64_t i = 0; i < spec.n_pre; ++i) {
    std::uint32_t sum = 0;
    for (auto &place : place_)
      sum += std::exchange(place[i], sum);
    start_[i + 1] = start_[i] + sum;
  }
}

template <class F> void Columns::for_own(int t, int threads, F f) const {
  Partners partners;
  const std::int64_t end = spec_.n_post * (t + 1) / threads;
  for (std::int64_t j = spec_.n_post * t / threads; j < end; ++j) {
    const std::uint32_t target = static_cast<std::uint32_t>(j),
                        *source = partners.draw(plan_, spec_, target, spec_.n);
    for (std::int64_t k = 0; k < spec_.n; ++k)
      f(source[k], target << shift_ | static_cast<std::uint32_t>(k));
  }
}

void Columns::load(Range sources, Pool &pool) {
  loaded_ = start_[sources.begin];
  entries_.shrink(0); // other projections need the memory now
  entries_.reserve(start_[sources.end] - loaded_);
  const std::uint32_t begin = static_cast<std::uint32_t>(sources.begin),
                      size = static_cast<std::uint32_t>(sources.end - sources.begin);
  pool.run([&](int t) {
    for_own(t, pool.size(), [&](std::uint32_t i, std::uint32_t entry) {
      if (i - begin < size)
        entries_[start_[i] - loaded_ + place_[t][i]++] = entry;
    });
  });
}

void Columns::counters(std::int64_t source, std::uint32_t *k, std::uint32_t *target) const {
  const std::uint32_t *entry = entries_.get() + (start_[source] - loaded_),
                      mask = (1u << shift_) - 1u;
  const std::int64_t n = count(source);
  for (std::int64_t s = 0; s < n; ++s) {
    k[s] = entry[s] & mask;
    target[s] = entry[s] >> shift_;
  }
  std::fill_n(k + n, 16, 0u);
  std::fill_n(target + n, 16, 0u);
}

} // namespace fastsnn::sparse
