// SPDX-License-Identifier: Apache-2.0
// Spikes of one side of a projection on their way to its synapses, and the traces that they meet.
//
// What belongs to a step stands in a slot of a ring; where a lag is an offset in memory, each slot
// stands there twice, so that no lag leaves the ring.
#pragma once

#include <vector>

#include "memory.h"
#include "plan.h"

namespace fastsnn {

inline std::int64_t slot_of(std::int64_t step, std::int64_t slots) {
  return (step % slots + slots) % slots;
}

// one thread's view of the spikes of the last steps
class Sent {
public:
  // bytes: [slots, n], what is kept between runs.  flags: whether flags() is asked for
  void reserve(std::uint8_t *bytes, std::int64_t slots, std::int64_t n, bool flags);
  // what was sent before a step
  void begin(std::int64_t step);
  // own: whose bytes are the thread's
  void note(std::int64_t step, Ids ids, Range own);
  void clear(Range own);
  // spikes of a step, one of the last `slots` ones
  Ids at(std::int64_t step) const {
    const std::vector<std::int32_t> &ids = lists_[slot_of(step, lists())];
    return {ids.data(), static_cast<std::int32_t>(ids.size())};
  }
  const std::uint8_t *bytes(std::int64_t step) const { return bytes_ + slot_of(step, slots_) * n_; }
  // 0 or 1 of every neuron in a step; those of k steps before lie k * n earlier
  const real *flags(std::int64_t step) const {
    return flags_.get() + (slot_of(step, lists()) + lists()) * n_;
  }

private:
  std::int64_t lists() const { return slots_ + 1; }
  void flag(std::int64_t list, real value);

  std::uint8_t *bytes_ = nullptr;
  std::int64_t slots_ = 0, n_ = 0;
  bool has_flags_ = false;
  std::vector<std::vector<std::int32_t>> lists_;
  Buffer<real> flags_; // [2 * lists, n]
};

// the rule's own traces of one side in the last steps
class Past {
public:
  // saved: [slots, variables, n], what is kept between runs
  Past(real *saved, std::int64_t slots, std::int64_t n, std::vector<real *> traces);
  // what was seen before a step, and what is seen in it
  void begin(std::int64_t step);
  void note(std::int64_t step, Range own);
  void save(std::int64_t step, Range own);
  // of every variable: traces seen in a step; those of k steps before lie k * n earlier
  void at(std::int64_t step, const real **out) const;

private:
  real *ring(std::size_t k, std::int64_t step, int copy) const {
    return ring_.get() +
           ((static_cast<std::int64_t>(k) * 2 + copy) * length_ + slot_of(step, length_)) * n_;
  }
  real *saved(std::size_t k, std::int64_t step) const {
    const auto variables = static_cast<std::int64_t>(traces_.size());
    return saved_ + (slot_of(step, slots_) * variables + static_cast<std::int64_t>(k)) * n_;
  }

  real *saved_;
  std::int64_t slots_, length_, n_;
  std::vector<real *> traces_;
  Buffer<real> ring_; // [variables, 2, length, n]
};

} // namespace fastsnn
