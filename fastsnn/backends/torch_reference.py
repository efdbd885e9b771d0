# SPDX-License-Identifier: Apache-2.0
"""Backend "torch": the reference.  One step at a time, in torch operations, plain and obviously
right.

Every sum is written as a loop in ascending order, because torch's own reductions do not fix theirs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fastsnn.backends.interrupt import held_back
from fastsnn.backends.torch_compartments import KINDS
from fastsnn.backends.torch_learning import learn, normalize
from fastsnn.backends.torch_sparse import Ports
from fastsnn.backends.torch_synapses import Grid
from fastsnn.inputs import TWO_32, BoundInput
from fastsnn.models.language import drawing, reducing, where
from fastsnn.plan import (
    STEP_ENDED,
    Plan,
    PopulationPlan,
    RunArgs,
    RunReport,
)
from fastsnn.random import Purpose, philox, stream, uniform

NAME = "torch"
DEVICES = ("cpu", "cuda", "mps")
STEPWISE = True


def supports(plan: Plan) -> str | None:
    """The reference runs every plan, on every device."""
    return None


def usable() -> str | None:
    """Torch is always there."""
    return None


def synapse_bytes(plan: Plan) -> float:
    """Memory of the sparse projections while their edges are listed: six numbers each."""
    return 48.0 * plan.expected_synapses


class Program:
    """A lowered plan."""

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan = plan
        self.wired = [KINDS[p.kind](p) for p in plan.projections]
        self.ports = Ports(plan)
        self.events: dict[int, list[Tensor]] = {}  # of recorded populations: ids of every step
        self.threads = torch.get_num_threads()

    def run(self, args: RunArgs, report: RunReport) -> None:
        """Run all samples; the state of the plan is changed in place."""
        self.events = {k: [] for k in args.recorded}
        try:
            with held_back() as check:
                for sample in range(args.n_samples):
                    report.tries.append(self._present(args, sample, report, check))
                    report.samples += 1
                    if args.progress:
                        args.progress(report.samples)
        except KeyboardInterrupt:
            report.interrupted = True
        for k, steps in self.events.items():
            counts = torch.tensor([len(ids) for ids in steps], dtype=torch.int64)
            report.events[k] = (counts, torch.cat(steps) if steps else torch.zeros(0).int())

    def _present(
        self, args: RunArgs, sample: int, report: RunReport, check: Callable[[], None]
    ) -> int:
        boost, tries = 1.0, 0
        while True:
            tries += 1
            for counts in args.counts.values():
                counts[sample].zero_()
            _Run(self, args, sample, boost, report).go(check)
            if args.retry is None or tries >= args.retry[1].max_tries:
                return tries
            index, retry = args.retry
            if int(args.counts[index][sample].sum()) >= retry.min_spikes:
                return tries
            boost += retry.boost


class _Run:
    """One presentation of one sample."""

    def __init__(
        self, program: Program, args: RunArgs, sample: int, boost: float, report: RunReport
    ) -> None:
        self.plan, self.wired, self.ports = program.plan, program.wired, program.ports
        self.events = program.events
        self.args, self.sample, self.boost, self.report = args, sample, boost, report
        self.learning = torch.tensor(args.learning, device=self.plan.device)

    def go(self, check: Callable[[], None]) -> None:
        """Reset, run the steps, normalise; `check` may stop it between two steps."""
        args = self.args
        if args.reset:
            for p in self.plan.populations:
                _reset(p)
            for wired in self.wired:
                wired.reset()
            for c in self.plan.projections:
                if c.compartments is not None:
                    c.compartments.reset()
            for port in self.plan.ports:
                port.arriving.zero_()
        for t in range(args.n_steps):
            check()
            self._step(t)
            self.report.steps += 1
        if args.normalize:
            for wired in self.wired:
                if wired.p.norm is not None:
                    normalize(wired)

    def _step(self, t: int) -> None:
        plan = self.plan
        for wired in self.wired:
            wired.begin(plan.seed, self._clock)
        self.ports.gather(self._clock)
        if self.args.chained:
            for p in plan.populations:
                self._advance(p, *self._currents(p, t), t)
                self._tell(p)
        else:
            currents = [self._currents(p, t) for p in plan.populations]
            for p, (i_syn, received) in zip(plan.populations, currents, strict=True):
                self._advance(p, i_syn, received, t)
            for p in plan.populations:
                self._tell(p)
        self.ports.scatter(self._clock)
        for wired in self.wired:
            if isinstance(wired, Grid):
                learn(wired, plan, self.args, self._clock)
        if self.args.attend:
            self.args.attend(STEP_ENDED)
        row = self.sample * self.args.n_steps + t
        for r in self.args.records:
            done = r.phase + row + 1
            if done % r.every == 0:
                source = r.source if r.index is None else r.source[..., r.index]
                r.dest[done // r.every - 1].copy_(source)

    def _tell(self, p: PopulationPlan) -> None:
        if p.index in self.args.told:
            self.args.attend(p.index)

    def _currents(self, p: PopulationPlan, t: int) -> tuple[Tensor, list[Tensor]]:
        """What a population gets, of its synapses and at its receptors."""
        i_syn, *received = (
            self._current(p, receptor, t) for receptor in range(1 + len(p.model.receptors()))
        )
        return i_syn, received

    def _current(self, p: PopulationPlan, receptor: int, t: int) -> Tensor:
        """What arrives at a port: 0 is i_syn, which also takes what is given from outside."""
        dtype = self.plan.dtype
        total = torch.zeros(p.spike.shape, dtype=dtype, device=p.spike.device)
        for wired in self.wired:
            if (wired.p.target, wired.p.receptor) == (p.index, receptor):
                source = self.plan.populations[wired.p.source].spike
                current = wired.deliver(source.to(dtype))
                total = total + (current if wired.p.bias is None else current + wired.p.bias)
        arrived = self.ports.sums.get((p.index, receptor))
        if arrived is not None:
            total = total + arrived
        given = self.args.inputs.get(p.index)
        if given is not None and receptor == 0:
            total = total + self._given(p, given, t).to(dtype)
        return total

    def _given(self, p: PopulationPlan, given: BoundInput, t: int) -> Tensor:
        """Input of step t from outside: spikes (0/1) or current, [B, n]."""
        row = self.sample * self.args.n_steps + t
        if given.kind == "spikes":
            return given.data[row]
        if given.kind == "current":
            return given.data[row if given.per_step else self.sample]
        if given.kind == "events":
            batch = self.plan.batch
            spikes = torch.zeros_like(p.spike)
            assert given.offsets is not None
            for b in range(batch):
                first, last = (int(given.offsets[row * batch + b + k]) for k in (0, 1))
                spikes[b, given.data[first:last].long()] = True
            return spikes
        scale = given.scale * self.boost
        threshold = (given.data[self.sample].to(torch.float64) * scale).clamp(max=TWO_32).floor()
        return self._words(p, Purpose.INPUT, self._clock >> 2)[self._clock & 3] < threshold.to(
            torch.int64
        )

    @property
    def _clock(self) -> int:
        return self.args.step + self.report.steps

    def _words(self, p: PopulationPlan, purpose: Purpose, step: int) -> tuple[Tensor, ...]:
        index = torch.arange(p.spike.numel(), device=p.spike.device).reshape(p.spike.shape)
        return philox(self.plan.seed, stream(p.index, purpose), step, index)

    def _advance(self, p: PopulationPlan, i_syn: Tensor, received: list[Tensor], t: int) -> None:
        """Integrate, threshold, reset, select, trace, clamp."""
        args, row = self.args, self.sample * self.args.n_steps + t
        if p.index in args.inject_v:
            given = args.inject_v[p.index]
            p.state[p.model.state().index("v")].add_(given[t] if given.dim() == 2 else given)
        for window in p.windows:
            head = int(window.head)
            window.data[head] = i_syn if window.of == "i_syn" else p.spike.to(self.plan.dtype)
            window.head.fill_((head + 1) % len(window.data))
        if p.is_input:
            spike = i_syn != 0.0
        else:
            spike, i_syn = self._neurons(p, i_syn, received, row)
        if p.index in args.told:
            return
        if p.one_spike:
            spike = self._one_spike(p, spike, row)
        if p.x is not None:
            x = p.x * p.decay_x
            p.x.copy_(where(spike, x + p.trace_scale if p.trace == 2 else p.trace_scale, x))
        if p.summed is not None:
            p.summed.add_(i_syn)
        for forced, value in ((args.clamp, True), (args.unclamp, False)):
            if p.index in forced:
                mask = forced[p.index]
                spike = spike.clone()
                spike[:, mask[t] if mask.dim() == 2 else mask] = value
        p.spike.copy_(spike)
        if p.index in self.events:
            self.events[p.index].append(p.spike[0].nonzero()[:, 0].to(torch.int32).cpu())
        if p.index in args.counts:
            args.counts[p.index][self.sample] += p.spike

    def _neurons(
        self, p: PopulationPlan, i_syn: Tensor, received: list[Tensor], row: int
    ) -> tuple[Tensor, Tensor]:
        """Call the model's own function on the state of all neurons."""
        model = p.model
        values = dict(zip(model.step_params(), p.params, strict=True))
        values |= dict(zip(model.state(), p.state, strict=True))
        values |= dict(zip(model.shared(), p.shared, strict=True))
        values |= dict(zip(model.kernels(), p.kernels, strict=True))
        for name, window in zip(model.windows(), p.windows, strict=True):
            values[name] = window.data.roll(-int(window.head), 0)
        values |= dict(zip(model.receptors(), received, strict=True))
        values |= {"i_syn": i_syn, "spike": p.spike, "learning": self.learning}
        arguments = {k: values[k] for k in model.functions["step"].arguments}
        with drawing(_Draws(self, p, row)), reducing("sum"):
            returned = model.step(**arguments)
        outputs = returned if isinstance(returned, tuple) else (returned,)
        new = dict(zip(model.outputs(), outputs, strict=True))
        for name, tensor in zip(
            (*model.state(), *model.shared()), (*p.state, *p.shared), strict=True
        ):
            tensor.copy_(torch.as_tensor(new[name]))
        return new["spike"], new.get("i_syn", i_syn)

    def _one_spike(self, p: PopulationPlan, candidates: Tensor, row: int) -> Tensor:
        """Keep the spike of one candidate of each batch element, drawn uniformly."""
        spike = torch.zeros_like(candidates)
        replayed = self.args.winners.get(p.index)
        index = torch.arange(len(candidates))
        words = philox(self.plan.seed, stream(p.index, Purpose.ONE_SPIKE), self._clock, index)[0]
        for b, word in enumerate(words.tolist()):
            ids = candidates[b].nonzero()[:, 0]
            if replayed is not None:
                winner = int(replayed[row, b])
            elif len(ids):
                winner = int(ids[(word * len(ids)) >> 32])
            else:
                winner = -1
            if winner >= 0:
                spike[b, winner] = True
        return spike


class _Draws:
    """Numbers for `rand`: lane k of the model's stream for the k-th call, or replayed ones."""

    def __init__(self, run: _Run, p: PopulationPlan, row: int) -> None:
        self.run, self.p, self.row, self.lane = run, p, row, 0

    def next(self) -> Tensor:
        replayed = self.run.args.uniforms.get(self.p.index)
        lane, self.lane = self.lane, self.lane + 1
        if replayed is not None:
            return replayed[self.row]
        words = self.run._words(self.p, Purpose.MODEL, self.run._clock)
        return uniform(words[lane]).to(self.run.plan.dtype)


def _reset(p: PopulationPlan) -> None:
    for tensor, init in zip(p.state, p.init, strict=True):
        tensor.copy_(init.expand_as(tensor))
    for tensor in (p.spike, p.x, p.summed):
        if tensor is not None:
            tensor.zero_()
    for window in p.windows:
        window.data.zero_()
        window.head.zero_()


__all__ = ["NAME", "Program", "supports", "usable"]
