// SPDX-License-Identifier: Apache-2.0
// The beginning and the end of a launch, for a block: its share of the network, where everything
// lies, and the fields that move between the tensors and its own memory.
#pragma once

#include "block.h"
#include "network.h"

namespace fastsnn::cuda {

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
    k.record_row = 0;
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

} // namespace fastsnn::cuda
