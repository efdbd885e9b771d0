// SPDX-License-Identifier: Apache-2.0
// A network as the kernels see it: one relocatable piece of bytes, which every block copies into
// its shared memory.  Built by the host (builder.cpp).
//
// Every tensor whose last dimension is a population is a Field.  Each block owns the same slice of
// whole 32-neuron words of all fields of a population; a slice lives in shared memory where it
// fits, else in the tensor itself.
#pragma once

#include <cstdint>

namespace fastsnn::cuda {

inline constexpr int limit_state = 8, limit_shared = 3, limit_param = 24, limit_window = 3;
inline constexpr int limit_side = 4, limit_synapse = 3;
inline constexpr int none = -1;
// listed synapses that are brought together before they are added up in order
inline constexpr int most_staged = 1024;
// numbers at the start of Synapses::ring
inline constexpr int ring_head = 3;

// memory of a block: an offset in its shared memory, or (negative) in its part of the scratch
struct Room {
  std::int64_t offset = 0;
};

// rows x n numbers of 4 bytes, or of 1
struct Field {
  unsigned char *home; // the tensor: where a launch begins and ends
  unsigned char *exit; // where a launch ends, if that is elsewhere
  std::int64_t rows;
  std::int32_t item;       // bytes of a number
  std::int32_t population; // of the last dimension; none: one number for all
  Room room;
  std::int32_t stride; // numbers from row to row in the room
  bool at_home;        // no room: used where it is
  bool constant;       // never written
};

enum class Trace : std::int32_t { none, set, additive };
enum class Kind : std::int32_t { dense, one_to_one, all_but_one, indexed };
enum class Source : std::int32_t { none, spikes, events, rates, current };

struct Drive {
  Source source;
  bool per_step;
  const void *data; // uint8, int32 ids, or float
  const std::int64_t *offsets;
  double scale;
};

// rows of steps, or one row for all of them
template <class T> struct Given {
  const T *data;
  bool per_step;
};

struct Window {
  std::int32_t field, length;
  std::int64_t head;
  bool of_spike;
};

struct Population {
  std::int32_t n, n_words;
  std::int32_t model; // index in models::Neurons; none: an input
  std::int32_t n_state, n_window;
  std::int32_t state[limit_state], shared[limit_shared], param[limit_param]; // fields
  std::int32_t spike, x, summed, decay_x, trace_scale;                       // fields or none
  Window window[limit_window];
  const float *kernel[limit_window];
  const float *init[limit_state];
  bool init_each[limit_state]; // one number per neuron
  Trace trace;
  bool one_spike;
  bool whole;    // every block has all of it, the first block writes it back
  bool followed; // every block needs all its spikes
  std::uint32_t stream;
  float *published_x;        // [2, B, n] or null
  std::int64_t mask_words;   // where its words begin in an exchange buffer, [B, n_words]
  Room candidates, sent_own; // own words, [B, most_words]: before and after selection
  Room sent;                 // all words of who sent, [B, n_words]
  Room list;                 // ascending ids, [B, n], of sources of dense projections
  Room rows;                 // [n, batch words]: in which batch elements a neuron sent
  bool has_list, has_rows;
  bool sends;                // to sparse projections
  std::int64_t first_source; // its first neuron among the sources of these
  std::int32_t most_words;   // of a slice
  // of a run
  Drive drive;
  Given<std::uint32_t> clamp, unclamp; // bits
  Given<float> inject_v;
  std::int32_t *counts;
  const std::int32_t *winners;
  const float *uniforms;
};

// a variable that a rule reads at its presynaptic side
struct PreVariable {
  std::int32_t field;     // of the source population
  const float *published; // [2, B, n]: before this step's spike if it is a trace
  bool is_trace;
};

struct Projection {
  std::int32_t source, target, receptor; // receptor 0: i_syn, k + 1: the model's k-th
  Kind kind;
  std::int32_t w, bias, changed;                         // fields or none
  std::int32_t rule;                                     // index in models::Rules or none
  std::int32_t param;                                    // first of consecutive fields
  std::int32_t synapse[limit_synapse], post[limit_side]; // fields, besides weight and spike
  PreVariable pre[limit_side];
  float *published_own[limit_side]; // where the rule's own presynaptic variables are published
  std::int32_t last_pre, last_post; // fields
  bool copies;                      // where every synapse is learnt, pre[] are copied to
  Room pre_copy;                    // [presynaptic variables, B, n_pre]
  Room last_rows, last_own;         // as Population::rows and sent_own, of the step before
  bool lag, mean, max, bounded, per_event; // per_event: the rule may visit only what spiked
  // of a run
  bool learns, events, fused, has_own;
  std::int32_t low, high;            // fields: bounds for all synapses, or none
  const float *low_each, *high_each; // [n_pre, n_post], where low or high is none
  float decay;
  float norm; // 0: none
  const std::uint8_t *mask;
  Room current;         // [B, most own words * 32], what it delivers
  std::int32_t indexed; // its synapses, where they are listed, among all such; or none
};

// Short-term plasticity: variables of the source's neurons, moved by their owners.
struct Terminals {
  std::int32_t model; // in models::Terminals; none: nothing scales what a spike delivers
  std::int32_t n_state, efficacy;
  std::int32_t state[limit_state]; // fields of the source population
  const float *param[limit_state], *init[limit_state];
  bool param_each[limit_state], init_each[limit_state]; // one number per neuron
  float *published;                                     // [2, variables, n_pre]
};

// Listed synapses, each with a weight of its own; one batch element.  Spikes of one side may reach
// them late: of the source (axonal) or of the target (dendritic).  Where lags differ, the neurons
// of that side are split into parts by lag, so that row (column) k * parts + p is what a spike of
// neuron k reaches `first lag + p` steps after it.
struct Synapses {
  const std::int64_t *row_ptr;      // [n_pre + 1]
  const std::int32_t *post, *delay; // [n]; delay: null where all are the same
  std::int32_t *cuts;               // [blocks + 1, rows]: where a block's synapses begin
  const std::int32_t *column_ptr;   // [columns + 1], or null: nobody asks for columns
  const std::uint32_t *column_pre;  // [n]: neuron, and above it by `shift` bits its lag
  const std::int32_t *column_at;    // [n]: number of the synapse
  std::int32_t shift, row_parts, column_parts, first_lag;
  std::int32_t slowest, slots; // steps; slots: 0 where nothing is late
  bool dendritic;
  std::int32_t sent, arriving, past; // fields or none, see fastsnn/plan.py
  std::int32_t n_past;               // variables of `past`
  std::int32_t *lists;               // axonal: [slots, n_pre] ids of `sent`, then their numbers
  Room ring;                         // see Listed
  Room late;                         // dendritic: [slots, most own words] bits of `sent`
  std::int64_t every;                // steps after which the rule consolidates, 0: never
  Terminals terminals;
};

// Where spikes of sparse projections and drives arrive.  What is under way stands in a ring of
// slots while a launch lasts, and in a tensor [slots, n] before and after it.
struct Port {
  std::int32_t population, receptor;
  float grain;
  std::int32_t *home;
  std::int64_t slots;
  const std::int32_t *places; // of every 16 neurons, the first one's place in a slot of the ring
  Room current;               // [most own words * 32], what arrived in this step
};

// random input of a port, see fastsnn/sparse/drives.py
struct PortDrive {
  std::int32_t port;
  std::uint32_t stream, offset;
  const std::int64_t *table; // [rows, width]
  const std::int32_t *which; // [n]
  std::int64_t width;
};

// rows of synapses onto a part of the ring, see csrc/sparse/layout.h
struct Tile {
  const std::uint32_t *words;
  const std::uint64_t *start; // [sources + 1]
  std::int64_t place;         // where its part of a slot begins
};

struct Record {
  std::int32_t field, projection; // projection: whose listed synapses these are, or none
  std::int64_t rows;              // [rows, n] or [rows, n_index]
  const std::int64_t *index;
  std::int64_t n_index, every, phase;
  unsigned char *dest;
};

struct Retry {
  std::int32_t population; // none: no retry
  std::int32_t max_tries;
  std::int64_t min_spikes;
  double boost;
};

// where a run stands between two launches; every launch reads one and writes the next
struct Position {
  std::int64_t sample, t, steps;
  std::int64_t spikes; // of the population that retries count, in this presentation
  std::int64_t since;  // steps since the windows were empty, or since the run began
  double boost;
  std::int32_t tries; // before this presentation
  bool cleared;       // the windows were emptied in this run
};

struct Plan {
  std::int64_t bytes;
  std::int32_t batch, batch_words, n_populations, n_projections, n_fields;
  std::int64_t populations, projections, fields; // offsets in bytes
  std::int32_t n_ports, n_drives, n_tiles;
  std::int64_t ports, drives, tiles; // offsets
  std::int32_t *ring;                // [slots, places], whole numbers of the port's grain
  std::int64_t n_slots, n_places;    // n_slots: a power of two
  Room spiking;                      // own sources of a step: their number, then they
  std::int64_t indexed;              // offset of the listed synapses
  Room staged;                       // what they are about to deliver: places, then values
  std::uint64_t seed;
  // of a run
  std::int32_t n_records;
  const Record *records;
  std::int64_t n_steps, n_samples;
  std::uint64_t step;
  bool learning, normalize, reset, all_fused;
  const float *reward; // [B] or null
  Retry retry;
  std::int32_t *tries; // [S]
};

} // namespace fastsnn::cuda
