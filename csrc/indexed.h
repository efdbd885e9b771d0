// SPDX-License-Identifier: Apache-2.0
// A projection whose synapses are listed: convolutions, local and sparse connections.
//
// A spike adds its row to the current.  Where every synapse has a weight of its own, threads learn
// the synapses of their target neurons; where synapses share weights, those of their filters.
#pragma once

#include <memory>

#include "late.h"
#include "merged.h"
#include "projection.h"
#include "terminals.h"

namespace fastsnn {

class Indexed final : public Plastic {
public:
  Indexed(const ProjectionPlan &plan, const Plan &network, const Population &source,
          const Population &target, int threads);

  bool learns() const override { return plain_ || event_; }
  void begin_run(const RunArgs &args, int index, bool known_ahead) override;
  void begin(int thread) override;
  bool prepares() const override { return terminals_ != nullptr; }
  void prepare(int thread, const Ids *last) override;
  void deliver(int thread, const Ids *last) override;
  const real *row(int thread, std::int64_t, std::int64_t b) const override {
    return plan_.dendritic ? arriving(states_[thread].step) : current_.get() + b * stride_;
  }
  void reset(int thread) override;
  void end_block(int thread) override;
  void learn(int thread, std::int64_t t, const Ids *pre, const Ids *post) override;
  // traces of the source, weights that others deliver
  bool reads_others(bool) const override { return learns(); }
  bool reads_spike_bytes() const override { return learns_own_ || terminals_; }
  bool has_own_variables() const override { return learns_own_ || past_; }
  void advance_own(int thread, const Ids *pre, const Ids *post) override;
  void normalise(int thread) override;

private:
  // spikes of one side, in every form that learning asks for
  struct Spikes {
    std::int64_t n = 0;
    std::vector<std::int32_t> lag_ids;
    std::vector<Ids> lag, lists;
    Merged merged;
    Buffer<real> each, any; // [B, n], [n]
    Ids ids, late;          // of any batch element (rows or columns, if in parts)
  };
  struct State {
    Range targets, weights; // whose learning is the thread's
    std::int64_t step = 0;
    Spikes side[2];
    Sent sent;                         // of the late side
    std::vector<std::int32_t> reached; // rows (columns) that the late side's spikes reach in a step
    std::vector<const real *> seen;    // variables of the late side as the synapses see them
    Buffer<std::int32_t> both;
    Buffer<real> both_value;
    Buffer<real> term, total;
    bool outside = false; // a weight may lie outside of its bounds
  };

  SynapseLists rows(const std::vector<std::int64_t> &cuts, int thread) const;
  std::vector<std::int64_t> cut(const std::vector<std::int64_t> &targets) const;
  void make_columns();
  void reserve_learning(State &);
  void reserve_delays(State &);
  bool is_late() const { return plan_.sent; }
  int late_side() const { return plan_.dendritic; }
  std::int64_t late_n() const { return plan_.dendritic ? n_post_ : n_pre_; }
  std::int64_t late_slots() const { return synapses_.delay + plan_.dendritic; }
  // parts that the neurons of the late side are split into, by lag, and the lag of the first
  std::int64_t parts() const { return synapses_.delays ? synapses_.delay : 1; }
  std::int64_t first_lag() const {
    return plan_.dendritic + (synapses_.delays ? 0 : synapses_.delay - 1);
  }
  std::int64_t row_parts() const { return plan_.dendritic ? 1 : parts(); }
  std::int64_t column_parts() const { return plan_.dendritic ? parts() : 1; }
  std::int64_t part_of(std::int64_t synapse) const {
    return synapses_.delays ? synapses_.delays[synapse] - 1 : 0;
  }
  real *arriving(std::int64_t step) const {
    return plan_.arriving + slot_of(step, synapses_.delay) * n_post_;
  }
  const std::uint8_t *spikes_of(int thread, int side) const override;
  void reach(State &, std::int64_t step);
  void deliver_dendritic(State &, const SynapseLists &, Range own, Ids last);
  const real *efficacy(std::int64_t b) const {
    return terminals_ ? terminals_->efficacy() + b * n_pre_ : nullptr;
  }
  IndexedLearn tell(State &, int thread) const;
  void consolidate(const IndexedLearn &) const;
  void note(State &, int side, const Ids *lists);
  void forget(State &, int side);
  void normalise_filters(State &);
  void normalise_targets(State &);
  bool lies_outside(real w, std::int64_t at) const;

  const SynapsesPlan &synapses_;
  bool can_be_event_driven_ = false, plain_ = false, event_ = false;
  // whether weights may lie outside of their bounds, for all that is known
  bool unsure_ = true, unsure_next_ = true;
  std::int64_t first_step_ = 0;
  // where the synapses of each thread begin in every row and part, [threads + 1, n_pre *
  // row_parts]: by the targets that threads own, and by those whose filters they learn
  std::vector<std::int64_t> cuts_, learn_cuts_;
  std::vector<std::int64_t> column_ptr_;             // [n_post * column_parts + 1]
  std::vector<std::int32_t> column_pre_, column_at_; // [n]: neuron, place of the weight
  std::vector<std::int32_t> row_post_; // [n]: targets less their lags, if those differ
  Buffer<real> current_;               // [B, stride]
  std::unique_ptr<Past> past_;
  std::unique_ptr<Terminals> terminals_;
  std::vector<State> states_;
};

} // namespace fastsnn
