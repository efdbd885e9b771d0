// SPDX-License-Identifier: Apache-2.0
#include "layout.h"

#include <algorithm>
#include <stdexcept>

namespace fastsnn::sparse {

Layout::Layout(std::vector<std::int64_t> n, std::vector<Port> ports, int n_tiles)
    : n_(std::move(n)), ports_(std::move(ports)), n_tiles_(n_tiles), first_{0} {
  for (std::int64_t k : n_)
    first_.push_back(first_.back() + k);
  begin_.assign(n_tiles_, {0});
  places_.resize(ports_.size());
  for (std::size_t p = 0; p < ports_.size(); ++p)
    for (int tile = 0; tile < n_tiles_; ++tile) {
      const Range part = this->part(ports_[p].population, tile);
      const std::int64_t at = begin_[tile].back(),
                         size = padded(std::max<std::int64_t>(0, part.end - part.begin));
      if (at + size > most_places)
        throw std::length_error("a tile of the sparse engine holds more than 65,536 sums");
      for (std::int64_t k = 0; k < size; k += group_size)
        places_[p].push_back(
            {static_cast<std::uint16_t>(tile), static_cast<std::uint16_t>(at + k)});
      begin_[tile].push_back(at + size);
    }
}

Range Layout::part(int population, int tile) const {
  const std::int64_t n = n_[population], g = groups(n);
  return {std::min(n, g * tile / n_tiles_ * group_size),
          std::min(n, g * (tile + 1) / n_tiles_ * group_size)};
}

} // namespace fastsnn::sparse
