// SPDX-License-Identifier: Apache-2.0
#include "compartments.h"

#include <algorithm>
#include <cmath>

namespace fastsnn {

Compartments::Compartments(const ProjectionPlan &plan, const Plan &network,
                           const Population &source, const Population &target, int threads)
    : Dense(plan, network, source, target, threads), features_(plan.compartments),
      seed_(network.seed), steps_(plan.compartments.steps), now_(threads) {
  for (const SignalStep &step : steps_) {
    draws_ = draws_ || step.act == SignalStep::Act::draw;
    rests_ = rests_ || step.act == SignalStep::Act::add || step.act == SignalStep::Act::subtract;
  }
  current_.reserve(batch_ * stride_);
  if (features_.adaptation) {
    spiking_.assign(n_pre_, 0);
    decision_.assign(n_pre_, 0.0f);
  }
}

void Compartments::begin_run(const RunArgs &args, int index, bool) {
  // what a draw or a delay makes of a spike is known in its own step only
  Dense::begin_run(args, index, false);
  first_step_ = args.step;
}

void Compartments::begin(int thread) {
  Dense::begin(thread);
  now_[thread] = {first_step_, features_.head ? static_cast<std::int32_t>(*features_.head) : 0};
}

void Compartments::reset(int thread) {
  const Range own = target_.range(thread);
  for (std::int64_t k = 0; k < features_.length * batch_ && !own.empty(); ++k)
    std::fill(features_.ring + k * n_post_ + own.begin, features_.ring + k * n_post_ + own.end,
              0.0f);
  if (!features_.adaptation || thread != 0)
    return;
  const AdaptationPlan &a = *features_.adaptation;
  std::fill_n(a.history, n_pre_ * a.length, std::uint8_t(0));
  *a.counter = 0;
}

void Compartments::prepare(int thread, const Ids *last) {
  // called for all projections where one prepares
  if (thread == 0 && features_.adaptation)
    record(*features_.adaptation, last);
}

void Compartments::record(const AdaptationPlan &a, const Ids *last) {
  decided_ = false;
  bool any = false;
  for (std::int64_t b = 0; b < batch_; ++b)
    any = any || last[b].n > 0;
  if (!any)
    return;
  std::fill(spiking_.begin(), spiking_.end(), std::uint8_t(0));
  for (std::int64_t b = 0; b < batch_; ++b)
    for (std::int32_t k = 0; k < last[b].n; ++k)
      spiking_[last[b].ptr[k]] = 1;
  const std::int64_t slot = *a.counter % a.length;
  for (std::int64_t i = 0; i < n_pre_; ++i)
    a.history[i * a.length + slot] = spiking_[i];
  decided_ = ++*a.counter % a.length == 0;
  for (std::int64_t i = 0; i < n_pre_ && decided_; ++i) {
    real total = 0.0f;
    for (std::int64_t k = 0; k < a.hidden; ++k) {
      real hidden = 0.0f;
      for (std::int64_t t = 0; t < a.length; ++t)
        hidden += a.first[k * a.length + t] * static_cast<real>(a.history[i * a.length + t]);
      total += a.second[k] * (hidden > 0.0f ? hidden : 0.0f);
    }
    decision_[i] = static_cast<real>(std::tanh(static_cast<double>(total)));
  }
}

void Compartments::decide(const AdaptationPlan &a, Range own) {
  for (std::int64_t i = 0; i < n_pre_; ++i) {
    const real moved = decision_[i] * a.rate;
    for (std::int64_t j = own.begin; j < own.end; ++j) {
      real mask = a.mask[i * n_post_ + j] + moved + a.decay;
      mask = mask > -1.0f ? mask : -1.0f;
      mask = mask < 1.0f ? mask : 1.0f;
      a.mask[i * n_post_ + j] = mask;
      a.gate[i * n_post_ + j] = mask > 0.0f ? 1.0f : 0.0f;
    }
  }
}

void Compartments::take_from_ring(Range own, std::int32_t head, std::int64_t b) {
  real *slot = features_.ring + (head * batch_ + b) * n_post_;
  std::copy(slot + own.begin, slot + own.end, current_.get() + b * stride_ + own.begin);
  std::fill(slot + own.begin, slot + own.end, 0.0f);
}

void Compartments::deliver(int thread, const Ids *last) {
  const Range own = target_.range(thread);
  Now &now = now_[thread];
  if (decided_ && !own.empty())
    decide(*features_.adaptation, own);
  for (std::int64_t b = 0; b < batch_ && !own.empty(); ++b) {
    Signals signals{};
    signals.w = plan_.w;
    signals.n_post = n_post_;
    signals.own = own;
    signals.steps = steps_.data();
    signals.n_steps = static_cast<std::int32_t>(steps_.size());
    signals.draws = draws_;
    signals.rests = rests_;
    signals.seed = seed_;
    signals.step = now.step;
    signals.stream = features_.stream;
    signals.delay = features_.delay;
    signals.length = static_cast<std::int32_t>(features_.length);
    signals.head = now.head;
    signals.slot_size = batch_ * n_post_;
    signals.ring = features_.ring + b * n_post_;
    real *out = current_.get() + b * stride_;
    kernels_.deliver_signals(signals, last[b], out);
    if (features_.delay)
      take_from_ring(own, now.head, b);
    for (std::int64_t j = own.begin; j < own.end && features_.rest; ++j)
      out[j] += features_.rest[j];
  }
  ++now.step;
  if (features_.delay)
    now.head = static_cast<std::int32_t>((now.head + 1) % features_.length);
}

void Compartments::end_block(int thread) {
  Dense::end_block(thread);
  if (thread == 0 && features_.head)
    *features_.head = now_[0].head;
}

} // namespace fastsnn
