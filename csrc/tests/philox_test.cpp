// SPDX-License-Identifier: Apache-2.0
// Known answers of Random123 (kat_vectors, philox4x32-10), and the vector form against the scalar
// one.
#include "philox16.h"

#include <cstdio>

using namespace fastsnn;

namespace {

int failures = 0;

void expect(bool holds, const char *what) {
  if (!holds) {
    std::printf("wrong: %s\n", what);
    ++failures;
  }
}

bool equal(Words got, Words want) {
  for (int k = 0; k < 4; ++k)
    if (got.w[k] != want.w[k])
      return false;
  return true;
}

} // namespace

int main() {
  expect(
      equal(philox_block({{0, 0, 0, 0}}, 0, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}),
      "all zero");
  expect(equal(philox_block({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff,
                            0xffffffff),
               {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}),
         "all one");
  expect(equal(philox_block({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822,
                            0x299f31d0),
               {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}),
         "digits of pi");

  const std::uint64_t seed = 0x0123456789abcdef, step = 0x500000007;
  const std::uint32_t stream = 12;
  u32x16 index = u32x16(lane_index) * 2654435761u + 5u, words[4];
  philox(seed, stream, step, index, words);
  for (int lane = 0; lane < lanes; ++lane) {
    const Words want = philox(seed, stream, step, index[lane]);
    for (int k = 0; k < 4; ++k) {
      expect(words[k][lane] == want.w[k], "sixteen at a time");
      expect(uniform(words[k]).v[lane] == uniform(want.w[k]), "uniform");
    }
  }
  expect(uniform(0xffffffffu) < 1.0f && uniform(0u) == 0.0f, "range of uniform");
  return failures != 0;
}
