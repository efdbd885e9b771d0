// SPDX-License-Identifier: Apache-2.0
// Copies of what monitors watch; every block copies its own part.
#pragma once

#include "block.h"

namespace fastsnn::cuda {

template <class T>
FASTSNN_DEVICE void copy_rows(const Block &k, const Record &r, std::int64_t place) {
  const Field &field = k.fields[r.field];
  const Values<const T> from = k.values<const T>(r.field);
  const bool one = field.population == none;
  const Slice own = one ? Slice{0, 0, 0, k.rank == 0, true} : k.slices[field.population];
  const std::int64_t n = one ? 1 : k.populations[field.population].n;
  const std::int64_t width = r.index ? r.n_index : n;
  T *to = reinterpret_cast<T *>(r.dest) + place * r.rows * width;
  if (!own.writes)
    return;
  if (!r.index) {
    each_thread(r.rows * own.n, [&](std::int64_t item) {
      const std::int64_t row = item / own.n, j = item % own.n;
      to[row * width + own.first + j] = from(row, static_cast<std::int32_t>(j));
    });
    return;
  }
  each_thread(r.rows * width, [&](std::int64_t item) {
    const std::int64_t row = item / width, given = r.index[item % width];
    const std::int64_t j = (given < 0 ? given + n : given) - own.first;
    if (j >= 0 && j < own.n)
      to[item] = from(row, static_cast<std::int32_t>(j));
  });
}

// rows from this one to the next that is due
FASTSNN_DEVICE std::int64_t rows_until(const Record &r, std::int64_t row) {
  const std::int64_t past = r.every == 1 ? 0 : (r.phase + row + 1) % r.every;
  return past == 0 ? 0 : r.every - past;
}

FASTSNN_DEVICE std::int64_t next_row(const Block &k, std::int64_t row) {
  std::int64_t fewest = rows_until(k.plan->records[0], row);
  for (int e = 1; e < k.plan->n_records && fewest > 0; ++e)
    if (const std::int64_t rows = rows_until(k.plan->records[e], row); rows < fewest)
      fewest = rows;
  return row + fewest;
}

FASTSNN_DEVICE void copy_record(const Block &k, const Record &r, std::int64_t place) {
  if (k.fields[r.field].item == 1)
    copy_rows<std::uint8_t>(k, r, place);
  else
    copy_rows<float>(k, r, place);
}

// copy(record, place in its rows) of what is due
template <class F> FASTSNN_DEVICE void copy_records(const Block &k, const Now &now, F copy) {
  for (int e = 0; e < k.plan->n_records; ++e) {
    const Record &r = k.plan->records[e];
    if (rows_until(r, now.row) > 0)
      continue;
    const std::int64_t row = r.phase + now.row,
                       place = r.every == 1 ? row : (row + 1) / r.every - 1;
    copy(r, place);
  }
}

} // namespace fastsnn::cuda
