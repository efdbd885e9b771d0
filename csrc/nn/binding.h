// SPDX-License-Identifier: Apache-2.0
// Layers over sequences for Python: numbers and pointers of tensors, whose shapes Python checked.
#pragma once

#include "parse.h"
#include "sequence.h"

namespace fastsnn {

inline void run_sequence(const std::string &model, bool backward, int threads,
                         const pybind11::dict &d) {
  namespace py = pybind11;
  using namespace parse;
  const SequenceKernel *kernel = sequence_kernel(model.c_str());
  if (!kernel)
    throw py::value_error("no kernel over sequences for the model '" + model + "'");
  if (number<int>(d, "n_state") != kernel->n_state() ||
      number<int>(d, "n_param") != kernel->n_param())
    throw py::value_error("the native engine was built for another version of '" + model +
                          "'; rebuild it");
  Sequence s = {};
  s.steps = number<std::int64_t>(d, "steps");
  s.columns = number<std::int64_t>(d, "columns");
  s.x = pointer<const real>(d, "x");
  s.state = pointer<const real>(d, "state");
  s.param = pointer<const real>(d, "param");
  s.scalar = number<bool>(d, "scalar");
  s.record = index_below(d, "record", static_cast<std::size_t>(kernel->n_state()));
  if (backward) {
    s.g_spike = pointer<const real>(d, "g_spike");
    s.g_trail = pointer<const real>(d, "g_trail");
    s.g_last = pointer<const real>(d, "g_last");
    s.surrogate = number<int>(d, "surrogate");
    s.alpha = number<real>(d, "alpha");
    s.through_reset = number<bool>(d, "through_reset");
    s.g_x = pointer<real>(d, "g_x");
    s.g_state = pointer<real>(d, "g_state");
    s.g_param = pointer<real>(d, "g_param");
  } else {
    s.spike = pointer<real>(d, "spike");
    s.trail = pointer<real>(d, "trail");
    s.last = pointer<real>(d, "last");
  }
  py::gil_scoped_release release;
  run_sequence(*kernel, s, backward, threads);
}

inline void bind_sequences(pybind11::module_ &m) {
  m.def("run_sequence", [](const std::string &model, bool backward, int threads,
                           const pybind11::dict &d) { run_sequence(model, backward, threads, d); });
}

} // namespace fastsnn
