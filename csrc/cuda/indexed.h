// SPDX-License-Identifier: Apache-2.0
// Listed synapses of a block, those onto its own neurons: which rows the spikes of a step reach,
// what is under way, and what rows deliver.  One batch element.
//
// Spikes and traces under way stand in the tensors of the state.  A slot that a step writes is read
// by other blocks in later steps only: what is of the step itself they know from the exchange.
#pragma once

#include "deliver.h"
#include "exchange.h"
#include "terminals.h"

namespace fastsnn::cuda {

// part of 32 rows, one a lane: where they begin, and how many synapses the lanes before have
struct Pieces {
  std::int32_t row, first;
  int begin, total;
  float release = 1.0f; // what scales the weights
};

class Listed {
public:
  const Block &k;
  const Projection &wires;
  const Synapses &s;
  const Population &source, &target;
  const Slice &own, &own_pre; // of the target, of the source

  FASTSNN_DEVICE Listed(const Block &block, const Projection &projection)
      : k(block), wires(projection), s(part<Synapses>(k.plan, k.plan->indexed)[wires.indexed]),
        source(k.populations[wires.source]), target(k.populations[wires.target]),
        own(k.slices[wires.target]), own_pre(k.slices[wires.source]),
        ring_(s.slots > 0 ? in<std::int32_t>(k, s.ring) : nullptr),
        terminals_(k, s.terminals, source.n) {}

  // whether the source's (the target's) spikes reach synapses late, and whether all alike
  FASTSNN_DEVICE bool late_pre() const { return s.slots > 0 && !s.dendritic; }
  FASTSNN_DEVICE bool late_post() const { return s.dendritic; }
  FASTSNN_DEVICE bool one_lag() const { return s.slots > 0 && !s.delay; }
  FASTSNN_DEVICE std::int64_t rows() const { return std::int64_t(source.n) * s.row_parts; }

  // the slot of so many steps before the one that was noted last
  FASTSNN_DEVICE int slot(int lag) const {
    const int at = ring_[noted] - lag;
    return at < 0 ? at + s.slots : at;
  }

  // spikes of the late side, of any neuron of the source, of an own one of the target
  FASTSNN_DEVICE bool sent_late(int lag, std::int64_t i) const {
    return k.fields[s.sent].home[std::int64_t(slot(lag)) * source.n + i];
  }
  FASTSNN_DEVICE const std::uint32_t *late_words(int lag) const {
    return in<std::uint32_t>(k, s.late) + std::int64_t(slot(lag)) * target.most_words;
  }

  // rows that spikes reach: of the step that was noted last, or that sent the list of the source
  FASTSNN_DEVICE int n_reached() const {
    if (!late_pre())
      return k.n_sent[wires.source];
    return s.delay ? before()[s.row_parts] : counts()[slot(s.first_lag)];
  }
  // the q-th of them: by lag, then ascending
  FASTSNN_DEVICE std::int32_t reached(int q) const {
    const std::int32_t *ids = in<std::int32_t>(k, source.list);
    if (!late_pre())
      return ids[q];
    if (!s.delay)
      return list(slot(s.first_lag))[q];
    int lag = 0, end = s.row_parts;
    while (lag + 1 < end) {
      const int middle = (lag + end) / 2;
      (before()[middle] <= q ? lag : end) = middle;
    }
    if (lag > 0 || ring_[listed])
      ids = list(slot(lag));
    return ids[q - before()[lag]] * s.row_parts + lag;
  }

  // own part of a row
  FASTSNN_DEVICE std::int32_t first(std::int64_t row) const {
    return s.cuts[k.rank * rows() + row];
  }
  FASTSNN_DEVICE std::int32_t last(std::int64_t row) const {
    return s.cuts[(k.rank + 1) * rows() + row];
  }

  // f(row, synapse) of all own synapses
  template <class F> FASTSNN_DEVICE void each_synapse(F f) const {
    each_warp(rows(), [&](std::int64_t row) {
      const std::int32_t end = last(row);
      for (std::int32_t at = first(row) + lane_index(); at < end; at += 32)
        f(row, at);
    });
  }

  // 32 of the rows that are reached, from the q-th; all lanes of a warp
  FASTSNN_DEVICE Pieces pieces(int q, int n) const {
    Pieces p{0, 0, 0, 0, 1.0f};
    int length = 0;
    if (q + lane_index() < n) {
      p.row = reached(q + lane_index());
      p.first = first(p.row);
      length = last(p.row) - p.first;
    }
    p.begin = scan(length, p.total);
    return p;
  }
  // f(row, synapse, release, number among those of the pieces) for the numbers from `from` to `to`,
  // which all warps share
  template <class F> static FASTSNN_DEVICE void each_of(const Pieces &p, int from, int to, F f) {
    for (int base = from + warp_index() * 32; base < to; base += n_threads()) {
      const int e = base + lane_index();
      // the last lane that begins at e or before
      int lane = 0;
      for (int jump = 16; jump > 0; jump /= 2)
        lane += shuffle(p.begin, lane + jump) <= e ? jump : 0;
      const std::int32_t row = shuffle(p.row, lane), at = shuffle(p.first, lane);
      const int begin = shuffle(p.begin, lane);
      const float release = shuffle(p.release, lane);
      if (e < to)
        f(row, at + e - begin, release, e);
    }
  }
  // f(row, synapse) of the own synapses of the rows that are reached
  template <class F> FASTSNN_DEVICE void each_reached(F f) const {
    const int n = n_reached();
    for (int q = 0; q < n; q += 32) {
      const Pieces p = pieces(q, n);
      each_of(p, 0, p.total, [&](std::int32_t row, std::int32_t at, float, int) { f(row, at); });
    }
  }

  // the current of the step, from the spikes that arrive; they also move the own terminals
  FASTSNN_DEVICE void deliver(int turn) const {
    if (terminals_.there())
      terminals_.advance(own_pre, turn, [&](int j) {
        return late_pre() ? sent_late(s.first_lag, own_pre.first + j)
                          : values<std::uint8_t>(k, source.spike)(0, j) != 0;
      });
    float *current = in<float>(k, wires.current);
    if (!s.dendritic) {
      each_thread(own.n, [&](std::int64_t j) { current[j] = 0.0f; });
      return add_rows(current, 0, turn);
    }
    const Values<float> arriving = values<float>(k, s.arriving);
    const int past = ring_[acted], now = past + 1 == s.slowest ? 0 : past + 1;
    each_thread(own.n, [&](std::int64_t j) { arriving(past, static_cast<int>(j)) = 0.0f; });
    add_rows(arriving.at, static_cast<std::int32_t>(arriving.stride), turn);
    sync_block();
    each_thread(own.n, [&](std::int64_t j) { current[j] = arriving(now, static_cast<int>(j)); });
  }

  // at the end of a step: what it sent, and the traces that its spikes met
  FASTSNN_DEVICE void note() const {
    if (s.slots == 0)
      return;
    const int to = ring_[noted] + 1 == s.slots ? 0 : ring_[noted] + 1;
    if (s.dendritic)
      note_own(to);
    else
      note_source(to);
    sync_block();
    if (warp_index() == 0) {
      if (lane_index() == 0) {
        ring_[noted] = to;
        ring_[acted] = ring_[acted] + 1 == s.slowest ? 0 : ring_[acted] + 1;
        ring_[listed] = 0;
        if (!s.dendritic)
          counts()[to] = k.n_sent[wires.source];
      }
      sync_warp();
      sum_before();
    }
  }

  // At the start of a launch, for its first step.  Lists are made by all blocks, a slot a warp.
  FASTSNN_DEVICE void begin(std::uint64_t step) const {
    if (terminals_.there())
      terminals_.publish(own_pre, 0);
    if (s.slots == 0)
      return;
    if (thread_index() == 0) {
      ring_[noted] = static_cast<int>((step + s.slots - 1) % s.slots);
      ring_[acted] = static_cast<int>((step + s.slowest - 1) % s.slowest);
      ring_[listed] = 1;
    }
    if (s.dendritic)
      return each_warp(std::int64_t(s.slots) * own.n_words, [&](std::int64_t item) {
        const std::int64_t at = item / own.n_words, word = item % own.n_words;
        const int j = static_cast<int>(word) * 32 + lane_index();
        const std::uint32_t spikes = ballot(j < own.n && values<std::uint8_t>(k, s.sent)(at, j));
        if (lane_index() == 0)
          in<std::uint32_t>(k, s.late)[at * target.most_words + word] = spikes;
      });
    for (int at = k.rank * n_warps() + warp_index(); at < s.slots; at += k.size * n_warps())
      make_list(at);
  }
  // and when all blocks have begun
  FASTSNN_DEVICE void begun() const {
    if (!late_pre())
      return;
    each_thread(s.slots, [&](std::int64_t at) { counts()[at] = numbers()[at]; });
    sync_block();
    if (warp_index() == 0)
      sum_before();
  }

  // nothing is under way, as after a reset
  FASTSNN_DEVICE void forget(int turn) const {
    if (terminals_.there())
      terminals_.reset(own_pre, turn);
    if (s.slots == 0)
      return;
    const std::int64_t n = s.dendritic ? own.n : own_pre.n;
    const Values<std::uint8_t> sent = values<std::uint8_t>(k, s.sent);
    each_thread(s.slots * n, [&](std::int64_t e) { sent(e / n, static_cast<int>(e % n)) = 0; });
    if (s.dendritic) {
      each_thread(std::int64_t(s.slots) * target.most_words,
                  [&](std::int64_t e) { in<std::uint32_t>(k, s.late)[e] = 0; });
      each_thread(std::int64_t(s.slowest) * own.n, [&](std::int64_t e) {
        values<float>(k, s.arriving)(e / own.n, static_cast<int>(e % own.n)) = 0.0f;
      });
      return;
    }
    each_thread(s.slots, [&](std::int64_t at) { counts()[at] = 0; });
    if (s.delay)
      each_thread(s.row_parts + 1, [&](std::int64_t at) { before()[at] = 0; });
  }

private:
  // of the ring: slots of the last step in `sent` and `arriving`, whether the source's own list is
  // not that of the last step, then of every slot the number of ids, then how many come before
  // those of every lag
  enum { noted, acted, listed };
  FASTSNN_DEVICE std::int32_t *counts() const { return ring_ + ring_head; }
  FASTSNN_DEVICE std::int32_t *before() const { return ring_ + ring_head + s.slots; }
  FASTSNN_DEVICE std::int32_t *list(int at) const { return s.lists + std::int64_t(at) * source.n; }
  FASTSNN_DEVICE std::int32_t *numbers() const { return list(s.slots); }

  FASTSNN_DEVICE void make_list(int at) const {
    const std::uint8_t *bytes = k.fields[s.sent].home + std::int64_t(at) * source.n;
    std::int32_t n = 0;
    for (std::int32_t base = 0; base < source.n; base += 32) {
      const std::int32_t i = base + lane_index();
      const std::uint32_t spikes = ballot(i < source.n && bytes[i]);
      if (bit(spikes, lane_index()))
        list(at)[n + count_bits(spikes & ((1u << lane_index()) - 1))] = i;
      n += count_bits(spikes);
    }
    if (lane_index() == 0)
      numbers()[at] = n;
  }

  // the first warp
  FASTSNN_DEVICE void sum_before() const {
    if (s.dendritic || !s.delay)
      return;
    int sum = 0, total;
    for (int base = 0; base < s.row_parts; base += 32, sum += total) {
      const int lag = base + lane_index();
      const int begin = scan(lag < s.row_parts ? counts()[slot(lag)] : 0, total);
      if (lag < s.row_parts)
        before()[lag] = sum + begin;
    }
    if (lane_index() == 0)
      before()[s.row_parts] = sum;
  }

  FASTSNN_DEVICE void note_source(int to) const {
    const Values<std::uint8_t> spike = values<std::uint8_t>(k, source.spike);
    unsigned char *sent = k.fields[s.sent].home + std::int64_t(to) * source.n + own_pre.first;
    each_thread(own_pre.n, [&](std::int64_t j) { sent[j] = spike(0, static_cast<int>(j)); });
    for (int e = 0; e < s.n_past; ++e) {
      const Values<float> seen = values<float>(k, wires.pre[e].field),
                          past = values<float>(k, s.past);
      each_thread(own_pre.n, [&](std::int64_t j) {
        past(std::int64_t(to) * s.n_past + e, static_cast<int>(j)) = seen(0, static_cast<int>(j));
      });
    }
    const std::int32_t *ids = in<std::int32_t>(k, source.list);
    if (k.rank == 0)
      each_thread(k.n_sent[wires.source], [&](std::int64_t q) { list(to)[q] = ids[q]; });
  }

  FASTSNN_DEVICE void note_own(int to) const {
    const Values<std::uint8_t> spike = values<std::uint8_t>(k, target.spike),
                               sent = values<std::uint8_t>(k, s.sent);
    each_thread(own.n, [&](std::int64_t j) {
      sent(to, static_cast<int>(j)) = spike(0, static_cast<int>(j));
    });
    const std::uint32_t *words = in<std::uint32_t>(k, target.sent_own);
    std::uint32_t *late = in<std::uint32_t>(k, s.late) + std::int64_t(to) * target.most_words;
    each_thread(own.n_words, [&](std::int64_t word) { late[word] = words[word]; });
    for (int e = 0; e < s.n_past; ++e) {
      const Values<float> seen = values<float>(k, wires.post[e]), past = values<float>(k, s.past);
      each_thread(own.n, [&](std::int64_t j) {
        past(std::int64_t(to) * s.n_past + e, static_cast<int>(j)) = seen(0, static_cast<int>(j));
      });
    }
  }

  // Adds the rows that are reached to sums, in their order.  stride: numbers from a slot of
  // `arriving` to the next.
  FASTSNN_DEVICE void add_rows(float *sums, std::int32_t stride, int turn) const {
    const float *w = values<float>(k, wires.w).at;
    std::int32_t *places = in<std::int32_t>(k, k.plan->staged);
    float *amounts = reinterpret_cast<float *>(places + most_staged);
    const int n = n_reached();
    for (int q = 0; q < n; q += 32) {
      Pieces p = pieces(q, n);
      if (terminals_.there() && q + lane_index() < n)
        p.release = terminals_.release(p.row, turn);
      for (int from = 0; from < p.total; from += most_staged) {
        const int to = least(from + most_staged, p.total);
        sync_block();
        each_of(p, from, to, [&](std::int32_t, std::int32_t at, float release, int e) {
          places[e - from] = s.post[at] - own.first + slot_of_arrival(at) * stride;
          amounts[e - from] = w[at] * release;
        });
        sync_block();
        add_staged(sums, places, amounts, to - from);
      }
    }
  }
  FASTSNN_DEVICE int slot_of_arrival(std::int32_t at) const {
    if (!s.dendritic)
      return 0;
    const int to = ring_[acted] + (s.delay ? s.delay[at] : s.slowest);
    return to < s.slowest ? to : to - s.slowest;
  }

  // Every sum is one warp's, so that it is added up in order.
  static FASTSNN_DEVICE void add_staged(float *sums, const std::int32_t *places,
                                        const float *amounts, int n) {
    for (int base = 0; base < n; base += 32) {
      const int e = base + lane_index();
      const std::int32_t place = e < n ? places[e] : none;
      const bool mine = place >= 0 && place / 32 % n_warps() == warp_index();
      if (!ballot(mine))
        continue;
      // a neuron may be met more than once
      const std::uint32_t same = match(mine ? place : none);
      const int rank = count_bits(same & ((1u << lane_index()) - 1));
      for (int turn = 0; ballot(mine && rank >= turn); ++turn) {
        if (mine && rank == turn)
          sums[place] += amounts[e];
        sync_warp();
      }
    }
  }

  std::int32_t *const ring_;
  const OwnTerminals terminals_;
};

// f(Listed) of the projections whose synapses are listed
template <class F> FASTSNN_DEVICE void each_listed(const Block &k, F f) {
  for (int q = 0; q < k.plan->n_projections; ++q)
    if (k.projections[q].kind == Kind::indexed)
      f(Listed(k, k.projections[q]));
}

} // namespace fastsnn::cuda
