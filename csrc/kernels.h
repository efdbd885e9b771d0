// SPDX-License-Identifier: Apache-2.0
// What the engine knows of the code that depends on an instruction set or on a model: plain structs
// and abstract classes.  The engine is compiled once, implementations (csrc/cpu) once per
// instruction set; a user's own model comes from a shared library built from the same headers.
#pragma once

#include <cstdint>

#include "function.h"
#include "sparse/draw.h"

namespace fastsnn {

// changes whenever a struct or a virtual function below changes
inline constexpr int kernel_abi = 9;

inline constexpr int group_size = 16;
inline constexpr std::int64_t groups(std::int64_t n) { return (n + group_size - 1) / group_size; }
inline constexpr std::int64_t padded(std::int64_t n) { return groups(n) * group_size; }

// one number for all (len 1), or one per neuron
struct Column {
  const real *ptr = nullptr;
  std::int64_t len = 1;
};

struct Range {
  std::int64_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

// ascending ids of what spiked
struct Ids {
  const std::int32_t *ptr = nullptr;
  std::int32_t n = 0;
};

template <class F> void for_ids_in(Range range, Ids ids, F f) {
  for (std::int32_t k = 0; k < ids.n; ++k)
    if (ids.ptr[k] >= range.begin && ids.ptr[k] < range.end)
      f(ids.ptr[k]);
}

// One summand of a port of a batch element: row[j], or whole[j] * grain, or where(gate[j], on[j],
// off); plus bias[j].  Whole numbers are put at zero when they are read.
struct Current {
  const real *row = nullptr;
  std::int32_t *whole = nullptr;
  real grain = 0.0f;
  const std::uint8_t *gate = nullptr;
  Column on;
  real off = 0.0f;
  const real *bias = nullptr;
};

// ring [length, B, n]; the slot written in a step is the oldest
struct Window {
  real *ptr;
  std::int64_t *head;
  std::int32_t length;
  bool of_spike;
};

// one population, [B, n] unless said
struct PopulationData {
  std::int64_t n;
  std::int32_t batch;
  std::uint64_t seed;
  std::uint32_t stream; // of rand()
  real *const *state;
  real *const *shared;
  const Column *param;
  const Window *window;
  const Column *kernel;
  const std::uint8_t *spike;
  real *x, *summed; // or null
  Column decay_x;
};

// one step of one range of a population; ports are i_syn, then the model's receptors
struct Advance {
  Range range;
  std::int64_t first; // of the owner's range
  std::uint64_t step;
  const Current *const *currents; // [ports, B]
  const std::int32_t *n_currents; // [ports, B]
  const real *inject_v;           // [n] or null
  const real *uniform;            // [B, n], replaces the first rand(), or null
  const std::int32_t *slot;       // of each window: where this step is written
  std::int32_t *ids;              // out: row b begins at ids + b * ids_stride + first
  std::int64_t ids_stride;
  std::int32_t *n_ids; // in and out: [B]
};

class PopulationKernel {
public:
  virtual ~PopulationKernel() = default;
  virtual const char *name() const = 0;
  virtual int n_state() const = 0;
  virtual int n_shared() const = 0;
  virtual int n_param() const = 0;
  virtual int n_receptor() const = 0;
  virtual int n_window() const = 0;
  virtual int n_kernel() const = 0;
  virtual int learning() const = 0; // index among the params, or -1
  virtual int v() const = 0;        // index among the states, or -1
  virtual void advance(const PopulationData &, const Advance &) const = 0;
};

// 16 columns of a weight matrix that share vector registers: `count` neighbours inside the matrix
// (packed == false, first neuron ids[0]), or any columns copied side by side.
struct Slab {
  real *base;
  std::int64_t stride;
  std::int32_t ids[group_size];
  std::int32_t count;
  std::uint16_t spiking; // lanes that are learnt as columns in this step
  std::uint16_t changed;
  bool packed;
};

// a column with a postsynaptic spike, in the batch elements batch[0..n), ascending
struct SpikingColumn {
  std::int32_t slab, lane, id, n;
  const std::int32_t *batch;
};

// Event-driven learning of one step.  A postsynaptic spike changes one column, a presynaptic one a
// row of every slab; where they meet the column has both, and its rows are put back after the rows.
struct LearnStep {
  std::int32_t batch;
  std::int64_t n_pre, n_post;
  // rows of a slab with a presynaptic spike, ascending, and those of each batch element;
  // of row i, bit b of row_mask[i * words ...] says whether it spiked in batch element b (null for
  // a batch of one)
  Ids rows;
  const Ids *lists;
  const std::uint64_t *row_mask;
  std::int32_t words;
  // rows that a postsynaptic spike may change (ptr null: 0 .. n - 1), where a row stands among them
  // (null: at its number), and the neuron of a row (null: its number)
  Ids live;
  const std::int32_t *position, *row_id;
  const real *const *pre; // variables besides the spike, [B, n_pre]
  const real *const *post;
  const real *reward; // [B]
  const real *param;
  real w_min, w_max;
  bool bounded, mean, reads_pre; // reads_pre: RuleKernel::pre_driven_reads_pre
  real *current;        // batch of one, packed slabs: row of the next step to overwrite, or null
  real *terms;          // [n_term, padded live.n], zero before and after
  real *variables;      // [B, n_post_variables, 16 * most_slabs], scratch
  std::uint64_t *awake; // [words], scratch
};
inline constexpr int most_slabs = 4;

// what a step of learning is told, however the synapses lie
struct Learning {
  std::int32_t batch;
  std::int64_t n_pre, n_post;
  const real *const *pre, *const *post; // variables besides the spike, [B, n]
  real *const *synapse;                 // w, then synaptic variables, in w's shape
  const real *reward, *param;           // reward: [B]
  std::int32_t reduction;               // 0 sum, 1 mean, 2 max
  Column w_min, w_max;
  bool learning, bounded;
  real decay;               // factor; 1: none
  const std::uint8_t *zero; // mask in w's shape, or null
  std::uint8_t *changed;    // one per sum that `norm` holds, or null
};

// learning where every synapse of a matrix changes every step
struct PlainLearn : Learning {
  Range columns;
  bool within; // no weight lies outside of its bounds
  const std::uint8_t *pre_spike, *post_spike;
};

// Lists of synapses by the neuron at one end: those of neuron i are first[i] .. last[i] - 1.
struct SynapseLists {
  const std::int64_t *first, *last;
  const std::int32_t *other; // neuron at the other end
  const std::int32_t *place; // of the weight in w; null: the synapse's own number
};

// One learning step of synapses in lists, for the weights that one thread owns.
//
// Where synapses differ in how late a side reaches them, that side's neurons are split by lag: row
// (column) k * parts + p holds the synapses of neuron k that it reaches `lag + p` steps late, and
// `other` of the lists counts so many times n down from the neuron, as the values themselves lie.
struct IndexedLearn : Learning {
  // rows by presynaptic neuron, columns by target: both only of the own targets
  SynapseLists rows, columns;
  std::int64_t pre_parts, post_parts; // 1 where no lags differ
  std::int32_t pre_lag, post_lag;     // of the first part
  // whether only synapses of spikes are visited: a rule that leaves the others alone, and nothing
  // else that changes them
  bool event_driven;
  Range targets;                             // own ones
  Ids active, spiking;                       // rows, columns with a spike in any batch element
  const Ids *pre_lists, *post_lists;         // [B]
  const std::uint64_t *pre_mask, *post_mask; // [n, words]: in which ones, null for a batch of one
  std::int32_t words;
  const real *pre_spike, *post_spike; // [B, n], 0 or 1
  const real *any_pre_spike;          // [n_pre], of any batch element
  // a batch of one: synapses of which both neurons spiked, place and new values; room for all
  std::int32_t *both;
  real *both_value; // [own synapses, n_synapse]
  // shared weights only
  Range weights;         // own ones
  std::int64_t sum_size; // weights of a sum that `norm` holds
  real *term, *total;    // [n_term, padded own weights], zero before and after
};

class RuleKernel {
public:
  virtual ~RuleKernel() = default;
  virtual const char *name() const = 0;
  virtual int n_term() const = 0;
  virtual int n_synapse() const = 0;
  virtual int n_pre() const = 0; // the spike included
  virtual int n_post() const = 0;
  virtual int n_pre_state() const = 0;
  virtual int n_post_state() const = 0;
  virtual int n_param() const = 0;
  virtual int reward() const = 0; // index among the params, or -1
  virtual int lag() const = 0;
  virtual bool event_driven() const = 0;
  // whether a term that a presynaptic spike drives reads other variables of the presynaptic side
  virtual bool pre_driven_reads_pre() const = 0;
  // whether a term that one side's spike drives reads the other side's spike
  virtual bool mixes_spikes() const = 0;
  // whether own postsynaptic (presynaptic) variables stay zero without a spike
  virtual bool own_rests(bool post) const = 0;
  // all rows of one column; after[r] = its weight in row rows.ptr[r]
  virtual void learn_column(const LearnStep &, Slab &, const SpikingColumn &,
                            real *after) const = 0;
  // the rows of presynaptic spikes; all slabs packed, or all in place
  virtual void learn_rows(const LearnStep &, Slab *const *slabs, std::int32_t n_slabs) const = 0;
  virtual void learn_plain(const PlainLearn &) const = 0;
  // synapses in lists, each with a weight of its own, or sharing them
  virtual void learn_indexed(const IndexedLearn &) const = 0;
  virtual void learn_shared(const IndexedLearn &) const = 0;
  // synapses of a range of places
  virtual void consolidate(const Learning &, Range) const = 0;
  // own variables of a range [begin, end) of a flat [B * n] side
  virtual void advance_own(bool post, real *const *own, const std::uint8_t *spike,
                           const real *param, Range) const = 0;
};

// Poisson or Bernoulli spikes of four steps that share their random numbers
struct Encode {
  std::uint64_t seed, quad;       // quad: step / 4
  std::uint32_t stream, offset;   // index of neuron i in the stream: offset + i
  const std::int32_t *id;         // neurons with a rate, padded to 16
  const std::uint32_t *last_word; // a spike where word <= last_word
  std::int32_t n;
  std::int32_t *out[4];
  std::int32_t n_out[4];
};

// random input of a port, see fastsnn/sparse/drives.py
struct DrivePlan {
  int port = 0;
  // [n_rows, width]: weight, sure events, thresholds of the word for one more; which: row of a
  // neuron
  const std::int64_t *table = nullptr;
  const std::int32_t *which = nullptr;
  std::int64_t n_rows = 0, width = 0;
  std::uint32_t stream = 0, offset = 0;
};

namespace sparse {
class Queues;
struct Rows;
} // namespace sparse

// what a feature does to the signal w of a spike; value: [n_pre, n_post]
struct SignalStep {
  enum class Act { multiply, draw, add, subtract } act;
  const real *value;
};

// Currents of the spikes of one batch element through features (fastsnn/compartments.py).
struct Signals {
  const real *w;
  std::int64_t n_post;
  Range own; // columns
  const SignalStep *steps;
  std::int32_t n_steps;
  bool draws, rests; // rests: steps also act on what synapses deliver without a spike
  std::uint64_t seed, step;
  std::uint32_t stream;
  const std::int32_t *delay; // [n_pre, n_post] or null
  // with a delay: slots of this batch element, slot_size apart; head is the present step's
  real *ring;
  std::int64_t slot_size;
  std::int32_t length, head;
};

// code that knows the instruction set but no model
struct Kernels {
  const char *isa;
  const PopulationKernel *(*population)(const char *name);
  const RuleKernel *(*rule)(const char *name);
  void (*encode)(Encode &);
  // out[0..columns) = sum of the rows of w; out is padded to 16
  void (*deliver)(const real *w, std::int64_t stride, Ids rows, real *out, std::int64_t columns);
  // out[k][0..16 vectors) = sum of the rows lists[k] of packed [rows, 64]
  void (*deliver_lists)(const real *packed, const Ids *lists, std::int64_t n_lists, real *out,
                        std::int64_t out_stride, int vectors);
  // current of batch element b of packed slabs
  void (*deliver_slabs)(const Slab *slabs, std::int32_t n_slabs, Ids rows, real *out);
  // out[other] += w of the rows of spikes, one after another; w * scale[row] where that is given
  void (*deliver_indexed)(const real *w, const SynapseLists &rows, Ids spikes, const real *scale,
                          real *out);
  // out[own] = sum of the signals of the rows, or, with a delay, added to the ring
  void (*deliver_signals)(const Signals &, Ids rows, real *out);
  // rate = rate - rate * decay for n elements
  void (*decay_rates)(real *rate, real decay, std::int64_t n);
  void (*pack)(const real *w, std::int64_t stride, Ids rows, real *packed, std::int64_t columns);
  // x *= decay for n elements from `first`; column: len 1 or indexed by first..
  void (*decay)(real *x, Column decay, Range);
  bool (*any_nonzero)(const real *x, std::int64_t n);
  // normalise changed columns of one group; returns the lanes that left the bounds
  unsigned (*normalise)(real *w, std::int64_t stride, std::int64_t n_pre, int count,
                        const std::uint8_t *changed, real norm, real w_min, real w_max);
  // csrc/cpu/sparse.h
  void (*send_rows)(const sparse::Rows &, Ids sources, std::int64_t first, std::uint64_t step,
                    sparse::Queues &);
  void (*add_up)(const std::uint32_t *words, std::uint32_t n, std::int32_t *sums);
  void (*drive_poisson)(const DrivePlan &, std::uint64_t seed, std::uint64_t step, bool fresh,
                        Range, std::uint32_t *words, std::int32_t *sums);
  // sparse projections (csrc/sparse)
  void (*draw_partners)(const sparse::PartnerDraw &);
  void (*throw_sources)(const sparse::Throw &);
  std::int64_t (*draw_near)(const sparse::NearDraw &); // returns how many it found
  void (*draw_synapses)(const sparse::SynapseDraw &);
};

// what a shared library with a user's model hands over
struct UserModel {
  int abi;
  const char *isa;
  const PopulationKernel *population;
  const RuleKernel *rule;
};

} // namespace fastsnn
