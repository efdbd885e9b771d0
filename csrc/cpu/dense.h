// SPDX-License-Identifier: Apache-2.0
// Skeleton of a learning rule.
#pragma once

#include <limits>

#include "events.h"
#include "plain.h"
#include "shared.h"

namespace fastsnn::inline FASTSNN_ISA {

template <class Rule> class RuleSkeleton final : public RuleKernel {
  using Traits = RuleTraits<Rule>;

public:
  const char *name() const override { return Rule::name; }
  int n_term() const override { return Rule::n_term; }
  int n_synapse() const override { return Rule::n_synapse; }
  int n_pre() const override { return Rule::n_pre; }
  int n_post() const override { return Rule::n_post; }
  int n_pre_state() const override { return Rule::n_pre_state; }
  int n_post_state() const override { return Rule::n_post_state; }
  int n_param() const override { return Rule::n_param; }
  int reward() const override { return Rule::reward; }
  int lag() const override { return Rule::lag; }
  bool event_driven() const override { return Rule::event_driven; }

  bool pre_driven_reads_pre() const override {
    vr pre[Rule::n_pre], post[Rule::n_post];
    std::fill_n(pre, Rule::n_pre, vr(std::numeric_limits<real>::quiet_NaN()));
    std::fill_n(post, Rule::n_post, vr(1.0f));
    pre[0] = vr(1.0f);
    return Traits::any_term_reads(pre, post, [](bool pre_driven) { return pre_driven; });
  }

  bool mixes_spikes() const override {
    const vr one(1.0f), nan(std::numeric_limits<real>::quiet_NaN());
    vr pre[Rule::n_pre], post[Rule::n_post];
    std::fill_n(pre, Rule::n_pre, one);
    std::fill_n(post, Rule::n_post, one);
    pre[0] = nan;
    const bool reads_pre =
        Traits::any_term_reads(pre, post, [](bool pre_driven) { return !pre_driven; });
    pre[0] = one;
    post[0] = nan;
    return reads_pre ||
           Traits::any_term_reads(pre, post, [](bool pre_driven) { return pre_driven; });
  }

  bool own_rests(bool post) const override { return Plain<Rule>::own_rests(post); }

  void learn_column([[maybe_unused]] const LearnStep &s, [[maybe_unused]] Slab &slab,
                    [[maybe_unused]] const SpikingColumn &column,
                    [[maybe_unused]] real *after) const override {
    if constexpr (Rule::event_driven)
      Events<Rule>::learn_column(s, slab, column, after);
  }

  void learn_rows([[maybe_unused]] const LearnStep &s, [[maybe_unused]] Slab *const *slabs,
                  [[maybe_unused]] std::int32_t n_slabs) const override {
    if constexpr (Rule::event_driven) {
      if (n_slabs > 0 && slabs[0]->packed)
        Events<Rule>::template learn_rows<true>(s, slabs, n_slabs);
      else
        Events<Rule>::template learn_rows<false>(s, slabs, n_slabs);
    }
  }

  void learn_plain(const PlainLearn &s) const override { Plain<Rule>::learn(s); }
  void learn_indexed(const IndexedLearn &s) const override { Indexed<Rule>::learn(s); }
  void learn_shared(const IndexedLearn &s) const override { Shared<Rule>::learn(s); }

  void consolidate([[maybe_unused]] const Learning &s,
                   [[maybe_unused]] Range range) const override {
    if constexpr (Rule::consolidates)
      Plain<Rule>::consolidate(s, range);
  }

  void advance_own(bool post, real *const *own, const std::uint8_t *spike, const real *param,
                   Range range) const override {
    Plain<Rule>::advance_own(post, own, spike, param, range);
  }
};

// a projection without a rule: weight decay and masks still act on its weights
struct NoRule {
  static constexpr const char *name = "";
  static constexpr int n_term = 0, n_synapse = 1, n_pre = 1, n_post = 1, n_pre_state = 0,
                       n_post_state = 0, n_param = 0, reward = -1, lag = 0;
  static constexpr bool event_driven = false, consolidates = false;
  static constexpr bool pre_driven[] = {false}, post_driven[] = {false};
  template <int K, class T> static T term(const T *, const T *, T, const T *) { return T(0.0f); }
  template <class T> static void learn(T *, const T *, const T *) {}
  template <class T> static void advance_pre(T *, T, const T *) {}
  template <class T> static void advance_post(T *, T, const T *) {}
};

} // namespace fastsnn::inline FASTSNN_ISA
