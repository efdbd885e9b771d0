// SPDX-License-Identifier: Apache-2.0
// Sparse projections, drives and receptors.  What is under way stands in a ring in global memory,
// in whole numbers, so that any order of adding gives the same bits.
//
// A block sends the spikes of its own neurons, before the barrier: a delay is one step at least,
// and shorter than the ring, so that no slot that is added to is read or emptied in the same step.
#pragma once

#include "deliver.h"
#include "exchange.h"
#include "models.h"

namespace fastsnn::cuda {

FASTSNN_DEVICE std::int32_t *slot_of(const Plan &plan, std::uint64_t step) {
  return plan.ring + static_cast<std::int64_t>(step & (plan.n_slots - 1)) * plan.n_places;
}

FASTSNN_DEVICE std::int64_t place_of(const Port &port, std::int64_t i) {
  return port.places[i / 16] + i % 16;
}

// weight times the number of events of neuron i, by inversion of one word; thresholds ascend
FASTSNN_DEVICE std::int32_t events(const Block &k, const Now &now, const PortDrive &d,
                                   std::int32_t i) {
  const Words words =
      philox(k.plan->seed, d.stream, now.step >> 2, d.offset + static_cast<std::uint32_t>(i));
  const std::uint32_t lane = now.step & 3;
  // no array in registers can be indexed by a variable
  const std::uint32_t word = lane == 0   ? words.w[0]
                             : lane == 1 ? words.w[1]
                             : lane == 2 ? words.w[2]
                                         : words.w[3];
  const std::int64_t *row = d.table + d.which[i] * d.width;
  std::int64_t n = row[1];
  for (std::int64_t e = 2; e < d.width && static_cast<std::int64_t>(word) >= row[e]; ++e)
    ++n;
  return static_cast<std::int32_t>(row[0] * n);
}

// what acts on neuron i in this step, taken out of what is under way
FASTSNN_DEVICE float taken(const Block &k, const Now &now, const Port &port, int index,
                           std::int32_t i) {
  std::int32_t *place = slot_of(*k.plan, now.step) + place_of(port, i);
  std::int32_t total = load_fresh(place);
  if (total != 0)
    store_fresh(place, 0);
  const PortDrive *drives = part<PortDrive>(k.plan, k.plan->drives);
  for (int d = 0; d < k.plan->n_drives; ++d)
    if (drives[d].port == index)
      total += events(k, now, drives[d], i);
  return static_cast<float>(total) * port.grain;
}

// What acts on an own neuron in this step, before its model asks for it: code that is apart from
// the model's needs no registers of it.
FASTSNN_DEVICE void gather(const Block &k, const Now &now, int p, int j) {
  const Port *ports = part<Port>(k.plan, k.plan->ports);
  for (int e = 0; e < k.plan->n_ports; ++e)
    if (ports[e].population == p)
      k.in<float>(ports[e].current)[j] = taken(k, now, ports[e], e, k.slices[p].first + j);
}

// what an own neuron gets at a receptor (0: i_syn), but for what is given from outside
template <bool sparse>
FASTSNN_DEVICE float received(const Block &k, int p, int receptor, int b, int j) {
  float sum = 0.0f;
  for (int q = 0; q < k.plan->n_projections; ++q)
    if (k.projections[q].target == p && (!sparse || k.projections[q].receptor == receptor))
      sum += delivered(k, k.projections[q], b, j);
  if constexpr (sparse) {
    const Port *ports = part<Port>(k.plan, k.plan->ports);
    for (int e = 0; e < k.plan->n_ports; ++e)
      if (ports[e].population == p && ports[e].receptor == receptor)
        sum += k.in<float>(ports[e].current)[j];
  }
  return sum;
}

// f(port, neuron, step ahead) for what may be under way to own neurons
template <class F> FASTSNN_DEVICE void each_under_way(const Block &k, F f) {
  const Port *ports = part<Port>(k.plan, k.plan->ports);
  for (int e = 0; e < k.plan->n_ports; ++e) {
    const Slice own = k.slices[ports[e].population];
    each_warp(k.plan->n_slots, [&](std::int64_t ahead) {
      for (int j = lane_index(); j < own.n; j += 32)
        f(ports[e], own.first + j, ahead);
    });
  }
}

FASTSNN_DEVICE std::int32_t *home_of(const Block &k, const Port &port, std::int64_t i,
                                     std::uint64_t step) {
  return port.home +
         static_cast<std::int64_t>(step & (port.slots - 1)) * k.populations[port.population].n + i;
}

FASTSNN_DEVICE void forget_spikes(const Block &k) {
  if (thread_index() == 0)
    *k.in<std::int32_t>(k.plan->spiking) = 0;
}

// at the start of a launch
FASTSNN_DEVICE void take_over(const Block &k, const Now &now) {
  forget_spikes(k);
  each_under_way(k, [&](const Port &port, std::int64_t i, std::int64_t ahead) {
    // a port whose own delays are shorter has fewer slots
    const std::int32_t sum =
        ahead < port.slots ? *home_of(k, port, i, now.step + ahead) : std::int32_t(0);
    store_fresh(slot_of(*k.plan, now.step + ahead) + place_of(port, i), sum);
  });
}

// at its end; now: the step that comes next
FASTSNN_DEVICE void hand_over(const Block &k, const Now &now) {
  each_under_way(k, [&](const Port &port, std::int64_t i, std::int64_t ahead) {
    if (ahead < port.slots)
      *home_of(k, port, i, now.step + ahead) =
          load_fresh(slot_of(*k.plan, now.step + ahead) + place_of(port, i));
  });
}

FASTSNN_DEVICE void forget(const Block &k) {
  each_under_way(k, [&](const Port &port, std::int64_t i, std::int64_t ahead) {
    store_fresh(slot_of(*k.plan, ahead) + place_of(port, i), 0);
  });
}

// own neurons that send spikes, in any order
FASTSNN_DEVICE void list_spikes(const Block &k, const Now &now) {
  std::int32_t *list = k.in<std::int32_t>(k.plan->spiking);
  for (int p = 0; p < k.plan->n_populations; ++p) {
    const Population &cells = k.populations[p];
    const Slice own = k.slices[p];
    if (!cells.sends)
      continue;
    const std::uint32_t *candidates = k.in<std::uint32_t>(cells.candidates);
    each_thread(own.n_words, [&](std::int64_t word) {
      const int at = own.first_word + static_cast<int>(word);
      std::uint32_t spikes = clamped(cells, now, at, candidates[word]);
      if (spikes == 0)
        return;
      std::int32_t *next = list + 1 + atomic_add(list, count_bits(spikes));
      for (; spikes; spikes &= spikes - 1)
        *next++ = static_cast<std::int32_t>(cells.first_source + at * 32 + lowest_bit(spikes));
    });
  }
}

// The row of a source in a tile, by `warps` warps of which this is number `rank`.
FASTSNN_DEVICE void send_row(const Plan &plan, const Tile &tile, std::int32_t source,
                             std::uint64_t step, int rank, int warps) {
  constexpr int at_once = 4;
  const std::uint64_t at = tile.start[source];
  if (at == tile.start[source + 1])
    return;
  const std::uint32_t head = tile.words[at];
  const int n_delays = static_cast<int>(head >> 16), lane = lane_index();
  const std::uint16_t *counts = reinterpret_cast<const std::uint16_t *>(tile.words + at + 1);
  const std::uint32_t *synapses = tile.words + at + 1 + (n_delays + 1) / 2;
  step += head & 0xffff;
  for (int base = 0; base < n_delays; base += 32, step += 32) {
    int total;
    const int begin = scan(base + lane < n_delays ? counts[base + lane] : 0, total);
    for (int first = rank * 32; first < total; first += warps * 32 * at_once) {
      std::uint32_t synapse[at_once];
#pragma unroll
      for (int u = 0; u < at_once; ++u) {
        const int s = first + u * warps * 32 + lane;
        synapse[u] = s < total ? synapses[s] : 0u;
      }
#pragma unroll
      for (int u = 0; u < at_once; ++u) {
        const int s = first + u * warps * 32 + lane;
        // the last delay that begins at s or before
        int delay = 0;
        for (int jump = 16; jump > 0; jump /= 2)
          delay += shuffle(begin, delay + jump) <= s ? jump : 0;
        if (s < total)
          atomic_add(slot_of(plan, step + delay) + tile.place + (synapse[u] & 0xffff),
                     static_cast<std::int32_t>(synapse[u]) >> 16);
      }
    }
    synapses += total;
  }
}

// before the barrier: own spikes go their way, each row by as many warps as there are for it
FASTSNN_DEVICE void send(const Block &k, const Now &now) {
  const Plan &plan = *k.plan;
  if (plan.n_tiles == 0)
    return;
  sync_block();
  list_spikes(k, now);
  sync_block();
  const std::int32_t *list = k.in<std::int32_t>(plan.spiking);
  const Tile *tiles = part<Tile>(k.plan, plan.tiles);
  const int n = list[0] * plan.n_tiles;
  if (n == 0)
    return;
  const int warps = n < n_warps() ? n_warps() / n : 1, teams = n_warps() / warps;
  const int team = warp_index() / warps;
  for (int item = team; item < n && team < teams; item += teams)
    send_row(plan, tiles[item % plan.n_tiles], list[1 + item / plan.n_tiles], now.step,
             warp_index() % warps, warps);
}

} // namespace fastsnn::cuda
