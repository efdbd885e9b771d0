// SPDX-License-Identifier: Apache-2.0
// A layer of neurons over a whole sequence, and its derivative: what the code compiled once per
// instruction set (csrc/nn) is told, and who runs it on several threads.
#pragma once

#include "kernels.h"

namespace fastsnn {

// Rows are [columns] apart: x is [steps, columns], states are [n_state, columns].
struct Sequence {
  std::int64_t steps, columns;
  const real *x, *state;
  const real *param; // [n_param, columns], or [n_param] where `scalar`
  bool scalar;
  int record; // the variable that a trail holds
  // forward, each may be null
  real *spike, *trail, *last;
  // backward: gradients of the three (null: zero), surrogate and its alpha, and what comes out
  const real *g_spike, *g_trail, *g_last;
  int surrogate;
  real alpha;
  bool through_reset;
  real *g_x, *g_state, *g_param; // g_param [n_param, columns] or null
};

class SequenceKernel {
public:
  virtual ~SequenceKernel() = default;
  virtual const char *name() const = 0;
  virtual int n_state() const = 0;
  virtual int n_param() const = 0;
  virtual void forward(const Sequence &, Range) const = 0;
  virtual void backward(const Sequence &, Range) const = 0;
};

// the kernel of a model for this processor, or null
const SequenceKernel *sequence_kernel(const char *model);

// all columns, on this many threads; they own columns, so that their number changes no bit
void run_sequence(const SequenceKernel &, const Sequence &, bool backward, int threads);

} // namespace fastsnn
