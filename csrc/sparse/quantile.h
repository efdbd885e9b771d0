// SPDX-License-Identifier: Apache-2.0
// Random words as numbers of any distribution: linear interpolation in a table of its quantiles.
//
// The lower half of the words looks up m = word, the upper half m = 2^32 - 1 - word in a table of
// its own, so that both tails are as fine as the middle.  Node i of a half stands at m = 2^(i / 64
// - 1) (1 + i % 64 / 64), that is at the probability m / 2^32: exponent and top six bits of m as a
// float are the number of its node.  fastsnn/sparse/distributions.py makes the tables and looks
// them up in the same operations.
#pragma once

#include "../cpu/gather.h"

namespace fastsnn::inline FASTSNN_ISA {

namespace quantile_detail {
inline constexpr int fraction_bits = 17, bias = 126 << 6, nodes = 32 * 64 + 2;
}

inline vf quantile(const float *table, u32x16 word) {
  using namespace quantile_detail;
  const i32x16 upper = i32x16(word) >> 31, m = i32x16(word) ^ upper;
  const vf x = maximum(vf::from(m), vf(0.5f));
  const i32x16 bits = i32x16(x.v), at = (bits >> fraction_bits) - bias + (upper & nodes);
  const vf part = vf::from(bits & ((1 << fraction_bits) - 1)) * vf(1.0f / (1 << fraction_bits));
  const vf a = gather(table, at, lanes), b = gather(table + 1, at, lanes);
  return a + part * (b - a);
}

// to the nearest whole number, half to even; |x| < 2^22
inline i32x16 nearest(vf x) {
  constexpr float magic = 12582912.0f;
  const vf shifted = x + vf(magic);
  return i32x16(shifted.v) - i32x16(vf(magic).v);
}

} // namespace fastsnn::inline FASTSNN_ISA
