// SPDX-License-Identifier: Apache-2.0
// What the skeletons of learning rules share.
#pragma once

#include <algorithm>
#include <utility>

#include "population.h"

namespace fastsnn::inline FASTSNN_ISA {

template <class Rule> struct RuleTraits {
  static constexpr int n_terms = at_least_one(Rule::n_term);
  static constexpr int n_params = at_least_one(Rule::n_param);
  static constexpr int n_post_variables = Rule::n_post - 1;

  // f(integral constant of every term)
  template <class F> static void for_terms(F f) {
    [&]<int... K>(std::integer_sequence<int, K...>) {
      (f(std::integral_constant<int, K>{}), ...);
    }(std::make_integer_sequence<int, Rule::n_term>{});
  }

  // only terms driven by the presynaptic (postsynaptic) spike
  template <bool pre_driven, class F> static void for_terms_driven(F f) {
    for_terms([&](auto k) {
      if constexpr (Rule::pre_driven[k] == pre_driven)
        f(k);
    });
  }

  template <int K, class T> static T term(const T *pre, const T *post, T reward, const T *param) {
    return Rule::template term<K>(pre, post, reward, param);
  }

  struct Params {
    vr of[n_params] = {};
    explicit Params(const real *p) {
      for (int k = 0; k < Rule::n_param; ++k)
        of[k] = vr(p[k]);
    }
  };

  // whether a chosen kind of term turns NaN when some of its inputs are NaN
  template <class Chosen> static bool any_term_reads(const vr *pre, const vr *post, Chosen chosen) {
    vr param[n_params];
    std::fill_n(param, n_params, vr(1.0f));
    bool reads = false;
    for_terms([&](auto k) {
      const vr x = term<k>(pre, post, vr(1.0f), param);
      reads = reads || (chosen(Rule::pre_driven[k]) && any(x != x));
    });
    return reads;
  }
};

} // namespace fastsnn::inline FASTSNN_ISA
