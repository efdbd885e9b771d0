// SPDX-License-Identifier: Apache-2.0
#include "late.h"

#include <algorithm>

#include "inputs.h"

namespace fastsnn {

void Sent::reserve(std::uint8_t *bytes, std::int64_t slots, std::int64_t n, bool flags) {
  bytes_ = bytes;
  slots_ = slots;
  n_ = n;
  has_flags_ = flags;
  lists_.resize(lists());
  if (flags)
    flags_.reserve(2 * lists() * n);
}

void Sent::flag(std::int64_t list, real value) {
  for (std::int32_t id : lists_[list])
    flags_[list * n_ + id] = flags_[(list + lists()) * n_ + id] = value;
}

void Sent::begin(std::int64_t step) {
  for (std::int64_t k = 0; k < lists() && has_flags_; ++k)
    flag(k, 0.0f);
  lists_[slot_of(step, lists())].clear();
  for (std::int64_t lag = 1; lag <= slots_; ++lag) {
    std::vector<std::int32_t> &ids = lists_[slot_of(step - lag, lists())];
    ids.resize(n_ + group_size);
    ids.resize(ids_of(bytes(step - lag), n_, ids.data()));
    if (has_flags_)
      flag(slot_of(step - lag, lists()), 1.0f);
  }
}

void Sent::note(std::int64_t step, Ids ids, Range own) {
  const std::int64_t to = slot_of(step, lists());
  if (has_flags_)
    flag(to, 0.0f);
  lists_[to].assign(ids.ptr, ids.ptr + ids.n);
  if (has_flags_)
    flag(to, 1.0f);
  std::uint8_t *bytes = bytes_ + slot_of(step, slots_) * n_;
  for_ids_in(own, at(step - slots_), [&](std::int32_t id) { bytes[id] = 0; });
  for_ids_in(own, ids, [&](std::int32_t id) { bytes[id] = 1; });
}

void Sent::clear(Range own) {
  for (std::int64_t k = 0; k < lists(); ++k) {
    if (has_flags_)
      flag(k, 0.0f);
    lists_[k].clear();
  }
  for (std::int64_t k = 0; k < slots_ && !own.empty(); ++k)
    std::fill(bytes_ + k * n_ + own.begin, bytes_ + k * n_ + own.end, std::uint8_t(0));
}

Past::Past(real *saved, std::int64_t slots, std::int64_t n, std::vector<real *> traces)
    : saved_(saved), slots_(slots), length_(slots + 1), n_(n), traces_(std::move(traces)),
      ring_(2 * length_ * n * traces_.size()) {}

void Past::begin(std::int64_t step) {
  for (std::int64_t lag = 1; lag <= slots_; ++lag)
    for (std::size_t k = 0; k < traces_.size(); ++k)
      for (int copy = 0; copy < 2; ++copy)
        std::copy_n(saved(k, step - lag), n_, ring(k, step - lag, copy));
  note(step, {0, n_});
}

void Past::note(std::int64_t step, Range own) {
  for (std::size_t k = 0; k < traces_.size() && !own.empty(); ++k)
    for (int copy = 0; copy < 2; ++copy)
      std::copy(traces_[k] + own.begin, traces_[k] + own.end, ring(k, step, copy) + own.begin);
}

void Past::save(std::int64_t step, Range own) {
  for (std::int64_t lag = 0; lag < slots_ && !own.empty(); ++lag)
    for (std::size_t k = 0; k < traces_.size(); ++k) {
      const real *from = ring(k, step - lag, 0);
      std::copy(from + own.begin, from + own.end, saved(k, step - lag) + own.begin);
    }
}

void Past::at(std::int64_t step, const real **out) const {
  for (std::size_t k = 0; k < traces_.size(); ++k)
    out[k] = ring(k, step, 1);
}

} // namespace fastsnn
