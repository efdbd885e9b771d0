// SPDX-License-Identifier: Apache-2.0
// A thread owns `width` neighbouring elements of [B, n] and runs them through all steps of a
// launch: every variable is read once and written once, whatever the number of steps.
#pragma once

#include "models.h"

namespace fastsnn::cuda::isolated {

inline constexpr int block_threads = 256, wide = 4;
inline constexpr int limit_state = 6, limit_shared = 3, limit_param = 16, limit_records = 4;

// one number for all, or one per neuron
struct Number {
  const float *at;
  bool each;
};

// what a record copies: a state variable, or one of these
enum Watched : std::int32_t { spike_bytes = -1, trace = -2, sum = -3, first_shared = 100 };

struct Watch {
  std::int32_t what;
  std::uint32_t every, before; // before: steps since the last row, when the launch begins
  std::int64_t row;            // of the next row
  void *dest;                  // [rows, count]
};

// one population and a part of a run
struct Task {
  std::int64_t count; // B * n
  std::int64_t n;
  float *state[limit_state], *shared[limit_shared];
  Number init[limit_state], param[limit_param];
  std::uint8_t *spike;
  float *x, *summed;
  Number decay_x, trace_scale;
  bool additive, learning, reset;
  std::uint32_t stream;
  std::uint64_t seed, step; // of the first step of the launch
  std::int64_t sample;      // where the launch begins
  std::int32_t t, steps, per_sample;
  const float *current, *inject_v;
  bool current_per_step, inject_per_step;
  std::int32_t *counts; // [S, count]
  std::int64_t *report; // null, or as isolated.h says
  std::int32_t n_records;
  Watch records[limit_records];
};

template <int width>
FASTSNN_DEVICE Pack<float, width> spread(const Number &number, std::int64_t i) {
  if (number.each)
    return load_pack<width>(number.at + i);
  Pack<float, width> all;
  for (int k = 0; k < width; ++k)
    all.at[k] = *number.at;
  return all;
}

// a number of every neuron of a tile: one for all, or (each) its own
template <int width, bool each> struct PerNeuron {
  Pack<float, each ? width : 1> value;
  FASTSNN_DEVICE float operator()(int k) const { return value.at[each ? k : 0]; }
  FASTSNN_DEVICE void load(const Number &number, std::int64_t i) {
    if constexpr (each)
      value = spread<width>(number, i);
    else
      value.at[0] = *number.at;
  }
};

struct Context {
  const Task &task;
  std::uint64_t step;
  std::int64_t element;
  FASTSNN_DEVICE float rand(int draw) const {
    return uniform(
        philox(task.seed, task.stream, step, static_cast<std::uint32_t>(element)).w[draw & 3]);
  }
  FASTSNN_DEVICE float dot(int, int) const { return 0.0f; } // models with windows do not come here
};

template <class Model, int width, bool each> struct Tile {
  using Floats = Pack<float, width>;
  std::int64_t element, i; // of [B, n], of [n]
  PerNeuron<width, each> param[at_least_one(Model::n_param)], decay_x, trace_scale;
  Floats state[at_least_one(Model::n_state)], shared[at_least_one(Model::n_shared)], x, summed;
  Pack<std::uint8_t, width> spike;
  Pack<std::int32_t, width> counted;

  FASTSNN_DEVICE void begin(const Task &task) {
    for (int e = 0; e < Model::n_state; ++e)
      state[e] = load_pack<width>(task.state[e] + element);
    for (int e = 0; e < Model::n_shared; ++e)
      shared[e] = load_pack<width>(task.shared[e] + i);
    if (Model::uses_spike || Model::uses_sent)
      spike = load_pack<width>(task.spike + element);
    if (task.x) {
      x = load_pack<width>(task.x + element);
      decay_x.load(task.decay_x, i);
      trace_scale.load(task.trace_scale, i);
    }
    if (task.summed)
      summed = load_pack<width>(task.summed + element);
    for (int e = 0; e < Model::n_param; ++e)
      if (e != Model::learning)
        param[e].load(task.param[e], i);
  }

  FASTSNN_DEVICE void end(const Task &task) const {
    for (int e = 0; e < Model::n_state; ++e)
      store_pack<width>(task.state[e] + element, state[e]);
    for (int e = 0; e < Model::n_shared; ++e)
      store_pack<width>(task.shared[e] + i, shared[e]);
    store_pack<width>(task.spike + element, spike);
    if (task.x)
      store_pack<width>(task.x + element, x);
    if (task.summed)
      store_pack<width>(task.summed + element, summed);
  }

  FASTSNN_DEVICE void reset(const Task &task) {
    for (int e = 0; e < Model::n_state; ++e)
      state[e] = spread<width>(task.init[e], i);
    spike = {};
    x = summed = {};
  }

  // one neuron
  FASTSNN_DEVICE void step(const Task &task, int k, float i_syn, float jump, std::uint64_t step) {
    float own[at_least_one(Model::n_state)], common[at_least_one(Model::n_shared)];
    for (int e = 0; e < Model::n_state; ++e)
      own[e] = state[e].at[k];
    for (int e = 0; e < Model::n_shared; ++e)
      common[e] = shared[e].at[k];
    if constexpr (Model::v >= 0)
      if (task.inject_v)
        own[Model::v] += jump;
    const bool last = spike.at[k];
    float p[at_least_one(Model::n_param)];
    for (int e = 0; e < Model::n_param; ++e)
      p[e] = e == Model::learning ? (task.learning ? 1.0f : 0.0f) : param[e](k);
    Model::before(common, last ? 1.0f : 0.0f, p);
    const bool fires = Model::step(own, common, i_syn, last, p, Context{task, step, element + k});
    Model::after(common, fires ? 1.0f : 0.0f, p);
    for (int e = 0; e < Model::n_state; ++e)
      state[e].at[k] = own[e];
    for (int e = 0; e < Model::n_shared; ++e)
      shared[e].at[k] = common[e];
    spike.at[k] = fires;
    if (task.counts)
      counted.at[k] += fires;
    if (task.x) {
      const float decayed = x.at[k] * decay_x(k);
      x.at[k] = !fires ? decayed : task.additive ? decayed + trace_scale(k) : trace_scale(k);
    }
    if (task.summed)
      summed.at[k] += i_syn;
  }

  FASTSNN_DEVICE void record(const Watch &watch, std::uint32_t s, std::int64_t count) const {
    const std::uint32_t done = watch.before + s + 1;
    if (done % watch.every != 0)
      return;
    const std::int64_t at = (watch.row + done / watch.every - 1) * count + element;
    if (watch.what == spike_bytes)
      return store_pack<width>(static_cast<std::uint8_t *>(watch.dest) + at, spike);
    Floats chosen = watch.what == sum ? summed : x;
    for (int e = 0; e < Model::n_state; ++e)
      if (watch.what == e)
        chosen = state[e];
    for (int e = 0; e < Model::n_shared; ++e)
      if (watch.what == first_shared + e)
        chosen = shared[e];
    store_pack<width>(static_cast<float *>(watch.dest) + at, chosen);
  }

  FASTSNN_DEVICE void count(const Task &task, std::int64_t sample) {
    std::int32_t *home = task.counts + sample * task.count + element;
    auto total = load_pack<width>(home);
    for (int k = 0; k < width; ++k)
      total.at[k] += counted.at[k];
    store_pack<width>(home, total);
    counted = {};
  }
};

FASTSNN_DEVICE void report(const Task &task, std::int64_t finished, std::int32_t steps) {
  const std::int64_t whole = task.sample * task.per_sample + task.t + steps;
  task.report[0] = finished;
  task.report[1] = task.report[2] = whole;
  task.report[3] = 0;
}

// what drives a tile from outside in a step
template <int width> struct Outside {
  Pack<float, width> current, jump;
  FASTSNN_DEVICE void load(const Task &task, std::int64_t sample, std::int64_t t,
                           std::int64_t element, std::int64_t i) {
    if (task.current)
      current = load_pack<width>(
          task.current +
          (task.current_per_step ? sample * task.per_sample + t : sample) * task.count + element);
    if (task.inject_v)
      jump = load_pack<width>(task.inject_v + (task.inject_per_step ? t * task.n : 0) + i);
  }
};

// `steps`: how many, known when compiled; 0: task.steps.  With many steps what drives the next one
// is on its way while this one is computed.
template <class Model, int width, bool each, int steps>
FASTSNN_KERNEL void FASTSNN_MOST_THREADS(block_threads) run(const Task task) {
  Tile<Model, width, each> tile{};
  tile.element = (std::int64_t(block_index()) * block_threads + thread_index()) * width;
  if (tile.element >= task.count)
    return;
  tile.i = task.n == task.count ? tile.element : tile.element % task.n;
  Outside<width> now{}, next{}; // 0 where nothing is given
  std::int64_t sample = task.sample;
  std::int32_t t = task.t;
  now.load(task, sample, t, tile.element, tile.i);
  tile.begin(task);
  const std::int32_t n_steps = steps ? steps : task.steps;
  for (std::int32_t s = 0; s < n_steps; ++s, now = next) {
    if (task.reset && t == 0)
      tile.reset(task);
    const bool ends = t + 1 == task.per_sample;
    if (s + 1 < n_steps)
      next.load(task, sample + ends, ends ? 0 : t + 1, tile.element, tile.i);
#pragma unroll
    for (int k = 0; k < width; ++k)
      tile.step(task, k, 0.0f + now.current.at[k], now.jump.at[k],
                task.step + static_cast<std::uint64_t>(s));
    for (int r = 0; r < task.n_records; ++r)
      tile.record(task.records[r], static_cast<std::uint32_t>(s), task.count);
    if (task.counts && (ends || s + 1 == n_steps))
      tile.count(task, sample);
    sample += ends;
    t = ends ? 0 : t + 1;
  }
  tile.end(task);
  if (task.report && tile.element == 0)
    report(task, sample, n_steps);
}

} // namespace fastsnn::cuda::isolated
