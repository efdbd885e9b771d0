// SPDX-License-Identifier: Apache-2.0
// A dense projection at run time.  Every thread owns the columns of its target neurons.
//
// Columns whose postsynaptic variables are all zero sleep: no update can change them, and where the
// source's spikes are known ahead their currents of a whole block are computed up front, tile by
// tile.  A column that wakes is learnt step by step, in one of two ways that give the same bits:
//   packed    it is copied into a slab of 16 awake columns and written back when the block ends;
//   in place  its group of 16 neighbours is learnt inside w, and currents are summed each step.
#pragma once

#include "merged.h"
#include "projection.h"

namespace fastsnn {

class Dense : public Plastic {
public:
  static constexpr std::int64_t tile_width = 64;

  Dense(const ProjectionPlan &plan, const Plan &network, const Population &source,
        const Population &target, int threads);

  bool learns() const override { return plain_ || event_; }
  void begin_run(const RunArgs &args, int index, bool known_ahead) override;
  void begin(int thread) override;
  std::int64_t longest_block() const override;
  void reserve(std::int64_t steps) override;
  // whether normalising left weights outside of the bounds, which the next learning step clips
  bool overshoots() const override;

  void begin_block(int thread, std::int64_t steps, const Ids *last, const Ids *lists) override;
  void deliver(int thread, const Ids *last) override;
  const real *row(int thread, std::int64_t t, std::int64_t b) const override;
  void learn(int thread, std::int64_t t, const Ids *pre, const Ids *post) override;
  bool reads_others(bool any_post) const override;
  bool reads_spike_bytes() const override { return plain_ || learns_own_; }
  void advance_own(int thread, const Ids *pre, const Ids *post) override;
  void sync(int thread) override;
  void end_block(int thread) override;
  void normalise(int thread) override;

private:
  struct State {
    bool in_place = true, scanned = false;
    bool within = false;    // a plain step has clipped all weights
    bool delivered = false; // the next step's currents are there
    std::int64_t steps = 0, expected_awake = 0;
    std::vector<Slab> slabs;
    std::vector<Slab *> slab_ptrs;
    std::vector<std::int32_t> slot;  // per own column: slab * 16 + lane, or -1
    std::vector<std::uint8_t> awake; // per own column
    std::int64_t n_awake = 0;
    Buffer<real> panel, tile;
    // this step's postsynaptic spikes
    std::vector<SpikingColumn> columns;
    std::vector<std::int32_t> column_of;  // per own column: its place in `columns`, or -1
    Buffer<std::int32_t> spiking;         // [column, B]
    Buffer<real> after, terms, variables; // see LearnStep; after: [column, rows]
    // rows that matter in this block
    std::vector<std::int32_t> row_id, number;
    std::vector<std::uint8_t> marked;
    Buffer<std::int32_t> numbers; // the block's lists in slab rows
    std::vector<Ids> numbered;    // [1 + steps, B]
    // one step's lists merged over the batch
    Merged merged;
    std::vector<std::uint64_t> awake_words;
    LearnStep step; // what is the same in all steps of a block
    // spikes of the step before, for rules with lag
    std::vector<std::int32_t> lag_ids[2];
    std::vector<Ids> lag[2];
    std::vector<std::int64_t> outside; // elements of w outside of the bounds
  };

  real *row_ptr(const State &s, std::int64_t t, std::int64_t b) const {
    return current_.get() + ((s.in_place ? 0 : t) * batch_ + b) * stride_;
  }
  void mark_rows(State &, const Ids *last, const Ids *lists);
  void number_lists(State &, const Ids *last, const Ids *lists);
  void precompute(State &, Range own);
  void wake_at_start(State &, Range own);
  void wake(State &, Range own, std::int64_t j);
  void wake_spiking(State &, Range own, const Ids *post);
  void note_columns(State &, Range own, const Ids *post);
  void prepare(State &);
  void put_back(State &, Range columns, const LearnStep &);
  void learn_event_driven(State &, Range own, std::int64_t t, const Ids *pre, const Ids *post);
  void learn_tiles(State &, Range own, const LearnStep &, const Ids *lists);
  void learn_plain(State &, Range own);
  void deliver_columns(State &, Range columns, const Ids *lists);
  void clip(State &);
  void remember(State &, int side, const Ids *lists);

  const std::int32_t words_; // of 64 batch elements
  // whether a zero variable stays zero without a spike, on either side
  bool pre_rests_ = true, post_rests_ = true;
  bool can_be_event_driven_ = false, reads_pre_ = false;

  bool plain_ = false, event_ = false, known_ahead_ = false;
  bool post_stays_zero_ = true;
  Buffer<real> current_;
  std::vector<State> states_;
};

} // namespace fastsnn
