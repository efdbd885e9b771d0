// SPDX-License-Identifier: Apache-2.0
// The numbers of philox.h, 16 at a time.
#pragma once

#include "philox.h"

namespace fastsnn::inline FASTSNN_ISA {

namespace philox_detail {
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

// with a step below 2^32 for each
inline void philox(std::uint64_t seed, std::uint32_t stream, u32x16 step, u32x16 index,
                   u32x16 out[4]) {
  const u64x8 zero = {};
  u64x8 even[4] = {u64x8(index) & 0xffffffffu, u64x8(step) & 0xffffffffu, zero, zero + stream};
  u64x8 odd[4] = {u64x8(index) >> 32, u64x8(step) >> 32, zero, even[3]};
  philox_detail::rounds_of_8(even, std::uint32_t(seed), std::uint32_t(seed >> 32));
  philox_detail::rounds_of_8(odd, std::uint32_t(seed), std::uint32_t(seed >> 32));
  for (int k = 0; k < 4; ++k)
    out[k] = u32x16((even[k] & 0xffffffffu) | (odd[k] << 32));
}

inline vr uniform(u32x16 word) { return vr::from(i32x16(word >> 8)) * vr(0x1p-24f); }

} // namespace fastsnn::inline FASTSNN_ISA
