// SPDX-License-Identifier: Apache-2.0
// What a run adds to a network that was built.
#include <stdexcept>

#include "builder.h"

namespace fastsnn::cuda {

namespace {

Drive drive_of(const Input &input) {
  switch (input.kind) {
  case Input::Kind::spikes:
    return {Source::spikes, true, input.ptr, nullptr, 0.0};
  case Input::Kind::events:
    return {Source::events, true, input.ptr, input.offsets, 0.0};
  case Input::Kind::rates:
    return {Source::rates, false, input.ptr, nullptr, input.scale};
  case Input::Kind::current:
    return {Source::current, input.per_step, input.ptr, nullptr, 0.0};
  default:
    return {};
  }
}

template <class T> Given<T> given(const Forced &forced) {
  return {static_cast<const T *>(forced.ptr), forced.per_step};
}

void set_population(Population &p, std::size_t k, const NetworkPlan &plan, const NetworkArgs &args,
                    Built &built, const float *learning) {
  p.drive = drive_of(args.inputs[k]);
  p.clamp = given<std::uint32_t>(args.clamp[k]);
  p.unclamp = given<std::uint32_t>(args.unclamp[k]);
  p.inject_v = given<float>(args.inject_v[k]);
  p.counts = args.counts[k];
  p.winners = args.winners[k];
  p.uniforms = args.uniforms[k];
  for (std::size_t e = 0; e < plan.populations[k].window.size(); ++e)
    p.window[e].head = *plan.populations[k].window[e].head;
  if (p.model == none)
    return;
  if (const int at = neuron_facts(p.model).learning; at >= 0) {
    Field &field = built.fields[p.param[at]];
    field.home = field.exit = reinterpret_cast<unsigned char *>(const_cast<float *>(learning));
  }
}

void set_projection(Projection &p, const std::uint8_t *mask, bool learning, bool one_element) {
  const bool changes = learning && (p.rule != none || p.decay != 1.0f);
  p.mask = mask;
  const bool listed = p.kind == Kind::indexed;
  p.learns = (p.kind == Kind::dense || listed) && (mask || changes);
  p.events = changes && p.rule != none && p.per_event && !mask;
  p.fused = !listed && (!p.learns || (p.events && one_element && !p.lag));
  const RuleFacts facts = rule_facts(p.rule);
  p.has_own = learning && p.rule != none && (p.lag || facts.n_own_pre > 0 || facts.n_own_post > 0);
}

} // namespace

void set_run(Built &built, const NetworkPlan &plan, const NetworkArgs &args, const float *zero,
             const float *one) {
  Plan &to = built.plan;
  to.n_steps = args.n_steps;
  to.n_samples = args.n_samples;
  to.step = args.step;
  to.learning = args.learning;
  to.normalize = args.normalize;
  to.reset = args.reset;
  to.reward = args.reward;
  to.retry.population = none;
  for (std::size_t k = 0; k < built.populations.size(); ++k)
    set_population(built.populations[k], k, plan, args, built, args.learning ? one : zero);
  if (args.retry) {
    to.retry = {args.retry->population, args.retry->max_tries, args.retry->min_spikes,
                args.retry->boost};
    built.populations[args.retry->population].followed = true;
  }
  to.all_fused = true;
  for (std::size_t k = 0; k < built.projections.size(); ++k) {
    Projection &p = built.projections[k];
    set_projection(p, args.masks[k], args.learning, plan.batch == 1);
    to.all_fused = to.all_fused && (p.fused || (p.kind != Kind::dense && p.kind != Kind::indexed));
  }
}

std::vector<Record> records_of(const Built &built, const NetworkArgs &args) {
  std::vector<Record> out;
  for (const fastsnn::Record &r : args.records) {
    const int field = built.field_at(r.source);
    if (field == none)
      throw std::invalid_argument("a record of something that is no variable of the network");
    const int listed = built.listed_with(field);
    out.push_back({field, listed, r.row > 0 ? r.count / r.row : 0, r.index, r.n_index, r.every,
                   r.phase, reinterpret_cast<unsigned char *>(r.dest)});
  }
  return out;
}

} // namespace fastsnn::cuda
