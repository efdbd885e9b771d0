// SPDX-License-Identifier: Apache-2.0
// The beginning and the end of a sample, or of one more try to present it.
#pragma once

#include "exchange.h"
#include "indexed_learn.h"
#include "normalise.h"

namespace fastsnn::cuda {

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

// the end of a presentation: normalise, and go on to the next sample or try again
template <class Exchange> FASTSNN_DEVICE void end_presentation(Block &k, Position &at) {
  const Plan &plan = *k.plan;
  sync_block();
  for (int q = 0; q < plan.n_projections && plan.normalize; ++q) {
    const Projection &wires = k.projections[q];
    if (wires.norm == 0.0f)
      continue;
    if constexpr (Exchange::plastic)
      if (wires.kind == Kind::indexed) {
        normalise_listed(k, wires);
        continue;
      }
    normalise(k, wires);
  }
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

} // namespace fastsnn::cuda
