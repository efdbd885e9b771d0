// SPDX-License-Identifier: Apache-2.0
// Rows of every wiring: well formed, as many synapses as there should be, the same for any number
// of threads and any instruction set.
#include "sparse/build.h"

#include <cstdio>
#include <cstring>
#include <limits>
#include <string>

#include "isa.h"

using namespace fastsnn;
using namespace fastsnn::sparse;

namespace {

int failures = 0;

void expect(bool holds, const std::string &what) {
  if (!holds) {
    std::printf("wrong: %s\n", what.c_str());
    ++failures;
  }
}

constexpr std::int64_t n_pre = 37, n_post = 100;
constexpr float one = 1.0f, few_steps = 3.0f;

SparsePlan projection(const char *name, Wiring wiring, std::int64_t n) {
  SparsePlan s;
  s.name = name;
  s.source = 0;
  s.port = 0;
  s.n_pre = n_pre;
  s.n_post = n_post;
  s.wiring = wiring;
  s.n = n;
  s.stream = 0x80000000u;
  s.largest_delay = 3;
  s.weight = {&one, 1};
  s.delay = {&few_steps, 1};
  return s;
}

// synapses of a tile; all rows are checked
std::int64_t count(const Rows &rows, std::int64_t n_places, const std::string &what) {
  std::int64_t total = 0;
  for (std::size_t source = 0; source + 1 < rows.start.size(); ++source) {
    const std::uint64_t begin = rows.start[source], end = rows.start[source + 1];
    if (begin == end)
      continue;
    const std::uint32_t head = rows.words[begin], first = head & 0xffff, n = head >> 16;
    expect(first >= 1 && n >= 1, what + ": delays");
    const std::uint64_t body = begin + 1 + (n + 1) / 2;
    std::uint64_t synapses = 0;
    for (std::uint32_t k = 0; k < n; ++k) {
      std::uint16_t of_delay;
      std::memcpy(&of_delay, reinterpret_cast<const char *>(&rows.words[begin + 1]) + 2 * k, 2);
      synapses += of_delay;
    }
    expect(body + synapses == end, what + ": size of a row");
    for (std::uint64_t k = body; k < end; ++k)
      expect((rows.words[k] & 0xffff) < static_cast<std::uint64_t>(n_places), what + ": place");
    total += static_cast<std::int64_t>(synapses);
  }
  return total;
}

bool equal(const std::vector<Rows> &a, const std::vector<Rows> &b) {
  bool same = a.size() == b.size();
  for (std::size_t t = 0; same && t < a.size(); ++t) {
    const std::size_t sources = a[t].start.size();
    same = std::memcmp(a[t].start.get(), b[t].start.get(), sources * sizeof(std::uint64_t)) == 0 &&
           std::memcmp(a[t].words.get(), b[t].words.get(),
                       a[t].start[sources - 1] * sizeof(std::uint32_t)) == 0;
  }
  return same;
}

void test(const SparsePlan &spec, std::int64_t synapses) {
  Plan plan;
  plan.seed = 7;
  plan.populations.resize(2);
  plan.sparse = {spec};
  const Layout layout({n_pre, n_post}, {{1, 0}}, 4);
  std::vector<Rows> reference;
  for (const Kernels *kernels : usable_kernels())
    for (int threads : {1, 3}) {
      plan.kernels = kernels;
      const std::vector<Rows> rows = build(plan, layout, threads);
      std::int64_t total = 0;
      for (int t = 0; t < layout.n_tiles(); ++t)
        total += count(rows[t], layout.n_places(t), spec.name);
      expect(total == synapses, spec.name + ": number of synapses");
      if (reference.empty())
        reference = build(plan, layout, threads);
      expect(equal(rows, reference), spec.name + ": same rows");
    }
}

} // namespace

int main() {
  for (bool multapses : {true, false})
    for (bool same : {true, false}) {
      SparsePlan s = projection("out-degree", Wiring::rows, 40);
      s.multapses = multapses;
      s.same = same;
      test(s, 40 * n_pre);
      s.n = n_post - 1;
      test(s, (n_post - 1) * n_pre);
      s = projection("in-degree", Wiring::columns, 20);
      s.multapses = multapses;
      s.same = same;
      test(s, 20 * n_post);
      s = projection("total", Wiring::rows, 1003);
      s.number = Number::thrown;
      s.multapses = multapses;
      s.same = same;
      test(s, 1003);
      s.n = 3500;
      test(s, 3500);
    }
  SparsePlan s = projection("binomial", Wiring::rows, 3);
  s.number = Number::binomial;
  const std::int64_t thresholds[] = {0, 0xffffffff};
  s.thresholds = thresholds;
  s.n_thresholds = 2;
  test(s, 4 * n_pre);

  std::vector<std::int64_t> row_ptr(n_pre + 1, 5);
  row_ptr[0] = 0;
  row_ptr[n_pre] = 9;
  std::vector<std::int32_t> post(9 + group_size, 99), steps(9 + group_size, 2);
  std::vector<float> w(9 + group_size, -1.0f);
  s = projection("list", Wiring::list, 0);
  s.row_ptr = row_ptr.data();
  s.post = post.data();
  test(s, 9);
  s.w = w.data();
  s.steps = steps.data();
  test(s, 9);

  std::vector<float> x_pre(dimensions * n_pre), x_post(dimensions * n_post),
      chance(chance_steps + 2, 1.0f), period(dimensions, std::numeric_limits<float>::infinity());
  for (std::int64_t i = 0; i < n_pre; ++i)
    x_pre[2 * n_pre + i] = static_cast<float>(i);
  for (std::int64_t j = 0; j < n_post; ++j)
    x_post[2 * n_post + j] = static_cast<float>(j);
  s = projection("distance", Wiring::distance, 0);
  s.x_pre = x_pre.data();
  s.x_post = x_post.data();
  s.period = period.data();
  s.chance = chance.data();
  s.cutoff = 2.0f;
  s.steps_per_length = 0.5f;
  test(s, 5 * n_pre - 3);
  period[2] = 100.0f;
  test(s, 5 * n_pre);

  if (failures == 0)
    std::printf("sparse: all right\n");
  return failures != 0;
}
