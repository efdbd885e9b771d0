// SPDX-License-Identifier: Apache-2.0
#include "partners.h"

#include <algorithm>

#include "../philox.h"

namespace fastsnn::sparse {

namespace {
constexpr std::int64_t spare = 16; // what kernels read and write beyond the end
}

const std::uint32_t *Partners::draw(const Plan &plan, const SparsePlan &spec, std::uint32_t row,
                                    std::int64_t count) {
  out_.resize(count + spare);
  spec.multapses ? any(plan, spec, row, count) : distinct(plan, spec, row, count);
  if (spec.same)
    for (std::int64_t i = 0; i < count; ++i)
      out_[i] += out_[i] >= row;
  std::fill_n(out_.begin() + count, spare, 0u);
  return out_.data();
}

void Partners::any(const Plan &plan, const SparsePlan &spec, std::uint32_t row,
                   std::int64_t count) {
  plan.kernels->draw_partners({plan.seed, spec.stream, row, 0, count,
                               static_cast<std::uint32_t>(spec.partners()), out_.data()});
}

template <class F>
void Partners::attempt(const Plan &plan, const SparsePlan &spec, std::uint32_t row, std::int64_t n,
                       std::int64_t count, F f) {
  for (std::uint32_t first = 0; count > 0;) {
    const std::int64_t batch = (std::min<std::int64_t>(count, 4096) + spare - 1) / spare * spare;
    attempts_.resize(batch + spare);
    plan.kernels->draw_partners({plan.seed, spec.stream, row, first, batch,
                                 static_cast<std::uint32_t>(n), attempts_.data()});
    first += static_cast<std::uint32_t>(batch);
    for (std::int64_t i = 0; i < batch && count > 0; ++i)
      if (mark(attempts_[i])) {
        f(attempts_[i]);
        --count;
      }
  }
}

// More than half of them are those that are left when the others are drawn, ascending.
void Partners::distinct(const Plan &plan, const SparsePlan &spec, std::uint32_t row,
                        std::int64_t count) {
  const std::int64_t n = spec.partners();
  marked_.assign((n + 63) / 64, 0);
  std::int64_t at = 0;
  if (2 * count <= n)
    return attempt(plan, spec, row, n, count, [&](std::uint32_t j) { out_[at++] = j; });
  attempt(plan, spec, row, n, n - count, [](std::uint32_t) {});
  for (std::int64_t j = 0; j < n; ++j)
    if (!(marked_[j / 64] >> (j % 64) & 1))
      out_[at++] = static_cast<std::uint32_t>(j);
}

const std::uint32_t *Partners::ring(const Plan &plan, const SparsePlan &spec, std::uint32_t row) {
  const std::int64_t n = spec.n_post, k = spec.n;
  out_.assign(k + spare, 0);
  marked_.assign((n + 63) / 64, 0);
  mark(row);
  std::vector<std::int64_t> rewired;
  for (std::int64_t s = 0; s < k; ++s) {
    const std::int64_t offset = s / 2 + 1;
    out_[s] = static_cast<std::uint32_t>((row + (s % 2 ? n - offset : offset)) % n);
    const Words words = philox(plan.seed, spec.stream, row, static_cast<std::uint32_t>(s));
    words.w[3] < spec.rewire ? rewired.push_back(s) : void(mark(out_[s]));
  }
  std::size_t at = 0;
  attempt(plan, spec, row, n, static_cast<std::int64_t>(rewired.size()),
          [&](std::uint32_t j) { out_[rewired[at++]] = j; });
  return out_.data();
}

} // namespace fastsnn::sparse
