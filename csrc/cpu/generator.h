// SPDX-License-Identifier: Apache-2.0
// The random numbers of torch's generator on the CPU, many at a time: mt19937 (Matsumoto, Nishimura
// 1998), read from and written back to the bytes of torch.Generator.get_state().
#pragma once

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "language.h"

namespace fastsnn::inline FASTSNN_ISA {

class Generator {
public:
  static constexpr int n_words = 624;

  // the bytes of a state; throws std::invalid_argument where their layout is another one
  explicit Generator(const std::uint8_t *bytes) {
    const auto left = read<std::int32_t>(bytes + left_at);
    const auto next = read<std::uint64_t>(bytes + next_at);
    const bool used_up = left == 1 && (next == 0 || next == n_words);
    if (read<std::int32_t>(bytes + seeded_at) != 1 ||
        !(used_up || (next < n_words && left + std::int64_t(next) == n_words + 1)))
      throw std::invalid_argument("the state of torch's generator has an unknown layout");
    for (int i = 0; i < n_words; ++i)
      state_[i] = std::uint32_t(read<std::uint64_t>(bytes + words_at + 8 * i));
    next_ = used_up ? n_words : int(next);
    temper();
  }

  // words that are at hand: `ready` says how many, at most `most` and at least one
  const std::uint32_t *words(std::int64_t most, int &ready) {
    if (next_ == n_words)
      advance();
    ready = int(std::min<std::int64_t>(most, n_words - next_));
    const std::uint32_t *first = output_ + next_;
    next_ += ready;
    return first;
  }

  // [0, 1) with 53 bits, of two words
  double uniform() {
    if (at_ == n_uniform_)
      fill();
    return uniform_[at_++];
  }

  void store(std::uint8_t *bytes) const {
    // torch counts a word before it takes it: of a block used up one is left, and is never taken
    const std::uint64_t next = std::uint64_t(next_ - 2 * (n_uniform_ - at_));
    const std::int32_t left = n_words + 1 - std::int32_t(next);
    std::memcpy(bytes + left_at, &left, sizeof left);
    std::memcpy(bytes + next_at, &next, sizeof next);
    for (int i = 0; i < n_words; ++i) {
      const std::uint64_t word = state_[i];
      std::memcpy(bytes + words_at + 8 * i, &word, sizeof word);
    }
  }

private:
  // where torch keeps what: words left, whether seeded, next word, the words as 64 bits each
  static constexpr int left_at = 8, seeded_at = 12, next_at = 16, words_at = 24, middle = 397;

  template <class T> static T read(const std::uint8_t *bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }

  static std::uint32_t twist(std::uint32_t a, std::uint32_t b, std::uint32_t far) {
    const std::uint32_t mixed = (a & 0x80000000u) | (b & 0x7fffffffu);
    return far ^ (mixed >> 1) ^ ((0u - (b & 1u)) & 0x9908b0dfu);
  }

  static double from_words(std::uint32_t high, std::uint32_t low) {
    const std::uint64_t bits = std::uint64_t(high) << 32 | low;
    return double(std::int64_t(bits & ((std::uint64_t(1) << 53) - 1))) * 0x1p-53;
  }

  void temper() {
    for (int i = 0; i < n_words; ++i) {
      std::uint32_t y = state_[i];
      y ^= y >> 11;
      y ^= y << 7 & 0x9d2c5680u;
      y ^= y << 15 & 0xefc60000u;
      output_[i] = y ^ y >> 18;
    }
  }

  void advance() {
    std::uint32_t *s = state_;
    for (int i = 0; i < n_words - middle; ++i)
      s[i] = twist(s[i], s[i + 1], s[i + middle]);
    for (int i = n_words - middle; i < n_words - 1; ++i)
      s[i] = twist(s[i], s[i + 1], s[i + middle - n_words]);
    s[n_words - 1] = twist(s[n_words - 1], s[0], s[middle - 1]);
    temper();
    next_ = 0;
  }

  // never past the end of a block, so that what is not taken can be given back
  void fill() {
    if (next_ == n_words)
      advance();
    at_ = 0;
    n_uniform_ = (n_words - next_) / 2;
    if (n_uniform_ > 0) {
      const std::uint32_t *word = output_ + next_;
      for (int i = 0; i < n_uniform_; ++i)
        uniform_[i] = from_words(word[2 * i], word[2 * i + 1]);
      next_ += 2 * n_uniform_;
    } else {
      const std::uint32_t high = output_[n_words - 1];
      advance();
      uniform_[0] = from_words(high, output_[next_++]);
      n_uniform_ = 1;
    }
  }

  std::uint32_t state_[n_words], output_[n_words];
  double uniform_[n_words / 2];
  int next_, at_ = 0, n_uniform_ = 0;
};

} // namespace fastsnn::inline FASTSNN_ISA
