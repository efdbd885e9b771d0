// SPDX-License-Identifier: Apache-2.0
// One step of a network.
#include "engine.h"

#include "records.h"

namespace fastsnn {

void Engine::step(Worker &w, std::int64_t t) {
  w.clock.row = w.clock.sample * args_->n_steps + w.clock.t;
  if (w.id == 0)
    stop_[w.clock.parity] = ask_to_stop();
  const int n_populations = static_cast<int>(populations_.size());
  if (args_->chained) {
    for (int k = 0; k < n_populations; ++k)
      chain(w, k, t);
  } else {
    deliver(w);
    advance(w, t);
    barrier_.wait();
    for (int k = 0; k < n_populations; ++k)
      tell(w, k);
    for (auto &population : populations_)
      population->publish(w.id, w.clock);
  }
  w.stopped = w.stopped || stop_[w.clock.parity];
  if (args_->retry)
    w.spikes += populations_[args_->retry->population]->n_sent(w.id, w.clock.parity);
  if (sparse_)
    scatter(w);
  learn(w, t);
  if (!args_->attend)
    record(w);
  ++w.clock.t;
  ++w.clock.step;
  w.clock.parity ^= 1;
}

const Ids *Engine::arriving(const Worker &w, const ProjectionPlan &p) const {
  const bool within_step = args_->chained && p.source < p.target;
  return populations_[p.source]->sent(w.id, within_step ? w.clock.parity : !w.clock.parity);
}

void Engine::deliver(Worker &w) {
  if (prepares_) {
    for_projections([&](Projection &p) { p.prepare(w.id, arriving(w, p.plan())); });
    barrier_.wait();
  }
  for_projections([&](Projection &p) { p.deliver(w.id, arriving(w, p.plan())); });
}

void Engine::chain(Worker &w, int k, std::int64_t t) {
  const auto for_incoming = [&](auto f) {
    for_projections([&](Projection &p) {
      if (p.plan().target == k)
        f(p, arriving(w, p.plan()));
    });
  };
  if (prepares_) {
    for_incoming([&](Projection &p, const Ids *ids) { p.prepare(w.id, ids); });
    barrier_.wait();
  }
  for_incoming([&](Projection &p, const Ids *ids) { p.deliver(w.id, ids); });
  Population &population = *populations_[k];
  population.begin_step(w.id, w.clock);
  if (events_[k])
    population.send(w.id, w.clock.parity, events_[k]->at(t));
  else
    advance(w, k, population.range(w.id), 0, t);
  population.end_step(w.id);
  barrier_.wait();
  tell(w, k);
  population.publish(w.id, w.clock);
}

void Engine::advance(Worker &w, std::int64_t t) {
  for (std::size_t k = 0; k < populations_.size(); ++k) {
    populations_[k]->begin_step(w.id, w.clock);
    if (events_[k])
      populations_[k]->send(w.id, w.clock.parity, events_[k]->at(t));
  }
  const Range tiles = sparse_ ? sparse_->tiles(w.id) : Range{0, 1};
  for (auto tile = static_cast<int>(tiles.begin); tile < tiles.end; ++tile) {
    // the sums of a tile are read while they are near
    if (sparse_)
      sparse_->gather(tile, w.clock.step);
    for (std::size_t k = 0; k < populations_.size(); ++k)
      if (!events_[k])
        advance(w, static_cast<int>(k),
                sparse_ ? sparse_->part(static_cast<int>(k), tile) : populations_[k]->range(w.id),
                tile, t);
  }
  for (auto &population : populations_)
    population->end_step(w.id);
}

void Engine::advance(Worker &w, int k, Range part, int tile, std::int64_t t) {
  const std::size_t summands_each = plan_.projections.size() + 2;
  std::size_t at = 0;
  for (std::size_t port = 0; port < incoming_[k].size(); ++port)
    for (std::int64_t b = 0; b < plan_.batch; ++b, ++at) {
      Current *const first = w.currents.data() + at * summands_each;
      w.row[at] = first;
      w.n[at] = summands(w, k, static_cast<int>(port), tile, t, b, first);
    }
  populations_[k]->advance(w.id, w.clock, part, w.row.data(), w.n.data());
}

std::int32_t Engine::summands(Worker &w, int k, int receptor, int tile, std::int64_t t,
                              std::int64_t b, Current *const out) {
  const std::int64_t n = populations_[k]->plan().n;
  Current *c = out;
  real *own_taken = w.own_taken_off.data() + b * (plan_.projections.size() + 2);
  for (const Link &link : incoming_[k][receptor]) {
    const ProjectionPlan &p = *link.plan;
    Current current;
    current.bias = p.bias;
    if (link.projection) {
      current.row = link.projection->row(w.id, t, b);
    } else {
      const Population &source = *populations_[p.source];
      const std::int32_t count = arriving(w, p)[b].n;
      if (count == 0 && !p.bias)
        continue;
      current.gate = source.plan().spike + b * n;
      current.on = {p.w, n};
      if (p.kind == Kind::all_but_one) {
        *own_taken = static_cast<real>(count - 1) * *p.w;
        current.on = {own_taken++, 1};
        current.off = static_cast<real>(count) * *p.w;
      }
    }
    *c++ = current;
  }
  if (sparse_)
    if (const Current current = sparse_->current(k, receptor, tile); current.whole)
      *c++ = current;
  const Input &input = args_->inputs[k];
  if (input.ptr && receptor == 0) {
    const std::int64_t row = input.per_step ? w.clock.row : w.clock.sample;
    *c = {};
    (c++)->row = static_cast<const real *>(input.ptr) + (row * plan_.batch + b) * n;
  }
  return static_cast<std::int32_t>(c - out);
}

void Engine::scatter(Worker &w) {
  const Range tiles = sparse_->tiles(w.id);
  for (auto tile = static_cast<int>(tiles.begin); tile < tiles.end; ++tile)
    for (std::size_t k = 0; k < populations_.size(); ++k)
      if (sparse_->sends(static_cast<int>(k)))
        sparse_->scatter(tile, w.clock.step, static_cast<int>(k),
                         populations_[k]->sent(w.id, w.clock.parity)[0]);
  for (std::size_t k = 0; k < populations_.size(); ++k)
    if (sparse_->sends(static_cast<int>(k)))
      sparse_->redraw(w.id, w.clock.step, static_cast<int>(k),
                      populations_[k]->sent(w.id, w.clock.parity)[0]);
}

void Engine::learn(Worker &w, std::int64_t t) {
  bool wait = false, own = false;
  for_projections([&](Projection &p) {
    own = own || p.has_own_variables();
    if (p.learns())
      wait = wait || p.reads_others(target_of(p).n_sent(w.id, w.clock.parity) > 0);
  });
  const auto for_sent = [&](auto f) {
    for_projections([&](Projection &p) {
      f(p, source_of(p).sent(w.id, w.clock.parity), target_of(p).sent(w.id, w.clock.parity));
    });
  };
  // learning may read spike bytes and traces of neurons that other threads own
  if (wait)
    barrier_.wait();
  for_sent([&](Projection &p, const Ids *pre, const Ids *post) { p.learn(w.id, t, pre, post); });
  if (wait)
    barrier_.wait();
  if (own)
    for_sent([&](Projection &p, const Ids *pre, const Ids *post) {
      if (p.has_own_variables())
        p.advance_own(w.id, pre, post);
    });
}

void Engine::tell(Worker &w, int k) {
  if (!args_->told.empty() && args_->told[k])
    attend(w, k);
}

void Engine::attend(Worker &w, int k) {
  if (w.id == 0 && args_->attend(k))
    halted_ = true;
  barrier_.wait();
  w.stopped = w.stopped || halted_;
  // spikes of the step may have been written to
  if (k == step_ended)
    for (auto &population : populations_)
      population->look(w.id, !w.clock.parity);
}

void Engine::record(Worker &w) {
  if (w.id == 0)
    for (std::size_t k = 0; k < args_->recorded.size(); ++k) {
      const Ids ids = populations_[args_->recorded[k]]->sent(0, w.clock.parity)[0];
      report_.events[k].counts.push_back(ids.n);
      report_.events[k].ids.insert(report_.events[k].ids.end(), ids.ptr, ids.ptr + ids.n);
    }
  bool due = false, weights = false;
  for (const Record &r : args_->records)
    if (is_due(r, w.clock.row)) {
      due = true;
      weights = weights || r.weights;
    }
  if (!due)
    return;
  if (weights)
    for_projections([&](Projection &p) { p.sync(w.id); });
  barrier_.wait();
  if (w.id == 0)
    for (const Record &r : args_->records)
      if (is_due(r, w.clock.row))
        copy_record(r, w.clock.row);
  barrier_.wait();
}

} // namespace fastsnn
