// SPDX-License-Identifier: Apache-2.0
// Runs samples, blocks and steps.  docs/design.md gives the order of a step.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "pool.h"
#include "projection.h"
#include "sparse/exchange.h"

namespace fastsnn {

class Engine {
public:
  explicit Engine(Plan plan);

  // interrupted: asked now and then on the calling thread; true stops the run between two steps
  RunReport run(const RunArgs &args, const std::function<bool()> &interrupted);
  int threads() const { return pool_.size(); }

private:
  struct Link {
    const ProjectionPlan *plan;
    const Projection *projection = nullptr; // null: one_to_one, all_but_one
  };
  struct Worker {
    int id = 0;
    Clock clock;
    std::vector<Current> currents;    // [ports, B, summands]
    std::vector<const Current *> row; // [ports, B]
    std::vector<std::int32_t> n;      // [ports, B]
    std::vector<real> own_taken_off;  // [B, summands]: all_but_one for those that spiked
    std::int64_t spikes = 0;          // of the population that `retry` watches
    bool stopped = false;
  };

  void work(int thread);
  // returns the number of spikes that `retry` asks for
  std::int64_t present(Worker &, std::int64_t sample, double boost);
  void block(Worker &, std::int64_t steps);
  void step(Worker &, std::int64_t t_in_block);
  void advance(Worker &, std::int64_t t_in_block);
  // neurons of one part; tile: the part's of sparse_
  void advance(Worker &, int population, Range part, int tile, std::int64_t t_in_block);
  // what arrives at a port of a batch element; returns how many summands
  std::int32_t summands(Worker &, int population, int receptor, int tile, std::int64_t t_in_block,
                        std::int64_t b, Current *out);
  void deliver(Worker &);
  void learn(Worker &, std::int64_t t_in_block);
  void scatter(Worker &);
  void record(Worker &);
  void chain(Worker &, int population, std::int64_t t_in_block);
  void tell(Worker &, int population);
  void attend(Worker &, int population);
  // the spikes that reach a population now: of the step before, chained also of this one
  const Ids *arriving(const Worker &, const ProjectionPlan &) const;
  // f(projection) for those that are more than one number per neuron
  template <class F> void for_projections(F f) {
    for (auto &projection : projections_)
      if (projection)
        f(*projection);
  }
  const Population &source_of(const Projection &p) const { return *populations_[p.plan().source]; }
  const Population &target_of(const Projection &p) const { return *populations_[p.plan().target]; }
  bool bytes_watched(int population) const;
  bool ask_to_stop();

  const Plan plan_;
  std::vector<std::unique_ptr<Population>> populations_;
  std::vector<std::unique_ptr<Projection>> projections_; // null: one_to_one, all_but_one
  std::vector<std::unique_ptr<InputEvents>> events_;     // of each population, null: not an input
  std::vector<std::vector<std::vector<Link>>> incoming_; // [population][port], in order
  std::unique_ptr<sparse::Exchange> sparse_;             // null: nothing arrives at ports
  bool prepares_ = false;                                // whether a projection prepares deliveries
  std::vector<Worker> workers_;
  Pool pool_;
  Barrier barrier_;

  // of the run under way
  const RunArgs *args_ = nullptr;
  const std::function<bool()> *interrupted_ = nullptr;
  RunReport report_;
  std::int64_t longest_block_ = 1;
  std::atomic<bool> halted_ = false; // by those who attend
  std::int64_t next_question_ = 0;   // ns
  bool stop_[2] = {}; // by parity: the next question may come before all have read the last answer
};

} // namespace fastsnn
