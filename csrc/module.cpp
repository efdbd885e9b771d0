// SPDX-License-Identifier: Apache-2.0
// The Python module: dictionaries of numbers and pointers in, a report out.  Shapes are checked by
// Python; here only that nothing is missing and that indices lie inside.
#include <mutex>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "engine.h"
#include "isa.h"
#include "philox.h"

namespace py = pybind11;
using namespace fastsnn;

namespace {

py::object get(const py::dict &d, const char *key) {
  if (!d.contains(key))
    throw py::value_error(std::string("the key '") + key + "' is missing");
  return d[key];
}

template <class T> T number(const py::dict &d, const char *key) {
  try {
    return get(d, key).cast<T>();
  } catch (const py::cast_error &) {
    throw py::value_error(std::string("the key '") + key + "' has a value of the wrong type");
  }
}

template <class T> T *address(const py::handle &value) {
  return reinterpret_cast<T *>(value.cast<std::uintptr_t>());
}

template <class T> T *pointer(const py::dict &d, const char *key) {
  return reinterpret_cast<T *>(number<std::uintptr_t>(d, key));
}

template <class T> std::vector<T *> pointers(const py::dict &d, const char *key) {
  std::vector<T *> all;
  for (py::handle value : get(d, key).cast<py::list>())
    all.push_back(address<T>(value));
  return all;
}

Column column(const py::handle &value) {
  const auto pair = value.cast<std::pair<std::uintptr_t, std::int64_t>>();
  return {reinterpret_cast<const float *>(pair.first), pair.second};
}

std::vector<Column> columns(const py::dict &d, const char *key) {
  std::vector<Column> all;
  for (py::handle value : get(d, key).cast<py::list>())
    all.push_back(column(value));
  return all;
}

int index_below(const py::dict &d, const char *key, std::size_t limit) {
  const auto k = number<std::int64_t>(d, key);
  if (k < 0 || k >= static_cast<std::int64_t>(limit))
    throw py::value_error(std::string("the key '") + key + "' is out of range");
  return static_cast<int>(k);
}

void same(std::size_t got, int expected, const std::string &what) {
  if (got != static_cast<std::size_t>(expected))
    throw py::value_error(what + ": got " + std::to_string(got) + " entries, expected " +
                          std::to_string(expected));
}

const UserModel &user_model(const py::dict &d, const char *key, const Kernels &kernels) {
  const auto *model = pointer<const UserModel *()>(d, key)();
  if (!model || model->abi != kernel_abi || std::string(model->isa) != kernels.isa)
    throw py::value_error("a model was compiled for another version of fastsnn or instruction set; "
                          "remove its cached library");
  return *model;
}

PopulationPlan population(const py::dict &d, const Kernels &kernels) {
  PopulationPlan p;
  p.name = number<std::string>(d, "name");
  p.n = number<std::int64_t>(d, "n");
  p.state = pointers<float>(d, "state");
  p.init = columns(d, "init");
  p.shared = pointers<float>(d, "shared");
  p.param = columns(d, "param");
  for (py::handle value : get(d, "window").cast<py::list>()) {
    const auto w = value.cast<py::dict>();
    p.window.push_back({pointer<float>(w, "ptr"), pointer<std::int64_t>(w, "head"),
                        number<std::int32_t>(w, "length"),
                        number<std::string>(w, "of") == "spike"});
  }
  p.kernels = columns(d, "kernel");
  p.spike = pointer<std::uint8_t>(d, "spike");
  p.x = pointer<float>(d, "x");
  p.summed = pointer<float>(d, "summed");
  p.trace = static_cast<Trace>(index_below(d, "trace", 3));
  p.decay_x = column(get(d, "decay_x"));
  p.trace_scale = column(get(d, "trace_scale"));
  p.one_spike = number<bool>(d, "one_spike");
  p.stream = number<std::uint32_t>(d, "stream");
  if (number<bool>(d, "is_input"))
    return p;
  if (d.contains("factory"))
    p.kernel = user_model(d, "factory", kernels).population;
  else
    p.kernel = kernels.population(number<std::string>(d, "model").c_str());
  if (!p.kernel)
    throw py::value_error("population '" + p.name + "': no such model in the native engine");
  same(p.state.size(), p.kernel->n_state(), p.name + " state");
  same(p.init.size(), p.kernel->n_state(), p.name + " init");
  same(p.shared.size(), p.kernel->n_shared(), p.name + " shared");
  same(p.param.size(), p.kernel->n_param(), p.name + " param");
  same(p.window.size(), p.kernel->n_window(), p.name + " window");
  same(p.kernels.size(), p.kernel->n_kernel(), p.name + " kernel");
  return p;
}

ProjectionPlan projection(const py::dict &d, const Plan &plan) {
  ProjectionPlan p;
  p.name = number<std::string>(d, "name");
  p.source = index_below(d, "source", plan.populations.size());
  p.target = index_below(d, "target", plan.populations.size());
  const auto kind = number<std::string>(d, "kind");
  if (kind != "dense" && kind != "one_to_one" && kind != "all_but_one")
    throw py::value_error("projection '" + p.name + "': unknown kind '" + kind + "'");
  p.kind = kind == "dense"        ? Kind::dense
           : kind == "one_to_one" ? Kind::one_to_one
                                  : Kind::all_but_one;
  if (!plan.populations[p.target].kernel)
    throw py::value_error("projection '" + p.name + "' targets an input population");
  if (p.kind != Kind::dense && plan.populations[p.source].n != plan.populations[p.target].n)
    throw py::value_error("projection '" + p.name + "' joins populations of different sizes");
  p.w = pointer<float>(d, "w");
  p.bias = pointer<const float>(d, "bias");
  p.param = column(get(d, "param"));
  p.pre = pointers<float>(d, "pre");
  p.post = pointers<float>(d, "post");
  p.synapse = pointers<float>(d, "synapse");
  p.last_pre = pointer<std::uint8_t>(d, "last_pre");
  p.last_post = pointer<std::uint8_t>(d, "last_post");
  const auto reduction = number<std::string>(d, "reduction");
  p.reduction = reduction == "max" ? 2 : reduction == "mean" ? 1 : 0;
  p.w_min = column(get(d, "w_min"));
  p.w_max = column(get(d, "w_max"));
  p.decay = static_cast<float>(1.0 - number<double>(d, "weight_decay"));
  if (!get(d, "norm").is_none())
    p.norm = static_cast<float>(number<double>(d, "norm"));
  p.changed = pointer<std::uint8_t>(d, "changed");
  if (d.contains("rule_factory"))
    p.rule = user_model(d, "rule_factory", *plan.kernels).rule;
  else
    p.rule = plan.kernels->rule(number<std::string>(d, "rule").c_str());
  if (!p.rule)
    throw py::value_error("projection '" + p.name + "': no such rule in the native engine");
  p.has_rule = *p.rule->name() != '\0';
  same(p.param.len, p.rule->n_param(), p.name + " param");
  same(p.pre.size(), p.rule->n_pre() - 1, p.name + " pre");
  same(p.post.size(), p.rule->n_post() - 1, p.name + " post");
  same(p.synapse.size(), p.rule->n_synapse() - 1, p.name + " synapse");
  if (p.rule->lag() && !(p.last_pre && p.last_post))
    throw py::value_error("projection '" + p.name + "': the rule needs last_pre and last_post");
  return p;
}

Plan make_plan(const py::dict &d) {
  if (number<int>(d, "abi") != kernel_abi)
    throw py::value_error("the native engine was built for another version of fastsnn; rebuild it");
  Plan plan;
  const auto isa = number<std::string>(d, "isa");
  for (const Kernels *kernels : usable_kernels())
    if (!plan.kernels && (isa.empty() || isa == kernels->isa))
      plan.kernels = kernels;
  if (!plan.kernels)
    throw py::value_error("instruction set '" + isa + "' cannot be used here");
  plan.batch = number<int>(d, "batch");
  plan.dt = number<double>(d, "dt");
  plan.seed = number<std::uint64_t>(d, "seed");
  plan.threads = number<int>(d, "threads");
  if (plan.batch < 1)
    throw py::value_error("batch must be at least 1");
  for (py::handle p : get(d, "populations").cast<py::list>())
    plan.populations.push_back(population(p.cast<py::dict>(), *plan.kernels));
  for (py::handle p : get(d, "projections").cast<py::list>())
    plan.projections.push_back(projection(p.cast<py::dict>(), plan));
  return plan;
}

Input input(const py::dict &d) {
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

Record record(const py::dict &d) {
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

RunArgs make_args(const py::dict &d, std::size_t n_populations, std::size_t n_projections) {
  RunArgs args;
  args.n_steps = number<std::int64_t>(d, "n_steps");
  args.n_samples = number<std::int64_t>(d, "n_samples");
  args.step = number<std::uint64_t>(d, "step");
  args.learning = number<bool>(d, "learning");
  args.normalize = number<bool>(d, "normalize");
  args.reset = number<bool>(d, "reset");
  args.fresh = number<bool>(d, "fresh");
  args.reward = pointer<const float>(d, "reward");
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
  each("records", [&](const py::dict &i) { args.records.push_back(record(i)); });
  each("counts", [&](const py::dict &i) { args.counts[at(i)] = pointer<std::int32_t>(i, "ptr"); });
  each("replay", [&](const py::dict &i) {
    if (number<std::string>(i, "kind") == "winner")
      args.winners[at(i)] = pointer<const std::int32_t>(i, "ptr");
    else
      args.uniforms[at(i)] = pointer<const float>(i, "ptr");
  });
  if (const py::object retry = get(d, "retry"); !retry.is_none()) {
    const auto r = retry.cast<py::dict>();
    args.retry = {at(r), number<std::int64_t>(r, "min_spikes"), number<int>(r, "max_tries"),
                  number<double>(r, "boost")};
  }
  args.progress = pointer<std::int64_t>(d, "progress");
  args.done = pointer<std::int64_t>(d, "done");
  return args;
}

class Program {
public:
  explicit Program(const py::dict &plan) : Program(make_plan(plan)) {}

  py::dict run(const py::dict &d) {
    std::unique_lock running(running_, std::try_to_lock);
    if (!running)
      throw std::runtime_error("this network already runs in another thread");
    const RunArgs args = make_args(d, n_populations_, n_projections_);
    RunReport report;
    {
      py::gil_scoped_release release;
      report = engine_.run(args, [] {
        py::gil_scoped_acquire acquire;
        return PyErr_CheckSignals() != 0;
      });
    }
    if (report.interrupted)
      throw py::error_already_set();
    py::dict out;
    out["steps"] = report.steps;
    out["tries"] = report.tries;
    return out;
  }

  int threads() const { return engine_.threads(); }
  const char *isa() const { return isa_; }

private:
  explicit Program(Plan plan)
      : n_populations_(plan.populations.size()), n_projections_(plan.projections.size()),
        isa_(plan.kernels->isa), engine_(std::move(plan)) {}

  const std::size_t n_populations_, n_projections_;
  const char *isa_;
  std::mutex running_;
  Engine engine_;
};

} // namespace

PYBIND11_MODULE(_native, m) {
  m.doc() = "The native CPU engine of fastsnn.";
  py::class_<Program>(m, "Program")
      .def(py::init<const py::dict &>())
      .def("run", &Program::run)
      .def_property_readonly("threads", &Program::threads)
      .def_property_readonly("isa", &Program::isa);
  m.def("isa", [] {
    std::vector<std::string> names;
    for (const Kernels *kernels : usable_kernels())
      names.push_back(kernels->isa);
    return names;
  });
  m.def("philox",
        [](std::uint64_t seed, std::uint32_t stream, std::uint64_t step, std::uint32_t index) {
          const Words words = philox(seed, stream, step, index);
          return std::vector<std::uint32_t>(words.w, words.w + 4);
        });
}
