// SPDX-License-Identifier: Apache-2.0
// What the engine asks of a projection that is more than one number per neuron.
#pragma once

#include <limits>
#include <vector>

#include "memory.h"
#include "population.h"

namespace fastsnn {

// Threads own neurons of the target: what a projection does for a thread is for those.  `last` are
// the spikes of the step before, one list per batch element.
class Projection {
public:
  Projection(const ProjectionPlan &plan, const Plan &network, const Population &source,
             const Population &target)
      : plan_(plan), kernels_(*network.kernels), source_(source), target_(target),
        batch_(network.batch), n_pre_(source.plan().n), n_post_(target.plan().n),
        stride_(padded(n_post_)) {}
  virtual ~Projection() = default;

  const ProjectionPlan &plan() const { return plan_; }
  virtual bool learns() const { return false; }
  virtual bool normalises() const { return false; }

  // known_ahead: the source's spikes of a block are known before it starts
  virtual void begin_run(const RunArgs &, int /*index*/, bool /*known_ahead*/) {}
  // once per run and thread, before the first block
  virtual void begin(int /*thread*/) {}
  // steps whose currents fit the buffer
  virtual std::int64_t longest_block() const { return std::numeric_limits<std::int64_t>::max(); }
  virtual void reserve(std::int64_t /*steps*/) {}
  // whether the first learning step must stand alone
  virtual bool overshoots() const { return false; }
  // neurons go back to rest
  virtual void reset(int /*thread*/) {}

  // lists: those of the block, [steps, B], null if not known
  virtual void begin_block(int /*thread*/, std::int64_t /*steps*/, const Ids * /*last*/,
                           const Ids * /*lists*/) {}
  // what other threads read when they deliver; they wait for it
  virtual bool prepares() const { return false; }
  virtual void prepare(int /*thread*/, const Ids * /*last*/) {}
  virtual void deliver(int thread, const Ids *last) = 0;
  virtual const real *row(int thread, std::int64_t t, std::int64_t b) const = 0;
  virtual void learn(int /*thread*/, std::int64_t /*t*/, const Ids * /*pre*/,
                     const Ids * /*post*/) {}
  // whether this step's learning read what other threads are about to change
  virtual bool reads_others(bool /*any_post*/) const { return false; }
  virtual bool reads_spike_bytes() const { return false; }
  virtual bool has_own_variables() const { return false; }
  virtual void advance_own(int /*thread*/, const Ids * /*pre*/, const Ids * /*post*/) {}
  // bring w up to date
  virtual void sync(int /*thread*/) {}
  virtual void end_block(int /*thread*/) {}
  virtual void normalise(int /*thread*/) {}

protected:
  const ProjectionPlan &plan_;
  const Kernels &kernels_;
  const Population &source_, &target_;
  const std::int64_t batch_, n_pre_, n_post_, stride_;
};

// A projection whose weights may change: the parts of learning that no layout of weights alters.
class Plastic : public Projection {
public:
  Plastic(const ProjectionPlan &plan, const Plan &network, const Population &source,
          const Population &target, int threads);

  bool normalises() const override { return plan_.norm && plan_.changed; }
  bool has_own_variables() const override { return learns_own_; }
  void advance_own(int thread, const Ids *pre, const Ids *post) override;
  void begin_run(const RunArgs &args, int index, bool known_ahead) override;

protected:
  // whether the rule changes weights, or a mask or decay does
  bool changes() const { return learning_ && (plan_.has_rule || plan_.decay != 1.0f); }

  // what this run's learning is told
  void describe(Learning &) const;
  // spike bytes of the source (0) or target (1) that move the rule's own variables
  virtual const std::uint8_t *spikes_of(int /*thread*/, int side) const {
    return side ? target_.plan().spike : source_.plan().spike;
  }
  // whose own variables are the thread's, of [B * n]
  Range share(int thread, int side) const;

  const int threads_;
  bool lag_ = false, has_own_ = false, bounded_ = false;
  // of the run
  bool learning_ = false, learns_own_ = false;
  const std::uint8_t *mask_ = nullptr;
  std::vector<real> param_, reward_;
  std::vector<real *> synapse_; // w first
};

} // namespace fastsnn
