// SPDX-License-Identifier: Apache-2.0
// From the dictionaries of fastsnn/sparse to csrc/sparse/spec.h.  Numbers are checked by Python;
// here only that nothing is missing and that indices lie inside.
#pragma once

#include "../parse.h"
#include "build.h"

namespace fastsnn::parse {

// an array that may be missing
template <class T> inline T *sized_array(const py::dict &d, const char *key, std::int64_t &size) {
  if (!d.contains(key))
    return nullptr;
  const auto [at, n] = number<std::pair<std::uintptr_t, std::int64_t>>(d, key);
  size = n;
  return reinterpret_cast<T *>(at);
}

template <class T> inline T *array(const py::dict &d, const char *key, std::int64_t size) {
  std::int64_t n = 0;
  T *const found = sized_array<T>(d, key, n);
  if (found && n < size)
    throw py::value_error(std::string("the key '") + key + "' holds too few numbers");
  return found;
}

inline int one_of(const py::dict &d, const char *key, std::initializer_list<const char *> names) {
  const auto given = number<std::string>(d, key);
  const auto found = std::find(names.begin(), names.end(), given);
  if (found == names.end())
    throw py::value_error(std::string("unknown ") + key + " '" + given + "'");
  return static_cast<int>(found - names.begin());
}

inline sparse::Table table(const py::dict &d, const char *key) {
  std::int64_t n = 0;
  const auto *ptr = sized_array<const float>(d, key, n);
  return {ptr, n == 1};
}

inline void list(sparse::SparsePlan &s, const py::dict &d) {
  std::int64_t n = 0;
  s.row_ptr = sized_array<const std::int64_t>(d, "row_ptr", n);
  if (!s.row_ptr || n != s.n_pre + 1)
    throw py::value_error("sparse projection '" + s.name + "': row_ptr does not fit its source");
  // kernels read 16 beyond the end
  const std::int64_t size = s.row_ptr[s.n_pre] + group_size;
  s.post = array<const std::int32_t>(d, "post", size);
  s.w = array<const float>(d, "w", size);
  s.steps = array<const std::int32_t>(d, "steps", size);
}

inline void space(sparse::SparsePlan &s, const py::dict &d) {
  s.x_pre = array<const float>(d, "x_pre", sparse::dimensions * s.n_pre);
  s.x_post = array<const float>(d, "x_post", sparse::dimensions * s.n_post);
  s.period = array<const float>(d, "period", sparse::dimensions);
  s.chance = array<const float>(d, "chance", sparse::chance_steps + 2);
  s.cutoff = number<float>(d, "cutoff");
  s.steps_per_length = number<float>(d, "steps_per_length");
  if (!(s.x_pre && s.x_post && s.period && s.chance && s.cutoff > 0.0f))
    throw py::value_error("sparse projection '" + s.name + "' lacks positions");
}

// A sparse projection: what Wiring.spec gives, with arrays as (address, length), and name, source,
// port, grain.
inline sparse::SparsePlan sparse_projection(const py::dict &d, const std::vector<std::int64_t> &n,
                                            const std::vector<sparse::Port> &ports) {
  sparse::SparsePlan s;
  s.name = number<std::string>(d, "name");
  s.source = index_below(d, "source", n.size());
  s.port = index_below(d, "port", ports.size());
  s.n_pre = n[s.source];
  s.n_post = n[ports[s.port].population];
  s.wiring = static_cast<sparse::Wiring>(
      one_of(d, "wiring", {"rows", "columns", "list", "pairs", "small_world", "distance"}));
  s.stream = number<std::uint32_t>(d, "stream");
  s.stored = !number<bool>(d, "procedural");
  s.scale = 1.0f / number<float>(d, "grain");
  s.largest_delay = number<std::int64_t>(d, "largest_delay");
  if (s.largest_delay < 1 || s.largest_delay > 0xffff)
    throw py::value_error("sparse projection '" + s.name + "': delays exceed 65,535 steps");
  s.weight = table(d, "weight");
  s.delay = table(d, "delay");
  s.number = static_cast<sparse::Number>(one_of(d, "number", {"fixed", "binomial", "thrown"}));
  s.n = number<std::int64_t>(d, "n");
  s.thresholds = sized_array<const std::int64_t>(d, "thresholds", s.n_thresholds);
  s.multapses = number<bool>(d, "multapses");
  s.same = number<bool>(d, "same");
  s.rewire = number<std::int64_t>(d, "rewire");
  if (!s.stored && s.wiring == sparse::Wiring::columns)
    throw py::value_error("sparse projection '" + s.name + "' is drawn by target, not by source");
  if (s.wiring == sparse::Wiring::list)
    list(s, d);
  if (s.wiring == sparse::Wiring::distance)
    space(s, d);
  if (s.wiring == sparse::Wiring::pairs && s.n_pre != s.n_post)
    throw py::value_error("sparse projection '" + s.name + "' joins populations of unequal sizes");
  return s;
}

// What the engine makes of sparse projections, for tests: {n, ports, n_tiles, seed, threads, isa,
// sparse} -> (words, start) of each tile, and the tile << 16 | place of every neuron of each port.
inline py::tuple sparse_rows(const py::dict &d, const std::vector<const Kernels *> &usable) {
  Plan plan;
  plan.kernels = kernels(d, usable);
  plan.seed = number<std::uint64_t>(d, "seed");
  const auto n = number<std::vector<std::int64_t>>(d, "n");
  plan.populations.resize(n.size());
  std::vector<sparse::Port> ports;
  for (const auto &[population, receptor] : number<std::vector<std::pair<int, int>>>(d, "ports"))
    ports.push_back({population, receptor});
  for (py::handle item : get(d, "sparse").cast<py::list>())
    plan.sparse.push_back(sparse_projection(item.cast<py::dict>(), n, ports));
  const sparse::Layout layout(n, ports, number<int>(d, "n_tiles"));
  std::vector<sparse::Rows> rows;
  {
    const int threads = number<int>(d, "threads");
    py::gil_scoped_release release;
    rows = sparse::build(plan, layout, threads);
  }
  const auto bytes = [](const auto &buffer) {
    return py::bytes(reinterpret_cast<const char *>(buffer.get()),
                     buffer.size() * sizeof *buffer.get());
  };
  const bool sized = number<bool>(d, "only_sizes");
  py::list tiles, places;
  for (const sparse::Rows &r : rows)
    if (sized)
      tiles.append(r.words.size());
    else
      tiles.append(py::make_tuple(bytes(r.words), bytes(r.start)));
  for (int p = 0; p < layout.n_ports(); ++p) {
    std::vector<std::uint32_t> of_port;
    for (std::int64_t j = 0; j < n[ports[p].population]; ++j) {
      const sparse::Place place = layout.place(p, j);
      of_port.push_back(std::uint32_t(place.tile) << 16 | place.at);
    }
    places.append(of_port);
  }
  return py::make_tuple(tiles, places);
}

} // namespace fastsnn::parse
