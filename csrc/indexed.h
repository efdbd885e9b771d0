// SPDX-License-Identifier: Apache-2.0
// A projection whose synapses are listed: convolutions, local and sparse connections.
//
// A spike adds its row to the current.  Where every synapse has a weight of its own, threads learn
// the synapses of their target neurons; where synapses share weights, those of their filters.
#pragma once

#include "merged.h"
#include "projection.h"

namespace fastsnn {

class Indexed final : public Plastic {
public:
  Indexed(const ProjectionPlan &plan, const Plan &network, const Population &source,
          const Population &target, int threads);

  bool learns() const override { return plain_ || event_; }
  void begin_run(const RunArgs &args, int index, bool known_ahead) override;
  void begin(int thread) override;
  void deliver(int thread, const Ids *last) override;
  const float *row(int, std::int64_t, std::int64_t b) const override {
    return current_.get() + b * stride_;
  }
  void learn(int thread, std::int64_t t, const Ids *pre, const Ids *post) override;
  // traces of the source, weights that others deliver
  bool reads_others(bool) const override { return learns(); }
  bool reads_spike_bytes() const override { return learns_own_; }
  void normalise(int thread) override;

private:
  // spikes of one side, in every form that learning asks for
  struct Spikes {
    std::int64_t n = 0;
    std::vector<std::int32_t> lag_ids;
    std::vector<Ids> lag, lists;
    Merged merged;
    Buffer<float> each, any; // [B, n], [n]
    Ids ids;                 // of any batch element
  };
  struct State {
    Range targets, weights; // whose learning is the thread's
    Spikes side[2];
    Buffer<float> term, total;
    bool outside = false; // a weight may lie outside of its bounds
  };

  SynapseLists rows(const std::vector<std::int64_t> &cuts, int thread) const;
  std::vector<std::int64_t> cut(const std::vector<std::int64_t> &targets) const;
  void make_columns();
  void note(State &, int side, const Ids *lists);
  void forget(State &, int side);
  void normalise_filters(State &);
  void normalise_targets(State &);
  bool lies_outside(float w, std::int64_t at) const;

  const SynapsesPlan &synapses_;
  bool can_be_event_driven_ = false, plain_ = false, event_ = false;
  // where the synapses of each thread begin in every row, [threads + 1, n_pre]: by the targets that
  // threads own, and by those whose filters they learn
  std::vector<std::int64_t> cuts_, learn_cuts_;
  std::vector<std::int64_t> column_ptr_;             // [n_post + 1]
  std::vector<std::int32_t> column_pre_, column_at_; // [n]: neuron, place of the weight
  Buffer<float> current_;                            // [B, stride]
  std::vector<State> states_;
};

} // namespace fastsnn
