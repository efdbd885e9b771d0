// SPDX-License-Identifier: Apache-2.0
#include "space.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace fastsnn::sparse {

namespace {
constexpr std::int64_t spare = 16, most_cells = 256; // of a dimension
constexpr double margin = 1.001;                     // for what rounding may do to a distance
} // namespace

Space::Space(const Plan &plan, const SparsePlan &spec, Pool &pool) : plan_(plan), spec_(spec) {
  sort_targets();
  std::atomic<std::int64_t> next{0}, total{0};
  pool.run([&](int) {
    std::vector<std::uint32_t> targets;
    constexpr std::int64_t at_a_time = 64;
    for (std::int64_t i; (i = next.fetch_add(at_a_time)) < spec_.n_pre;)
      for (std::int64_t k = i; k < std::min(i + at_a_time, spec_.n_pre); ++k) {
        find(k, targets);
        total += static_cast<std::int64_t>(targets.size());
      }
  });
  total_ = total;
}

std::int64_t Space::cell(int d, float x) const {
  const auto at = static_cast<std::int64_t>(std::floor((x - origin_[d]) / size_[d]));
  return std::clamp<std::int64_t>(at, 0, n_cells_[d] - 1);
}

// counting sort by cell, so that the cells of the last dimension follow one another
void Space::sort_targets() {
  const std::int64_t n = spec_.n_post;
  std::int64_t all = 1;
  for (int d = 0; d < dimensions; ++d) {
    const float *x = spec_.x_post + d * n;
    const auto [low, high] = std::minmax_element(x, x + n);
    const bool meets = std::isfinite(spec_.period[d]);
    const double extent = meets ? spec_.period[d] : double(*high) - double(*low);
    origin_[d] = *low;
    n_cells_[d] = std::clamp<std::int64_t>(static_cast<std::int64_t>(extent / spec_.cutoff * 4.0),
                                           1, most_cells);
    size_[d] = extent > 0.0 ? extent / static_cast<double>(n_cells_[d]) : 1.0;
    all *= n_cells_[d];
  }
  std::vector<std::int64_t> at(n);
  first_.assign(all + 1, 0);
  for (std::int64_t j = 0; j < n; ++j) {
    for (int d = 0; d < dimensions; ++d)
      at[j] = at[j] * n_cells_[d] + cell(d, spec_.x_post[d * n + j]);
    ++first_[at[j] + 1];
  }
  for (std::int64_t c = 0; c < all; ++c)
    first_[c + 1] += first_[c];
  id_.assign(n + spare, 0);
  for (auto &x : x_)
    x.assign(n + spare, 0.0f);
  std::vector<std::int64_t> place(first_.begin(), first_.end() - 1);
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t p = place[at[j]]++;
    id_[p] = static_cast<std::uint32_t>(j);
    for (int d = 0; d < dimensions; ++d)
      x_[d][p] = spec_.x_post[d * n + j];
  }
}

Space::Cells Space::near(int d, float x) const {
  const double reach = spec_.cutoff * margin;
  const auto first = static_cast<std::int64_t>(std::floor((x - reach - origin_[d]) / size_[d])),
             last = static_cast<std::int64_t>(std::floor((x + reach - origin_[d]) / size_[d]));
  const std::int64_t n = n_cells_[d];
  if (!std::isfinite(spec_.period[d])) {
    // the last cell holds what lies on its far edge
    const std::int64_t begin = std::clamp<std::int64_t>(first, 0, n - 1),
                       end = std::clamp<std::int64_t>(last, 0, n - 1);
    return {begin, end - begin + 1};
  }
  // one more on either side, for targets on the edge where the ends meet
  if (last - first + 3 >= n)
    return {0, n};
  return {((first - 1) % n + n) % n, last - first + 3};
}

void Space::find(std::int64_t source, std::vector<std::uint32_t> &targets) const {
  NearDraw d{};
  d.seed = plan_.seed;
  d.stream = spec_.stream;
  d.row = static_cast<std::uint32_t>(source);
  d.skip = spec_.same ? d.row : 0xffffffffu;
  d.chance = spec_.chance;
  d.cutoff = spec_.cutoff;
  Cells cells[dimensions];
  for (int k = 0; k < dimensions; ++k) {
    d.point[k] = spec_.x_pre[k * spec_.n_pre + source];
    d.period[k] = spec_.period[k];
    d.x[k] = x_[k].data();
    cells[k] = near(k, d.point[k]);
  }
  d.id = id_.data();
  std::size_t found = 0;
  const auto test = [&](std::int64_t begin, std::int64_t end) {
    targets.resize(std::max<std::size_t>(targets.size(), found + (end - begin) + spare));
    d.begin = begin;
    d.end = end;
    d.out = targets.data() + found;
    found += plan_.kernels->draw_near(d);
  };
  for (std::int64_t a = 0; a < cells[0].n; ++a)
    for (std::int64_t b = 0; b < cells[1].n; ++b) {
      const std::int64_t line =
          ((cells[0].first + a) % n_cells_[0] * n_cells_[1] + (cells[1].first + b) % n_cells_[1]) *
          n_cells_[2];
      const std::int64_t begin = cells[2].first, end = begin + cells[2].n,
                         wrapped = std::max<std::int64_t>(0, end - n_cells_[2]);
      test(first_[line + begin], first_[line + end - wrapped]);
      if (wrapped)
        test(first_[line], first_[line + wrapped]);
    }
  targets.resize(found);
  std::sort(targets.begin(), targets.end());
}

float Space::distance(std::int64_t source, std::uint32_t target) const {
  float square = 0.0f;
  for (int d = 0; d < dimensions; ++d) {
    const float apart =
        std::fabs(spec_.x_pre[d * spec_.n_pre + source] - spec_.x_post[d * spec_.n_post + target]);
    const float shorter = std::min(apart, spec_.period[d] - apart);
    square = square + shorter * shorter;
  }
  return std::sqrt(square);
}

} // namespace fastsnn::sparse
