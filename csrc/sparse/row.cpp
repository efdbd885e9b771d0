// SPDX-License-Identifier: Apache-2.0
#include "row.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace fastsnn::sparse {

namespace {
constexpr std::int64_t spare = 16; // what kernels write beyond the end
constexpr std::uint32_t never = 0xffffffff;
constexpr std::size_t few = 8; // buckets for each synapse from which sorting beats counting

} // namespace

Sources::Sources(const Plan &plan, const Layout &layout, Pool &pool, Kept kept)
    : plan(plan), layout(layout), of_population(plan.populations.size()) {
  for (const SparsePlan &spec : plan.sparse) {
    if (spec.stored != (kept == Kept::stored))
      continue;
    Part part{&spec, {}, nullptr, nullptr, nullptr};
    for (std::int64_t j = 0; j < spec.n_post; j += group_size) {
      const Place place = layout.place(spec.port, j);
      part.group.push_back(std::uint32_t(place.tile) << 16 | place.at);
    }
    if (spec.wiring == Wiring::columns)
      part.columns = std::make_unique<Columns>(plan, spec, pool);
    else if (spec.wiring == Wiring::distance)
      part.space = std::make_unique<Space>(plan, spec, pool);
    else
      part.numbers = std::make_unique<Numbers>(plan, spec, pool);
    span = std::max(span, static_cast<std::int32_t>(spec.largest_delay));
    parts.push_back(std::move(part));
  }
  for (const Part &part : parts)
    of_population[part.spec->source].push_back(&part);
}

std::int64_t Sources::Part::most() const {
  switch (spec->wiring) {
  case Wiring::columns:
    return columns->total();
  case Wiring::distance:
    return space->total();
  case Wiring::list:
    return spec->row_ptr[spec->n_pre];
  default:
    return numbers->most();
  }
}

double Sources::Part::most(Range targets) const {
  const auto all = static_cast<double>(most());
  const double size = static_cast<double>(targets.end - targets.begin),
               mean = all * size / static_cast<double>(spec->n_post);
  switch (spec->wiring) {
  case Wiring::columns:
  case Wiring::pairs:
    return mean;
  case Wiring::rows:
    // uniform targets: ten standard deviations
    return std::min(all, mean + 10.0 * std::sqrt(mean) + 100.0);
  default:
    return all;
  }
}

Range Sources::within(const Part &part, Range range) const {
  const std::int64_t first = layout.first_source(part.spec->source), n = part.spec->n_pre;
  return {std::clamp<std::int64_t>(range.begin - first, 0, n),
          std::clamp<std::int64_t>(range.end - first, 0, n)};
}

RowDrawer::RowDrawer(const Sources &sources)
    : sources_(sources), count_(std::size_t(sources.layout.n_tiles()) * sources.span),
      sizes_(sources.layout.n_tiles()) {}

std::span<const std::uint32_t> RowDrawer::draw(int population, std::int64_t neuron) {
  std::int64_t n = 0;
  for (const Sources::Part *part : sources_.of_population[population])
    n = draw_part(*part, static_cast<std::uint32_t>(neuron), n);
  std::fill(sizes_.begin(), sizes_.end(), 0u);
  // a head has at most 1 + span / 2 words, and there are no more heads than synapses
  const std::size_t heads = std::min<std::size_t>(n, sizes_.size()),
                    most = n + heads * (2 + sources_.span / 2);
  if (words_.size() < most)
    words_.resize(most + most / 2);
  if (static_cast<std::size_t>(n) * few < count_.size())
    sort_few(n);
  else
    sort(n);
  std::size_t used = 0;
  for (std::uint32_t size : sizes_)
    used += size;
  return {words_.data(), used};
}

std::int64_t RowDrawer::draw_part(const Sources::Part &part, std::uint32_t neuron,
                                  std::int64_t at) {
  const SparsePlan &spec = *part.spec;
  SynapseDraw d{};
  d.seed = sources_.plan.seed;
  d.stream = spec.stream;
  d.row = neuron;
  d.skip = never;
  d.weight = spec.weight;
  d.delay = spec.delay;
  d.scale = spec.scale;
  d.group = part.group.data();
  d.span = sources_.span;
  const std::int64_t n = find_ends(part, neuron, d);
  d.count = static_cast<std::int32_t>(n);
  if (static_cast<std::size_t>(at + n + spare) > synapse_.size()) {
    synapse_.resize((at + n) * 3 / 2 + spare);
    bucket_.resize(synapse_.size());
  }
  d.synapse = synapse_.data() + at;
  d.bucket = bucket_.data() + at;
  sources_.plan.kernels->draw_synapses(d);
  return at + n;
}

std::int64_t RowDrawer::find_ends(const Sources::Part &part, std::uint32_t neuron, SynapseDraw &d) {
  const SparsePlan &spec = *part.spec;
  switch (spec.wiring) {
  case Wiring::rows: {
    const std::int64_t n = part.numbers->of(neuron);
    if (!spec.multapses) {
      d.target = partners_.draw(sources_.plan, spec, neuron, n);
      return n;
    }
    d.n_target = static_cast<std::uint32_t>(spec.partners());
    d.skip = spec.same ? neuron : never;
    return n;
  }
  case Wiring::columns:
    return find_columns(*part.columns, neuron, d);
  case Wiring::list:
    return find_listed(spec, neuron, d);
  case Wiring::small_world:
    d.target = partners_.ring(sources_.plan, spec, neuron);
    return spec.n;
  case Wiring::distance:
    return find_near(part, neuron, d);
  case Wiring::pairs:
    target_.assign(1 + spare, 0);
    target_[0] = neuron;
    d.target = target_.data();
    return 1;
  }
  return 0;
}

std::int64_t RowDrawer::find_near(const Sources::Part &part, std::uint32_t neuron, SynapseDraw &d) {
  part.space->find(neuron, target_);
  const auto n = static_cast<std::int64_t>(target_.size());
  target_.resize(n + spare);
  d.target = target_.data();
  if (part.spec->steps_per_length > 0.0f) {
    more_.assign(n + spare, 0.0f);
    for (std::int64_t k = 0; k < n; ++k)
      more_[k] = part.space->distance(neuron, target_[k]) * part.spec->steps_per_length;
    d.more = more_.data();
  }
  return n;
}

std::int64_t RowDrawer::find_columns(const Columns &columns, std::uint32_t neuron, SynapseDraw &d) {
  const std::int64_t n = columns.count(neuron);
  k_.resize(n + spare);
  target_.resize(n + spare);
  columns.counters(neuron, k_.data(), target_.data());
  d.k = k_.data();
  d.row_of = d.target = target_.data();
  return n;
}

// counters are the numbers of the listed synapses
std::int64_t RowDrawer::find_listed(const SparsePlan &spec, std::uint32_t neuron, SynapseDraw &d) {
  const std::int64_t first = spec.row_ptr[neuron], n = spec.row_ptr[neuron + 1] - first;
  target_.assign(spec.post + first, spec.post + first + n);
  target_.resize(n + spare);
  d.target = target_.data();
  d.first = static_cast<std::uint32_t>(first);
  d.row = 0;
  d.w = spec.w ? spec.w + first : nullptr;
  d.steps = spec.steps ? spec.steps + first : nullptr;
  return n;
}

std::size_t RowDrawer::head(std::size_t at, std::uint32_t first_delay, std::size_t n_delays) {
  words_[at] = first_delay | static_cast<std::uint32_t>(n_delays) << 16;
  words_[at + (n_delays + 1) / 2] = 0; // an odd number of delays leaves half a word
  return at + 1 + (n_delays + 1) / 2;
}

void RowDrawer::set_number(std::size_t head, std::size_t delay, std::uint32_t number) {
  if (number > 0xffff)
    throw std::length_error("sparse projections: a neuron has more than 65,535 synapses of one "
                            "delay onto one tile; use fewer of larger weight");
  const auto narrow = static_cast<std::uint16_t>(number);
  std::memcpy(reinterpret_cast<std::uint16_t *>(&words_[head + 1]) + delay, &narrow, sizeof narrow);
}

// counting sort by bucket; what is equal stays in the order drawn
void RowDrawer::sort(std::int64_t n) {
  std::fill(count_.begin(), count_.end(), 0u);
  for (std::int64_t i = 0; i < n; ++i)
    ++count_[bucket_[i]];
  const std::uint32_t span = static_cast<std::uint32_t>(sources_.span);
  std::size_t at = 0;
  for (std::size_t tile = 0; tile < sizes_.size(); ++tile) {
    std::uint32_t *count = &count_[tile * span], first = 0, last = span;
    while (first < span && !count[first])
      ++first;
    if (first == span)
      continue;
    while (!count[last - 1])
      --last;
    const std::size_t begin = at;
    at = head(begin, first + 1, last - first);
    for (std::uint32_t delay = first; delay < last; ++delay) {
      set_number(begin, delay - first, count[delay]);
      at += std::exchange(count[delay], static_cast<std::uint32_t>(at));
    }
    sizes_[tile] = static_cast<std::uint32_t>(at - begin);
  }
  for (std::int64_t i = 0; i < n; ++i)
    words_[count_[bucket_[i]]++] = synapse_[i];
}

// the same where most buckets are empty
void RowDrawer::sort_few(std::int64_t n) {
  order_.resize(n);
  for (std::int64_t i = 0; i < n; ++i)
    order_[i] = std::uint64_t(bucket_[i]) << 32 | static_cast<std::uint32_t>(i);
  std::sort(order_.begin(), order_.end());
  const std::uint32_t span = static_cast<std::uint32_t>(sources_.span);
  const auto bucket = [&](std::int64_t i) { return static_cast<std::uint32_t>(order_[i] >> 32); };
  std::size_t at = 0;
  for (std::int64_t i = 0; i < n;) {
    const std::uint32_t tile = bucket(i) / span, first = bucket(i) % span;
    std::int64_t end = i + 1;
    while (end < n && bucket(end) / span == tile)
      ++end;
    const std::size_t begin = at, n_delays = bucket(end - 1) % span - first + 1;
    at = head(begin, first + 1, n_delays);
    std::fill(words_.begin() + begin + 1, words_.begin() + at, 0u);
    while (i < end) {
      const std::uint32_t now = bucket(i);
      const std::size_t before = at;
      for (; i < end && bucket(i) == now; ++i)
        words_[at++] = synapse_[static_cast<std::uint32_t>(order_[i])];
      set_number(begin, now % span - first, static_cast<std::uint32_t>(at - before));
    }
    sizes_[tile] = static_cast<std::uint32_t>(at - begin);
  }
}

} // namespace fastsnn::sparse
