// SPDX-License-Identifier: Apache-2.0
// The words of the model language for T = float, on a GPU and where one is emulated.
// csrc/language.h holds the same words for the CPU, fastsnn/models/language.py their meaning.
#pragma once

#include <cmath>
#include <cstdint>

#include "../function.h"

#ifndef FASTSNN_ISA
#define FASTSNN_ISA gpu
#endif

namespace fastsnn::inline FASTSNN_ISA {

// printed models say `namespace fastsnn::models`, which reopens this one
namespace models {}

template <class T> struct mask_of;
template <> struct mask_of<float> {
  using type = bool;
};
template <class T> using mask = typename mask_of<T>::type;

template <class T> FASTSNN_FN T lit(double x) { return T(static_cast<float>(x)); }

FASTSNN_FN bool invert(bool a) { return !a; }

FASTSNN_FN float where(bool condition, float a, float b) { return condition ? a : b; }
FASTSNN_FN bool where(bool condition, bool a, bool b) { return condition ? a : b; }

// the one definition of every backend: NaN and signed zeros behave the same everywhere
FASTSNN_FN float minimum(float a, float b) { return a < b ? a : b; }
FASTSNN_FN float maximum(float a, float b) { return a > b ? a : b; }

FASTSNN_FN float abs(float x) { return ::fabsf(x); }
// by way of double: rounded right, so that devices do not differ
FASTSNN_FN float exp(float x) { return static_cast<float>(::exp(static_cast<double>(x))); }
FASTSNN_FN float log(float x) { return static_cast<float>(::log(static_cast<double>(x))); }
FASTSNN_FN float sqrt(float x) { return ::sqrtf(x); }
FASTSNN_FN float floor(float x) { return ::floorf(x); }

} // namespace fastsnn::inline FASTSNN_ISA
