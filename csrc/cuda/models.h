// SPDX-License-Identifier: Apache-2.0
// From the number of a model to the model: kernels branch on it once per phase, so that code grows
// with models plus rules, not with models times rules.
#pragma once

#include <utility>

#include "device.h"

#include "../models.gen.h"
#include "../philox.h"

namespace fastsnn::cuda {

// purposes of a population's random numbers, see docs/design.md
inline constexpr std::uint32_t model_stream = 1, one_spike_stream = 2;

template <class One, class Other> struct Joined;
template <class... A, class... B> struct Joined<models::List<A...>, models::List<B...>> {
  using type = models::List<A..., B...>;
};
// models with receptors come last, for only kernels of sparse networks know them
using EveryNeuron = Joined<models::Neurons, models::NeuronsWithReceptors>::type;
// likewise rules that only kernels for listed synapses know
using EveryRule = Joined<models::Rules, models::HostRules>::type;

FASTSNN_FN constexpr int at_least_one(int n) { return n > 0 ? n : 1; }

template <class F, class... Models>
FASTSNN_DEVICE void dispatch(models::List<Models...>, int index, F f) {
  int k = 0;
  ((index == k++ ? f(Models{}) : void()), ...);
}

// std::integral_constant has no meaning on a device
template <int K> struct Index {
  static constexpr int value = K;
};

// f(Index of every term)
template <class Rule, class F> FASTSNN_DEVICE void for_terms(F f) {
  [&]<int... K>(std::integer_sequence<int, K...>) {
    (f(Index<K>{}), ...);
  }(std::make_integer_sequence<int, Rule::n_term>{});
}

} // namespace fastsnn::cuda
