// SPDX-License-Identifier: Apache-2.0
// The persistent kernel: one launch runs many steps of a network, or of several of one shape.
//
// A step, for every block: currents of the spikes of the step before -> own neurons -> their words
// to the others -> the one barrier -> who spiked -> traces and counts -> learning of the own
// columns, fused with the currents of the next step where one batch element allows it.
#pragma once

#include "network.h"

#include "indexed_learn.h"
#include "learn.h"
#include "own.h"
#include "population.h"
#include "presentation.h"
#include "records.h"
#include "setup.h"

namespace fastsnn::cuda {

// Learning of one step.  delivers: and the currents of the next one, of projections that are fused.
template <class Exchange> FASTSNN_DEVICE void learn(const Block &k, const Now &now, bool delivers) {
  bool copies = false;
  for (int q = 0; q < k.plan->n_projections; ++q) {
    const Projection &wires = k.projections[q];
    if (!wires.copies || !k.plan->learning || wires.events)
      continue;
    of_rule<Exchange>(
        wires, [&](auto rule) { Learner<decltype(rule), Exchange>(k, wires, now).copy_pre(); });
    copies = true;
  }
  if (copies)
    sync_block();
  for (int q = 0; q < k.plan->n_projections; ++q) {
    const Projection &wires = k.projections[q];
    if (!wires.learns)
      continue;
    if constexpr (Exchange::plastic)
      if (wires.kind == Kind::indexed) {
        learn_listed<Exchange>(k, wires, now);
        continue;
      }
    of_rule<Exchange>(wires, [&](auto rule) {
      const Learner<decltype(rule), Exchange> learner(k, wires, now);
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
    if (const Projection &wires = k.projections[q]; wires.events && wires.bounded)
      of_rule<Exchange>(wires, [&](auto rule) {
        if constexpr (Exchange::plastic)
          if (wires.kind == Kind::indexed)
            return ListedLearner<decltype(rule), Exchange>(k, wires, now).clip_all();
        Learner<decltype(rule), Exchange>(k, wires, now).clip_all();
      });
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
      of_rule<Exchange>(k.projections[q], [&](auto rule) {
        Own<decltype(rule), Exchange>(k, k.projections[q], now).advance();
      });
}

template <class Exchange> FASTSNN_DEVICE void record(Block &k, const Now &now) {
  if (k.plan->n_records == 0 || now.row < k.record_row)
    return;
  sync_block();
  copy_records(k, now, [&](const Record &r, std::int64_t place) {
    if constexpr (Exchange::plastic)
      if (r.projection != none)
        return copy_listed(k, r, place);
    copy_record(k, r, place);
  });
  if (thread_index() == n_threads() - 1)
    k.record_row = next_row(k, now.row + 1);
  sync_block();
}

template <class Exchange> FASTSNN_DEVICE void begin_launch(const Block &k, const Now &now) {
  load_fields(k);
  sync_block();
  Exchange::begin();
  if constexpr (Exchange::sparse)
    take_over(k, now);
  publish_last<Exchange>(k, now);
  for (int q = 0; q < k.plan->n_projections; ++q)
    if (k.projections[q].has_own)
      of_rule<Exchange>(k.projections[q], [&](auto rule) {
        Own<decltype(rule), Exchange>(k, k.projections[q], now).begin();
      });
  if constexpr (Exchange::plastic)
    each_listed(k, [&](const Listed &listed) { listed.begin(now.step); });
  Exchange::sync(k);
  if constexpr (Exchange::plastic)
    each_listed(k, [](const Listed &listed) { listed.begun(); });
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
  change_shared<Exchange, true>(k);
  deliver(k, [&](const Projection &wires) { return !(delivered && wires.fused); });
  if constexpr (Exchange::plastic)
    each_listed(k, [&](const Listed &listed) { listed.deliver(now.turn); });
  sync_block();
  advance_all<Exchange>(k, now, at);
  if constexpr (Exchange::sparse)
    send(k, now);
  Exchange::sync(k);
  if constexpr (Exchange::sparse)
    forget_spikes(k);
  resolve<Exchange>(k, now);
  sync_block();
  settle(k, now);
  change_shared<Exchange, false>(k);
  turn_rows(k);
  if (k.plan->retry.population != none)
    at.spikes += k.n_sent[k.plan->retry.population];
  sync_block();
  if constexpr (Exchange::plastic) {
    each_listed(k, [](const Listed &listed) { listed.note(); });
    sync_block();
  }
  learn<Exchange>(k, now, delivers);
}

// what is under way, at a reset
template <class Exchange> FASTSNN_DEVICE void forget_all(const Block &k, const Now &now) {
  forget(k);
  if constexpr (Exchange::plastic) {
    // others may still learn of the step before
    Exchange::sync(k);
    each_listed(k, [&](const Listed &listed) { listed.forget(now.turn); });
  }
  Exchange::sync(k);
}

template <class Exchange> FASTSNN_DEVICE void run_network(Block &k, const Call &call, int network) {
  Position at = call.from[network];
  const Plan &plan = *k.plan;
  Now now{at.sample, at.t, 0, plan.step + static_cast<std::uint64_t>(at.steps), 0};
  begin_launch<Exchange>(k, now);
  bool delivered = false, clips = at.t == 0;
  for (std::int64_t left = call.steps; left > 0 && at.sample < plan.n_samples; --left) {
    if (at.t == 0) {
      begin_presentation(k, at);
      if constexpr (Exchange::sparse)
        if (plan.reset)
          forget_all<Exchange>(k, now);
    }
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
    record<Exchange>(k, now);
    ++now.step;
    ++at.steps;
    ++at.since;
    if (++at.t == plan.n_steps) {
      end_presentation<Exchange>(k, at);
      sync_block();
      clips = clips || k.outside;
      sync_block();
      if (thread_index() == 0) {
        k.outside = 0;
        k.record_row = 0; // a try may begin again
      }
    }
  }
  sync_block();
  store_fields(k);
  if constexpr (Exchange::sparse)
    hand_over(k, now);
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
FASTSNN_KERNEL void FASTSNN_MOST_THREADS(Exchange::sparse ? most_sparse_threads : most_threads)
    network_kernel(Call call) {
  Block &k = *reinterpret_cast<Block *>(shared_memory());
  const int team = block_index() / call.team, n_teams = n_blocks() / call.team;
  for (int network = team; network < call.n_networks; network += n_teams) {
    set_block(k, call, network, team);
    run_network<Exchange>(k, call, network);
  }
}

} // namespace fastsnn::cuda
