// SPDX-License-Identifier: Apache-2.0
// Neurons over a whole sequence: 16 columns share vector registers, a tile of columns goes through
// all steps while its state stays in the cache.  Backward goes forward once more, keeps the states
// of the tile, and returns: only x and the first state are ever saved.
#include "sequence.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "nn/models.gen.h"

namespace fastsnn::inline FASTSNN_ISA {
namespace {

constexpr std::int64_t widest = 32 * lanes;
// states of a tile that backward keeps, in numbers: half of a common second-level cache
constexpr std::int64_t most_kept = 128 * 1024;

vr load_n(const real *p, int count) { return count == lanes ? load(p) : load(p, count); }
void store_n(real *p, vr x, int count) { count == lanes ? store(p, x) : store(p, x, count); }

struct Nothing {};

// scratch of a tile, aligned to cache lines
class Numbers {
public:
  explicit Numbers(std::int64_t n) : all_(new vr[static_cast<std::size_t>(n / lanes)]) {}
  real *at(std::int64_t row) const { return reinterpret_cast<real *>(all_.get()) + row; }

private:
  std::unique_ptr<vr[]> all_;
};

template <class Model, class Adjoint> class Kernel final : public SequenceKernel {
  static constexpr int n_states = Model::n_state, n_params = Model::n_param;

  // f(first column, place in the tile, how many columns)
  template <class F> static void for_groups(Range range, F f) {
    std::int64_t j = range.begin;
    for (; j + lanes <= range.end; j += lanes)
      f(j, j - range.begin, lanes);
    if (j < range.end)
      f(j, j - range.begin, static_cast<int>(range.end - j));
  }

  template <bool scalar> struct Params {
    vr value[n_params];
    explicit Params(const Sequence &s) {
      if constexpr (scalar)
        for (int k = 0; k < n_params; ++k)
          value[k] = vr(s.param[k]);
    }
    [[gnu::always_inline]] void go_to(const Sequence &s, std::int64_t j, int count) {
      if constexpr (!scalar)
        for (int k = 0; k < n_params; ++k)
          value[k] = load_n(s.param + k * s.columns + j, count);
    }
  };

  // one step of one group; the state is changed
  [[gnu::always_inline]] static vm step(vr *state, vr x, const vr *param) {
    return Model::template step<vr>(state, nullptr, x, none(), param, Nothing{});
  }

  [[gnu::always_inline]] static void load_state(vr *state, const real *from, std::int64_t stride) {
    for (int k = 0; k < n_states; ++k)
      state[k] = load(from + k * stride);
  }

  [[gnu::always_inline]] static void store_state(real *to, const vr *state, std::int64_t stride) {
    for (int k = 0; k < n_states; ++k)
      store(to + k * stride, state[k]);
  }

  static void take(const real *from, const Sequence &s, Range tile, real *to) {
    for (int k = 0; k < n_states; ++k)
      for_groups(tile, [&](std::int64_t j, std::int64_t g, int count) {
        store(to + k * widest + g, from ? load_n(from + k * s.columns + j, count) : vr(0.0f));
      });
  }

  static void give(const real *from, const Sequence &s, Range tile, real *to) {
    for (int k = 0; k < n_states && to; ++k)
      for_groups(tile, [&](std::int64_t j, std::int64_t g, int count) {
        store_n(to + k * s.columns + j, load(from + k * widest + g), count);
      });
  }

  template <bool scalar> static void forward_tile(const Sequence &s, Range tile, real *states) {
    Params<scalar> params(s);
    take(s.state, s, tile, states);
    for (std::int64_t t = 0; t < s.steps; ++t)
      for_groups(tile, [&](std::int64_t j, std::int64_t g, int count) {
        vr state[n_states];
        params.go_to(s, j, count);
        load_state(state, states + g, widest);
        const vm spike = step(state, load_n(s.x + t * s.columns + j, count), params.value);
        store_state(states + g, state, widest);
        if (s.spike)
          store_n(s.spike + t * s.columns + j, ones(spike), count);
        if (s.trail)
          store_n(s.trail + t * s.columns + j, state[s.record], count);
      });
    give(states, s, tile, s.last);
  }

  // kept: [steps, n_state, widest], the states before every step
  template <bool scalar>
  static void keep_states(const Sequence &s, Range tile, real *states, real *kept) {
    Params<scalar> params(s);
    take(s.state, s, tile, states);
    for (std::int64_t t = 0; t < s.steps; ++t)
      for_groups(tile, [&](std::int64_t j, std::int64_t g, int count) {
        vr state[n_states];
        load_state(state, states + g, widest);
        store_state(kept + t * n_states * width(s) + g, state, width(s));
        if (t + 1 == s.steps)
          return;
        params.go_to(s, j, count);
        step(state, load_n(s.x + t * s.columns + j, count), params.value);
        store_state(states + g, state, widest);
      });
  }

  template <bool scalar, bool learns>
  static void return_tile(const Sequence &s, Range tile, real *grads, const real *kept,
                          real *g_params) {
    const models::Slope<vr> slope{s.surrogate, vr(s.alpha)};
    const vr through(s.through_reset ? 1.0f : 0.0f);
    Params<scalar> params(s);
    take(s.g_last, s, tile, grads);
    if constexpr (learns)
      std::fill(g_params, g_params + n_params * widest, 0.0f);
    for (std::int64_t t = s.steps - 1; t >= 0; --t)
      for_groups(tile, [&](std::int64_t j, std::int64_t g, int count) {
        const std::int64_t at = t * s.columns + j;
        vr state[n_states], grad[n_states], g_param[n_params];
        params.go_to(s, j, count);
        load_state(state, kept + t * n_states * width(s) + g, width(s));
        load_state(grad, grads + g, widest);
        if (s.g_trail)
          grad[s.record] = grad[s.record] + load_n(s.g_trail + at, count);
        for (int k = 0; k < n_params && learns; ++k)
          g_param[k] = load(g_params + k * widest + g);
        const vr g_spike = s.g_spike ? load_n(s.g_spike + at, count) : vr(0.0f);
        const vr g_x = Adjoint::template run<learns, vr>(
            state, load_n(s.x + at, count), params.value, through, grad, g_spike, g_param, slope);
        store_n(s.g_x + at, g_x, count);
        store_state(grads + g, grad, widest);
        for (int k = 0; k < n_params && learns; ++k)
          store(g_params + k * widest + g, g_param[k]);
      });
    give(grads, s, tile, s.g_state);
    for (int k = 0; k < n_params && learns; ++k)
      for_groups(tile, [&](std::int64_t j, std::int64_t g, int count) {
        store_n(s.g_param + k * s.columns + j, load(g_params + k * widest + g), count);
      });
  }

  // columns of a tile of backward
  static std::int64_t width(const Sequence &s) {
    const std::int64_t fitting = most_kept / (n_states * std::max<std::int64_t>(s.steps, 1));
    return std::clamp<std::int64_t>(fitting / lanes * lanes, 4 * lanes, widest);
  }

  template <class F> static void for_tiles(Range range, std::int64_t width, F f) {
    for (std::int64_t j = range.begin; j < range.end; j += width)
      f(Range{j, std::min(j + width, range.end)});
  }

  template <bool scalar, bool learns> static void back(const Sequence &s, Range range) {
    const Numbers states(n_states * widest), grads(n_states * widest), g_params(n_params * widest),
        kept(s.steps * n_states * width(s));
    for_tiles(range, width(s), [&](Range tile) {
      keep_states<scalar>(s, tile, states.at(0), kept.at(0));
      return_tile<scalar, learns>(s, tile, grads.at(0), kept.at(0), g_params.at(0));
    });
  }

public:
  const char *name() const override { return Model::name; }
  int n_state() const override { return n_states; }
  int n_param() const override { return n_params; }

  void forward(const Sequence &s, Range range) const override {
    const Numbers states(n_states * widest);
    for_tiles(range, widest, [&](Range tile) {
      s.scalar ? forward_tile<true>(s, tile, states.at(0))
               : forward_tile<false>(s, tile, states.at(0));
    });
  }

  void backward(const Sequence &s, Range range) const override {
    if (s.g_param)
      s.scalar ? back<true, true>(s, range) : back<false, true>(s, range);
    else
      s.scalar ? back<true, false>(s, range) : back<false, false>(s, range);
  }
};

template <class Pair> const SequenceKernel *kernel_of() {
  static const Kernel<typename Pair::Step, typename Pair::Adjoint> kernel;
  return &kernel;
}

template <class... Pairs>
const SequenceKernel *find(models::Sequences<Pairs...>, const char *name) {
  const SequenceKernel *found = nullptr;
  ((std::strcmp(name, Pairs::Step::name) == 0 ? void(found = kernel_of<Pairs>()) : void()), ...);
  return found;
}

} // namespace

const SequenceKernel *find_sequence_kernel(const char *name) {
  return find(models::Driven{}, name);
}

} // namespace fastsnn::inline FASTSNN_ISA
