// SPDX-License-Identifier: Apache-2.0
// From the dictionaries of fastsnn/backends/pointers.py to csrc/plan.h.  Shapes are checked by
// Python; here only that nothing is missing and that indices lie inside.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "plan.h"

namespace fastsnn::parse {

namespace py = pybind11;

inline py::object get(const py::dict &d, const char *key) {
  if (!d.contains(key))
    throw py::value_error(std::string("the key '") + key + "' is missing");
  return d[key];
}

template <class T> inline T number(const py::dict &d, const char *key) {
  try {
    return get(d, key).cast<T>();
  } catch (const py::cast_error &) {
    throw py::value_error(std::string("the key '") + key + "' has a value of the wrong type");
  }
}

template <class T> inline T *address(const py::handle &value) {
  return reinterpret_cast<T *>(value.cast<std::uintptr_t>());
}

template <class T> inline T *pointer(const py::dict &d, const char *key) {
  return reinterpret_cast<T *>(number<std::uintptr_t>(d, key));
}

template <class T> inline std::vector<T *> pointers(const py::dict &d, const char *key) {
  std::vector<T *> all;
  for (py::handle value : get(d, key).cast<py::list>())
    all.push_back(address<T>(value));
  return all;
}

inline Column column(const py::handle &value) {
  const auto pair = value.cast<std::pair<std::uintptr_t, std::int64_t>>();
  return {reinterpret_cast<const real *>(pair.first), pair.second};
}

inline std::vector<Column> columns(const py::dict &d, const char *key) {
  std::vector<Column> all;
  for (py::handle value : get(d, key).cast<py::list>())
    all.push_back(column(value));
  return all;
}

inline int index_below(const py::dict &d, const char *key, std::size_t limit) {
  const auto k = number<std::int64_t>(d, key);
  if (k < 0 || k >= static_cast<std::int64_t>(limit))
    throw py::value_error(std::string("the key '") + key + "' is out of range");
  return static_cast<int>(k);
}

inline void same(std::size_t got, int expected, const std::string &what) {
  if (got != static_cast<std::size_t>(expected))
    throw py::value_error(what + ": got " + std::to_string(got) + " entries, expected " +
                          std::to_string(expected));
}

// those of the instruction set that is asked for, else the fastest; usable: fastest first
inline const Kernels *kernels(const py::dict &d, const std::vector<const Kernels *> &usable) {
  const auto isa = number<std::string>(d, "isa");
  for (const Kernels *found : usable)
    if (isa.empty() || isa == found->isa)
      return found;
  throw py::value_error("instruction set '" + isa + "' cannot be used here");
}

inline PopulationPlan population(const py::dict &d) {
  PopulationPlan p;
  p.name = number<std::string>(d, "name");
  p.n = number<std::int64_t>(d, "n");
  p.state = pointers<real>(d, "state");
  p.init = columns(d, "init");
  p.shared = pointers<real>(d, "shared");
  p.param = columns(d, "param");
  for (py::handle value : get(d, "window").cast<py::list>()) {
    const auto w = value.cast<py::dict>();
    p.window.push_back({pointer<real>(w, "ptr"), pointer<std::int64_t>(w, "head"),
                        number<std::int32_t>(w, "length"),
                        number<std::string>(w, "of") == "spike"});
  }
  p.kernels = columns(d, "kernel");
  p.spike = pointer<std::uint8_t>(d, "spike");
  p.x = pointer<real>(d, "x");
  p.summed = pointer<real>(d, "summed");
  p.trace = static_cast<Trace>(index_below(d, "trace", 3));
  p.decay_x = column(get(d, "decay_x"));
  p.trace_scale = column(get(d, "trace_scale"));
  p.one_spike = number<bool>(d, "one_spike");
  p.stream = number<std::uint32_t>(d, "stream");
  p.model = number<std::string>(d, "model");
  p.is_input = number<bool>(d, "is_input");
  return p;
}

inline SynapsesPlan synapses(const py::dict &d) {
  SynapsesPlan s;
  s.row_ptr = pointer<const std::int64_t>(d, "row_ptr");
  s.post = pointer<const std::int32_t>(d, "post");
  s.weight = pointer<const std::int32_t>(d, "weight");
  s.n = number<std::int64_t>(d, "n");
  s.n_weights = number<std::int64_t>(d, "n_weights");
  s.filters = number<std::int64_t>(d, "filters");
  s.n_sums = number<std::int64_t>(d, "n_sums");
  s.delay = number<std::int64_t>(d, "delay");
  s.delays = pointer<const std::int32_t>(d, "delays");
  return s;
}

inline CompartmentsPlan compartments(const py::dict &d) {
  CompartmentsPlan c;
  constexpr const char *acts[] = {"multiply", "draw", "add", "subtract"};
  for (py::handle value : get(d, "steps").cast<py::list>()) {
    const auto pair = value.cast<std::pair<std::string, std::uintptr_t>>();
    const auto found = std::find(std::begin(acts), std::end(acts), pair.first);
    if (found == std::end(acts))
      throw py::value_error("unknown step of a feature '" + pair.first + "'");
    c.steps.push_back({static_cast<SignalStep::Act>(found - std::begin(acts)),
                       reinterpret_cast<const real *>(pair.second)});
  }
  c.delay = pointer<const std::int32_t>(d, "delay");
  c.ring = pointer<real>(d, "ring");
  c.head = pointer<std::int64_t>(d, "head");
  c.length = number<std::int64_t>(d, "length");
  if (c.delay && (!c.ring || !c.head || c.length < 1))
    throw py::value_error("a delay needs a ring and its head");
  c.rest = pointer<const real>(d, "rest");
  c.stream = number<std::uint32_t>(d, "stream");
  if (const py::object given = get(d, "adaptation"); !given.is_none()) {
    const auto a = given.cast<py::dict>();
    c.adaptation = {pointer<real>(a, "gate"),
                    pointer<real>(a, "mask"),
                    pointer<std::uint8_t>(a, "history"),
                    pointer<std::int64_t>(a, "counter"),
                    number<std::int64_t>(a, "length"),
                    number<std::int64_t>(a, "hidden"),
                    pointer<const real>(a, "first"),
                    pointer<const real>(a, "second"),
                    static_cast<real>(number<double>(a, "rate")),
                    static_cast<real>(number<double>(a, "decay"))};
    if (c.adaptation->length < 1)
      throw py::value_error("an adaptation needs a history");
  }
  return c;
}

inline ProjectionPlan projection(const py::dict &d, const Plan &plan) {
  ProjectionPlan p;
  p.name = number<std::string>(d, "name");
  p.source = index_below(d, "source", plan.populations.size());
  p.target = index_below(d, "target", plan.populations.size());
  const auto kind = number<std::string>(d, "kind");
  constexpr const char *kinds[] = {"dense",    "one_to_one", "all_but_one",  "indexed",
                                   "max_pool", "mean_field", "compartments", "silent"};
  const auto found = std::find(std::begin(kinds), std::end(kinds), kind);
  if (found == std::end(kinds))
    throw py::value_error("projection '" + p.name + "': unknown kind '" + kind + "'");
  p.kind = static_cast<Kind>(found - std::begin(kinds));
  if (plan.populations[p.target].is_input)
    throw py::value_error("projection '" + p.name + "' targets an input population");
  const bool one_size = p.kind == Kind::one_to_one || p.kind == Kind::all_but_one;
  if (one_size && plan.populations[p.source].n != plan.populations[p.target].n)
    throw py::value_error("projection '" + p.name + "' joins populations of different sizes");
  p.w = pointer<real>(d, "w");
  p.bias = pointer<const real>(d, "bias");
  p.param = column(get(d, "param"));
  p.pre = pointers<real>(d, "pre");
  p.post = pointers<real>(d, "post");
  p.synapse = pointers<real>(d, "synapse");
  p.last_pre = pointer<std::uint8_t>(d, "last_pre");
  p.last_post = pointer<std::uint8_t>(d, "last_post");
  const auto reduction = number<std::string>(d, "reduction");
  p.reduction = reduction == "max" ? 2 : reduction == "mean" ? 1 : 0;
  p.w_min = column(get(d, "w_min"));
  p.w_max = column(get(d, "w_max"));
  p.decay = static_cast<real>(1.0 - number<double>(d, "weight_decay"));
  if (!get(d, "norm").is_none())
    p.norm = static_cast<real>(number<double>(d, "norm"));
  p.changed = pointer<std::uint8_t>(d, "changed");
  p.rule_name = number<std::string>(d, "rule");
  p.has_rule = !p.rule_name.empty();
  p.receptor = number<int>(d, "receptor");
  p.bounded = number<bool>(d, "bounded");
  p.dendritic = number<bool>(d, "dendritic");
  p.sent = pointer<std::uint8_t>(d, "sent");
  p.arriving = pointer<real>(d, "arriving");
  p.past = pointer<real>(d, "past");
  p.every = number<std::int64_t>(d, "every");
  if (const py::object terminal = get(d, "terminal"); !terminal.is_none()) {
    p.terminal = population(terminal.cast<py::dict>());
    p.efficacy = index_below(d, "efficacy", p.terminal->state.size());
    same(static_cast<std::size_t>(p.terminal->n), static_cast<int>(plan.populations[p.source].n),
         p.name + " terminals");
  }
  if (p.kind == Kind::indexed || p.kind == Kind::max_pool)
    p.synapses = synapses(get(d, "synapses").cast<py::dict>());
  if (p.kind == Kind::compartments)
    p.compartments = compartments(get(d, "compartments").cast<py::dict>());
  if (p.kind == Kind::max_pool) {
    p.rate = pointer<real>(d, "rate");
    p.rate_decay = static_cast<real>(number<double>(d, "rate_decay"));
  }
  return p;
}

// n_receptors(population): ports of its model besides i_syn
template <class F> PortPlan port(const py::dict &d, const Plan &plan, F n_receptors) {
  PortPlan p;
  p.population = index_below(d, "population", plan.populations.size());
  const PopulationPlan &cells = plan.populations[p.population];
  if (cells.is_input)
    throw py::value_error("population '" + cells.name + "' is an input, and nothing arrives there");
  p.receptor = index_below(d, "receptor", 1 + n_receptors(cells));
  p.grain = static_cast<real>(number<double>(d, "grain"));
  p.arriving = pointer<std::int32_t>(d, "arriving");
  p.slots = number<std::int64_t>(d, "slots");
  if (p.slots < 1 || (p.slots & (p.slots - 1)))
    throw py::value_error("the number of slots of a port must be a power of two");
  return p;
}

inline DrivePlan drive(const py::dict &d, const Plan &plan) {
  DrivePlan p;
  p.port = index_below(d, "port", plan.ports.size());
  p.table = pointer<const std::int64_t>(d, "table");
  p.which = pointer<const std::int32_t>(d, "which");
  p.n_rows = number<std::int64_t>(d, "n_rows");
  p.width = number<std::int64_t>(d, "width");
  p.stream = number<std::uint32_t>(d, "stream");
  p.offset = number<std::uint32_t>(d, "offset");
  if (p.n_rows < 1 || p.width < 2)
    throw py::value_error("the table of a drive is too small");
  return p;
}

inline Input input(const py::dict &d) {
  Input in;
  const auto kind = number<std::string>(d, "kind");
  if (kind == "events") {
    in.kind = Input::Kind::events;
    in.ptr = pointer<void>(d, "ids");
    in.offsets = pointer<const std::int64_t>(d, "offsets");
    return in;
  }
  in.ptr = pointer<void>(d, "ptr");
  if (kind == "spikes") {
    in.kind = Input::Kind::spikes;
  } else if (kind == "rates") {
    in.kind = Input::Kind::rates;
    in.scale = number<double>(d, "scale");
  } else if (kind == "current") {
    in.kind = Input::Kind::current;
    in.per_step = number<bool>(d, "per_step");
  } else {
    throw py::value_error("unknown kind of input '" + kind + "'");
  }
  return in;
}

inline Record record(const py::dict &d) {
  Record r;
  r.source = pointer<const char>(d, "source");
  r.item = number<std::int64_t>(d, "item");
  r.count = number<std::int64_t>(d, "count");
  r.row = number<std::int64_t>(d, "row");
  r.index = pointer<const std::int64_t>(d, "index");
  r.n_index = number<std::int64_t>(d, "n_index");
  r.every = number<std::int64_t>(d, "every");
  r.phase = number<std::int64_t>(d, "phase");
  r.dest = pointer<char>(d, "dest");
  r.weights = number<bool>(d, "weights");
  if (r.every < 1 || r.phase < 0)
    throw py::value_error("a record needs every >= 1 and phase >= 0");
  return r;
}

inline RunArgs make_args(const py::dict &d, std::size_t n_populations, std::size_t n_projections) {
  RunArgs args;
  args.n_steps = number<std::int64_t>(d, "n_steps");
  args.n_samples = number<std::int64_t>(d, "n_samples");
  args.step = number<std::uint64_t>(d, "step");
  args.learning = number<bool>(d, "learning");
  args.normalize = number<bool>(d, "normalize");
  args.reset = number<bool>(d, "reset");
  args.reward = pointer<const real>(d, "reward");
  args.inputs.resize(n_populations);
  args.counts.resize(n_populations);
  args.winners.resize(n_populations);
  args.uniforms.resize(n_populations);
  args.masks.resize(n_projections);
  const auto each = [&](const char *key, auto &&take) {
    for (py::handle item : get(d, key).cast<py::list>())
      take(item.cast<py::dict>());
  };
  const auto at = [&](const py::dict &item) {
    return index_below(item, "population", n_populations);
  };
  each("inputs", [&](const py::dict &i) { args.inputs[at(i)] = input(i); });
  for (auto [key, forced] : {std::pair{"clamp", &args.clamp},
                             {"unclamp", &args.unclamp},
                             {"inject_v", &args.inject_v}}) {
    forced->resize(n_populations);
    each(key, [&](const py::dict &i) {
      (*forced)[at(i)] = {pointer<void>(i, "ptr"), number<bool>(i, "per_step")};
    });
  }
  each("masks", [&](const py::dict &i) {
    args.masks[index_below(i, "projection", n_projections)] = pointer<const std::uint8_t>(i, "ptr");
  });
  for (py::handle item : get(d, "recorded").cast<py::list>()) {
    const auto k = item.cast<std::int64_t>();
    if (k < 0 || k >= static_cast<std::int64_t>(n_populations))
      throw py::value_error("a recorded population is out of range");
    args.recorded.push_back(static_cast<int>(k));
  }
  each("records", [&](const py::dict &i) { args.records.push_back(record(i)); });
  each("counts", [&](const py::dict &i) { args.counts[at(i)] = pointer<std::int32_t>(i, "ptr"); });
  each("replay", [&](const py::dict &i) {
    if (number<std::string>(i, "kind") == "winner")
      args.winners[at(i)] = pointer<const std::int32_t>(i, "ptr");
    else
      args.uniforms[at(i)] = pointer<const real>(i, "ptr");
  });
  if (const py::object retry = get(d, "retry"); !retry.is_none()) {
    const auto r = retry.cast<py::dict>();
    args.retry = {at(r), number<std::int64_t>(r, "min_spikes"), number<int>(r, "max_tries"),
                  number<double>(r, "boost")};
  }
  return args;
}

} // namespace fastsnn::parse
