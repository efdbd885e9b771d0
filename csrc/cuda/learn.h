// SPDX-License-Identifier: Apache-2.0
// Learning of the own columns.  A rule that leaves a weight alone without a spike visits the
// columns of postsynaptic spikes (all rows) and the rows of presynaptic ones (all other columns);
// every visited synapse sees its terms of both sides.  Other rules visit every synapse.
#pragma once

#include "deliver.h"
#include "exchange.h"

namespace fastsnn::cuda {

// rows whose loads are under way at a time; more would not fit into registers
inline constexpr int learnt_in_flight = 8;

// weight decay or a mask, without a rule
struct NoRule {
  static constexpr int n_term = 0, n_synapse = 1, n_pre = 1, n_post = 1, n_pre_state = 0,
                       n_post_state = 0, n_param = 0, reward = none;
  static constexpr bool pre_driven[] = {false};
  template <int K, class T> static FASTSNN_FN T term(const T *, const T *, T, const T *) {
    return 0;
  }
  template <class T> static FASTSNN_FN void learn(T *, const T *, const T *) {}
};

template <class Rule, class Exchange> class Learner {
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

  FASTSNN_DEVICE float clip(float x) const {
    return wires.bounded ? minimum(maximum(x, low), high) : x;
  }
  // bounds for all, or one per synapse
  FASTSNN_DEVICE float clip_at(float x, std::int64_t at) const {
    if (!wires.bounded)
      return x;
    x = maximum(x, wires.low == none ? wires.low_each[at] : low);
    return minimum(x, wires.high == none ? wires.high_each[at] : high);
  }

  FASTSNN_DEVICE void note_change(int j, bool changed) const {
    if (changed && wires.changed != none)
      k.values<std::uint8_t>(wires.changed)(0, j) = 1;
  }

  // a weight of a rule that may visit only what spiked: it has nothing but the weight
  FASTSNN_DEVICE float learnt(const float *term, float old) const {
    float synapse[Rule::n_synapse] = {old};
    Rule::learn(synapse, term, param);
    return clip(synapse[0]);
  }

  // a weight with all that there may be: synaptic variables, decay, bounds, a mask
  FASTSNN_DEVICE void update(const float *term, std::int64_t i, int j) const {
    float synapse[Rule::n_synapse];
    const std::int64_t at = i * target.n + own.first + j;
    const float old = w(i, j);
    synapse[0] = old;
    if (k.plan->learning) {
      for (int e = 1; e < Rule::n_synapse; ++e)
        synapse[e] = k.values<float>(wires.synapse[e - 1])(i, j);
      Rule::learn(synapse, term, param);
      for (int e = 1; e < Rule::n_synapse; ++e)
        k.values<float>(wires.synapse[e - 1])(i, j) = synapse[e];
      if (wires.decay != 1.0f)
        synapse[0] *= wires.decay;
      synapse[0] = clip_at(synapse[0], at);
    }
    if (wires.mask && wires.mask[at])
      synapse[0] = 0.0f;
    w(i, j) = synapse[0];
    note_change(j, synapse[0] != old);
  }

public:
  FASTSNN_DEVICE Learner(const Block &block, const Projection &projection, const Now &moment)
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

  // what every synapse needs of other blocks, brought here
  FASTSNN_DEVICE void copy_pre() const {
    for (int e = 0; copied && e < Rule::n_pre - 1; ++e)
      each_thread(std::int64_t(batch) * source.n, [&](std::int64_t item) {
        const std::int64_t b = item / source.n;
        copied[e * std::int64_t(batch) * source.n + item] =
            distant(e, static_cast<int>(b), item - b * source.n);
      });
  }

  // every synapse of the own columns
  FASTSNN_DEVICE void everything() const {
    each_warp(std::int64_t(source.n) * own.n_words, [&](std::int64_t item) {
      const std::int64_t i = item / own.n_words;
      const int j = static_cast<int>(item % own.n_words) * 32 + lane_index();
      float term[n_terms] = {};
      if (j >= own.n)
        return;
      if (k.plan->learning)
        all_terms(term, i, j);
      update(term, i, j);
    });
  }

  // all rows of the columns whose neuron spiked; returns whether there are any
  FASTSNN_DEVICE bool columns() const {
    bool any = false;
    for (int word = 0; word < own.n_words; ++word)
      for (std::uint32_t spikes = any_post(word); spikes; spikes &= spikes - 1) {
        const int j = word * 32 + lowest_bit(spikes);
        any = true;
        each_thread(source.n, [&](std::int64_t i) {
          float term[n_terms];
          all_terms(term, i, j);
          const float old = w(i, j), x = learnt(term, old);
          w(i, j) = x;
          note_change(j, x != old);
        });
      }
    return any;
  }

  // the other columns of the rows whose neuron spiked
  FASTSNN_DEVICE void spiking_rows() const {
    for (int word = 0; word < own.n_words; ++word) {
      const int j = word * 32 + lane_index();
      const bool elsewhere = j >= own.n || bit(any_post(word), lane_index());
      bool changed = false;
      // a lane looks at one row, then all lanes take those with spikes
      for (std::int64_t first = warp_index(); first < source.n; first += 32 * n_warps()) {
        std::uint32_t left = ballot(any_pre(first + std::int64_t(lane_index()) * n_warps()));
        for (; left; left &= left - 1)
          if (!elsewhere)
            changed = spiking_row(first + lowest_bit(left) * n_warps(), j) || changed;
      }
      if (j < own.n)
        note_change(j, changed);
    }
  }

private:
  // whether row i spiked in any batch element
  FASTSNN_DEVICE bool any_pre(std::int64_t i) const {
    const int batch_words = k.plan->batch_words;
    std::uint32_t any = 0;
    for (int group = 0; group < batch_words && i < source.n; ++group)
      any |= rows[i * batch_words + group];
    return any != 0;
  }

  FASTSNN_DEVICE bool spiking_row(std::int64_t i, int j) const {
    const int batch_words = k.plan->batch_words;
    float term[n_terms] = {};
    if (wires.max) {
      all_terms(term, i, j);
    } else {
      for (int group = 0; group < batch_words; ++group)
        for (std::uint32_t left = rows[i * batch_words + group]; left; left &= left - 1)
          add_pre_terms(term, i, j, group * 32 + lowest_bit(left));
      finish_terms(term);
    }
    const float old = w(i, j), x = learnt(term, old);
    w(i, j) = x;
    return x != old;
  }

public:
  // One batch element: learn the other columns of a spike's row, and add it to the current of the
  // next step while it is in a register.
  FASTSNN_DEVICE void rows_and_deliver(bool delivers) const {
    const std::int32_t *ids = k.in<std::int32_t>(source.list);
    const int n = k.n_sent[wires.source];
    each_warp(own.n_words, [&](std::int64_t word) {
      const int j = static_cast<int>(word) * 32 + lane_index();
      if (j >= own.n)
        return;
      const bool elsewhere = post_spike(0, j);
      bool changed = false;
      float sum = 0.0f, post[Rule::n_post];
      load_post(post, 0, j);
      for (int first = 0; first < n; first += learnt_in_flight) {
        float old[learnt_in_flight];
#pragma unroll
        for (int u = 0; u < learnt_in_flight; ++u)
          old[u] = first + u < n ? w(ids[first + u], j) : 0.0f;
#pragma unroll
        for (int u = 0; u < learnt_in_flight; ++u)
          if (first + u < n) {
            const std::int32_t i = ids[first + u];
            const float x = elsewhere ? old[u] : row_learnt(i, post, old[u]);
            if (!elsewhere)
              w(i, j) = x;
            changed = changed || x != old[u];
            sum += x;
          }
      }
      note_change(j, changed);
      if (delivers)
        k.in<float>(wires.current)[j] = sum;
    });
  }

private:
  FASTSNN_DEVICE float row_learnt(std::int64_t i, const float *post, float old) const {
    float term[n_terms] = {}, pre[Rule::n_pre];
    load_pre(pre, true, 0, i);
    for_terms<Rule>([&](auto index) {
      constexpr int e = decltype(index)::value;
      if constexpr (Rule::pre_driven[e])
        term[e] = Rule::template term<e>(pre, post, reward(0), param);
    });
    return learnt(term, old);
  }

public:
  // weights that nobody visits and that lie outside of their bounds
  FASTSNN_DEVICE void clip_all() const {
    for (int word = 0; word < own.n_words; ++word) {
      const int j = word * 32 + lane_index();
      bool changed = false;
      each_warp(source.n, [&](std::int64_t i) {
        if (j >= own.n)
          return;
        const float old = w(i, j), x = clip(old);
        if (x != old)
          w(i, j) = x;
        changed = changed || x != old;
      });
      if (j < own.n)
        note_change(j, changed);
    }
  }

  // variables of the rule's own, and what a rule with lag sees in the next step
  FASTSNN_DEVICE void advance_own() const {
    advance_side<false>(own_pre, source, Rule::n_pre_state);
    advance_side<true>(own, target, Rule::n_post_state);
    if (!wires.lag)
      return;
    const std::uint32_t *sent_rows = k.in<std::uint32_t>(source.rows);
    std::uint32_t *last_rows = k.in<std::uint32_t>(wires.last_rows);
    each_thread(std::int64_t(source.n) * k.plan->batch_words,
                [&](std::int64_t at) { last_rows[at] = sent_rows[at]; });
    const std::uint32_t *sent_own = k.in<std::uint32_t>(target.sent_own);
    std::uint32_t *last_own = k.in<std::uint32_t>(wires.last_own);
    each_thread(std::int64_t(batch) * target.most_words,
                [&](std::int64_t at) { last_own[at] = sent_own[at]; });
  }

  template <bool post>
  FASTSNN_DEVICE void advance_side(const Slice side, const Population &cells, int n_own) const {
    if (n_own == 0 && !wires.lag)
      return;
    each_thread(std::int64_t(batch) * side.n, [&](std::int64_t item) {
      const int b = static_cast<int>(item / side.n), j = static_cast<int>(item % side.n);
      const bool spike =
          bit(k.in<std::uint32_t>(cells.sent_own)[b * cells.most_words + j / 32], j % 32);
      float x[at_least_one(Rule::n_pre_state + Rule::n_post_state)];
      for (int e = 0; e < (post ? Rule::n_post_state : Rule::n_pre_state); ++e)
        x[e] = k.values<float>(own_field<post>(e))(b, j);
      if constexpr (post && Rule::n_post_state > 0)
        Rule::advance_post(x, spike ? 1.0f : 0.0f, param);
      if constexpr (!post && Rule::n_pre_state > 0)
        Rule::advance_pre(x, spike ? 1.0f : 0.0f, param);
      for (int e = 0; e < (post ? Rule::n_post_state : Rule::n_pre_state); ++e)
        k.values<float>(own_field<post>(e))(b, j) = x[e];
      if (!post)
        publish(x, b, side.first + j, now.turn + 1);
      if (wires.lag)
        k.values<std::uint8_t>(post ? wires.last_post : wires.last_pre)(b, j) = spike;
    });
  }

  template <bool post> FASTSNN_DEVICE std::int32_t own_field(int e) const {
    return post ? wires.post[Rule::n_post - 1 - Rule::n_post_state + e]
                : wires.pre[Rule::n_pre - 1 - Rule::n_pre_state + e].field;
  }

  FASTSNN_DEVICE void publish(const float *x, int b, std::int64_t i, int turn) const {
    for (int e = 0; e < Rule::n_pre_state; ++e)
      if (float *out = wires.published_own[e])
        store_fresh(out + (std::int64_t(turn & 1) * batch + b) * source.n + i, x[e]);
  }

  // at the start of a launch: own variables for the first step, and the spikes of the step before
  FASTSNN_DEVICE void begin() const {
    each_thread(std::int64_t(batch) * own_pre.n, [&](std::int64_t item) {
      const int b = static_cast<int>(item / own_pre.n), j = static_cast<int>(item % own_pre.n);
      float x[at_least_one(Rule::n_pre_state)];
      for (int e = 0; e < Rule::n_pre_state; ++e)
        x[e] = k.values<float>(own_field<false>(e))(b, j);
      publish(x, b, own_pre.first + j, now.turn + 1);
    });
    if (!wires.lag)
      return;
    std::uint32_t *last_rows = k.in<std::uint32_t>(wires.last_rows);
    const std::uint8_t *bytes = k.fields[wires.last_pre].home;
    const int batch_words = k.plan->batch_words;
    each_thread(std::int64_t(source.n) * batch_words, [&](std::int64_t at) {
      const std::int64_t i = at / batch_words, group = at % batch_words;
      std::uint32_t spikes = 0;
      for (int b = static_cast<int>(group) * 32; b < batch && b < (group + 1) * 32; ++b)
        spikes |= static_cast<std::uint32_t>(bytes[b * std::int64_t(source.n) + i]) << b % 32;
      last_rows[at] = spikes;
    });
    std::uint32_t *last_own = k.in<std::uint32_t>(wires.last_own);
    each_warp(std::int64_t(batch) * own.n_words, [&](std::int64_t item) {
      const int b = static_cast<int>(item) / own.n_words,
                word = static_cast<int>(item) % own.n_words;
      const int j = word * 32 + lane_index();
      const std::uint32_t spikes =
          ballot(j < own.n && k.values<std::uint8_t>(wires.last_post)(b, j));
      if (lane_index() == 0)
        last_own[b * target.most_words + word] = spikes;
    });
  }
};

// f(learner) for the rule of a projection
template <class Exchange, class F>
FASTSNN_DEVICE void of_rule(const Block &k, const Projection &wires, const Now &now, F f) {
  if (wires.rule == none)
    return f(Learner<NoRule, Exchange>(k, wires, now));
  dispatch(models::Rules{}, wires.rule,
           [&](auto rule) { f(Learner<decltype(rule), Exchange>(k, wires, now)); });
}

} // namespace fastsnn::cuda
