// SPDX-License-Identifier: Apache-2.0
#include "isolated.h"

#include <limits>

#include "isolated_kernel.h"

namespace fastsnn::cuda {

namespace {
using namespace isolated;

constexpr std::uint32_t model_stream = 1; // see docs/design.md

// f(a model of that name), whether there is one
template <class F, class... Models>
bool of_name(models::List<Models...>, const std::string &name, F f) {
  return ((name == Models::name && (f(Models{}), true)) || ...);
}

Number number(const Column &column) { return {column.ptr, column.len > 1}; }

// what a record watches, in terms of the kernel; false: nothing of this population
bool find(const PopulationPlan &p, const fastsnn::Record &r, std::int32_t &what) {
  const void *source = r.source;
  const auto is = [&](const void *own, std::int32_t name) {
    const bool found = own && own == source;
    what = found ? name : what;
    return found;
  };
  if (is(p.spike, spike_bytes) || is(p.x, trace) || is(p.summed, sum))
    return true;
  for (std::size_t e = 0; e < p.state.size(); ++e)
    if (is(p.state[e], static_cast<std::int32_t>(e)))
      return true;
  for (std::size_t e = 0; e < p.shared.size(); ++e)
    if (is(p.shared[e], static_cast<std::int32_t>(first_shared + e)))
      return true;
  return false;
}

std::string why_not(const PopulationPlan &p, const fastsnn::RunArgs &args, std::size_t index,
                    int batch) {
  if (p.is_input)
    return "is an input";
  if (!of_name(models::Neurons{}, p.model, [](auto) {}))
    return "is of a model that is not built in";
  if (p.one_spike)
    return "lets one neuron spike at a time";
  if (!p.window.empty())
    return "has windows";
  if (!p.shared.empty() && batch > 1)
    return "has variables that the batch shares";
  if (args.clamp[index].ptr || args.unclamp[index].ptr)
    return "is clamped";
  if (args.winners[index] || args.uniforms[index])
    return "replays random numbers";
  const Input::Kind kind = args.inputs[index].kind;
  if (kind != Input::Kind::none && kind != Input::Kind::current)
    return "is driven by spikes";
  int watched = 0;
  std::int32_t what = 0;
  for (const fastsnn::Record &r : args.records)
    watched += find(p, r, what);
  return watched > limit_records ? "is recorded in too many ways" : "";
}

// where a record stands after so many steps of the run
Watch watch(const fastsnn::Record &r, std::int32_t what, std::int64_t steps) {
  const std::int64_t done = r.phase + steps;
  return {what, static_cast<std::uint32_t>(r.every), static_cast<std::uint32_t>(done % r.every),
          done / r.every, r.dest};
}

Task fixed_part(const PopulationPlan &p, const fastsnn::Plan &plan) {
  Task task{};
  task.n = p.n;
  task.count = p.n * plan.batch;
  for (std::size_t e = 0; e < p.state.size(); ++e) {
    task.state[e] = p.state[e];
    task.init[e] = number(p.init[e]);
  }
  for (std::size_t e = 0; e < p.shared.size(); ++e)
    task.shared[e] = p.shared[e];
  for (std::size_t e = 0; e < p.param.size(); ++e)
    task.param[e] = number(p.param[e]);
  task.spike = p.spike;
  task.x = p.x;
  task.summed = p.summed;
  task.decay_x = number(p.decay_x);
  task.trace_scale = number(p.trace_scale);
  task.additive = p.trace == Trace::additive;
  task.stream = p.stream + model_stream;
  task.seed = plan.seed;
  return task;
}

void set_part_of_run(Task &task, const PopulationPlan &p, std::size_t index,
                     const fastsnn::RunArgs &args, std::int64_t first, std::int64_t steps) {
  task.learning = args.learning;
  task.reset = args.reset;
  task.step = args.step + static_cast<std::uint64_t>(first);
  task.per_sample = static_cast<std::int32_t>(args.n_steps);
  task.sample = first / args.n_steps;
  task.t = static_cast<std::int32_t>(first % args.n_steps);
  task.steps = static_cast<std::int32_t>(steps);
  const Input &input = args.inputs[index];
  task.current = static_cast<const float *>(input.ptr);
  task.current_per_step = input.per_step;
  task.inject_v = static_cast<const float *>(args.inject_v[index].ptr);
  task.inject_per_step = args.inject_v[index].per_step;
  task.counts = args.counts[index];
  for (const fastsnn::Record &r : args.records) {
    std::int32_t what = 0;
    if (find(p, r, what))
      task.records[task.n_records++] = watch(r, what, first);
  }
}

bool aligned(const void *p, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(p) % bytes == 0;
}

// whether neighbours may be moved together
bool may_be_wide(const Task &task) {
  bool may = task.n % wide == 0 && aligned(task.spike, wide);
  const auto also = [&](const void *p) { may = may && aligned(p, wide * sizeof(float)); };
  for (int e = 0; e < limit_state; ++e) {
    also(task.state[e]);
    also(task.init[e].each ? task.init[e].at : nullptr);
  }
  for (float *shared : task.shared)
    also(shared);
  for (const Number &number : task.param)
    also(number.each ? number.at : nullptr);
  for (const Number *number : {&task.decay_x, &task.trace_scale})
    also(number->each ? number->at : nullptr);
  for (const void *p :
       {static_cast<const void *>(task.x), static_cast<const void *>(task.summed),
        static_cast<const void *>(task.current), static_cast<const void *>(task.inject_v),
        static_cast<const void *>(task.counts)})
    also(p);
  for (int r = 0; r < task.n_records; ++r)
    also(task.records[r].dest);
  return may;
}

template <class Model, int width, bool each> void start(const Task &task, void *stream) {
  const std::int64_t blocks = (task.count + width * block_threads - 1) / (width * block_threads);
  const Shape shape{.blocks = static_cast<int>(blocks), .threads = block_threads, .stream = stream};
  if (task.steps == 1)
    launch(run<Model, width, each, 1>, shape, task);
  else
    launch(run<Model, width, each, 0>, shape, task);
}

template <class Model> void start(const Task &task, void *stream) {
  bool each = task.decay_x.each || task.trace_scale.each;
  for (const Number &number : task.param)
    each = each || number.each;
  if (!may_be_wide(task))
    start<Model, 1, true>(task, stream);
  else if (each)
    start<Model, wide, true>(task, stream);
  else
    start<Model, wide, false>(task, stream);
}

} // namespace

std::string why_not_isolated(const fastsnn::Plan &plan, const fastsnn::RunArgs &args) {
  if (!plan.projections.empty())
    return "it has projections";
  if (args.retry)
    return "presentations are repeated";
  if (args.n_steps < 1)
    return "there is nothing to do";
  if (args.n_steps > std::numeric_limits<std::int32_t>::max() / 2)
    return "a presentation has too many steps";
  std::size_t known = 0;
  for (std::size_t k = 0; k < plan.populations.size(); ++k) {
    const PopulationPlan &p = plan.populations[k];
    const std::string reason = why_not(p, args, k, plan.batch);
    if (!reason.empty())
      return "population '" + p.name + "' " + reason;
    for (const fastsnn::Record &r : args.records) {
      std::int32_t what = 0;
      known += find(p, r, what) && !r.index;
    }
  }
  return known < args.records.size() ? "only some neurons are recorded" : "";
}

void launch_isolated(const fastsnn::Plan &plan, const fastsnn::RunArgs &args, std::int64_t first,
                     std::int64_t steps, std::int64_t *report, void *stream) {
  for (std::size_t k = 0; k < plan.populations.size(); ++k) {
    const PopulationPlan &p = plan.populations[k];
    Task task = fixed_part(p, plan);
    set_part_of_run(task, p, k, args, first, steps);
    task.report = report;
    of_name(models::Neurons{}, p.model, [&](auto model) {
      if constexpr (decltype(model)::n_window == 0)
        start<decltype(model)>(task, stream);
    });
  }
}

} // namespace fastsnn::cuda
