// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <algorithm>

#include "isolated.h"
#include "spread.h"

namespace fastsnn::cuda {

namespace {
const char *name_of(Policy policy) {
  switch (policy) {
  case Policy::alone:
    return "alone";
  case Policy::cluster:
    return "cluster";
  case Policy::sparse:
    return "sparse grid";
  case Policy::plastic:
    return "plastic grid";
  default:
    return "grid";
  }
}
} // namespace

Engine::Engine(std::vector<NetworkPlan> plans, Options options, Reserve reserve)
    : plans_(std::move(plans)), options_(std::move(options)), reserve_(std::move(reserve)) {
  use_device(options_.device);
  numbers_ = static_cast<float *>(reserve_(2 * sizeof(float)));
  positions_ = static_cast<Position *>(reserve_(2 * plans_.size() * sizeof(Position)));
  usual_ = lower(choose_spread(plan(), plans_.size(),
                               {options_.policy, options_.blocks, options_.threads, false}));
}

Engine::Lowered Engine::lower(const Spread &spread) {
  Lowered out;
  out.spread = spread;
  const auto networks = static_cast<int>(plans_.size());
  for (const NetworkPlan &plan : plans_)
    out.networks.push_back(build(plan, spread, shared_of(spread), reserve_));
  const Built &first = out.networks.front();
  int teams = networks;
  if (is_grid(spread.policy)) {
    const auto shared = static_cast<std::size_t>(first.layout.bytes);
    const int resident = resident_blocks(spread.policy, spread.threads, shared);
    teams = std::clamp(resident / spread.team, 1, networks);
  }
  out.blocks = teams * spread.team;
  out.plan_bytes = first.plan.bytes;
  Call &call = out.call;
  call.plan_bytes = first.plan.bytes;
  call.plans = static_cast<unsigned char *>(reserve_(plans_.size() * first.plan.bytes));
  call.n_networks = networks;
  call.team = spread.team;
  call.scratch_bytes = first.scratch;
  call.scratch = static_cast<unsigned char *>(reserve_(first.scratch * out.blocks));
  call.mask_words = first.mask_words;
  call.layout = first.layout;
  call.barriers = static_cast<GridBarrier *>(reserve_(sizeof(GridBarrier) * teams));
  if (is_grid(spread.policy))
    call.masks = static_cast<std::uint32_t *>(
        reserve_(sizeof(std::uint32_t) * 2 * first.mask_words * teams));
  return out;
}

std::string Engine::explain() const {
  return std::string(name_of(usual_.spread.policy)) + ": " + std::to_string(usual_.spread.team) +
         " blocks of " + std::to_string(usual_.spread.threads) + " threads, " +
         std::to_string(usual_.call.layout.bytes) + " bytes of shared memory";
}

// tiles know nothing of each other's spikes, which retries count
Engine::Lowered &Engine::lowered(bool retries) {
  if (!retries || usual_.spread.policy != Policy::alone || usual_.spread.team == 1)
    return usual_;
  if (!has_with_retries_) {
    with_retries_ =
        lower(choose_spread(plan(), plans_.size(), {"auto", 0, options_.threads, true}));
    has_with_retries_ = true;
  }
  return with_retries_;
}

void Engine::begin(const std::vector<NetworkArgs> &args, std::int32_t *tries, std::int64_t *report,
                   void *stream) {
  use_device(options_.device);
  isolated_.clear();
  if (may_isolate(args)) {
    isolated_ = args;
    done_ = 0;
    report_ = report;
    const std::vector<std::int32_t> once(args.size() * args.front().n_samples, 1);
    copy_to_device(tries, once.data(), once.size() * sizeof(std::int32_t), stream);
    return;
  }
  running_ = &lowered(args.front().retry.has_value());
  if (!running_->is_cut)
    cut(*running_, stream);
  std::vector<Record> records;
  for (std::size_t r = 0; r < args.size(); ++r)
    for (const Record &record : records_of(running_->networks[r], args[r]))
      records.push_back(record);
  if (records.size() > most_records_) {
    most_records_ = records.size();
    records_ = static_cast<Record *>(reserve_(sizeof(Record) * most_records_));
  }
  if (!records.empty())
    copy_to_device(records_, records.data(), sizeof(Record) * records.size(), stream);
  const float numbers[] = {0.0f, 1.0f};
  copy_to_device(numbers_, numbers, sizeof numbers, stream);
  std::vector<unsigned char> bytes;
  const Record *next = records_;
  for (std::size_t r = 0; r < args.size(); ++r) {
    Built &built = running_->networks[r];
    set_run(built, plans_[r], args[r], numbers_, numbers_ + 1);
    built.plan.tries = tries + r * args[r].n_samples;
    built.plan.n_records = static_cast<std::int32_t>(args[r].records.size());
    built.plan.records = next;
    next += args[r].records.size();
    const std::vector<unsigned char> own = built.bytes();
    bytes.insert(bytes.end(), own.begin(), own.end());
  }
  copy_to_device(const_cast<unsigned char *>(running_->call.plans), bytes.data(), bytes.size(),
                 stream);
  Position start{};
  start.boost = 1.0;
  const std::vector<Position> starts(plans_.size(), start);
  turn_ = 0;
  copy_to_device(positions_, starts.data(), starts.size() * sizeof(Position), stream);
  running_->call.report = report;
}

// the memory is cleared in the stream, so that it is no earlier than a run
void Engine::cut(Lowered &spread, void *stream) const {
  for (std::size_t r = 0; r < plans_.size(); ++r)
    for (const Projection &p : spread.networks[r].projections)
      if (p.indexed != none) {
        const std::vector<Population> &cells = spread.networks[r].populations;
        launch_cuts(spread.networks[r].indexed[p.indexed], cells[p.source].n,
                    cells[p.target].n_words, spread.spread.team, stream);
      }
  spread.is_cut = true;
}

bool Engine::may_isolate(const std::vector<NetworkArgs> &args) const {
  bool may = options_.policy == "auto" && plan().grid() == Policy::grid;
  for (std::size_t r = 0; r < args.size() && may; ++r)
    may = why_not_isolated(plans_[r], args[r]).empty();
  return may;
}

void Engine::launch_isolated_ones(std::int64_t steps, void *stream) {
  const NetworkArgs &first = isolated_.front();
  steps = std::min(steps, first.n_steps * first.n_samples - done_);
  for (std::size_t r = 0; r < isolated_.size() && steps > 0; ++r)
    launch_isolated(plans_[r], isolated_[r], done_, steps, report_ + 4 * r, stream);
  done_ += steps;
  marks_[n_launches_++ % 2].place(stream);
}

void Engine::launch(std::int64_t steps, void *stream) {
  use_device(options_.device);
  if (!isolated_.empty())
    return launch_isolated_ones(steps, stream);
  Call &call = running_->call;
  call.from = positions_ + turn_ * plans_.size();
  turn_ = 1 - turn_;
  call.to = positions_ + turn_ * plans_.size();
  call.steps = steps;
  launch_network(running_->spread.policy, call, running_->blocks, running_->spread.threads, stream);
  if (running_->networks.front().has_exits)
    launch_exit(call, stream);
  marks_[n_launches_++ % 2].place(stream);
}

void Engine::wait(int but) {
  if (n_launches_ > but)
    marks_[(n_launches_ - 1 - but) % 2].wait();
}

} // namespace fastsnn::cuda
