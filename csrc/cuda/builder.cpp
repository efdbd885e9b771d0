// SPDX-License-Identifier: Apache-2.0
#include "builder.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace fastsnn::cuda {

namespace {

class Builder {
public:
  Builder(const NetworkPlan &from, const Spread &spread, std::int64_t shared_bytes,
          const Reserve &reserve)
      : from_(from), spread_(spread), rooms_(shared_bytes), reserve_(reserve) {}

  Built build() {
    to_.plan.batch = from_.batch;
    to_.plan.batch_words = (from_.batch + 31) / 32;
    to_.plan.seed = from_.seed;
    for (std::size_t k = 0; k < from_.populations.size(); ++k)
      to_.populations.push_back(population(from_.populations[k], static_cast<int>(k)));
    for (std::size_t k = 0; k < from_.projections.size(); ++k) {
      const ProjectionPlan &p = from_.projections[k];
      to_.projections.push_back(projection(p));
      if (p.kind == fastsnn::Kind::indexed)
        add_synapses(p, from_.columns[k], to_.projections.back());
    }
    for (Projection &p : to_.projections)
      follow(p);
    add_ports();
    lay_out();
    return std::move(to_);
  }

private:
  int field(const void *home, std::int64_t rows, int item, int population, bool constant) {
    return home ? add_field(home, rows, item, population, constant) : none;
  }
  int add_field(const void *home, std::int64_t rows, int item, int population, bool constant) {
    Field f{};
    f.home = f.exit = static_cast<unsigned char *>(const_cast<void *>(home));
    f.rows = rows;
    f.item = item;
    f.population = population;
    f.constant = constant;
    to_.fields.push_back(f);
    return static_cast<int>(to_.fields.size()) - 1;
  }
  // one that every block may read, or that is no matter of neurons: it stays where it is
  int field_at_home(const void *home, std::int64_t rows, int item, int population) {
    const int made = add_field(home, rows, item, population, false);
    to_.fields[made].at_home = true;
    return made;
  }
  // a number for every listed synapse, of which there may be none
  int listed_field(const float *home, const ProjectionPlan &p) {
    return field_at_home(home, p.synapses.n_weights, 4, none);
  }
  int column(const Column &c, int population) {
    return field(c.ptr, 1, 4, c.len == 1 ? none : population, true);
  }

  Population population(const PopulationPlan &p, int index) {
    Population out{};
    out.n = static_cast<std::int32_t>(p.n);
    out.n_words = static_cast<std::int32_t>(words_of(p.n));
    out.model = p.is_input ? none : neuron_index(p.model.c_str());
    if (!p.is_input && out.model == none)
      throw std::invalid_argument("population '" + p.name + "': no such model in the cuda engine");
    limit(p.state, limit_state, p.name);
    limit(p.shared, limit_shared, p.name);
    limit(p.param, limit_param, p.name);
    limit(p.window, limit_window, p.name);
    const std::int64_t batch = from_.batch;
    out.n_state = static_cast<std::int32_t>(p.state.size());
    out.n_window = static_cast<std::int32_t>(p.window.size());
    for (std::size_t k = 0; k < p.state.size(); ++k) {
      out.state[k] = field(p.state[k], batch, 4, index, false);
      out.init[k] = p.init[k].ptr;
      out.init_each[k] = p.init[k].len > 1;
    }
    for (std::size_t k = 0; k < p.shared.size(); ++k)
      out.shared[k] = field(p.shared[k], 1, 4, index, false);
    for (std::size_t k = 0; k < p.param.size(); ++k)
      out.param[k] = column(p.param[k], index);
    for (std::size_t k = 0; k < p.window.size(); ++k)
      out.window[k] = {field(p.window[k].ptr, p.window[k].length * batch, 4, index, false),
                       p.window[k].length, 0, p.window[k].of_spike};
    for (std::size_t k = 0; k < p.kernels.size(); ++k)
      out.kernel[k] = p.kernels[k].ptr;
    out.spike = field(p.spike, batch, 1, index, false);
    out.x = field(p.x, batch, 4, index, false);
    out.summed = field(p.summed, batch, 4, index, false);
    out.decay_x = column(p.decay_x, index);
    out.trace_scale = column(p.trace_scale, index);
    out.trace = static_cast<Trace>(p.trace);
    out.one_spike = out.followed = p.one_spike;
    out.whole = p.is_input && spread_.whole_inputs;
    out.stream = p.stream;
    out.mask_words = to_.mask_words;
    out.most_words = out.whole ? out.n_words : (out.n_words + spread_.team - 1) / spread_.team;
    to_.mask_words += batch * out.n_words;
    return out;
  }

  Projection projection(const ProjectionPlan &p) {
    Projection out{};
    const Population &source = to_.populations[p.source];
    const bool dense = p.kind == fastsnn::Kind::dense, listed = p.kind == fastsnn::Kind::indexed;
    out.source = p.source;
    out.target = p.target;
    out.receptor = p.receptor;
    out.kind = static_cast<Kind>(p.kind);
    weights_.push_back(static_cast<int>(to_.fields.size()));
    out.w = listed ? listed_field(p.w, p)
                   : field(p.w, dense ? source.n : 1, 4,
                           p.kind == fastsnn::Kind::all_but_one ? none : p.target, !dense);
    out.indexed = none;
    std::fill(std::begin(out.synapse), std::end(out.synapse), none);
    out.bias = field(p.bias, 1, 4, p.target, true);
    out.changed = field(p.changed, 1, 1, p.target, false);
    out.decay = p.decay;
    out.norm = p.norm.value_or(0.0f);
    out.bounded = p.has_rule && p.bounded;
    out.low = p.w_min.len == 1 ? column(p.w_min, none) : none;
    out.high = p.w_max.len == 1 ? column(p.w_max, none) : none;
    out.low_each = p.w_min.ptr;
    out.high_each = p.w_max.ptr;
    out.mean = p.reduction == 1;
    out.max = p.reduction == 2;
    out.rule = p.has_rule ? rule_index(p.rule_name.c_str()) : none;
    out.last_pre = out.last_post = none;
    if (p.has_rule)
      add_rule(out, p, source);
    return out;
  }

  void add_rule(Projection &out, const ProjectionPlan &p, const Population &source) {
    if (out.rule == none)
      throw std::invalid_argument("projection '" + p.name + "': no such rule in the cuda engine");
    const RuleFacts facts = rule_facts(out.rule);
    const std::int64_t batch = from_.batch;
    limit(p.pre, limit_side, p.name);
    limit(p.post, limit_side, p.name);
    limit(p.synapse, limit_synapse, p.name);
    out.lag = facts.lag > 0;
    const bool listed = p.kind == fastsnn::Kind::indexed;
    out.per_event = facts.events && p.decay == 1.0f &&
                    (listed ? !out.lag : out.low != none && out.high != none);
    out.param = static_cast<int>(to_.fields.size());
    for (std::int64_t k = 0; k < p.param.len; ++k)
      field(p.param.ptr + k, 1, 4, none, true);
    for (std::size_t k = 0; k < p.synapse.size(); ++k) {
      weights_.push_back(static_cast<int>(to_.fields.size()));
      out.synapse[k] = listed ? listed_field(p.synapse[k], p)
                              : field(p.synapse[k], source.n, 4, p.target, false);
    }
    const std::size_t first_own = p.pre.size() - facts.n_own_pre;
    for (std::size_t k = 0; k < p.pre.size(); ++k) {
      PreVariable &v = out.pre[k];
      v.is_trace = k < first_own;
      if (v.is_trace && p.pre[k] != from_.populations[p.source].x)
        throw std::invalid_argument("projection '" + p.name +
                                    "': the rule reads more than the trace of its source");
      v.field = v.is_trace ? source.x : field(p.pre[k], batch, 4, p.source, false);
    }
    const std::size_t own_post = p.post.size() - facts.n_own_post;
    for (std::size_t k = 0; k < p.post.size(); ++k)
      out.post[k] =
          k < own_post ? to_.field_at(p.post[k]) : field(p.post[k], batch, 4, p.target, false);
    out.last_pre = field(p.last_pre, batch, 1, p.source, false);
    out.last_post = field(p.last_post, batch, 1, p.target, false);
  }

  void add_synapses(const ProjectionPlan &p, const Columns &columns, Projection &out) {
    out.indexed = static_cast<std::int32_t>(to_.indexed.size());
    Synapses s = synapses_of(p, columns);
    const std::int64_t n_pre = to_.populations[p.source].n;
    s.cuts = static_cast<std::int32_t *>(reserve_(4 * n_pre * s.row_parts * (spread_.team + 1)));
    const int late = p.dendritic ? p.target : p.source;
    const auto under_way = [&](const void *home, std::int64_t rows, int item) {
      return p.dendritic || !home ? field(home, rows, item, late, false)
                                  : field_at_home(home, rows, item, late);
    };
    s.sent = under_way(p.sent, s.slots, 1);
    s.past = under_way(p.past, std::int64_t(s.slots) * s.n_past, 4);
    s.arriving = field(p.arriving, s.slowest, 4, p.target, false);
    if (s.slots > 0 && !p.dendritic)
      s.lists = static_cast<std::int32_t *>(reserve_(4 * s.slots * (n_pre + 1)));
    if (p.terminal) {
      for (std::size_t e = 0; e < p.terminal->state.size(); ++e)
        s.terminals.state[e] = field(p.terminal->state[e], 1, 4, p.source, false);
      s.terminals.published = static_cast<float *>(reserve_(8 * n_pre * p.terminal->state.size()));
    }
    to_.indexed.push_back(s);
  }

  // what a projection asks of its source
  void follow(Projection &p) {
    Population &source = to_.populations[p.source];
    source.followed = true;
    source.has_list = source.has_list || p.kind == Kind::dense || p.kind == Kind::indexed;
    if (p.rule == none)
      return;
    const bool one_by_one = (p.per_event || p.kind == Kind::indexed) && from_.batch == 1 && !p.lag;
    source.has_rows = source.has_rows || !one_by_one;
    if (spread_.team == 1 || source.whole)
      return;
    p.copies = p.kind == Kind::dense;
    const RuleFacts facts = rule_facts(p.rule);
    const std::size_t bytes = sizeof(float) * 2 * from_.batch * source.n;
    for (int k = 0; k < facts.n_pre - 1; ++k) {
      PreVariable &v = p.pre[k];
      if (v.is_trace && !source.published_x)
        source.published_x = static_cast<float *>(reserve_(bytes));
      float *published = v.is_trace ? source.published_x : static_cast<float *>(reserve_(bytes));
      v.published = published;
      if (!v.is_trace)
        p.published_own[k - (facts.n_pre - 1 - facts.n_own_pre)] = published;
    }
  }

  void add_ports() {
    Plan &plan = to_.plan;
    plan.n_slots = 1;
    plan.n_places = from_.rows.n_places;
    for (std::size_t k = 0; k < from_.ports.size(); ++k) {
      const PortPlan &p = from_.ports[k];
      to_.ports.push_back(
          {p.population, p.receptor, p.grain, p.arriving, p.slots, from_.rows.places[k], {}});
      plan.n_slots = std::max(plan.n_slots, p.slots);
    }
    for (const DrivePlan &d : from_.drives)
      to_.drives.push_back({d.port, d.stream, d.offset, d.table, d.which, d.width});
    to_.tiles = from_.rows.tiles;
    std::int64_t first = 0;
    for (Population &p : to_.populations) {
      p.first_source = first;
      first += p.n;
    }
    for (const sparse::SparsePlan &s : from_.sparse)
      to_.populations[s.source].sends = true;
    if (!to_.ports.empty())
      plan.ring = static_cast<std::int32_t *>(reserve_(4 * plan.n_slots * plan.n_places));
  }

  std::int64_t stride_of(const Field &f, bool weight) const {
    if (f.population == none)
      return 1;
    const Population &p = to_.populations[f.population];
    const std::int64_t width = std::min<std::int64_t>(p.most_words * 32, p.n);
    // an odd stride: the rows of a column lie in different banks
    return weight ? width | 1 : width;
  }

  void place(Field &f, bool weight) {
    if (f.at_home)
      return;
    f.stride = static_cast<std::int32_t>(stride_of(f, weight));
    const std::int64_t bytes = f.rows * f.stride * f.item;
    const bool is_private =
        f.population != none && to_.populations[f.population].whole && spread_.team > 1;
    f.at_home = !rooms_.fits(bytes) && !is_private;
    to_.all_in_shared = to_.all_in_shared && rooms_.fits(bytes);
    if (!f.at_home)
      f.room = rooms_.take(bytes);
    if (is_private && !f.constant) {
      to_.has_exits = true;
      f.exit =
          static_cast<unsigned char *>(reserve_(f.rows * f.item * to_.populations[f.population].n));
    }
  }

  Room take(std::int64_t bytes) {
    to_.all_in_shared = to_.all_in_shared && rooms_.fits(bytes);
    return rooms_.take(bytes);
  }

  // what must be shared first, then what is small, weights last
  void lay_out() {
    Plan &plan = to_.plan;
    const auto append = [&](std::int64_t &offset, const auto &items) {
      offset = plan.bytes;
      plan.bytes += (items.size() * sizeof items[0] + 15) / 16 * 16;
    };
    plan.bytes = (sizeof plan + 15) / 16 * 16;
    append(plan.populations, to_.populations);
    append(plan.projections, to_.projections);
    append(plan.fields, to_.fields);
    append(plan.ports, to_.ports);
    append(plan.drives, to_.drives);
    append(plan.tiles, to_.tiles);
    append(plan.indexed, to_.indexed);
    plan.n_ports = static_cast<std::int32_t>(to_.ports.size());
    plan.n_drives = static_cast<std::int32_t>(to_.drives.size());
    plan.n_tiles = static_cast<std::int32_t>(to_.tiles.size());
    plan.n_populations = static_cast<std::int32_t>(to_.populations.size());
    plan.n_projections = static_cast<std::int32_t>(to_.projections.size());
    plan.n_fields = static_cast<std::int32_t>(to_.fields.size());
    Layout &layout = to_.layout;
    const Sizes sizes = sizes_of_block();
    const std::int64_t per_batch = 4 * plan.n_populations * plan.batch;
    rooms_.take(sizes.block);
    layout.plan = rooms_.take(plan.bytes).offset;
    layout.views = rooms_.take(plan.n_fields * sizes.view).offset;
    layout.slices = rooms_.take(plan.n_populations * sizes.slice).offset;
    layout.winners = rooms_.take(per_batch).offset;
    layout.n_sent = rooms_.take(per_batch).offset;
    if (std::min({layout.plan, layout.views, layout.slices, layout.winners, layout.n_sent}) < 0)
      throw std::invalid_argument("the network has more parts than fit into a block's memory");
    if (!is_grid(spread_.policy))
      layout.masks = take(2 * 4 * to_.mask_words);
    to_.masks_in_shared = layout.masks.offset >= 0;
    std::int64_t sources = 0;
    for (Population &p : to_.populations) {
      place_words(p);
      sources += p.sends ? p.most_words * 32 : 0;
    }
    for (Port &p : to_.ports)
      p.current = take(4 * 32 * std::int64_t(to_.populations[p.population].most_words));
    if (is_sparse(spread_.policy))
      plan.spiking = take(4 * (1 + sources));
    if (spread_.policy == Policy::plastic)
      plan.staged = take(8 * most_staged);
    std::vector<bool> weight(to_.fields.size());
    for (const int k : weights_)
      weight[k] = to_.fields[k].rows > 1;
    for (std::size_t k = 0; k < to_.fields.size(); ++k)
      if (!weight[k])
        place(to_.fields[k], false);
    for (Projection &p : to_.projections)
      place_scratch(p);
    for (std::size_t k = 0; k < to_.fields.size(); ++k)
      if (weight[k])
        place(to_.fields[k], true);
    for (Projection &p : to_.projections)
      if (p.copies)
        p.pre_copy = rooms_.take(4 * std::int64_t(from_.batch) * (rule_facts(p.rule).n_pre - 1) *
                                 to_.populations[p.source].n);
    layout.bytes = rooms_.shared();
    to_.scratch = rooms_.scratch();
  }

  void place_words(Population &p) {
    const std::int64_t own = 4 * std::int64_t(from_.batch) * p.most_words;
    p.candidates = take(own);
    p.sent_own = take(own);
    // any population may be followed, by a run with retries
    p.sent = take(4 * std::int64_t(from_.batch) * p.n_words);
    if (p.has_list)
      p.list = take(4 * std::int64_t(from_.batch) * p.n);
    if (p.has_rows)
      p.rows = take(4 * std::int64_t(to_.plan.batch_words) * p.n);
  }

  void place_scratch(Projection &p) {
    const Population &source = to_.populations[p.source], &target = to_.populations[p.target];
    if (p.kind == Kind::dense || p.kind == Kind::indexed)
      p.current = take(4 * std::int64_t(from_.batch) * target.most_words * 32);
    if (p.indexed != none) {
      Synapses &s = to_.indexed[p.indexed];
      s.ring = take(4 * std::int64_t(ring_head + s.slots + s.row_parts + 1));
      s.late = take(4 * std::int64_t(s.dendritic ? s.slots : 0) * target.most_words);
    }
    if (p.lag) {
      p.last_rows = take(4 * std::int64_t(to_.plan.batch_words) * source.n);
      p.last_own = take(4 * std::int64_t(from_.batch) * target.most_words);
    }
  }

  const NetworkPlan &from_;
  const Spread spread_;
  Rooms rooms_;
  const Reserve &reserve_;
  std::vector<int> weights_;
  Built to_;
};

} // namespace

Built build(const NetworkPlan &plan, const Spread &spread, std::int64_t shared_bytes,
            const Reserve &reserve) {
  return Builder(plan, spread, shared_bytes, reserve).build();
}

} // namespace fastsnn::cuda
