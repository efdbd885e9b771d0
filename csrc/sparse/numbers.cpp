// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"

#include <algorithm>

#include "../philox.h"

namespace fastsnn::sparse {

Numbers::Numbers(const Plan &plan, const SparsePlan &spec, Pool &pool) : plan_(plan), spec_(spec) {
  if (spec.number != Number::thrown)
    return;
  thrown_.resize(spec.n_pre);
  spec.multapses ? throw_all(pool) : throw_distinct();
}

std::int64_t Numbers::of(std::int64_t row) const {
  if (spec_.number == Number::thrown)
    return thrown_[row];
  if (spec_.number == Number::fixed)
    return spec_.n;
  const std::int64_t *first = spec_.thresholds, *last = first + spec_.n_thresholds;
  const std::int64_t word =
      philox(plan_.seed, spec_.stream + 1, 0, static_cast<std::uint32_t>(row)).w[0];
  return spec_.n + (std::upper_bound(first, last, word) - first);
}

std::int64_t Numbers::most() const {
  return spec_.number == Number::thrown ? spec_.n : (spec_.n + spec_.n_thresholds) * spec_.n_pre;
}

void Numbers::throw_all(Pool &pool) {
  std::vector<std::vector<std::uint32_t>> part(pool.size());
  const std::int64_t blocks = (spec_.n + 63) / 64;
  pool.run([&](int k) {
    part[k].resize(spec_.n_pre);
    const std::int64_t begin = blocks * k / pool.size() * 64,
                       end = std::min(spec_.n, blocks * (k + 1) / pool.size() * 64);
    plan_.kernels->throw_sources({plan_.seed, spec_.stream + 1,
                                  static_cast<std::uint32_t>(spec_.n_pre), begin, end,
                                  part[k].data()});
  });
  for (const auto &times : part)
    for (std::int64_t i = 0; i < spec_.n_pre; ++i)
      thrown_[i] += times[i];
}

// An urn of all pairs, drawn from without putting back: a pair of row i that was drawn before comes
// again with the chance (pairs drawn in row i) / partners, and is then drawn again.  Beyond half of
// the pairs, those that are left out are drawn.
void Numbers::throw_distinct() {
  const std::int64_t partners = spec_.partners(), pairs = partners * spec_.n_pre;
  const bool rest = 2 * spec_.n > pairs;
  std::int64_t left = rest ? pairs - spec_.n : spec_.n;
  const auto below = [](std::uint32_t word, std::int64_t n) {
    return std::int64_t(word) * n >> 32;
  };
  for (std::uint64_t c = 0; left > 0; ++c) {
    const Words words =
        philox(plan_.seed, spec_.stream + 1, c >> 32, static_cast<std::uint32_t>(c));
    for (int w = 0; w < 4 && left > 0; w += 2) {
      std::uint32_t &taken = thrown_[below(words.w[w], spec_.n_pre)];
      if (below(words.w[w + 1], partners) >= taken) {
        ++taken;
        --left;
      }
    }
  }
  if (rest)
    for (std::uint32_t &n : thrown_)
      n = static_cast<std::uint32_t>(partners) - n;
}

} // namespace fastsnn::sparse
