// SPDX-License-Identifier: Apache-2.0
// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011), one number and 16 numbers at a time.
// key = (seed low, seed high), counter = (index, step low, step high, stream).
#pragma once

#include "language.h"

namespace fastsnn::inline FASTSNN_ISA {

namespace philox_detail {
inline constexpr std::uint32_t mul0 = 0xD2511F53, mul1 = 0xCD9E8D57;
inline constexpr std::uint32_t bump0 = 0x9E3779B9, bump1 = 0xBB67AE85;
inline constexpr int rounds = 10;

// only the low 32 bits of a lane count
inline u64x8 widening_mul(u64x8 a, std::uint32_t b) {
#if defined(__AVX512F__)
  return u64x8(_mm512_mul_epu32(__m512i(a), _mm512_set1_epi64(b)));
#else
  return (a & 0xffffffffu) * b;
#endif
}

// 8 counters in the low halves of 64-bit lanes: the products need no shuffles
inline void rounds_of_8(u64x8 c[4], std::uint32_t k0, std::uint32_t k1) {
  for (int r = 0; r < rounds; ++r) {
    const u64x8 p0 = widening_mul(c[0], mul0), p1 = widening_mul(c[2], mul1);
    c[0] = (p1 >> 32) ^ c[1] ^ k0;
    c[2] = (p0 >> 32) ^ c[3] ^ k1;
    c[1] = p1;
    c[3] = p0;
    k0 += bump0;
    k1 += bump1;
  }
}
} // namespace philox_detail

struct Words {
  std::uint32_t w[4];
};

// counter and key as in the paper; `philox` below gives them their meaning here
inline Words philox_block(Words counter, std::uint32_t k0, std::uint32_t k1) {
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

inline Words philox(std::uint64_t seed, std::uint32_t stream, std::uint64_t step,
                    std::uint32_t index) {
  const Words counter = {{index, std::uint32_t(step), std::uint32_t(step >> 32), stream}};
  return philox_block(counter, std::uint32_t(seed), std::uint32_t(seed >> 32));
}

// words of 16 indices; out[lane of the block][index]
inline void philox(std::uint64_t seed, std::uint32_t stream, std::uint64_t step, u32x16 index,
                   u32x16 out[4]) {
  const u64x8 zero = {};
  // even and odd indices: truncation and widening are then views, not shuffles
  u64x8 even[4] = {u64x8(index) & 0xffffffffu, zero + std::uint32_t(step),
                   zero + std::uint32_t(step >> 32), zero + stream};
  u64x8 odd[4] = {u64x8(index) >> 32, even[1], even[2], even[3]};
  philox_detail::rounds_of_8(even, std::uint32_t(seed), std::uint32_t(seed >> 32));
  philox_detail::rounds_of_8(odd, std::uint32_t(seed), std::uint32_t(seed >> 32));
  for (int k = 0; k < 4; ++k)
    out[k] = u32x16((even[k] & 0xffffffffu) | (odd[k] << 32));
}

// uniform in [0, 1)
inline float uniform(std::uint32_t word) { return float(word >> 8) * 0x1p-24f; }
inline vf uniform(u32x16 word) {
  return vf(__builtin_convertvector(i32x16(word >> 8), f32x16)) * vf(0x1p-24f);
}

} // namespace fastsnn::inline FASTSNN_ISA
