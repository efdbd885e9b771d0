// SPDX-License-Identifier: Apache-2.0
// A dense projection at run time.  Every thread owns the columns of its target neurons.
//
// Columns whose postsynaptic variables are all zero sleep: no update can change them, and where the
// source's spikes are known ahead their currents of a whole block are computed up front, tile by
// tile.  A column that wakes is learnt step by step, in one of two ways that give the same bits:
//   packed    it is copied into a slab of 16 awake columns and written back when the block ends;
//   in place  its group of 16 neighbours is learnt inside w, and currents are summed each step.
#pragma once

#include <vector>

#include "memory.h"
#include "population.h"

namespace fastsnn {

class Dense {
public:
  static constexpr std::int64_t tile_width = 64;

  Dense(const ProjectionPlan &plan, const Plan &network, const Population &source,
        const Population &target, int threads);

  const ProjectionPlan &plan() const { return plan_; }
  bool learns() const { return plain_ || event_; }
  bool normalises() const { return plan_.norm && plan_.changed; }

  // known_ahead: the source's spikes of a block are known before it starts
  void begin_run(const RunArgs &args, int index, bool known_ahead);
  // once per run and thread, before the first block
  void begin(int thread);
  // steps whose currents fit the buffer
  std::int64_t longest_block() const;
  void reserve(std::int64_t steps);
  // whether normalising left weights outside of the bounds, which the next learning step clips
  bool overshoots() const;

  // last: lists of the step before; lists: those of the block, [steps, B], null if not known
  void begin_block(int thread, std::int64_t steps, const Ids *last, const Ids *lists);
  void deliver(int thread, const Ids *last);
  const float *row(int thread, std::int64_t t, std::int64_t b) const;
  void learn(int thread, std::int64_t t, const Ids *pre, const Ids *post);
  // whether this step's learning read what other threads are about to change
  bool reads_others(bool any_post) const;
  bool reads_spike_bytes() const { return plain_ || learns_own_; }
  bool has_own_variables() const { return learns_own_; }
  void advance_own(int thread, const Ids *pre, const Ids *post);
  // bring w up to date
  void sync(int thread);
  void end_block(int thread);
  void normalise(int thread);

private:
  struct State {
    bool in_place = true, scanned = false;
    bool delivered = false; // the next step's currents are there
    std::int64_t steps = 0, expected_awake = 0;
    std::vector<Slab> slabs;
    std::vector<Slab *> slab_ptrs;
    std::vector<std::int32_t> slot;  // per own column: slab * 16 + lane, or -1
    std::vector<std::uint8_t> awake; // per own column
    std::int64_t n_awake = 0;
    Buffer<float> panel, tile;
    // this step's postsynaptic spikes
    std::vector<SpikingColumn> columns;
    std::vector<std::int32_t> column_of;   // per own column: its place in `columns`, or -1
    Buffer<std::int32_t> spiking;          // [column, B]
    Buffer<float> after, terms, variables; // see LearnStep; after: [column, rows]
    // rows that matter in this block
    std::vector<std::int32_t> row_id, number;
    std::vector<std::uint8_t> marked;
    Buffer<std::int32_t> numbers; // the block's lists in slab rows
    std::vector<Ids> numbered;    // [1 + steps, B]
    // one step's lists merged over the batch
    std::vector<std::int32_t> rows;
    std::int32_t n_merged = 0;
    std::vector<std::uint64_t> row_mask, row_set, awake_words;
    LearnStep step; // what is the same in all steps of a block
    // spikes of the step before, for rules with lag
    std::vector<std::int32_t> lag_ids[2];
    std::vector<Ids> lag[2];
    std::vector<std::int64_t> outside; // elements of w outside of the bounds
  };

  float *row_ptr(const State &s, std::int64_t t, std::int64_t b) const {
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
  Ids merge(State &, const Ids *lists);
  void learn_event_driven(State &, Range own, std::int64_t t, const Ids *pre, const Ids *post);
  void learn_tiles(State &, Range own, const LearnStep &, const Ids *lists);
  void learn_plain(State &, Range own);
  void deliver_columns(State &, Range columns, const Ids *lists);
  void clip(State &);
  void remember(State &, int side, const Ids *lists);

  const ProjectionPlan &plan_;
  const Kernels &kernels_;
  const Population &source_, &target_;
  const std::int64_t batch_, n_pre_, n_post_, stride_;
  const std::int32_t words_; // of 64 batch elements
  // whether a zero variable stays zero without a spike, on either side
  bool pre_rests_ = true, post_rests_ = true;
  bool can_be_event_driven_ = false, lag_ = false, has_own_ = false, reads_pre_ = false;

  bool plain_ = false, event_ = false, known_ahead_ = false, learning_ = false, learns_own_ = false;
  bool post_stays_zero_ = true;
  const std::uint8_t *mask_ = nullptr;
  bool bounded_ = false;
  std::vector<float> param_, reward_;
  std::vector<float *> synapse_; // w first
  Buffer<float> current_;
  std::vector<State> states_;
};

} // namespace fastsnn
