// SPDX-License-Identifier: Apache-2.0
// The host side: networks of one shape on a device, and their runs.
#pragma once

#include <string>

#include "builder.h"

namespace fastsnn::cuda {

struct Options {
  std::string policy = "auto"; // or "alone", "cluster", "grid"
  int blocks = 0, threads = 0; // of a network, of a block; 0: as seems best
  int device = 0;
};

class Engine {
public:
  // all plans have one shape
  Engine(std::vector<NetworkPlan> plans, Options options, Reserve reserve);

  std::size_t n_networks() const { return plans_.size(); }
  const NetworkPlan &plan() const { return plans_.front(); }

  // which policy, and how many blocks of how many threads a network has
  std::string explain() const;
  // what this run needs; tries [networks, samples] and report [networks, 4] lie on the device
  void begin(const std::vector<NetworkArgs> &, std::int32_t *tries, std::int64_t *report,
             void *stream);
  void launch(std::int64_t steps, void *stream);
  // until all launches but the last `but` are done
  void wait(int but);

private:
  // the networks, spread in one way
  struct Lowered {
    Spread spread;
    std::vector<Built> networks;
    Call call{};
    int blocks = 0;
    std::int64_t plan_bytes = 0;
    bool is_cut = false; // listed synapses, between the blocks
  };
  // populations that nothing connects need no network of blocks
  bool may_isolate(const std::vector<NetworkArgs> &) const;
  void launch_isolated_ones(std::int64_t steps, void *stream);
  Lowered lower(const Spread &);
  void cut(Lowered &, void *stream) const;
  Lowered &lowered(bool retries);

  std::vector<NetworkPlan> plans_;
  Options options_;
  Reserve reserve_;
  float *numbers_ = nullptr;      // 0 and 1
  Position *positions_ = nullptr; // [2, networks]
  int turn_ = 0;                  // which half the next launch reads
  Lowered usual_, with_retries_;  // with_retries_: made when first needed
  bool has_with_retries_ = false;
  Lowered *running_ = nullptr;
  Record *records_ = nullptr;
  std::size_t most_records_ = 0;
  std::vector<NetworkArgs> isolated_; // of a run without a network of blocks, else none
  std::int64_t done_ = 0;             // its steps
  std::int64_t *report_ = nullptr;
  Mark marks_[2];
  std::int64_t n_launches_ = 0;
};

} // namespace fastsnn::cuda
