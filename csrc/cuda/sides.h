// SPDX-License-Identifier: Apache-2.0
// Both sides of the synapses of a block: spikes and variables of the source, which may live in
// other blocks, and of the own neurons; and the terms of a rule, reduced over the batch.
#pragma once

#include "exchange.h"

namespace fastsnn::cuda {

// weight decay or a mask, without a rule
struct NoRule {
  static constexpr int n_term = 0, n_synapse = 1, n_pre = 1, n_post = 1, n_pre_state = 0,
                       n_post_state = 0, n_param = 0, reward = none;
  static constexpr bool consolidates = false;
  static constexpr bool pre_driven[] = {false};
  template <int K, class T> static FASTSNN_FN T term(const T *, const T *, T, const T *) {
    return 0;
  }
  template <class T> static FASTSNN_FN void learn(T *, const T *, const T *) {}
};

template <class Rule, class Exchange> struct Sides {
  static constexpr int n_terms = at_least_one(Rule::n_term);
  static_assert(Rule::n_pre - 1 <= limit_side && Rule::n_post - 1 <= limit_side &&
                Rule::n_synapse - 1 <= limit_synapse && Rule::n_param <= limit_param);

  const Block &k;
  const Projection &wires;
  const Now &now;
  const Population &source, &target;
  const Slice &own, &own_pre;
  float *const weights;
  const std::int32_t stride;
  const int batch;
  const std::uint32_t *rows;  // [n_pre, batch words], or null: one batch element, Population::sent
  float *copied;              // pre variables, [n_pre - 1, B, n_pre], or null
  const std::uint32_t *posts; // own words
  float param[at_least_one(Rule::n_param)];
  float low, high; // bounds for all synapses

  FASTSNN_DEVICE float &w(std::int64_t i, int j) const { return weights[i * stride + j]; }

  FASTSNN_DEVICE bool pre_spike(int b, std::int64_t i) const {
    if (rows)
      return bit(rows[i * k.plan->batch_words + b / 32], b % 32);
    return bit(k.in<std::uint32_t>(source.sent)[i / 32], i % 32);
  }
  FASTSNN_DEVICE bool post_spike(int b, int j) const {
    return bit(posts[b * target.most_words + j / 32], j % 32);
  }
  // neurons of an own word that spiked in any batch element
  FASTSNN_DEVICE std::uint32_t any_post(int word) const {
    std::uint32_t any = 0;
    for (int b = 0; b < batch; ++b)
      any |= posts[b * target.most_words + word];
    return any;
  }
  FASTSNN_DEVICE float reward(int b) const { return k.plan->reward ? k.plan->reward[b] : 1.0f; }

  // whether neuron i of the source crossed its threshold and was selected in this step
  FASTSNN_DEVICE bool pre_fired(int b, std::int64_t i) const {
    const int word = static_cast<int>(i / 32);
    if (source.clamp.data || source.unclamp.data)
      return bit(fired<Exchange>(k, now, wires.source, b, word), i % 32);
    return bit(k.in<std::uint32_t>(source.sent)[std::int64_t(b) * source.n_words + word], i % 32);
  }

  // a variable of neuron i of the source, which may live in another block.  An ordinary load: what
  // comes before a barrier is seen behind it, and where no term needs it there is none.
  FASTSNN_DEVICE float pre_variable(int e, int b, std::int64_t i) const {
    return copied ? copied[(std::int64_t(e) * batch + b) * source.n + i] : distant(e, b, i);
  }

  FASTSNN_DEVICE float distant(int e, int b, std::int64_t i) const {
    const PreVariable &v = wires.pre[e];
    if (!v.published)
      return k.values<float>(v.field)(b, static_cast<std::int32_t>(i));
    const float x = v.published[(std::int64_t(now.turn & 1) * batch + b) * source.n + i];
    if (!v.is_trace || !pre_fired(b, i))
      return x;
    const Field &scale = k.fields[source.trace_scale];
    const float jump =
        reinterpret_cast<const float *>(scale.home)[scale.population == none ? 0 : i];
    return source.trace == Trace::additive ? x + jump : jump;
  }

  FASTSNN_DEVICE void load_pre(float *pre, bool spike, int b, std::int64_t i) const {
    pre[0] = spike ? 1.0f : 0.0f;
    for (int e = 1; e < Rule::n_pre; ++e)
      pre[e] = pre_variable(e - 1, b, i);
  }
  FASTSNN_DEVICE void load_post(float *post, int b, int j) const {
    post[0] = post_spike(b, j) ? 1.0f : 0.0f;
    for (int e = 1; e < Rule::n_post; ++e)
      post[e] = k.values<float>(wires.post[e - 1])(b, j);
  }

  FASTSNN_DEVICE void finish_terms(float *term) const {
    if (wires.mean && batch > 1)
      for (int e = 0; e < n_terms; ++e)
        term[e] /= static_cast<float>(batch);
  }

  // terms of a synapse over the whole batch
  FASTSNN_DEVICE void all_terms(float *term, std::int64_t i, int j) const {
    for (int b = 0; b < batch; ++b) {
      float pre[Rule::n_pre], post[Rule::n_post];
      load_pre(pre, pre_spike(b, i), b, i);
      load_post(post, b, j);
      for_terms<Rule>([&](auto index) {
        constexpr int e = decltype(index)::value;
        const float x = Rule::template term<e>(pre, post, reward(b), param);
        term[e] = b == 0 ? x : wires.max ? maximum(term[e], x) : term[e] + x;
      });
    }
    finish_terms(term);
  }

  // add the terms that the presynaptic spike of batch element b drives, where nothing spikes behind
  FASTSNN_DEVICE void add_pre_terms(float *term, std::int64_t i, int j, int b) const {
    float pre[Rule::n_pre], post[Rule::n_post];
    load_pre(pre, true, b, i);
    load_post(post, b, j);
    for_terms<Rule>([&](auto index) {
      constexpr int e = decltype(index)::value;
      if constexpr (Rule::pre_driven[e])
        term[e] += Rule::template term<e>(pre, post, reward(b), param);
    });
  }

  // what every synapse needs of other blocks, brought here
  FASTSNN_DEVICE void copy_pre() const {
    for (int e = 0; copied && e < Rule::n_pre - 1; ++e)
      each_thread(std::int64_t(batch) * source.n, [&](std::int64_t item) {
        const std::int64_t b = item / source.n;
        copied[e * std::int64_t(batch) * source.n + item] =
            distant(e, static_cast<int>(b), item - b * source.n);
      });
  }

  FASTSNN_DEVICE Sides(const Block &block, const Projection &projection, const Now &moment)
      : k(block), wires(projection), now(moment), source(k.populations[wires.source]),
        target(k.populations[wires.target]), own(k.slices[wires.target]),
        own_pre(k.slices[wires.source]), weights(k.values<float>(wires.w).at),
        stride(static_cast<std::int32_t>(k.values<float>(wires.w).stride)), batch(k.plan->batch),
        rows(wires.lag         ? k.in<std::uint32_t>(wires.last_rows)
             : source.has_rows ? k.in<std::uint32_t>(source.rows)
                               : nullptr),
        copied(wires.copies && !wires.events ? k.in<float>(wires.pre_copy) : nullptr),
        posts(k.in<std::uint32_t>(wires.lag ? wires.last_own : target.sent_own)),
        low(wires.low == none ? 0.0f : k.number(wires.low, 0)),
        high(wires.high == none ? 0.0f : k.number(wires.high, 0)) {
    for (int e = 0; e < Rule::n_param; ++e)
      param[e] = e == Rule::reward ? reward(0) : k.number(wires.param + e, 0);
  }
};

// f(rule) for the rule of a projection
template <class Exchange, class F> FASTSNN_DEVICE void of_rule(const Projection &wires, F f) {
  if (wires.rule == none)
    return f(NoRule{});
  if constexpr (Exchange::plastic)
    dispatch(EveryRule{}, wires.rule, f);
  else
    dispatch(models::Rules{}, wires.rule, f);
}

} // namespace fastsnn::cuda
