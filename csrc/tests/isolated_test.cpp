// SPDX-License-Identifier: Apache-2.0
// Populations without projections, on the emulated GPU, give the bits of a loop over the same
// model.
#define FASTSNN_EMULATED 1
#include "cuda/isolated.cu"

#include <cstdio>
#include <cstring>
#include <random>

using namespace fastsnn;

namespace {

int failures = 0;

void expect(bool holds, const char *model, const char *what) {
  if (!holds) {
    std::printf("wrong: %s, %s\n", model, what);
    ++failures;
  }
}

// what a launch needs, at addresses that wide loads accept; odd: at others
struct Floats {
  std::vector<float> room;
  std::size_t shift;
  Floats(std::size_t n, bool odd, float low, float high, unsigned seed) : room(n + 8) {
    std::mt19937 chance(seed);
    std::uniform_real_distribution<float> draw(low, high);
    for (float &x : room)
      x = low == high ? low : draw(chance);
    const auto address = reinterpret_cast<std::uintptr_t>(room.data());
    shift = (16 - address % 16) % 16 / 4 + odd;
  }
  float *at() { return room.data() + shift; }
  bool operator==(const Floats &o) const {
    return std::memcmp(room.data() + shift, o.room.data() + o.shift, (room.size() - 8) * 4) == 0;
  }
};

struct Case {
  std::int64_t n, batch, samples, steps, launch;
  bool odd, each, reset, trace, current_per_step;
};

template <class Model> struct Net {
  Case c;
  std::size_t count;
  std::vector<Floats> state, init, shared, param;
  Floats x, summed, decay, scale, current, jump, watched;
  std::vector<std::uint8_t> spike, watched_spike;
  std::vector<std::int32_t> counts;

  explicit Net(const Case &c)
      : c(c), count(c.n * c.batch), x(count, c.odd, 0, 1, 1), summed(count, c.odd, 0, 1, 2),
        decay(c.each ? c.n : 1, c.odd, 0.5f, 0.9f, 3), scale(1, c.odd, 1, 1, 4),
        current(count * c.samples * (c.current_per_step ? c.steps : 1), c.odd, -2, 9, 5),
        jump(c.n * c.steps, c.odd, -1, 1, 6),
        watched(count * ((c.samples * c.steps + 1) / 2), c.odd, 0, 0, 7), spike(count + 4),
        watched_spike(count * c.samples * c.steps + 4), counts(count * c.samples + 4) {
    for (int e = 0; e < Model::n_state; ++e) {
      state.emplace_back(count, c.odd, -3.0f, 3.0f, 10 + e);
      init.emplace_back(c.each ? c.n : 1, c.odd, -1.0f, 1.0f, 20 + e);
    }
    for (int e = 0; e < Model::n_shared; ++e)
      shared.emplace_back(count, c.odd, 0.0f, 1.0f, 30 + e);
    for (int e = 0; e < Model::n_param; ++e)
      param.emplace_back(c.each && e != Model::learning ? c.n : 1, c.odd, 0.3f, 1.5f, 40 + e);
    if constexpr (Model::learning >= 0)
      *param[Model::learning].at() = 0.0f;
  }

  Column column(Floats &f) { return {f.at(), c.each ? c.n : 1}; }

  fastsnn::Plan plan() {
    PopulationPlan p;
    p.name = "a";
    p.model = Model::name;
    p.n = c.n;
    for (int e = 0; e < Model::n_state; ++e) {
      p.state.push_back(state[e].at());
      p.init.push_back(column(init[e]));
    }
    for (Floats &f : shared)
      p.shared.push_back(f.at());
    for (Floats &f : param)
      p.param.push_back({f.at(), f.room.size() == 9 ? 1 : c.n});
    p.spike = spike.data();
    p.x = c.trace ? x.at() : nullptr;
    p.summed = c.trace ? summed.at() : nullptr;
    p.trace = c.each ? Trace::set : Trace::additive;
    p.decay_x = column(decay);
    p.trace_scale = {scale.at(), 1};
    p.stream = 4;
    fastsnn::Plan plan;
    plan.batch = static_cast<int>(c.batch);
    plan.seed = 77;
    plan.populations.push_back(p);
    return plan;
  }

  RunArgs args(const PopulationPlan &p) {
    RunArgs a;
    a.n_steps = c.steps;
    a.n_samples = c.samples;
    a.step = 5;
    a.reset = c.reset;
    a.inputs = {{Input::Kind::current, current.at(), nullptr, 0.0, c.current_per_step}};
    a.clamp = a.unclamp = {{}};
    a.inject_v = {{}};
    if (Model::v >= 0)
      a.inject_v[0] = {jump.at(), true};
    a.counts = {counts.data()};
    a.winners = {nullptr};
    a.uniforms = {nullptr};
    const auto size = static_cast<std::int64_t>(count);
    fastsnn::Record v, s;
    v.source = reinterpret_cast<const char *>(p.state[0]);
    v.item = 4, v.count = size, v.row = c.n, v.every = 2, v.phase = 1;
    v.dest = reinterpret_cast<char *>(watched.at());
    s.source = reinterpret_cast<const char *>(p.spike);
    s.item = 1, s.count = size, s.row = c.n;
    s.dest = reinterpret_cast<char *>(watched_spike.data());
    a.records = {v, s};
    return a;
  }

  void by_kernels() {
    const fastsnn::Plan network = plan();
    const RunArgs run = args(network.populations[0]);
    expect(cuda::why_not_isolated(network, run).empty(), Model::name, "may run isolated");
    std::int64_t report[4] = {};
    for (std::int64_t s = 0; s < c.samples * c.steps; s += c.launch)
      cuda::launch_isolated(network, run, s, std::min(c.launch, c.samples * c.steps - s), report,
                            nullptr);
    expect(report[0] == c.samples && report[1] == c.samples * c.steps, Model::name, "report");
  }

  struct Draws {
    std::uint64_t step;
    std::uint32_t index;
    float rand(int k) const { return uniform(philox(77, 5, step, index).w[k & 3]); }
    float dot(int, int) const { return 0.0f; }
  };

  void one(std::int64_t row, std::size_t e) {
    const std::int64_t i = static_cast<std::int64_t>(e) % c.n, t = row % c.steps;
    const auto of = [&](Floats &f) { return f.at()[f.room.size() == 9 ? 0 : i]; };
    float own[cuda::at_least_one(Model::n_state)], common[cuda::at_least_one(Model::n_shared)];
    float p[cuda::at_least_one(Model::n_param)];
    if (c.reset && t == 0)
      spike[e] = 0, x.at()[e] = summed.at()[e] = 0.0f;
    for (int k = 0; k < Model::n_state; ++k)
      own[k] = c.reset && t == 0 ? of(init[k]) : state[k].at()[e];
    for (int k = 0; k < Model::n_shared; ++k)
      common[k] = shared[k].at()[i];
    for (int k = 0; k < Model::n_param; ++k)
      p[k] = k == Model::learning ? 1.0f : of(param[k]);
    if constexpr (Model::v >= 0)
      own[Model::v] += jump.at()[t * c.n + i];
    float i_syn = 0.0f + current.at()[(c.current_per_step ? row : row / c.steps) * count + e];
    const bool last = spike[e];
    Model::before(common, last ? 1.0f : 0.0f, p);
    const bool fires =
        Model::step(own, common, i_syn, last, p,
                    Draws{5 + static_cast<std::uint64_t>(row), static_cast<std::uint32_t>(e)});
    Model::after(common, fires ? 1.0f : 0.0f, p);
    for (int k = 0; k < Model::n_state; ++k)
      state[k].at()[e] = own[k];
    for (int k = 0; k < Model::n_shared; ++k)
      shared[k].at()[i] = common[k];
    spike[e] = fires;
    counts[row / c.steps * count + e] += fires;
    watched_spike[row * count + e] = fires;
    if ((row + 2) % 2 == 0)
      watched.at()[((row + 2) / 2 - 1) * count + e] = own[0];
    if (!c.trace)
      return;
    float &trace = x.at()[e];
    trace *= of(decay);
    if (fires)
      trace = c.each ? *scale.at() : trace + *scale.at();
    summed.at()[e] += i_syn;
  }

  void by_hand() {
    for (std::int64_t row = 0; row < c.samples * c.steps; ++row)
      for (std::size_t e = 0; e < count; ++e)
        one(row, e);
  }
};

template <class Model> void compare(const Case &c) {
  Net<Model> got(c), want(c);
  got.by_kernels();
  want.by_hand();
  expect(got.state == want.state, Model::name, "state");
  expect(got.shared == want.shared, Model::name, "shared");
  expect(got.spike == want.spike, Model::name, "spikes");
  expect(got.counts == want.counts, Model::name, "counts");
  expect(got.x == want.x && got.summed == want.summed, Model::name, "trace and sum");
  expect(got.watched == want.watched, Model::name, "record of a variable");
  expect(got.watched_spike == want.watched_spike, Model::name, "record of spikes");
}

template <class... Models> void compare_all(models::List<Models...>, const Case &c) {
  const auto one = [&](auto model) {
    using Model = decltype(model);
    if constexpr (Model::n_window == 0)
      if (Model::n_shared == 0 || c.batch == 1)
        compare<Model>(c);
  };
  (one(Models{}), ...);
}

} // namespace

int main() {
  const models::Neurons all;
  //               n batch samples steps launch  odd    each   reset  trace  per step
  compare_all(all, {1040, 1, 1, 4, 4, false, false, false, false, true});
  compare_all(all, {1040, 1, 1, 3, 1, false, false, false, true, true});
  compare_all(all, {12, 3, 2, 5, 4, false, true, true, true, false});
  compare_all(all, {12, 1, 2, 6, 7, false, true, true, true, true});
  compare_all(all, {7, 1, 2, 6, 5, false, true, false, true, true});
  compare_all(all, {131, 2, 2, 4, 3, false, false, true, true, true});
  compare_all(all, {8, 1, 1, 4, 4, true, false, false, true, false});
  return failures == 0 ? 0 : 1;
}
