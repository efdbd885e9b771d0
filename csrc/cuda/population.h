// SPDX-License-Identifier: Apache-2.0
// A step of the own neurons: before the barrier the model and its candidates for a spike, after it
// what follows from who spiked.  A warp takes 32 neighbours of one batch element.
#pragma once

#include "deliver.h"
#include "exchange.h"
#include "inputs.h"
#include "models.h"
#include "sparse.h"

namespace fastsnn::cuda {

// what a model may ask for besides its variables
struct Context {
  const Block &k;
  const Population &cells;
  const Now &now;
  const std::int64_t *slots; // of its windows
  int b, j;

  FASTSNN_DEVICE float rand(int draw) const {
    const std::int64_t at = std::int64_t(b) * cells.n + k.slices[&cells - k.populations].first + j;
    if (cells.uniforms && draw == 0)
      return cells.uniforms[now.row * k.plan->batch * cells.n + at];
    return uniform(
        philox(k.plan->seed, cells.stream + model_stream, now.step, static_cast<std::uint32_t>(at))
            .w[draw & 3]);
  }
  FASTSNN_DEVICE float receptor(int index) const {
    const int p = static_cast<int>(&cells - k.populations);
    return received<true>(k, p, index + 1, b, j);
  }
  FASTSNN_DEVICE float dot(int kernel, int window) const {
    const Window &ring = cells.window[window];
    const Values<float> past = k.values<float>(ring.field);
    const float *weight = cells.kernel[kernel];
    float total = 0.0f;
    std::int64_t slot = slots[window];
    for (int e = 0; e < ring.length; ++e) {
      slot = slot + 1 == ring.length ? 0 : slot + 1;
      const float product = weight[e] * past(slot * k.plan->batch + b, j);
      total = e == 0 ? product : total + product;
    }
    return total;
  }
};

template <class Model> struct Skeleton {
  static_assert(Model::n_state <= limit_state && Model::n_shared <= limit_shared &&
                Model::n_param <= limit_param && Model::n_window <= limit_window &&
                Model::n_kernel <= limit_window);

  static FASTSNN_DEVICE void load_params(const Block &k, const Population &cells, int j,
                                         float *param) {
    for (int e = 0; e < Model::n_param; ++e)
      param[e] = k.number(cells.param[e], j);
  }

  static FASTSNN_DEVICE bool step(const Block &k, const Population &cells, const Now &now,
                                  const Position &at, int b, int j, float &i_syn) {
    float param[at_least_one(Model::n_param)], state[at_least_one(Model::n_state)];
    float shared[at_least_one(Model::n_shared)];
    load_params(k, cells, j, param);
    for (int e = 0; e < Model::n_shared; ++e)
      shared[e] = k.number(cells.shared[e], j);
    for (int e = 0; e < Model::n_state; ++e)
      state[e] = k.values<float>(cells.state[e])(b, j);
    if constexpr (Model::v >= 0)
      if (cells.inject_v.data)
        state[Model::v] += cells.inject_v.data[(cells.inject_v.per_step ? now.t * cells.n : 0) +
                                               k.slices[&cells - k.populations].first + j];
    bool last = false;
    if constexpr (Model::uses_spike || Model::n_window > 0)
      last = k.values<std::uint8_t>(cells.spike)(b, j);
    std::int64_t slots[at_least_one(Model::n_window)];
    for (int e = 0; e < Model::n_window; ++e) {
      const Window &ring = cells.window[e];
      slots[e] = ((at.cleared ? 0 : ring.head) + at.since) % ring.length;
      k.values<float>(ring.field)(slots[e] * k.plan->batch + b, j) =
          ring.of_spike ? (last ? 1.0f : 0.0f) : i_syn;
    }
    const Context context{k, cells, now, slots, b, j};
    const bool spike = Model::step(state, shared, i_syn, last, param, context);
    for (int e = 0; e < Model::n_state; ++e)
      k.values<float>(cells.state[e])(b, j) = state[e];
    return spike;
  }

  // What the batch shares, before the batch loop and after it.  The last threads take it: the first
  // ones have words of neurons to see to.
  template <bool before> static FASTSNN_DEVICE void change_shared(const Block &k, int p) {
    const Population &cells = k.populations[p];
    for (int j = n_threads() - 1 - thread_index(); j < k.slices[p].n; j += n_threads()) {
      float param[at_least_one(Model::n_param)], shared[at_least_one(Model::n_shared)];
      load_params(k, cells, j, param);
      for (int e = 0; e < Model::n_shared; ++e)
        shared[e] = k.number(cells.shared[e], j);
      if constexpr (before)
        Model::before(shared, Model::uses_sent ? sent(k, cells, j) : 0.0f, param);
      else
        Model::after(shared, candidates(k, cells, j), param);
      for (int e = 0; e < Model::n_shared; ++e)
        k.values<float>(cells.shared[e])(0, j) = shared[e];
    }
  }

private:
  // batch elements in which neuron j sent a spike in the step before
  static FASTSNN_DEVICE float sent(const Block &k, const Population &cells, int j) {
    float n = 0.0f;
    for (int b = 0; b < k.plan->batch; ++b)
      n += k.values<std::uint8_t>(cells.spike)(b, j) ? 1.0f : 0.0f;
    return n;
  }

  // batch elements in which it crossed its threshold in this step
  static FASTSNN_DEVICE float candidates(const Block &k, const Population &cells, int j) {
    const std::uint32_t *words = k.in<std::uint32_t>(cells.candidates);
    float n = 0.0f;
    for (int b = 0; b < k.plan->batch; ++b)
      n += bit(words[b * cells.most_words + j / 32], j % 32) ? 1.0f : 0.0f;
    return n;
  }
};

// f(model) for the model of a population, if it has one
template <class Exchange, class F> FASTSNN_DEVICE void of_model(const Population &cells, F f) {
  if constexpr (Exchange::sparse)
    dispatch(EveryNeuron{}, cells.model, f);
  else
    dispatch(models::Neurons{}, cells.model, f);
}

template <class Exchange, bool before> FASTSNN_DEVICE void change_shared(const Block &k) {
  for (int p = 0; p < k.plan->n_populations; ++p)
    of_model<Exchange>(k.populations[p], [&](auto model) {
      using Model = decltype(model);
      if constexpr (Model::n_shared > 0)
        Skeleton<Model>::template change_shared<before>(k, p);
    });
}

// one own neuron up to its threshold
template <class Exchange>
FASTSNN_DEVICE bool advance(const Block &k, const Population &cells, int p, const Now &now,
                            const Position &at, int b, int j) {
  const std::int32_t i = k.slices[p].first + j;
  float i_syn = received<Exchange::sparse>(k, p, 0, b, j);
  if (cells.drive.source != Source::none)
    i_syn += driven(k, cells, now, at.boost, b, i);
  bool spike = i_syn != 0.0f;
  of_model<Exchange>(cells, [&](auto model) {
    spike = Skeleton<decltype(model)>::step(k, cells, now, at, b, j, i_syn);
  });
  if (cells.x != none) {
    float &x = k.values<float>(cells.x)(b, j);
    x *= k.number(cells.decay_x, j);
    if (cells.published_x)
      store_fresh(
          cells.published_x + (std::int64_t(now.turn & 1) * k.plan->batch + b) * cells.n + i, x);
  }
  if (cells.summed != none)
    k.values<float>(cells.summed)(b, j) += i_syn;
  return spike;
}

template <class Exchange>
FASTSNN_DEVICE void publish(const Block &k, const Now &now, const Population &cells, int b,
                            int word, std::uint32_t spikes, int first_word) {
  if (lane_index() == 0)
    k.in<std::uint32_t>(cells.candidates)[b * cells.most_words + word] = spikes;
  if (cells.followed)
    Exchange::write(k, now.turn,
                    cells.mask_words + std::int64_t(b) * cells.n_words + first_word + word, spikes);
}

// before the barrier
template <class Exchange>
FASTSNN_DEVICE void advance_all(const Block &k, const Now &now, const Position &at) {
  each_own_word(k, [&](const Population &cells, int p, int b, int word) {
    const int j = word * 32 + lane_index();
    if constexpr (Exchange::sparse)
      if (j < k.slices[p].n)
        gather(k, now, p, j);
    const bool spike = j < k.slices[p].n && advance<Exchange>(k, cells, p, now, at, b, j);
    publish<Exchange>(k, now, cells, b, word, ballot(spike), k.slices[p].first_word);
  });
}

// the spikes that the last launch left, for the first step of this one
template <class Exchange> FASTSNN_DEVICE void publish_last(const Block &k, const Now &now) {
  each_own_word(k, [&](const Population &cells, int p, int b, int word) {
    const int j = word * 32 + lane_index();
    const bool spike = j < k.slices[p].n && k.values<std::uint8_t>(cells.spike)(b, j);
    publish<Exchange>(k, now, cells, b, word, ballot(spike), k.slices[p].first_word);
  });
}

// after the barrier: trace, clamps, spike bytes, counts
FASTSNN_DEVICE void settle(const Block &k, const Now &now) {
  each_own_word(k, [&](const Population &cells, int p, int b, int word) {
    const Slice own = k.slices[p];
    const int at = b * cells.most_words + word, lane = lane_index(), j = word * 32 + lane;
    std::uint32_t spikes = k.in<std::uint32_t>(cells.candidates)[at];
    if (cells.one_spike) {
      const int winner = k.winners[p * k.plan->batch + b];
      spikes = winner >= 0 && winner / 32 == own.first_word + word ? 1u << winner % 32 : 0u;
    }
    const std::uint32_t sent = clamped(cells, now, own.first_word + word, spikes);
    if (lane == 0)
      k.in<std::uint32_t>(cells.sent_own)[at] = sent;
    if (j >= own.n)
      return;
    if (cells.x != none && bit(spikes, lane)) {
      float &x = k.values<float>(cells.x)(b, j);
      const float scale = k.number(cells.trace_scale, j);
      x = cells.trace == Trace::additive ? x + scale : scale;
    }
    k.values<std::uint8_t>(cells.spike)(b, j) = bit(sent, lane);
    if (cells.counts && bit(sent, lane) && own.writes)
      // nobody else writes it, but nobody waits for what was there
      atomic_add(cells.counts + (now.sample * k.plan->batch + b) * cells.n + own.first + j, 1);
  });
}

} // namespace fastsnn::cuda
