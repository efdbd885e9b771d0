// SPDX-License-Identifier: Apache-2.0
// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011); 16 numbers at a time: philox16.h.
// key = (seed low, seed high), counter = (index, step low, step high, stream).
#pragma once

#include "language.h"

namespace fastsnn::inline FASTSNN_ISA {

namespace philox_detail {
inline constexpr std::uint32_t mul0 = 0xD2511F53, mul1 = 0xCD9E8D57;
inline constexpr std::uint32_t bump0 = 0x9E3779B9, bump1 = 0xBB67AE85;
inline constexpr int rounds = 10;
} // namespace philox_detail

struct Words {
  std::uint32_t w[4];
};

// counter and key as in the paper; `philox` below gives them their meaning here
FASTSNN_FN Words philox_block(Words counter, std::uint32_t k0, std::uint32_t k1) {
  using namespace philox_detail;
  std::uint32_t *c = counter.w;
  for (int r = 0; r < rounds; ++r) {
    const std::uint64_t p0 = std::uint64_t(mul0) * c[0], p1 = std::uint64_t(mul1) * c[2];
    const std::uint32_t hi0 = std::uint32_t(p0 >> 32), hi1 = std::uint32_t(p1 >> 32);
    c[0] = hi1 ^ c[1] ^ k0;
    c[1] = std::uint32_t(p1);
    c[2] = hi0 ^ c[3] ^ k1;
    c[3] = std::uint32_t(p0);
    k0 += bump0;
    k1 += bump1;
  }
  return counter;
}

FASTSNN_FN Words philox(std::uint64_t seed, std::uint32_t stream, std::uint64_t step,
                        std::uint32_t index) {
  const Words counter = {{index, std::uint32_t(step), std::uint32_t(step >> 32), stream}};
  return philox_block(counter, std::uint32_t(seed), std::uint32_t(seed >> 32));
}

// uniform in [0, 1)
FASTSNN_FN float uniform(std::uint32_t word) { return float(word >> 8) * 0x1p-24f; }

} // namespace fastsnn::inline FASTSNN_ISA
