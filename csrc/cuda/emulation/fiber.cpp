// SPDX-License-Identifier: Apache-2.0
#include "fiber.h"

#include <cstdint>
#include <new>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace fastsnn::emulation {

namespace {
constexpr std::size_t guard = 4096;

void leave([[maybe_unused]] Context &from, [[maybe_unused]] const Context &to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake, to.bottom, to.bytes);
#endif
}

void come_back([[maybe_unused]] Context &own) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(own.fake, nullptr, nullptr);
#endif
}

// a flow that was given up may have left marks there
void take(Context &context, [[maybe_unused]] char *stack, std::size_t bytes) {
  context.bottom = stack;
  context.bytes = bytes;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack, bytes);
#endif
}
} // namespace

void arrive([[maybe_unused]] Context &from) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.bytes);
#endif
}

#if defined(__x86_64__)

// what a called function must leave as it was lies on the stack of the flow that waits
asm(R"(
.text
.p2align 4
.hidden fastsnn_switch
.globl fastsnn_switch
.type fastsnn_switch, @function
fastsnn_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq (%rsi), %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size fastsnn_switch, .-fastsnn_switch
)");
extern "C" void fastsnn_switch(void **from, void **to);

void switch_to(Context &from, Context &to) {
  leave(from, to);
  fastsnn_switch(&from.stack, &to.stack);
  come_back(from);
}

void prepare(Context &context, char *stack, std::size_t bytes, void (*entry)()) {
  auto top = reinterpret_cast<std::uintptr_t>(stack + bytes) & ~std::uintptr_t(15);
  auto slot = reinterpret_cast<void **>(top);
  // as if entry had just been called: the stack pointer is 8 off a multiple of 16
  *--slot = nullptr;
  *--slot = reinterpret_cast<void *>(entry);
  for (int k = 0; k < 6; ++k)
    *--slot = nullptr;
  context.stack = slot;
  take(context, stack, bytes);
}

#else

void switch_to(Context &from, Context &to) {
  leave(from, to);
  swapcontext(&from.state, &to.state);
  come_back(from);
}

void prepare(Context &context, char *stack, std::size_t bytes, void (*entry)()) {
  getcontext(&context.state);
  context.state.uc_stack.ss_sp = stack;
  context.state.uc_stack.ss_size = bytes;
  context.state.uc_link = nullptr;
  take(context, stack, bytes);
  makecontext(&context.state, entry, 0);
}

#endif

Stacks::~Stacks() {
  for (char *stack : made_)
    munmap(stack - guard, bytes + guard);
}

char *Stacks::operator[](std::size_t k) {
  while (made_.size() <= k) {
    void *p = mmap(nullptr, bytes + guard, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
      throw std::bad_alloc();
    mprotect(p, guard, PROT_NONE);
    made_.push_back(static_cast<char *>(p) + guard);
  }
  return made_[k];
}

} // namespace fastsnn::emulation
