// SPDX-License-Identifier: Apache-2.0
// The persistent kernel: one launch runs many steps of a network, or of several of one shape.
//
// A step, for every block: currents of the spikes of the step before -> own neurons -> their words
// to the others -> the one barrier -> who spiked -> traces and counts -> learning of the own
// columns, fused with the currents of the next step where one batch element allows it.
#include "network.h"

#include <cstring>

#include "learn.h"
#include "normalise.h"
#include "population.h"
#include "records.h"

namespace fastsnn::cuda {

namespace {

FASTSNN_DEVICE std::int32_t share(std::int32_t n_words, int rank, int size) {
  return static_cast<std::int32_t>(std::int64_t(n_words) * rank / size);
}

FASTSNN_DEVICE void set_slices(const Block &k) {
  each_thread(k.plan->n_populations, [&](std::int64_t p) {
    const Population &cells = k.populations[p];
    Slice &own = k.slices[p];
    const int rank = cells.whole ? 0 : k.rank, size = cells.whole ? 1 : k.size;
    own.first_word = share(cells.n_words, rank, size);
    own.n_words = share(cells.n_words, rank + 1, size) - own.first_word;
    own.first = own.first_word * 32;
    own.n = least(own.n_words * 32, cells.n - own.first);
    own.writes = !cells.whole || k.rank == 0;
  });
}

FASTSNN_DEVICE void set_views(const Block &k) {
  each_thread(k.plan->n_fields, [&](std::int64_t e) {
    const Field &field = k.fields[e];
    const bool one = field.population == none;
    View &view = k.views[e];
    view.each = one ? 0 : 1;
    view.stride = field.stride;
    view.at = k.in<unsigned char>(field.room);
    if (field.at_home) {
      view.stride = one ? 1 : k.populations[field.population].n;
      view.at =
          field.home + (one ? 0 : std::int64_t(k.slices[field.population].first) * field.item);
    }
  });
}

// f(own element, element of the tensor) of a field of numbers T
template <class T, class F>
FASTSNN_DEVICE void each_element(const Block &k, const Field &field, std::int64_t e, T *home, F f) {
  const bool one = field.population == none;
  const Values<T> own = k.values<T>(static_cast<std::int32_t>(e));
  const std::int64_t n = one ? 1 : k.populations[field.population].n;
  const std::int64_t first = one ? 0 : k.slices[field.population].first;
  const int columns = one ? 1 : k.slices[field.population].n;
  if (columns < 32) {
    each_thread(field.rows * columns, [&](std::int64_t item) {
      const std::int64_t row = item / columns, j = item % columns;
      f(own(row, static_cast<int>(j)), home[row * n + first + j]);
    });
    return;
  }
  each_warp(field.rows, [&](std::int64_t row) {
    for (int j = lane_index(); j < columns; j += 32)
      f(own(row, j), home[row * n + first + j]);
  });
}

FASTSNN_DEVICE void load_fields(const Block &k) {
  for (int e = 0; e < k.plan->n_fields; ++e) {
    const Field &field = k.fields[e];
    if (field.at_home)
      continue;
    if (field.item == 1)
      each_element(k, field, e, field.home,
                   [](std::uint8_t &own, std::uint8_t &home) { own = home; });
    else
      each_element(k, field, e, reinterpret_cast<float *>(field.home),
                   [](float &own, float &home) { own = home; });
  }
}

FASTSNN_DEVICE void store_fields(const Block &k) {
  for (int e = 0; e < k.plan->n_fields; ++e) {
    const Field &field = k.fields[e];
    if (field.at_home || field.constant || !k.slices[field.population].writes)
      continue;
    if (field.item == 1)
      each_element(k, field, e, field.exit,
                   [](std::uint8_t &own, std::uint8_t &home) { home = own; });
    else
      each_element(k, field, e, reinterpret_cast<float *>(field.exit),
                   [](float &own, float &home) { home = own; });
  }
}

// a part of the plan by its offset
template <class T> FASTSNN_DEVICE const T *part(const Plan *plan, std::int64_t offset) {
  return reinterpret_cast<const T *>(reinterpret_cast<const unsigned char *>(plan) + offset);
}

FASTSNN_DEVICE void set_block(Block &k, const Call &call, int network, int team) {
  unsigned char *shared = shared_memory();
  if (thread_index() == 0) {
    k.plan = reinterpret_cast<const Plan *>(shared + call.layout.plan);
    k.shared = shared;
    k.scratch = call.scratch + block_index() * call.scratch_bytes;
    k.views = reinterpret_cast<View *>(shared + call.layout.views);
    k.slices = reinterpret_cast<Slice *>(shared + call.layout.slices);
    k.winners = reinterpret_cast<std::int32_t *>(shared + call.layout.winners);
    k.n_sent = reinterpret_cast<std::int32_t *>(shared + call.layout.n_sent);
    k.mask_words = call.mask_words;
    k.masks = call.masks
                  ? call.masks + team * 2 * call.mask_words
                  : reinterpret_cast<std::uint32_t *>(k.in<unsigned char>(call.layout.masks));
    k.barrier = call.barriers + team;
    k.rank = block_index() % call.team;
    k.size = call.team;
    k.outside = 0;
  }
  const std::uint32_t *from =
      reinterpret_cast<const std::uint32_t *>(call.plans + network * call.plan_bytes);
  std::uint32_t *to = reinterpret_cast<std::uint32_t *>(shared + call.layout.plan);
  each_thread(call.plan_bytes / 4, [&](std::int64_t word) { to[word] = from[word]; });
  sync_block();
  if (thread_index() == 0) {
    k.populations = part<Population>(k.plan, k.plan->populations);
    k.projections = part<Projection>(k.plan, k.plan->projections);
    k.fields = part<Field>(k.plan, k.plan->fields);
  }
  sync_block();
  set_slices(k);
  sync_block();
  set_views(k);
  sync_block();
}

FASTSNN_DEVICE void fill(const Values<float> &x, std::int64_t row, int n, const float *init,
                         bool each) {
  each_thread(
      n, [&](std::int64_t j) { x(row, static_cast<int>(j)) = init ? init[each ? j : 0] : 0.0f; });
}

FASTSNN_DEVICE void reset(const Block &k, const Population &cells, const Slice own) {
  for (std::int64_t b = 0; b < k.plan->batch; ++b) {
    for (int e = 0; e < cells.n_state; ++e)
      fill(k.values<float>(cells.state[e]), b, own.n,
           cells.init[e] + (cells.init_each[e] ? own.first : 0), cells.init_each[e]);
    for (const int field : {cells.x, cells.summed})
      if (field != none)
        fill(k.values<float>(field), b, own.n, nullptr, false);
    each_thread(own.n, [&](std::int64_t j) {
      k.values<std::uint8_t>(cells.spike)(b, static_cast<int>(j)) = 0;
    });
  }
  for (int e = 0; e < cells.n_window; ++e)
    for (std::int64_t row = 0; row < std::int64_t(cells.window[e].length) * k.plan->batch; ++row)
      fill(k.values<float>(cells.window[e].field), row, own.n, nullptr, false);
}

FASTSNN_DEVICE void begin_presentation(const Block &k, Position &at) {
  if (at.tries > 0)
    for (int p = 0; p < k.plan->n_populations; ++p)
      if (std::int32_t *counts = k.populations[p].counts; counts && k.slices[p].writes)
        for (std::int64_t b = 0; b < k.plan->batch; ++b)
          each_thread(k.slices[p].n, [&](std::int64_t j) {
            counts[(at.sample * k.plan->batch + b) * k.populations[p].n + k.slices[p].first + j] =
                0;
          });
  at.spikes = 0;
  if (!k.plan->reset)
    return;
  for (int p = 0; p < k.plan->n_populations; ++p)
    reset(k, k.populations[p], k.slices[p]);
  silence(k);
  at.since = 0;
  at.cleared = true;
  sync_block();
}

// Learning of one step.  delivers: and the currents of the next one, of projections that are fused.
template <class Exchange> FASTSNN_DEVICE void learn(const Block &k, const Now &now, bool delivers) {
  bool copies = false;
  for (int q = 0; q < k.plan->n_projections; ++q) {
    const Projection &wires = k.projections[q];
    if (!wires.copies || !k.plan->learning || wires.events)
      continue;
    of_rule<Exchange>(k, wires, now, [](const auto &learner) { learner.copy_pre(); });
    copies = true;
  }
  if (copies)
    sync_block();
  for (int q = 0; q < k.plan->n_projections; ++q) {
    const Projection &wires = k.projections[q];
    if (wires.learns)
      of_rule<Exchange>(k, wires, now, [&](const auto &learner) {
        if (!wires.events)
          return learner.everything();
        // rows that are delivered hold columns that other threads learnt
        if (learner.columns())
          sync_block();
        if (wires.fused)
          learner.rows_and_deliver(delivers);
        else
          learner.spiking_rows();
      });
  }
  if (delivers)
    deliver(k, [](const Projection &wires) { return wires.fused && !wires.learns; });
}

// What normalising, or the user, left outside of the bounds of a weight that no spike touches is
// clipped by the next step that learns.
template <class Exchange> FASTSNN_DEVICE void clip(const Block &k, const Now &now) {
  sync_block();
  for (int q = 0; q < k.plan->n_projections; ++q)
    if (k.projections[q].events && k.projections[q].bounded)
      of_rule<Exchange>(k, k.projections[q], now, [](const auto &learner) { learner.clip_all(); });
}

template <class Exchange> FASTSNN_DEVICE void advance_own(const Block &k, const Now &now) {
  bool any = false;
  for (int q = 0; q < k.plan->n_projections; ++q)
    any = any || k.projections[q].has_own;
  if (!any)
    return;
  sync_block();
  for (int q = 0; q < k.plan->n_projections; ++q)
    if (k.projections[q].has_own)
      of_rule<Exchange>(k, k.projections[q], now,
                        [](const auto &learner) { learner.advance_own(); });
}

FASTSNN_DEVICE void record(const Block &k, const Now &now) {
  if (k.plan->n_records == 0)
    return;
  sync_block();
  copy_records(k, now);
  sync_block();
}

// the end of a presentation: normalise, and go on to the next sample or try again
FASTSNN_DEVICE void end_presentation(Block &k, Position &at) {
  const Plan &plan = *k.plan;
  sync_block();
  for (int q = 0; q < plan.n_projections && plan.normalize; ++q)
    if (k.projections[q].norm != 0.0f)
      normalise(k, k.projections[q]);
  ++at.tries;
  const Retry &retry = plan.retry;
  at.t = 0;
  if (retry.population != none && at.tries < retry.max_tries && at.spikes < retry.min_spikes) {
    at.boost += retry.boost;
    return;
  }
  if (k.rank == 0 && thread_index() == 0)
    plan.tries[at.sample] = at.tries;
  at.tries = 0;
  at.boost = 1.0;
  ++at.sample;
}

template <class Exchange> FASTSNN_DEVICE void begin_launch(const Block &k, const Now &now) {
  load_fields(k);
  sync_block();
  Exchange::begin();
  publish_last<Exchange>(k, now);
  for (int q = 0; q < k.plan->n_projections; ++q)
    if (k.projections[q].has_own)
      of_rule<Exchange>(k, k.projections[q], now, [](const auto &learner) { learner.begin(); });
  Exchange::sync(k);
  resolve<Exchange>(k, now);
  sync_block();
}

// One step.  delivered: its currents of fused projections are there; delivers: those of the next
// one shall be.
template <class Exchange>
FASTSNN_DEVICE void step(Block &k, const Now &now, Position &at, bool delivered, bool delivers) {
  // what is delivered here was learnt by other threads
  if (!(delivered && k.plan->all_fused))
    sync_block();
  change_shared<true>(k);
  deliver(k, [&](const Projection &wires) { return !(delivered && wires.fused); });
  sync_block();
  advance_all<Exchange>(k, now, at);
  Exchange::sync(k);
  resolve<Exchange>(k, now);
  sync_block();
  settle(k, now);
  change_shared<false>(k);
  turn_rows(k);
  if (k.plan->retry.population != none)
    at.spikes += k.n_sent[k.plan->retry.population];
  sync_block();
  learn<Exchange>(k, now, delivers);
}

template <class Exchange> FASTSNN_DEVICE void run_network(Block &k, const Call &call, int network) {
  Position at = call.from[network];
  const Plan &plan = *k.plan;
  Now now{at.sample, at.t, 0, plan.step + static_cast<std::uint64_t>(at.steps), 0};
  begin_launch<Exchange>(k, now);
  bool delivered = false, clips = at.t == 0;
  for (std::int64_t left = call.steps; left > 0 && at.sample < plan.n_samples; --left) {
    if (at.t == 0)
      begin_presentation(k, at);
    now.sample = at.sample;
    now.t = at.t;
    now.row = at.sample * plan.n_steps + at.t;
    ++now.turn;
    const bool delivers = left > 1 && at.t + 1 < plan.n_steps;
    step<Exchange>(k, now, at, delivered, delivers);
    delivered = delivers;
    if (plan.learning) {
      if (clips)
        clip<Exchange>(k, now);
      clips = false;
      advance_own<Exchange>(k, now);
    }
    record(k, now);
    ++now.step;
    ++at.steps;
    ++at.since;
    if (++at.t == plan.n_steps) {
      end_presentation(k, at);
      sync_block();
      clips = clips || k.outside;
      sync_block();
      if (thread_index() == 0)
        k.outside = 0;
    }
  }
  sync_block();
  store_fields(k);
  if (k.rank == 0 && thread_index() == 0) {
    call.to[network] = at;
    std::int64_t *report = call.report + network * 4;
    report[0] = at.sample;
    report[1] = at.steps;
    report[2] = at.since;
    report[3] = at.cleared;
  }
  Exchange::sync(k);
}

template <class Exchange>
FASTSNN_KERNEL void FASTSNN_MOST_THREADS(most_threads) network_kernel(Call call) {
  Block &k = *reinterpret_cast<Block *>(shared_memory());
  const int team = block_index() / call.team, n_teams = n_blocks() / call.team;
  for (int network = team; network < call.n_networks; network += n_teams) {
    set_block(k, call, network, team);
    run_network<Exchange>(k, call, network);
  }
}

// what every block had of its own goes home from where one of them left it
FASTSNN_KERNEL void FASTSNN_MOST_THREADS(most_threads) exit_kernel(Call call) {
  for (int network = block_index(); network < call.n_networks; network += n_blocks()) {
    const Plan *plan = reinterpret_cast<const Plan *>(call.plans + network * call.plan_bytes);
    for (int e = 0; e < plan->n_fields; ++e) {
      const Field &field = part<Field>(plan, plan->fields)[e];
      if (field.exit == field.home)
        continue;
      const std::int64_t n = part<Population>(plan, plan->populations)[field.population].n;
      each_thread(field.rows * n * field.item,
                  [&](std::int64_t byte) { field.home[byte] = field.exit[byte]; });
    }
  }
}

template <class F, class... Models> void of_list(models::List<Models...>, int index, F f) {
  int k = 0;
  ((index == k++ ? f(Models{}) : void()), ...);
}

template <class... Models> int index_of(models::List<Models...>, const char *name) {
  int k = 0, found = none;
  ((found = std::strcmp(Models::name, name) == 0 ? k : found, ++k), ...);
  return found;
}

} // namespace

int neuron_index(const char *name) { return index_of(models::Neurons{}, name); }
int rule_index(const char *name) { return index_of(models::Rules{}, name); }

NeuronFacts neuron_facts(int model) {
  NeuronFacts facts{};
  of_list(models::Neurons{}, model, [&](auto m) {
    using M = decltype(m);
    facts = {M::n_state, M::n_shared, M::n_param, M::n_window, M::n_kernel, M::learning};
  });
  return facts;
}

RuleFacts rule_facts(int rule) {
  RuleFacts facts{0, 1, 1, 1, 0, 0, 0, none, false};
  of_list(models::Rules{}, rule, [&](auto r) {
    using R = decltype(r);
    facts = {R::n_param,      R::n_pre, R::n_post, R::n_synapse,   R::n_pre_state,
             R::n_post_state, R::lag,   R::reward, R::event_driven};
  });
  return facts;
}

Sizes sizes_of_block() { return {sizeof(Block), sizeof(View), sizeof(Slice)}; }

int resident_blocks(int threads, std::size_t shared) {
  return most_blocks(network_kernel<Grid>, threads, shared);
}

int resident_clusters(int cluster, int threads, std::size_t shared) {
  Shape shape{};
  shape.blocks = shape.cluster = cluster;
  shape.threads = threads;
  shape.shared = shared;
  return most_clusters(network_kernel<Cluster>, shape);
}

void launch_network(Policy policy, const Call &call, int blocks, int threads, void *stream) {
  Shape shape{};
  shape.blocks = blocks;
  shape.threads = threads;
  shape.cluster = policy == Policy::cluster ? call.team : 1;
  shape.shared = static_cast<std::size_t>(call.layout.bytes);
  shape.cooperative = policy == Policy::grid;
  shape.stream = stream;
  if (policy == Policy::grid)
    launch(network_kernel<Grid>, shape, call);
  else if (policy == Policy::cluster)
    launch(network_kernel<Cluster>, shape, call);
  else
    launch(network_kernel<Alone>, shape, call);
}

void launch_exit(const Call &call, void *stream) {
  Shape shape{};
  shape.blocks = call.n_networks;
  shape.threads = 256;
  shape.stream = stream;
  launch(exit_kernel, shape, call);
}

} // namespace fastsnn::cuda
