// SPDX-License-Identifier: Apache-2.0
// Loads and stores at 16 places named by indices.
#pragma once

#include "function.h"
#include "language.h"

namespace fastsnn::inline FASTSNN_ISA {

// lanes beyond count are 0
inline i32x16 load_ids(const std::int32_t *p, int count) {
#if defined(__AVX512F__)
  return i32x16(_mm512_maskz_loadu_epi32(first(count).bits, p));
#else
  i32x16 ids = {};
  std::memcpy(&ids, p, sizeof(std::int32_t) * static_cast<std::size_t>(count));
  return ids;
#endif
}

// lanes beyond count are 0
template <class V, class E> inline V gather_each(const E *base, i32x16 ids, int count) {
  V x(E(0));
  for (int k = 0; k < count; ++k)
    x.v[k] = base[ids[k]];
  return x;
}
inline vf gather(const float *base, i32x16 ids, int count) {
#if defined(__AVX512F__)
  return f32x16(
      _mm512_mask_i32gather_ps(_mm512_setzero_ps(), first(count).bits, __m512i(ids), base, 4));
#elif defined(__AVX2__)
  if (count == lanes) {
    __m256i half[2];
    std::memcpy(half, &ids, sizeof half);
    const __m256 low = _mm256_i32gather_ps(base, half[0], 4),
                 high = _mm256_i32gather_ps(base, half[1], 4);
    vf x;
    std::memcpy(&x, &low, sizeof low);
    std::memcpy(reinterpret_cast<char *>(&x) + sizeof low, &high, sizeof high);
    return x;
  }
#endif
  return gather_each<vf>(base, ids, count);
}

// whether the places of `count` lanes follow one another
inline bool are_adjacent(i32x16 ids, int count) {
  const vm same = {
#if defined(__AVX512F__)
      _mm512_cmpeq_epi32_mask(__m512i(ids), __m512i(ids[0] + lane_index))
#else
      ids == ids[0] + lane_index
#endif
  };
  return bits(same | !first(count)) == 0xffff;
}

// only the lanes of `which`; no two of them the same place
template <class V, class E> inline void scatter_each(E *base, i32x16 ids, V x, vm which) {
  for (unsigned set = bits(which); set; set &= set - 1) {
    const int k = __builtin_ctz(set);
    base[ids[k]] = x.v[k];
  }
}
inline void scatter(float *base, i32x16 ids, vf x, vm which) {
#if defined(__AVX512F__)
  _mm512_mask_i32scatter_ps(base, which.bits, __m512i(ids), x.v, 4);
#else
  scatter_each(base, ids, x, which);
#endif
}

#if defined(FASTSNN_DOUBLE)
inline vd gather(const double *base, i32x16 ids, int count) {
  return gather_each<vd>(base, ids, count);
}
inline void scatter(double *base, i32x16 ids, vd x, vm which) { scatter_each(base, ids, x, which); }
#endif

} // namespace fastsnn::inline FASTSNN_ISA
