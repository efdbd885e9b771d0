// SPDX-License-Identifier: Apache-2.0
// The words of the model language for T = real and T = vr (16 lanes), so that one printed body
// serves both.  fastsnn/models/language.py holds the same words in the same order.
//
// Everything that depends on the instruction set lives in an inline namespace named after it: the
// same sources are compiled once per instruction set and linked together.
#pragma once

#if defined(__CUDACC__) || defined(FASTSNN_EMULATED)
#include "cuda/language.h"
#else

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#include "function.h"

#ifndef FASTSNN_ISA
#define FASTSNN_ISA baseline
#endif

namespace fastsnn::inline FASTSNN_ISA {

// printed models say `namespace fastsnn::models`, which reopens this one
namespace models {}

inline constexpr int lanes = 16;

typedef float f32x16 __attribute__((vector_size(64)));
typedef std::int32_t i32x16 __attribute__((vector_size(64)));
typedef std::uint32_t u32x16 __attribute__((vector_size(64)));
typedef std::uint64_t u64x8 __attribute__((vector_size(64)));

inline constexpr i32x16 lane_index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// 16 truth values
struct vm {
#if defined(__AVX512F__)
  __mmask16 bits;
  friend vm operator&(vm a, vm b) { return {static_cast<__mmask16>(a.bits & b.bits)}; }
  friend vm operator|(vm a, vm b) { return {static_cast<__mmask16>(a.bits | b.bits)}; }
  friend vm operator!(vm a) { return {static_cast<__mmask16>(~a.bits)}; }
#else
  i32x16 bits;
  friend vm operator&(vm a, vm b) { return {a.bits & b.bits}; }
  friend vm operator|(vm a, vm b) { return {a.bits | b.bits}; }
  friend vm operator!(vm a) { return {~a.bits}; }
#endif
  friend vm operator~(vm a) { return !a; }
};

// 16 floats
struct vf {
  f32x16 v;
  vf() = default;
  vf(f32x16 x) : v(x) {}
  vf(float s) : v{s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s} {}
  friend vf operator+(vf a, vf b) { return a.v + b.v; }
  friend vf operator-(vf a, vf b) { return a.v - b.v; }
  friend vf operator*(vf a, vf b) { return a.v * b.v; }
  friend vf operator/(vf a, vf b) { return a.v / b.v; }
  friend vf operator-(vf a) { return -a.v; }
  static vf from(i32x16 x) { return __builtin_convertvector(x, f32x16); }
#if defined(__AVX512F__)
  friend vm operator<(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
  friend vm operator<=(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
  friend vm operator>(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
  friend vm operator>=(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
  friend vm operator==(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
  friend vm operator!=(vf a, vf b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
#else
  friend vm operator<(vf a, vf b) { return {a.v < b.v}; }
  friend vm operator<=(vf a, vf b) { return {a.v <= b.v}; }
  friend vm operator>(vf a, vf b) { return {a.v > b.v}; }
  friend vm operator>=(vf a, vf b) { return {a.v >= b.v}; }
  friend vm operator==(vf a, vf b) { return {a.v == b.v}; }
  friend vm operator!=(vf a, vf b) { return {a.v != b.v}; }
#endif
};

template <class T> struct mask_of {
  using type = vm;
};
template <> struct mask_of<real> {
  using type = bool;
};
template <class T> using mask = typename mask_of<T>::type;

// a number of the printed text
template <class T> inline T lit(double x) { return T(static_cast<real>(x)); }

inline bool invert(bool a) { return !a; }
inline vm invert(vm a) { return !a; }

inline real where(bool condition, real a, real b) { return condition ? a : b; }
inline bool where(bool condition, bool a, bool b) { return condition ? a : b; }
inline vf where(vm condition, vf a, vf b) {
#if defined(__AVX512F__)
  return f32x16(_mm512_mask_blend_ps(condition.bits, b.v, a.v));
#else
  return condition.bits ? a.v : b.v;
#endif
}

// the one definition of every backend: NaN and signed zeros behave the same everywhere
inline real minimum(real a, real b) { return a < b ? a : b; }
inline real maximum(real a, real b) { return a > b ? a : b; }
#if defined(__AVX512F__)
// what vminps and vmaxps do, bit for bit
inline vf minimum(vf a, vf b) { return f32x16(_mm512_min_ps(a.v, b.v)); }
inline vf maximum(vf a, vf b) { return f32x16(_mm512_max_ps(a.v, b.v)); }
#else
inline vf minimum(vf a, vf b) { return where(a < b, a, b); }
inline vf maximum(vf a, vf b) { return where(a > b, a, b); }
#endif

template <class V, class F> inline V each_lane(V x, F f) {
  V y;
  for (int k = 0; k < lanes; ++k)
    y.v[k] = f(x.v[k]);
  return y;
}

inline real abs(real x) { return std::fabs(x); }
inline real exp(real x) { return std::exp(x); }
inline real log(real x) { return std::log(x); }
inline real sqrt(real x) { return std::sqrt(x); }
inline real floor(real x) { return std::floor(x); }
inline vf abs(vf x) { return f32x16(i32x16(x.v) & 0x7fffffff); }
inline vf exp(vf x) {
  return each_lane(x, [](float s) { return std::exp(s); });
}
inline vf log(vf x) {
  return each_lane(x, [](float s) { return std::log(s); });
}
#if defined(__AVX512F__)
inline vf sqrt(vf x) { return f32x16(_mm512_sqrt_ps(x.v)); }
inline vf floor(vf x) { return f32x16(_mm512_floor_ps(x.v)); }
#else
inline vf sqrt(vf x) {
  return each_lane(x, [](float s) { return std::sqrt(s); });
}
inline vf floor(vf x) {
  return each_lane(x, [](float s) { return std::floor(s); });
}
#endif

// below: what skeletons need and models do not

// any address of a float; not memcpy, which the compiler takes for a write to anything
typedef float f32x16_anywhere __attribute__((vector_size(64), aligned(4)));
typedef std::int32_t i32x16_anywhere __attribute__((vector_size(64), aligned(4)));
inline vf load(const float *p) { return f32x16(*reinterpret_cast<const f32x16_anywhere *>(p)); }
inline void store(float *p, vf x) { *reinterpret_cast<f32x16_anywhere *>(p) = x.v; }

#if defined(__AVX512F__)
inline vm first(int count) { return {static_cast<__mmask16>((1u << count) - 1)}; }
inline vf load(const float *p, int count) {
  return f32x16(_mm512_maskz_loadu_ps(first(count).bits, p));
}
inline void store(float *p, vf x, int count) { _mm512_mask_storeu_ps(p, first(count).bits, x.v); }
inline unsigned bits(vm m) { return m.bits; }
inline bool any(vm m) { return m.bits != 0; }
inline vm differ(vf a, vf b) {
  return {_mm512_cmpneq_epi32_mask(_mm512_castps_si512(a.v), _mm512_castps_si512(b.v))};
}
inline vm load_mask(const std::uint8_t *p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
  return {_mm_test_epi8_mask(bytes, bytes)};
}
inline vm at_most(u32x16 a, u32x16 b) { return {_mm512_cmple_epu32_mask(__m512i(a), __m512i(b))}; }
// ids[k] for every lane k of m, ascending; writes up to 16 elements, returns how many count
inline int compress(std::int32_t *out, i32x16 ids, vm m) {
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m.bits, __m512i(ids)));
  return __builtin_popcount(m.bits);
}
#else
inline vm first(int count) { return {lane_index < count}; }
inline vf load(const float *p, int count) {
  vf x(0.0f);
  std::memcpy(&x, p, sizeof(float) * static_cast<std::size_t>(count));
  return x;
}
inline void store(float *p, vf x, int count) {
  std::memcpy(p, &x, sizeof(float) * static_cast<std::size_t>(count));
}
#if defined(__AVX2__)
inline unsigned bits(vm m) {
  __m256 half[2];
  std::memcpy(half, &m, sizeof half);
  return static_cast<unsigned>(_mm256_movemask_ps(half[0])) |
         static_cast<unsigned>(_mm256_movemask_ps(half[1])) << 8;
}
#else
inline unsigned bits(vm m) {
  unsigned r = 0;
  for (int k = 0; k < lanes; ++k)
    r |= (m.bits[k] ? 1u : 0u) << k;
  return r;
}
#endif
inline bool any(vm m) {
  std::uint64_t word[8], all = 0;
  std::memcpy(word, &m, sizeof word);
  for (std::uint64_t w : word)
    all |= w;
  return all != 0;
}
inline vm differ(vf a, vf b) { return {i32x16(a.v) != i32x16(b.v)}; }
inline vm load_mask(const std::uint8_t *p) {
  vm m;
  for (int k = 0; k < lanes; ++k)
    m.bits[k] = p[k] ? -1 : 0;
  return m;
}
inline vm at_most(u32x16 a, u32x16 b) { return {i32x16(a <= b)}; }
inline int compress(std::int32_t *out, i32x16 ids, vm m) {
  int n = 0;
  for (unsigned set = bits(m); set; set &= set - 1)
    out[n++] = ids[__builtin_ctz(set)];
  return n;
}
#endif
inline vm none() { return first(0); }
inline vm load_mask(const std::uint8_t *p, int count) {
  if (count == lanes)
    return load_mask(p);
  std::uint8_t bytes[lanes] = {};
  std::memcpy(bytes, p, static_cast<std::size_t>(count));
  return load_mask(bytes);
}

} // namespace fastsnn::inline FASTSNN_ISA

#if defined(FASTSNN_DOUBLE)
#include "double16.h"
#endif

namespace fastsnn::inline FASTSNN_ISA {

// 16 real numbers
#if defined(FASTSNN_DOUBLE)
using vr = vd;
#else
using vr = vf;
#endif

template <class V = vr> inline V ones(vm m) { return where(m, V(1.0f), V(0.0f)); }

} // namespace fastsnn::inline FASTSNN_ISA

#endif
