// SPDX-License-Identifier: Apache-2.0
// Every word of the language gives the same bits for one number and for sixteen.
#include "language.h"

#include <bit>
#include <cstdio>
#include <limits>

using namespace fastsnn;

namespace {

int failures = 0;

void expect(bool holds, const char *what, float a, float b) {
  if (!holds) {
    std::printf("wrong: %s of %g, %g\n", what, a, b);
    ++failures;
  }
}

bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

template <class F> void check(const char *what, float a, float b, F f) {
  expect(same(f(vf(a), vf(b)).v[7], f(a, b)), what, a, b);
}

void check_words(float a, float b) {
  check("+", a, b, [](auto x, auto y) { return x + y; });
  check("-", a, b, [](auto x, auto y) { return x - y; });
  check("*", a, b, [](auto x, auto y) { return x * y; });
  check("/", a, b, [](auto x, auto y) { return x / y; });
  check("negation", a, b, [](auto x, auto) { return -x; });
  check("minimum", a, b, [](auto x, auto y) { return minimum(x, y); });
  check("maximum", a, b, [](auto x, auto y) { return maximum(x, y); });
  check("abs", a, b, [](auto x, auto) { return fastsnn::abs(x); });
  check("sqrt", a, b, [](auto x, auto) { return fastsnn::sqrt(x); });
  check("floor", a, b, [](auto x, auto) { return fastsnn::floor(x); });
  check("exp", a, b, [](auto x, auto) { return fastsnn::exp(x); });
  check("log", a, b, [](auto x, auto) { return fastsnn::log(x); });
  check("where <", a, b, [](auto x, auto y) { return where(x < y, x, y); });
  check("where <=", a, b, [](auto x, auto y) { return where(x <= y, x, y); });
  check("where >", a, b, [](auto x, auto y) { return where(x > y, x, y); });
  check("where >=", a, b, [](auto x, auto y) { return where(x >= y, x, y); });
  check("where ==", a, b, [](auto x, auto y) { return where(x == y, x, y); });
  check("where !=", a, b, [](auto x, auto y) { return where(x != y, x, y); });
  check("and", a, b, [](auto x, auto y) { return where((x < y) & (x > -y), x, y); });
  check("or", a, b, [](auto x, auto y) { return where((x < y) | (x > -y), x, y); });
  check("invert", a, b, [](auto x, auto y) { return where(invert(x < y), x, y); });
}

void check_memory() {
  float from[lanes], to[lanes] = {};
  std::int32_t ids[2 * lanes];
  for (int k = 0; k < lanes; ++k)
    from[k] = static_cast<float>(k % 5);
  for (int count = 1; count < lanes; ++count) {
    const vf x = load(from, count);
    store(to, x, count);
    for (int k = 0; k < lanes; ++k) {
      expect(x.v[k] == (k < count ? from[k] : 0.0f), "part of a load", float(count), float(k));
      expect(to[k] == (k < count ? from[k] : 0.0f), "part of a store", float(count), float(k));
    }
  }
  const vm odd = load(from) > vf(1.5f);
  int n = 0;
  for (int k = 0; k < lanes; ++k)
    n += from[k] > 1.5f && (bits(odd) >> k & 1);
  expect(compress(ids, lane_index, odd) == n, "length of compress", float(n), 0.0f);
  for (int k = 0, at = 0; k < lanes; ++k)
    if (from[k] > 1.5f)
      expect(ids[at++] == k, "compress", float(k), 0.0f);
  expect(any(odd) && !any(none()), "any", 0.0f, 0.0f);
}

} // namespace

int main() {
  const float inf = std::numeric_limits<float>::infinity();
  const float values[] = {0.0f,  -0.0f, 1.0f,   -1.0f, 0.1f,    -0.3f, 2.5f, -2.5f, 1e-40f,
                          3e38f, 1e-8f, 65.25f, 88.0f, -103.5f, inf,   -inf, NAN,   16777217.0f};
  for (float a : values)
    for (float b : values)
      check_words(a, b);
  check_memory();
  return failures != 0;
}
