// SPDX-License-Identifier: Apache-2.0
// Presynaptic terminals, whose efficacy scales what a spike delivers.  Their owner moves them each
// step and publishes them for the next one; a block that delivers a spike moves a copy by itself,
// for it knows the spike before the owner could tell.
#pragma once

#include "block.h"
#include "models.h"

namespace fastsnn::cuda {

class OwnTerminals {
  const Block &k;
  const Terminals &t;
  const std::int32_t n; // neurons of the source

  // what a model may ask for besides its variables: nothing
  struct Nothing {};

  FASTSNN_DEVICE float *published(int turn, int e, std::int64_t i) const {
    return t.published + (std::int64_t(turn & 1) * t.n_state + e) * n + i;
  }

  // one step of neuron i's, by a model of the terminals
  template <class Model>
  FASTSNN_DEVICE void step(float *state, bool arrives, std::int64_t i) const {
    static_assert(Model::n_state <= limit_state && Model::n_param <= limit_state &&
                  Model::n_shared == 0 && Model::n_window == 0);
    float param[at_least_one(Model::n_param)], i_syn = arrives ? 1.0f : 0.0f;
    for (int e = 0; e < Model::n_param; ++e)
      param[e] = t.param[e][t.param_each[e] ? i : 0];
    Model::step(state, static_cast<const float *>(nullptr), i_syn, false, param, Nothing{});
  }

public:
  FASTSNN_DEVICE OwnTerminals(const Block &block, const Terminals &terminals, std::int32_t neurons)
      : k(block), t(terminals), n(neurons) {}

  FASTSNN_DEVICE bool there() const { return t.model != none; }

  // efficacy of neuron i's terminals at a spike that arrives in this step
  FASTSNN_DEVICE float release(std::int64_t i, int turn) const {
    float efficacy = 0.0f;
    dispatch(models::Terminals{}, t.model, [&](auto model) {
      using Model = decltype(model);
      float state[Model::n_state];
      for (int e = 0; e < Model::n_state; ++e)
        state[e] = *published(turn - 1, e, i);
      this->template step<Model>(state, true, i);
      for (int e = 0; e < Model::n_state; ++e)
        efficacy = e == t.efficacy ? state[e] : efficacy;
    });
    return efficacy;
  }

  // arrives(j): whether a spike of own neuron j does
  template <class F> FASTSNN_DEVICE void advance(const Slice &own, int turn, F arrives) const {
    dispatch(models::Terminals{}, t.model, [&](auto model) {
      using Model = decltype(model);
      each_thread(own.n, [&](std::int64_t item) {
        const int j = static_cast<int>(item);
        float state[Model::n_state];
        for (int e = 0; e < Model::n_state; ++e)
          state[e] = values<float>(k, t.state[e])(0, j);
        this->template step<Model>(state, arrives(j), own.first + j);
        for (int e = 0; e < Model::n_state; ++e)
          values<float>(k, t.state[e])(0, j) = state[e];
      });
    });
    publish(own, turn);
  }

  FASTSNN_DEVICE void publish(const Slice &own, int turn) const {
    // a thread publishes what it has written
    each_thread(own.n, [&](std::int64_t j) {
      for (int e = 0; e < t.n_state; ++e)
        store_fresh(published(turn, e, own.first + j),
                    values<float>(k, t.state[e])(0, static_cast<int>(j)));
    });
  }

  FASTSNN_DEVICE void reset(const Slice &own, int turn) const {
    each_thread(own.n, [&](std::int64_t j) {
      for (int e = 0; e < t.n_state; ++e)
        values<float>(k, t.state[e])(0, static_cast<int>(j)) =
            t.init[e][t.init_each[e] ? own.first + j : 0];
    });
    publish(own, turn);
  }
};

} // namespace fastsnn::cuda
