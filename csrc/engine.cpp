// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "compartments.h"
#include "indexed.h"
#include "unweighted.h"

namespace fastsnn {

namespace {

constexpr std::int64_t most_steps_in_block = 512;
constexpr std::int64_t question_interval_ns = 20'000'000;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double synapses(const ProjectionPlan &p, const Plan &plan) {
  if (p.kind == Kind::dense || p.kind == Kind::compartments || p.kind == Kind::silent)
    return static_cast<double>(plan.populations[p.source].n) *
           static_cast<double>(plan.populations[p.target].n);
  // an indexed synapse takes as long as some neighbours in a row of a matrix
  constexpr double as_long_as = 8.0;
  return as_long_as * static_cast<double>(p.synapses.n);
}

std::unique_ptr<Projection> make(const ProjectionPlan &p, const Plan &plan,
                                 const Population &source, const Population &target, int threads) {
  switch (p.kind) {
  case Kind::dense:
    return std::make_unique<Dense>(p, plan, source, target, threads);
  case Kind::indexed:
    return std::make_unique<Indexed>(p, plan, source, target, threads);
  case Kind::max_pool:
    return std::make_unique<MaxPool>(p, plan, source, target);
  case Kind::mean_field:
    return std::make_unique<MeanField>(p, plan, source, target);
  case Kind::compartments:
    return std::make_unique<Compartments>(p, plan, source, target, threads);
  case Kind::silent:
    return std::make_unique<Silent>(p, plan, source, target, threads);
  default:
    return nullptr;
  }
}

// Synapses and neurons touched in a step, roughly; a barrier is worth some thousands of them.
int choose_threads(const Plan &plan) {
  const int cores = std::max(1u, std::thread::hardware_concurrency());
  if (plan.threads > 0)
    return std::min(plan.threads, 256);
  constexpr double synapses_per_neuron = 0.02, worth_a_thread = 12'000.0;
  double work = 0.0;
  for (const PopulationPlan &p : plan.populations)
    work += static_cast<double>(p.n) * plan.batch * (p.kernel ? 4.0 : 0.5);
  for (const ProjectionPlan &p : plan.projections)
    work += synapses_per_neuron * plan.batch * synapses(p, plan) * (p.has_rule ? 0.5 : 0.25);
  // spikes at some hertz
  work += 0.001 * plan.expected_synapses;
  return static_cast<int>(std::clamp(work / worth_a_thread, 1.0, static_cast<double>(cores)));
}

} // namespace

Engine::Engine(Plan plan)
    : plan_(std::move(plan)), pool_(choose_threads(plan_)), barrier_(pool_.size()) {
  const int threads = pool_.size();
  for (const PopulationPlan &p : plan_.populations) {
    populations_.push_back(std::make_unique<Population>(p, plan_, threads));
    events_.push_back(p.kernel ? nullptr : std::make_unique<InputEvents>(p, plan_, threads));
  }
  std::size_t ports = 1;
  for (const PopulationPlan &p : plan_.populations) {
    incoming_.emplace_back(1 + (p.kernel ? p.kernel->n_receptor() : 0));
    ports = std::max(ports, incoming_.back().size());
  }
  for (const ProjectionPlan &p : plan_.projections) {
    projections_.push_back(
        make(p, plan_, *populations_[p.source], *populations_[p.target], threads));
    const Projection *made = projections_.back().get();
    if (p.kind != Kind::silent)
      incoming_[p.target][p.receptor].push_back({&p, made});
    prepares_ = prepares_ || (made && made->prepares());
  }
  if (sparse::Exchange::needed(plan_))
    sparse_ = std::make_unique<sparse::Exchange>(plan_, threads);
  workers_.resize(threads);
  // every projection, what arrives at the port, what is given from outside
  const std::size_t summands = plan_.projections.size() + 2;
  for (int k = 0; k < threads; ++k) {
    Worker &w = workers_[k];
    w.id = k;
    w.currents.resize(ports * plan_.batch * summands);
    w.own_taken_off.resize(plan_.batch * summands);
    w.row.resize(ports * plan_.batch);
    w.n.resize(ports * plan_.batch);
  }
}

RunReport Engine::run(const RunArgs &args, const std::function<bool()> &interrupted) {
  if (args.chained && sparse_)
    throw std::invalid_argument("spikes reach sparse projections after a step at the earliest");
  args_ = &args;
  interrupted_ = &interrupted;
  report_ = {};
  report_.events.resize(args.recorded.size());
  stop_[0] = stop_[1] = false;
  halted_ = false;
  next_question_ = now_ns() + question_interval_ns;
  for (std::size_t k = 0; k < populations_.size(); ++k)
    if (events_[k])
      events_[k]->begin_run(args.inputs[k]);
  // those who attend find everything up to date at the end of every step
  const bool one_by_one = args.attend || args.chained;
  longest_block_ = one_by_one ? 1 : std::clamp<std::int64_t>(args.n_steps, 1, most_steps_in_block);
  for (std::size_t k = 0; k < projections_.size(); ++k) {
    if (!projections_[k])
      continue;
    const int source = plan_.projections[k].source;
    const bool forced = args.clamp[source].ptr || args.unclamp[source].ptr;
    const bool known_ahead = populations_[source]->is_input() && !forced && !one_by_one;
    projections_[k]->begin_run(args, static_cast<int>(k), known_ahead);
    if (known_ahead)
      longest_block_ = std::min(longest_block_, projections_[k]->longest_block());
  }
  for (std::size_t k = 0; k < populations_.size(); ++k)
    populations_[k]->begin_run(args, static_cast<int>(k), bytes_watched(static_cast<int>(k)));
  for_projections([&](Projection &p) { p.reserve(longest_block_); });
  for (auto &events : events_)
    if (events)
      events->reserve(longest_block_);
  pool_.run([this](int thread) { work(thread); });
  for (auto &population : populations_)
    population->end_run();
  report_.interrupted = stop_[0] || stop_[1];
  return std::move(report_);
}

bool Engine::bytes_watched(int population) const {
  const void *bytes = plan_.populations[population].spike;
  for (const Record &r : args_->records)
    if (r.source == bytes)
      return true;
  for (std::size_t k = 0; k < plan_.projections.size(); ++k)
    if (plan_.projections[k].source == population &&
        (!projections_[k] || projections_[k]->reads_spike_bytes()))
      return true;
  return false;
}

bool Engine::ask_to_stop() {
  const std::int64_t now = now_ns();
  if (now < next_question_)
    return false;
  next_question_ = now + question_interval_ns;
  return (*interrupted_)();
}

void Engine::work(int thread) {
  Worker &w = workers_[thread];
  w.clock = {};
  w.clock.step = args_->step;
  w.stopped = false;
  for (auto &population : populations_)
    population->begin(thread, !w.clock.parity);
  for_projections([&](Projection &p) { p.begin(thread); });
  if (sparse_)
    sparse_->begin_run(thread, args_->step);
  barrier_.wait();
  for (std::int64_t sample = 0; sample < args_->n_samples && !w.stopped; ++sample) {
    double boost = 1.0;
    for (int tries = 1;; ++tries) {
      if (tries > 1)
        for (auto &population : populations_)
          population->restart_counts(thread, sample);
      const std::int64_t spikes = present(w, sample, boost);
      const bool again = args_->retry && !w.stopped && tries < args_->retry->max_tries &&
                         spikes < args_->retry->min_spikes;
      if (!again) {
        if (thread == 0 && !w.stopped)
          report_.tries.push_back(tries);
        break;
      }
      boost += args_->retry->boost;
    }
    if (thread == 0 && !w.stopped) {
      if (args_->progress)
        std::atomic_ref(*args_->progress).store(sample + 1, std::memory_order_relaxed);
      if (args_->done)
        args_->done[0] = sample + 1;
    }
  }
  if (sparse_)
    sparse_->end_run(thread, w.clock.step);
  if (thread == 0)
    report_.steps = static_cast<std::int64_t>(w.clock.step - args_->step);
  if (thread == 0 && args_->done)
    args_->done[1] = report_.steps;
}

std::int64_t Engine::present(Worker &w, std::int64_t sample, double boost) {
  w.clock.sample = sample;
  w.clock.t = 0;
  w.spikes = 0;
  for (std::size_t k = 0; k < populations_.size(); ++k) {
    if (args_->reset)
      populations_[k]->reset(w.id, !w.clock.parity);
    if (events_[k])
      events_[k]->begin_sample(w.id, sample, boost);
  }
  if (args_->reset)
    for_projections([&](Projection &p) { p.reset(w.id); });
  if (args_->reset && sparse_)
    sparse_->reset(w.id);
  barrier_.wait();
  bool overshoots = false;
  for_projections([&](Projection &p) { overshoots = overshoots || p.overshoots(); });
  while (w.clock.t < args_->n_steps && !w.stopped) {
    const std::int64_t left = args_->n_steps - w.clock.t;
    // the first learning step clips what normalising left outside of the bounds, in place
    block(w, overshoots ? 1 : std::min(left, longest_block_));
    overshoots = false;
    if (args_->attend) {
      attend(w, step_ended);
      record(w);
    }
  }
  if (args_->normalize && !w.stopped)
    for_projections([&](Projection &p) {
      if (p.normalises())
        p.normalise(w.id);
    });
  return w.spikes;
}

void Engine::block(Worker &w, std::int64_t steps) {
  const std::int64_t row = w.clock.sample * args_->n_steps + w.clock.t;
  for (auto &events : events_)
    if (events)
      events->draw(w.id, row, steps, w.clock.step);
  barrier_.wait();
  for_projections([&](Projection &p) {
    const auto &events = events_[p.plan().source];
    p.begin_block(w.id, steps, source_of(p).sent(w.id, !w.clock.parity),
                  events ? events->at(0) : nullptr);
  });
  // blocks begin by looking at traces that their owners advance next
  barrier_.wait();
  for (std::int64_t t = 0; t < steps && !w.stopped; ++t)
    step(w, t);
  for (std::size_t k = 0; k < populations_.size(); ++k)
    if (events_[k])
      populations_[k]->keep(w.id, !w.clock.parity);
  for_projections([&](Projection &p) { p.end_block(w.id); });
  // the next block's spikes take the place of this one's
  barrier_.wait();
}

} // namespace fastsnn
