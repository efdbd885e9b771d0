// SPDX-License-Identifier: Apache-2.0
// The spikes of all batch elements as one ascending list, with a bit per batch element.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.h"

namespace fastsnn {

class Merged {
public:
  void reserve(std::int64_t n, std::int64_t batch) {
    batch_ = batch;
    words_ = (batch + 63) / 64;
    ids_.assign(n + 1, 0);
    mask_.assign(n * words_, 0);
    set_.assign((n + 63) / 64, 0);
  }

  // lists: [B]; what the last call gave is lost
  Ids merge(const Ids *lists) {
    for (std::int32_t k = 0; k < n_; ++k)
      std::fill_n(mask_.data() + ids_[k] * words_, words_, std::uint64_t(0));
    for (std::int64_t b = 0; b < batch_; ++b)
      for (std::int32_t k = 0; k < lists[b].n; ++k) {
        const std::int32_t id = lists[b].ptr[k];
        mask_[id * words_ + (b >> 6)] |= std::uint64_t(1) << (b & 63);
        set_[id >> 6] |= std::uint64_t(1) << (id & 63);
      }
    n_ = 0;
    for (std::size_t word = 0; word < set_.size(); ++word) {
      for (std::uint64_t m = set_[word]; m; m &= m - 1)
        ids_[n_++] = static_cast<std::int32_t>(word * 64) + __builtin_ctzll(m);
      set_[word] = 0;
    }
    return {ids_.data(), n_};
  }

  // bit b of mask()[i * words ...]: whether i spiked in batch element b
  const std::uint64_t *mask() const { return mask_.data(); }

private:
  std::int64_t batch_ = 1, words_ = 1;
  std::vector<std::int32_t> ids_;
  std::int32_t n_ = 0;
  std::vector<std::uint64_t> mask_, set_;
};

} // namespace fastsnn
