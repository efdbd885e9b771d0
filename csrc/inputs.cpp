// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fastsnn {

std::int32_t ids_of(const std::uint8_t *bytes, std::int64_t n, std::int32_t *ids) {
  std::int32_t count = 0;
  std::int64_t j = 0;
  for (; j + 8 <= n; j += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + j, sizeof word);
    for (std::int64_t k = j; word; ++k, word >>= 8)
      if (word & 0xff)
        ids[count++] = static_cast<std::int32_t>(k);
  }
  for (; j < n; ++j)
    if (bytes[j])
      ids[count++] = static_cast<std::int32_t>(j);
  return count;
}

InputEvents::InputEvents(const PopulationPlan &plan, const Plan &network, int threads)
    : plan_(plan), kernels_(*network.kernels), n_(plan.n), batch_(network.batch),
      seed_(network.seed), shares_(threads) {
  for (Share &share : shares_) {
    share.id.reserve(batch_ * padded(n_));
    share.last_word.reserve(batch_ * padded(n_));
    share.begin.assign(batch_, 0);
    share.count.assign(batch_, 0);
  }
}

void InputEvents::reserve(std::int64_t steps) {
  lists_.reserve(steps * batch_);
  const std::int64_t share = steps / static_cast<std::int64_t>(shares_.size()) + 8;
  // vectors are stored whole, so each list may write 16 ids more than it keeps
  for (Share &s : shares_)
    s.arena.reserve((share + 4) * batch_ * (n_ + group_size));
}

void InputEvents::begin_sample(int thread, std::int64_t sample, double boost) {
  if (input_->kind != Input::Kind::rates)
    return;
  Share &share = shares_[thread];
  const double scale = input_->scale * boost, all = 4294967296.0;
  const float *rate = static_cast<const float *>(input_->ptr) + sample * batch_ * n_;
  std::int32_t *id = share.id.get();
  std::uint32_t *last = share.last_word.get();
  for (std::int64_t b = 0; b < batch_; ++b, rate += n_) {
    const std::int32_t begin = share.begin[b] = static_cast<std::int32_t>(b * padded(n_));
    std::int32_t k = begin;
    for (std::int64_t i = 0; i < n_; ++i) {
      const double threshold = std::min(static_cast<double>(rate[i]) * scale, all);
      id[k] = static_cast<std::int32_t>(i);
      // truncation is floor here; word < threshold becomes word <= threshold - 1
      last[k] = static_cast<std::uint32_t>(static_cast<std::int64_t>(threshold) - 1);
      k += threshold >= 1.0;
    }
    share.count[b] = k - begin;
  }
}

void InputEvents::draw(int thread, std::int64_t row, std::int64_t steps, std::uint64_t step) {
  // shares are cut where four steps share their random numbers
  const std::int64_t threads = static_cast<std::int64_t>(shares_.size());
  const std::int64_t first = static_cast<std::int64_t>(step & 3), quads = (first + steps + 3) / 4;
  const std::int64_t from = std::max<std::int64_t>(0, quads * thread / threads * 4 - first);
  const std::int64_t to = std::min(steps, quads * (thread + 1) / threads * 4 - first);
  if (from >= to)
    return;
  Share &share = shares_[thread];
  switch (input_->kind) {
  case Input::Kind::rates:
    return draw_rates(share, from, to, step);
  case Input::Kind::spikes:
    return read_bytes(share, row, from, to);
  case Input::Kind::events:
    return read_events(row, from, to);
  default:
    std::fill(lists_.get() + from * batch_, lists_.get() + to * batch_, Ids{});
  }
}

void InputEvents::draw_rates(Share &share, std::int64_t from, std::int64_t to, std::uint64_t step) {
  std::int32_t *free = share.arena.get();
  for (std::uint64_t quad = (step + from) >> 2; quad <= (step + to - 1) >> 2; ++quad) {
    for (std::int64_t b = 0; b < batch_; ++b) {
      Encode e{};
      e.seed = seed_;
      e.quad = quad;
      e.stream = plan_.stream;
      e.offset = static_cast<std::uint32_t>(b * n_);
      e.id = share.id.get() + share.begin[b];
      e.last_word = share.last_word.get() + share.begin[b];
      e.n = share.count[b];
      const std::int64_t room = share.count[b] + group_size;
      for (int q = 0; q < 4; ++q)
        e.out[q] = free + q * room;
      kernels_.encode(e);
      for (int q = 0; q < 4; ++q) {
        const std::int64_t t = static_cast<std::int64_t>(quad * 4 + q - step);
        if (t < from || t >= to)
          continue;
        // close up, so that the lists of a block stay in cache
        std::memmove(free, e.out[q], sizeof(std::int32_t) * e.n_out[q]);
        lists_[t * batch_ + b] = {free, e.n_out[q]};
        free += e.n_out[q];
      }
    }
  }
}

void InputEvents::read_bytes(Share &share, std::int64_t row, std::int64_t from, std::int64_t to) {
  std::int32_t *free = share.arena.get();
  const std::uint8_t *bytes = static_cast<const std::uint8_t *>(input_->ptr);
  for (std::int64_t k = from * batch_; k < to * batch_; ++k) {
    const std::int32_t count = ids_of(bytes + (row * batch_ + k) * n_, n_, free);
    lists_[k] = {free, count};
    free += count;
  }
}

void InputEvents::read_events(std::int64_t row, std::int64_t from, std::int64_t to) {
  const std::int32_t *ids = static_cast<const std::int32_t *>(input_->ptr);
  for (std::int64_t k = from * batch_; k < to * batch_; ++k) {
    const std::int64_t begin = input_->offsets[row * batch_ + k];
    lists_[k] = {ids + begin,
                 static_cast<std::int32_t>(input_->offsets[row * batch_ + k + 1] - begin)};
  }
}

} // namespace fastsnn
