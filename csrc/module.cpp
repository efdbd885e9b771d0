// SPDX-License-Identifier: Apache-2.0
// The Python module of the CPU engine: dictionaries of numbers and pointers in, a report out.
#include <pybind11/numpy.h>

#include <exception>
#include <mutex>

#include "engine.h"
#include "isa.h"
#include "nn/binding.h"
#include "parse.h"
#include "philox.h"
#include "sparse/parse.h"
#include "trains.h"

namespace py = pybind11;
using namespace fastsnn;
using namespace fastsnn::parse;

namespace {

const UserModel &user_model(const py::dict &d, const char *key, const Kernels &kernels) {
  const auto *model = pointer<const UserModel *()>(d, key)();
  if (!model || model->abi != kernel_abi || std::string(model->isa) != kernels.isa)
    throw py::value_error("a model was compiled for another version of fastsnn or instruction set; "
                          "remove its cached library");
  return *model;
}

// what the engine knows of the population's model
void find_kernel(PopulationPlan &p, const py::dict &d, const Kernels &kernels) {
  if (p.is_input)
    return;
  if (d.contains("factory"))
    p.kernel = user_model(d, "factory", kernels).population;
  else
    p.kernel = kernels.population(p.model.c_str());
  if (!p.kernel)
    throw py::value_error("population '" + p.name + "': no such model in the native engine");
  same(p.state.size(), p.kernel->n_state(), p.name + " state");
  same(p.init.size(), p.kernel->n_state(), p.name + " init");
  same(p.shared.size(), p.kernel->n_shared(), p.name + " shared");
  same(p.param.size(), p.kernel->n_param(), p.name + " param");
  same(p.window.size(), p.kernel->n_window(), p.name + " window");
  same(p.kernels.size(), p.kernel->n_kernel(), p.name + " kernel");
}

void find_rule(ProjectionPlan &p, const py::dict &d, const Kernels &kernels) {
  if (d.contains("rule_factory"))
    p.rule = user_model(d, "rule_factory", kernels).rule;
  else
    p.rule = kernels.rule(p.rule_name.c_str());
  if (!p.rule)
    throw py::value_error("projection '" + p.name + "': no such rule in the native engine");
  same(p.param.len, p.rule->n_param(), p.name + " param");
  same(p.pre.size(), p.rule->n_pre() - 1, p.name + " pre");
  same(p.post.size(), p.rule->n_post() - 1, p.name + " post");
  same(p.synapse.size(), p.rule->n_synapse() - 1, p.name + " synapse");
  if (p.rule->lag() && !(p.last_pre && p.last_post))
    throw py::value_error("projection '" + p.name + "': the rule needs last_pre and last_post");
}

Plan make_plan(const py::dict &d) {
  if (number<int>(d, "abi") != kernel_abi)
    throw py::value_error("the native engine was built for another version of fastsnn; rebuild it");
  Plan plan;
  plan.kernels = kernels(d, usable_kernels());
  plan.batch = number<int>(d, "batch");
  plan.dt = number<double>(d, "dt");
  plan.seed = number<std::uint64_t>(d, "seed");
  plan.threads = number<int>(d, "threads");
  if (plan.batch < 1)
    throw py::value_error("batch must be at least 1");
  for (py::handle item : get(d, "populations").cast<py::list>()) {
    const auto p = item.cast<py::dict>();
    plan.populations.push_back(population(p));
    find_kernel(plan.populations.back(), p, *plan.kernels);
  }
  for (py::handle item : get(d, "projections").cast<py::list>()) {
    const auto p = item.cast<py::dict>();
    plan.projections.push_back(projection(p, plan));
    find_rule(plan.projections.back(), p, *plan.kernels);
    if (auto &terminal = plan.projections.back().terminal)
      find_kernel(*terminal, get(p, "terminal").cast<py::dict>(), *plan.kernels);
    const auto *kernel = plan.populations[plan.projections.back().target].kernel;
    if (plan.projections.back().receptor > kernel->n_receptor())
      throw py::value_error("projection '" + plan.projections.back().name + "': no such receptor");
  }
  for (py::handle item : get(d, "ports").cast<py::list>())
    plan.ports.push_back(port(item.cast<py::dict>(), plan,
                              [](const PopulationPlan &p) { return p.kernel->n_receptor(); }));
  const std::vector<std::int64_t> n = sparse::sizes(plan);
  const std::vector<sparse::Port> ports = sparse::ports(plan);
  for (py::handle item : get(d, "sparse").cast<py::list>())
    plan.sparse.push_back(sparse_projection(item.cast<py::dict>(), n, ports));
  plan.expected_synapses = number<double>(d, "expected_synapses");
  for (py::handle item : get(d, "drives").cast<py::list>())
    plan.drives.push_back(drive(item.cast<py::dict>(), plan));
  return plan;
}

template <class T> py::array_t<T> array(const std::vector<T> &values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

class Program {
public:
  explicit Program(const py::dict &plan) : Program(make_plan(plan)) {}

  py::dict run(const py::dict &d) {
    std::unique_lock running(running_, std::try_to_lock);
    if (!running)
      throw std::runtime_error("this network already runs in another thread");
    RunArgs args = make_args(d, n_populations_, n_projections_);
    args.fresh = number<bool>(d, "fresh");
    args.progress = pointer<std::int64_t>(d, "progress");
    args.done = pointer<std::int64_t>(d, "done");
    args.chained = number<bool>(d, "chained");
    std::exception_ptr thrown;
    if (const py::object call = get(d, "attend"); !call.is_none()) {
      args.told = get(d, "told").cast<std::vector<std::uint8_t>>();
      if (!args.told.empty())
        same(args.told.size(), static_cast<int>(n_populations_), "told");
      args.attend = [&thrown, call](int population) {
        if (thrown)
          return true;
        py::gil_scoped_acquire acquire;
        try {
          call(population);
        } catch (...) {
          thrown = std::current_exception();
        }
        return static_cast<bool>(thrown);
      };
    }
    RunReport report;
    {
      py::gil_scoped_release release;
      report = engine_.run(args, [] {
        py::gil_scoped_acquire acquire;
        return PyErr_CheckSignals() != 0;
      });
    }
    if (thrown)
      std::rethrow_exception(thrown);
    py::dict out;
    out["error"] = report.interrupted ? py::object(py::error_already_set().value()) : py::none();
    out["steps"] = report.steps;
    out["tries"] = report.tries;
    py::list events;
    for (const Events &e : report.events)
      events.append(py::make_tuple(array(e.counts), array(e.ids)));
    out["events"] = events;
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

TrainPlan train_plan(std::uintptr_t state, std::uintptr_t value, std::int64_t n,
                     std::int64_t n_steps, std::uintptr_t out) {
  return {reinterpret_cast<std::uint8_t *>(state), reinterpret_cast<const float *>(value), n,
          n_steps, reinterpret_cast<std::uint8_t *>(out)};
}

} // namespace

PYBIND11_MODULE(FASTSNN_MODULE, m) {
  m.doc() = "The native CPU engine of fastsnn.";
  // local, for the engine is loaded twice, for numbers of 32 and of 64 bits
  py::class_<Program>(m, "Program", py::module_local())
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
  m.def("sparse_rows", [](const py::dict &d) { return sparse_rows(d, usable_kernels()); });
  m.def("philox",
        [](std::uint64_t seed, std::uint32_t stream, std::uint64_t step, std::uint32_t index) {
          const Words words = philox(seed, stream, step, index);
          return std::vector<std::uint32_t>(words.w, words.w + 4);
        });
  const auto release = py::call_guard<py::gil_scoped_release>();
  m.def(
      "poisson_train",
      [](std::uintptr_t state, std::uintptr_t value, std::int64_t n, std::int64_t n_steps,
         std::uintptr_t out, float scale) {
        return usable_trains().poisson(train_plan(state, value, n, n_steps, out), scale);
      },
      release);
  m.def(
      "bernoulli_train",
      [](std::uintptr_t state, std::uintptr_t value, std::int64_t n, std::int64_t n_steps,
         std::uintptr_t out) {
        return usable_trains().bernoulli(train_plan(state, value, n, n_steps, out));
      },
      release);
  bind_sequences(m);
}
