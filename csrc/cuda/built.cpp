// SPDX-License-Identifier: Apache-2.0
// What the host tells of a network, but for how it is laid out (builder.cpp).
#include <algorithm>
#include <cstring>

#include "builder.h"

namespace fastsnn::cuda {

Room Rooms::take(std::int64_t bytes) {
  if (fits(bytes)) {
    const Room room{shared_};
    shared_ += rounded(bytes);
    return room;
  }
  const Room room{~scratch_};
  scratch_ += rounded(bytes);
  return room;
}

std::vector<unsigned char> Built::bytes() const {
  std::vector<unsigned char> out(plan.bytes);
  std::memcpy(out.data(), &plan, sizeof plan);
  const auto put = [&](std::int64_t offset, const auto &items) {
    if (!items.empty())
      std::memcpy(out.data() + offset, items.data(), items.size() * sizeof items[0]);
  };
  put(plan.populations, populations);
  put(plan.projections, projections);
  put(plan.fields, fields);
  put(plan.ports, ports);
  put(plan.drives, drives);
  put(plan.tiles, tiles);
  put(plan.indexed, indexed);
  return out;
}

Policy NetworkPlan::grid() const {
  const auto plastic = [](const ProjectionPlan &p) {
    return p.kind == fastsnn::Kind::indexed ||
           (p.has_rule && rule_facts(rule_index(p.rule_name.c_str())).host_only);
  };
  const auto receives = [](const PopulationPlan &p) {
    return !p.is_input && neuron_facts(neuron_index(p.model.c_str())).n_receptor > 0;
  };
  if (std::any_of(projections.begin(), projections.end(), plastic))
    return Policy::plastic;
  if (!ports.empty() || std::any_of(populations.begin(), populations.end(), receives))
    return Policy::sparse;
  return Policy::grid;
}

int Built::field_at(const void *tensor) const {
  for (std::size_t k = 0; k < fields.size(); ++k)
    if (fields[k].home == tensor)
      return static_cast<int>(k);
  return none;
}

int Built::listed_with(int field) const {
  for (std::size_t q = 0; q < projections.size(); ++q) {
    const Projection &p = projections[q];
    const std::int32_t *end = std::end(p.synapse);
    if (p.indexed != none && (p.w == field || std::find(p.synapse, end, field) != end))
      return static_cast<int>(q);
  }
  return none;
}

namespace {

Terminals terminals_of(const PopulationPlan &from, const ProjectionPlan &p) {
  Terminals out{};
  out.model = terminal_index(from.model.c_str());
  if (out.model == none)
    throw std::invalid_argument("projection '" + p.name +
                                "': no such model of terminals in the cuda engine");
  limit(from.state, limit_state, p.name);
  limit(from.param, limit_state, p.name);
  out.n_state = static_cast<std::int32_t>(from.state.size());
  out.efficacy = p.efficacy;
  for (std::size_t e = 0; e < from.state.size(); ++e) {
    out.init[e] = from.init[e].ptr;
    out.init_each[e] = from.init[e].len > 1;
  }
  for (std::size_t e = 0; e < from.param.size(); ++e) {
    out.param[e] = from.param[e].ptr;
    out.param_each[e] = from.param[e].len > 1;
  }
  return out;
}

} // namespace

Synapses synapses_of(const ProjectionPlan &p, const Columns &columns) {
  Synapses s{};
  s.row_ptr = p.synapses.row_ptr;
  s.post = p.synapses.post;
  s.delay = p.synapses.delays;
  s.column_ptr = columns.ptr;
  s.column_pre = columns.pre;
  s.column_at = columns.at;
  s.shift = columns.shift;
  s.slowest = static_cast<std::int32_t>(p.synapses.delay);
  s.slots = p.sent ? s.slowest + p.dendritic : 0;
  s.dendritic = p.dendritic;
  s.row_parts = s.delay && !p.dendritic ? s.slowest : 1;
  s.column_parts = s.delay && p.dendritic ? s.slowest : 1;
  s.first_lag = p.dendritic + (s.delay ? 0 : s.slowest - 1);
  s.n_past = p.past ? static_cast<std::int32_t>((p.dendritic ? p.post : p.pre).size()) : 0;
  s.every = p.every;
  s.terminals.model = none;
  if (p.terminal)
    s.terminals = terminals_of(*p.terminal, p);
  return s;
}

} // namespace fastsnn::cuda
