// SPDX-License-Identifier: Apache-2.0
// The Python module: dictionaries of numbers and device pointers in.  FASTSNN_MODULE names it.
#include <mutex>

#include "../parse.h"
#include "engine.h"

namespace py = pybind11;
using namespace fastsnn;
using namespace fastsnn::parse;

namespace {

PortPlan make_port(const py::dict &d, const fastsnn::Plan &plan) {
  return port(d, plan, [](const PopulationPlan &cells) {
    return cuda::neuron_facts(cuda::neuron_index(cells.model.c_str())).n_receptor;
  });
}

// {tiles: (address of words, of start, first place), places: address for each port, n_places}
cuda::SparseRows make_rows(const py::dict &d, std::size_t n_ports) {
  cuda::SparseRows rows;
  for (const auto &[words, start, place] :
       number<std::vector<std::tuple<std::uintptr_t, std::uintptr_t, std::int64_t>>>(d, "tiles"))
    rows.tiles.push_back({reinterpret_cast<const std::uint32_t *>(words),
                          reinterpret_cast<const std::uint64_t *>(start), place});
  for (const auto at : number<std::vector<std::uintptr_t>>(d, "places"))
    rows.places.push_back(reinterpret_cast<const std::int32_t *>(at));
  if (rows.places.size() != n_ports)
    throw py::value_error("expected the places of every port");
  rows.n_places = number<std::int64_t>(d, "n_places");
  return rows;
}

void add_sparse(cuda::NetworkPlan &plan, const py::dict &d) {
  for (py::handle p : get(d, "ports").cast<py::list>())
    plan.ports.push_back(make_port(p.cast<py::dict>(), plan));
  for (py::handle item : get(d, "sparse").cast<py::list>()) {
    sparse::SparsePlan s;
    s.source = index_below(item.cast<py::dict>(), "source", plan.populations.size());
    plan.sparse.push_back(s);
  }
  for (py::handle p : get(d, "drives").cast<py::list>())
    plan.drives.push_back(drive(p.cast<py::dict>(), plan));
  if (!plan.ports.empty())
    plan.rows = make_rows(get(d, "rows").cast<py::dict>(), plan.ports.size());
}

// {ptr, pre, at: addresses, shift}
cuda::Columns make_columns(const py::dict &d) {
  return {pointer<const std::int32_t>(d, "ptr"), pointer<const std::uint32_t>(d, "pre"),
          pointer<const std::int32_t>(d, "at"), number<std::int32_t>(d, "shift")};
}

cuda::NetworkPlan make_plan(const py::dict &d) {
  cuda::NetworkPlan plan;
  plan.batch = number<int>(d, "batch");
  plan.dt = number<double>(d, "dt");
  plan.seed = number<std::uint64_t>(d, "seed");
  if (plan.batch < 1)
    throw py::value_error("batch must be at least 1");
  for (py::handle p : get(d, "populations").cast<py::list>())
    plan.populations.push_back(population(p.cast<py::dict>()));
  for (py::handle item : get(d, "projections").cast<py::list>()) {
    const auto p = item.cast<py::dict>();
    plan.projections.push_back(projection(p, plan));
    const bool listed = plan.projections.back().kind == Kind::indexed;
    plan.columns.push_back(listed ? make_columns(get(p, "columns").cast<py::dict>())
                                  : cuda::Columns{});
  }
  add_sparse(plan, d);
  return plan;
}

std::vector<cuda::NetworkPlan> make_plans(const py::list &dicts) {
  std::vector<cuda::NetworkPlan> plans;
  for (py::handle d : dicts)
    plans.push_back(make_plan(d.cast<py::dict>()));
  if (plans.empty())
    throw py::value_error("expected at least one plan");
  return plans;
}

cuda::Options options(const py::dict &d) {
  cuda::Options out;
  if (d.contains("policy"))
    out.policy = number<std::string>(d, "policy");
  if (d.contains("blocks"))
    out.blocks = number<int>(d, "blocks");
  if (d.contains("threads"))
    out.threads = number<int>(d, "threads");
  if (d.contains("device"))
    out.device = number<int>(d, "device");
  return out;
}

class Program {
public:
  // reserve(bytes) -> address of zeroed memory of the device that lives as long as the program
  Program(const py::list &plans, const py::dict &how, py::function reserve)
      : engine_(make_plans(plans), options(how), [reserve](std::size_t bytes) {
          return reinterpret_cast<void *>(reserve(bytes).cast<std::uintptr_t>());
        }) {}

  void begin(const py::list &dicts, std::uintptr_t tries, std::uintptr_t report,
             std::uintptr_t stream) {
    std::vector<RunArgs> args;
    const fastsnn::Plan &plan = engine_.plan();
    for (py::handle d : dicts)
      args.push_back(
          make_args(d.cast<py::dict>(), plan.populations.size(), plan.projections.size()));
    if (args.size() != engine_.n_networks())
      throw py::value_error("expected the arguments of every network");
    engine_.begin(args, reinterpret_cast<std::int32_t *>(tries),
                  reinterpret_cast<std::int64_t *>(report), reinterpret_cast<void *>(stream));
  }

  void launch(std::int64_t steps, std::uintptr_t stream) {
    py::gil_scoped_release release;
    engine_.launch(steps, reinterpret_cast<void *>(stream));
  }

  void wait(int but) {
    py::gil_scoped_release release;
    engine_.wait(but);
  }

  std::string explain() const { return engine_.explain(); }

private:
  cuda::Engine engine_;
};

} // namespace

PYBIND11_MODULE(FASTSNN_MODULE, m) {
  m.doc() = "The CUDA engine of fastsnn: whole runs of networks in persistent kernels.";
  py::class_<Program>(m, "Program")
      .def(py::init<const py::list &, const py::dict &, py::function>(), py::arg("plans"),
           py::arg("options"), py::arg("reserve"))
      .def("begin", &Program::begin)
      .def("launch", &Program::launch)
      .def("wait", &Program::wait)
      .def("explain", &Program::explain);
}
