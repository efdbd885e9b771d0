// SPDX-License-Identifier: Apache-2.0
// What the host knows of the built-in models.
#include <cstring>

#include "models.h"
#include "network.h"

namespace fastsnn::cuda {

namespace {

template <class F, class... Models> void of_list(models::List<Models...>, int index, F f) {
  int k = 0;
  ((index == k++ ? f(Models{}) : void()), ...);
}

template <class... Models> int index_of(models::List<Models...>, const char *name) {
  int k = 0, found = none;
  ((found = std::strcmp(Models::name, name) == 0 ? k : found, ++k), ...);
  return found;
}

} // namespace

int neuron_index(const char *name) { return index_of(EveryNeuron{}, name); }
int terminal_index(const char *name) { return index_of(models::Terminals{}, name); }
int rule_index(const char *name) { return index_of(EveryRule{}, name); }

NeuronFacts neuron_facts(int model) {
  NeuronFacts facts{};
  of_list(EveryNeuron{}, model, [&](auto m) {
    using M = decltype(m);
    facts = {M::n_state,  M::n_shared, M::n_param,   M::n_window,
             M::n_kernel, M::learning, M::n_receptor};
  });
  return facts;
}

RuleFacts rule_facts(int rule) {
  RuleFacts facts{0, 1, 1, 1, 0, 0, 0, none, false, false};
  of_list(EveryRule{}, rule, [&](auto r) {
    using R = decltype(r);
    facts = {R::n_param,      R::n_pre,
             R::n_post,       R::n_synapse,
             R::n_pre_state,  R::n_post_state,
             R::lag,          R::reward,
             R::event_driven, index_of(models::Rules{}, R::name) == none};
  });
  return facts;
}

} // namespace fastsnn::cuda
