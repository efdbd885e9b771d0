// SPDX-License-Identifier: Apache-2.0
#include "records.h"

#include <cstring>

namespace fastsnn {

bool is_due(const Record &r, std::int64_t row) { return (r.phase + row + 1) % r.every == 0; }

void copy_record(const Record &r, std::int64_t row) {
  const std::int64_t place = (r.phase + row + 1) / r.every - 1;
  const std::int64_t rows = r.row > 0 ? r.count / r.row : 0;
  if (!r.index) {
    std::memcpy(r.dest + place * r.count * r.item, r.source, r.count * r.item);
    return;
  }
  char *dest = r.dest + place * rows * r.n_index * r.item;
  for (std::int64_t k = 0; k < rows; ++k)
    for (std::int64_t e = 0; e < r.n_index; ++e, dest += r.item)
      std::memcpy(dest, r.source + (k * r.row + r.index[e]) * r.item, r.item);
}

} // namespace fastsnn
