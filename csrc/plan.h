// SPDX-License-Identifier: Apache-2.0
// A lowered network and the arguments of a run, as plain numbers and pointers (see
// fastsnn/plan.py).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels.h"
#include "sparse/spec.h"

namespace fastsnn {

enum class Trace { none, set, additive };
enum class Kind {
  dense,
  one_to_one,
  all_but_one,
  indexed,
  max_pool,
  mean_field,
  compartments,
  silent
};

struct PopulationPlan {
  std::string name, model;
  bool is_input = false;
  const PopulationKernel *kernel = nullptr; // null: an input
  std::int64_t n = 0;
  std::vector<real *> state;
  std::vector<Column> init;
  std::vector<real *> shared;
  std::vector<Column> param;
  std::vector<Window> window;
  std::vector<Column> kernels;
  std::uint8_t *spike = nullptr;
  real *x = nullptr, *summed = nullptr;
  Trace trace = Trace::none;
  Column decay_x, trace_scale;
  bool one_spike = false;
  std::uint32_t stream = 0;
};

// synapses in rows by presynaptic neuron, see fastsnn/synapses.py
struct SynapsesPlan {
  const std::int64_t *row_ptr = nullptr; // [n_pre + 1]
  const std::int32_t *post = nullptr;    // [n]
  const std::int32_t *weight = nullptr;  // [n], or null: the synapse's own number
  std::int64_t n = 0, n_weights = 0, filters = 0, n_sums = 0;
  std::int64_t delay = 1;               // steps, of the slowest
  const std::int32_t *delays = nullptr; // [n], or null where all are the same
};

// see fastsnn/compartments.py
struct AdaptationPlan {
  real *gate = nullptr, *mask = nullptr; // [n_pre, n_post]
  std::uint8_t *history = nullptr;       // [n_pre, length]
  std::int64_t *counter = nullptr, length = 1, hidden = 1;
  const real *first = nullptr, *second = nullptr; // [hidden, length], [hidden]
  real rate = 0.0f, decay = 0.0f;
};

struct CompartmentsPlan {
  std::vector<SignalStep> steps;
  const std::int32_t *delay = nullptr; // [n_pre, n_post]
  real *ring = nullptr;                // [length, B, n_post]
  std::int64_t *head = nullptr, length = 0;
  const real *rest = nullptr; // [n_post]
  std::uint32_t stream = 0;
  std::optional<AdaptationPlan> adaptation;
};

struct ProjectionPlan {
  std::string name, rule_name; // rule_name: empty where there is none
  int source = 0, target = 0;
  Kind kind = Kind::dense;
  real *w = nullptr;
  const real *bias = nullptr;
  const RuleKernel *rule = nullptr; // the empty rule where there is none
  bool has_rule = false, bounded = false;
  Column param; // of the rule; may change between runs
  std::vector<real *> pre, post, synapse;
  std::uint8_t *last_pre = nullptr, *last_post = nullptr;
  int reduction = 0; // 0 sum, 1 mean, 2 max
  Column w_min, w_max;
  real decay = 1.0f;
  std::optional<real> norm;
  std::uint8_t *changed = nullptr;
  SynapsesPlan synapses; // of kinds indexed and max_pool
  real *rate = nullptr;  // of kind max_pool, [B, n_pre]
  real rate_decay = 0.0f;
  CompartmentsPlan compartments;
  int receptor = 0; // 0: i_syn, k + 1: the model's k-th
  // of kind indexed with delays, see fastsnn/plan.py
  bool dendritic = false;
  std::uint8_t *sent = nullptr;
  real *arriving = nullptr, *past = nullptr;
  std::int64_t every = 0;                 // steps after which the rule consolidates, 0: never
  std::optional<PopulationPlan> terminal; // of the source's size
  int efficacy = 0;                       // of the terminal's variables
};

// where spikes of sparse projections and drives arrive
struct PortPlan {
  int population = 0, receptor = 0;
  real grain = 1.0f;
  std::int32_t *arriving = nullptr; // [slots, n]
  std::int64_t slots = 1;
};

struct Plan {
  const Kernels *kernels = nullptr;
  int batch = 1;
  double dt = 1.0;
  std::uint64_t seed = 0;
  int threads = 0;
  std::vector<PopulationPlan> populations;
  std::vector<ProjectionPlan> projections;
  std::vector<PortPlan> ports;
  std::vector<sparse::SparsePlan> sparse;
  double expected_synapses = 0.0; // of sparse
  std::vector<DrivePlan> drives;
};

struct Input {
  enum class Kind { none, spikes, events, rates, current } kind = Kind::none;
  const void *ptr = nullptr; // uint8, int32 ids, or real
  const std::int64_t *offsets = nullptr;
  double scale = 0.0;
  bool per_step = false;
};

struct Forced {
  const void *ptr = nullptr;
  bool per_step = false;
  // row of step t: [T, n] or [n]
  template <class T> const T *at(std::int64_t t, std::int64_t n) const {
    return ptr ? static_cast<const T *>(ptr) + (per_step ? t * n : 0) : nullptr;
  }
};

struct Record {
  const char *source = nullptr;
  std::int64_t item = 0, count = 0, row = 0;
  const std::int64_t *index = nullptr;
  std::int64_t n_index = 0, every = 1, phase = 0;
  char *dest = nullptr;
  bool weights = false;
};

struct Retry {
  int population = 0;
  std::int64_t min_spikes = 0;
  int max_tries = 1;
  double boost = 0.0;
};

// what `attend` is told when the step has ended, in place of a population
inline constexpr int step_ended = -1;

struct RunArgs {
  std::int64_t n_steps = 0, n_samples = 1;
  std::uint64_t step = 0;
  bool learning = true, normalize = true, reset = false;
  bool fresh = false; // another program changed the weights since this one's last run
  const real *reward = nullptr;
  // one entry per population
  std::vector<Input> inputs;
  std::vector<Forced> clamp, unclamp, inject_v;
  std::vector<std::int32_t *> counts;
  std::vector<const std::int32_t *> winners;
  std::vector<const real *> uniforms;
  // one entry per projection
  std::vector<const std::uint8_t *> masks;
  std::vector<Record> records;
  std::vector<int> recorded; // populations whose spikes are reported
  std::optional<Retry> retry;
  std::int64_t *progress = nullptr, *done = nullptr;
  // populations act one after another, and spikes reach later ones within the step
  bool chained = false;
  // called on the calling thread for every population that is told its spikes and traces, when its
  // neurons have advanced, and at the end of the step; true stops the run behind the step
  std::function<bool(int)> attend;
  std::vector<std::uint8_t> told; // per population; may be empty
};

// spikes of one population: how many in each step, and their ids
struct Events {
  std::vector<std::int64_t> counts;
  std::vector<std::int32_t> ids;
};

struct RunReport {
  std::int64_t steps = 0;
  std::vector<Events> events; // of args.recorded
  std::vector<int> tries;
  bool interrupted = false;
};

} // namespace fastsnn
