// SPDX-License-Identifier: Apache-2.0
// What language.h has for 16 floats, for 16 doubles: two vectors of eight.
#pragma once

namespace fastsnn::inline FASTSNN_ISA {

typedef double f64x8 __attribute__((vector_size(64)));
typedef double f64x8_anywhere __attribute__((vector_size(64), aligned(8)));
typedef std::int64_t i64x8 __attribute__((vector_size(64)));
typedef std::int32_t i32x8 __attribute__((vector_size(32)));

// numbered through
struct f64x16 {
  f64x8 half[2];
  double &operator[](int k) { return reinterpret_cast<double *>(half)[k]; }
  double operator[](int k) const { return reinterpret_cast<const double *>(half)[k]; }
};

struct halves_of_i32x16 {
  i32x8 half[2];
};

struct vd {
  f64x16 v;
  vd() = default;
  vd(f64x8 low, f64x8 high) : v{{low, high}} {}
  vd(double s) : vd(f64x8{s, s, s, s, s, s, s, s}, f64x8{s, s, s, s, s, s, s, s}) {}
  friend vd operator+(vd a, vd b) { return {a[0] + b[0], a[1] + b[1]}; }
  friend vd operator-(vd a, vd b) { return {a[0] - b[0], a[1] - b[1]}; }
  friend vd operator*(vd a, vd b) { return {a[0] * b[0], a[1] * b[1]}; }
  friend vd operator/(vd a, vd b) { return {a[0] / b[0], a[1] / b[1]}; }
  friend vd operator-(vd a) { return {-a[0], -a[1]}; }
  static vd from(i32x16 x) {
    const auto whole = std::bit_cast<halves_of_i32x16>(x);
    return {__builtin_convertvector(whole.half[0], f64x8),
            __builtin_convertvector(whole.half[1], f64x8)};
  }
  f64x8 operator[](int half) const { return v.half[half]; }
};

#if defined(__AVX512F__)
inline vm joined(__mmask8 low, __mmask8 high) { return {static_cast<__mmask16>(low | high << 8)}; }
template <int op> inline vm compare(vd a, vd b) {
  return joined(_mm512_cmp_pd_mask(a[0], b[0], op), _mm512_cmp_pd_mask(a[1], b[1], op));
}
#define FASTSNN_COMPARE(a, op, b, code) compare<code>(a, b)
inline vd where(vm condition, vd a, vd b) {
  const auto low = static_cast<__mmask8>(condition.bits),
             high = static_cast<__mmask8>(condition.bits >> 8);
  return {f64x8(_mm512_mask_blend_pd(low, b[0], a[0])),
          f64x8(_mm512_mask_blend_pd(high, b[1], a[1]))};
}
#else
inline vm joined(i64x8 low, i64x8 high) {
  return {std::bit_cast<i32x16>(halves_of_i32x16{
      {__builtin_convertvector(low, i32x8), __builtin_convertvector(high, i32x8)}})};
}
#define FASTSNN_COMPARE(a, op, b, code) joined(a[0] op b[0], a[1] op b[1])
inline vd where(vm condition, vd a, vd b) {
  const auto bits = std::bit_cast<halves_of_i32x16>(condition.bits);
  return {__builtin_convertvector(bits.half[0], i64x8) ? a[0] : b[0],
          __builtin_convertvector(bits.half[1], i64x8) ? a[1] : b[1]};
}
#endif
inline vm operator<(vd a, vd b) { return FASTSNN_COMPARE(a, <, b, _CMP_LT_OQ); }
inline vm operator<=(vd a, vd b) { return FASTSNN_COMPARE(a, <=, b, _CMP_LE_OQ); }
inline vm operator>(vd a, vd b) { return FASTSNN_COMPARE(a, >, b, _CMP_GT_OQ); }
inline vm operator>=(vd a, vd b) { return FASTSNN_COMPARE(a, >=, b, _CMP_GE_OQ); }
inline vm operator==(vd a, vd b) { return FASTSNN_COMPARE(a, ==, b, _CMP_EQ_OQ); }
inline vm operator!=(vd a, vd b) { return FASTSNN_COMPARE(a, !=, b, _CMP_NEQ_UQ); }
#undef FASTSNN_COMPARE

inline vd minimum(vd a, vd b) { return where(a < b, a, b); }
inline vd maximum(vd a, vd b) { return where(a > b, a, b); }
inline vd abs(vd x) {
  constexpr std::int64_t all_but_sign = 0x7fffffffffffffff;
  return {f64x8(i64x8(x[0]) & all_but_sign), f64x8(i64x8(x[1]) & all_but_sign)};
}
inline vd exp(vd x) {
  return each_lane(x, [](double s) { return std::exp(s); });
}
inline vd log(vd x) {
  return each_lane(x, [](double s) { return std::log(s); });
}
inline vd sqrt(vd x) {
  return each_lane(x, [](double s) { return std::sqrt(s); });
}
inline vd floor(vd x) {
  return each_lane(x, [](double s) { return std::floor(s); });
}

inline vd load(const double *p) {
  return {f64x8(*reinterpret_cast<const f64x8_anywhere *>(p)),
          f64x8(*reinterpret_cast<const f64x8_anywhere *>(p + 8))};
}
inline void store(double *p, vd x) {
  *reinterpret_cast<f64x8_anywhere *>(p) = x[0];
  *reinterpret_cast<f64x8_anywhere *>(p + 8) = x[1];
}
inline vd load(const double *p, int count) {
  vd x(0.0);
  std::memcpy(&x, p, sizeof(double) * static_cast<std::size_t>(count));
  return x;
}
inline void store(double *p, vd x, int count) {
  std::memcpy(p, &x, sizeof(double) * static_cast<std::size_t>(count));
}
// whether the bits are others
inline vm differ(vd a, vd b) {
#if defined(__AVX512F__)
  return joined(_mm512_cmpneq_epi64_mask(__m512i(a[0]), __m512i(b[0])),
                _mm512_cmpneq_epi64_mask(__m512i(a[1]), __m512i(b[1])));
#else
  return joined(i64x8(a[0]) != i64x8(b[0]), i64x8(a[1]) != i64x8(b[1]));
#endif
}

} // namespace fastsnn::inline FASTSNN_ISA
