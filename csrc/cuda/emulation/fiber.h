// SPDX-License-Identifier: Apache-2.0
// A flow of control with its own small stack, and how to go from one to another.
#pragma once

#include <cstddef>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace fastsnn::emulation {

// where a flow of control stands while it does not run
struct Context {
#if defined(__x86_64__)
  void *stack = nullptr;
#else
  ucontext_t state = {};
#endif
  // for AddressSanitizer, which has to know whose stack is in use
  const void *bottom = nullptr;
  std::size_t bytes = 0;
  void *fake = nullptr;
};

// goes on at `to`; returns when something goes back to `from`
void switch_to(Context &from, Context &to);

// begins entry() on an empty stack at the first switch to it; entry must call `arrive` with the
// context that it came from, and never return
void prepare(Context &context, char *stack, std::size_t bytes, void (*entry)());

void arrive(Context &from);

// stacks of one size with a page below each that nobody may touch
class Stacks {
public:
  static constexpr std::size_t bytes = 64 << 10;
  Stacks() = default;
  ~Stacks();
  Stacks(const Stacks &) = delete;
  Stacks &operator=(const Stacks &) = delete;
  char *operator[](std::size_t k); // made on first use, kept

private:
  std::vector<char *> made_;
};

} // namespace fastsnn::emulation
