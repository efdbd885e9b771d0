# SPDX-License-Identifier: Apache-2.0
"""Run plans of one shape with Triton's kernels: samples, blocks of steps, graphs of blocks."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch

from fastsnn.backends import events
from fastsnn.backends.interrupt import held_back
from fastsnn.backends.triton_launches import Around, Launches
from fastsnn.backends.triton_layout import Layout, Mode
from fastsnn.backends.triton_stage import Stage, in_blocks, mode_of, seeds
from fastsnn.inputs import Retry
from fastsnn.kernels import parts
from fastsnn.kernels.tiling import GPU, INTERPRETER
from fastsnn.plan import Plan, RunArgs, RunReport

_ACTIVE = int(parts.ACTIVE.value)
# a capture pays from this use of a block on; the graphs used last are kept
_CAPTURED_FROM = 3
_MOST_GRAPHS = 16


class Engine:
    """Plans of one shape, lowered together."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.plans = plans
        self.on_gpu = plans[0].device.type == "cuda"
        self.layout = Layout(plans, GPU if self.on_gpu else INTERPRETER)
        self.around = Around(self.layout)
        # what does not depend on each other runs side by side
        self.streams = [torch.cuda.Stream(plans[0].device) for _ in range(3 * self.on_gpu)]
        self.capturing = torch.cuda.Stream(plans[0].device) if self.on_gpu else None
        self.launches: dict[Mode, Launches] = {}
        self.uses: Counter[tuple[Mode, int]] = Counter()
        # the one used last comes last
        self.graphs: dict[tuple[Mode, int], Any] = {}

    def run(self, args: Sequence[RunArgs], reports: Sequence[RunReport]) -> None:
        """Run all samples; the state of the plans is changed in place."""
        watched = [events.watch(p, a) for p, a in zip(self.plans, args, strict=True)]
        with torch.cuda.device(self.plans[0].device) if self.on_gpu else contextlib.nullcontext():
            run = _Run(self, [own for own, _ in watched], reports)
            try:
                with held_back() as check:
                    run.go(check)
            except KeyboardInterrupt:
                for report in reports:
                    report.interrupted = True
            finally:
                run.end()
        for (_, spikes), report in zip(watched, reports, strict=True):
            events.report_events(spikes, report)

    def launches_of(self, mode: Mode) -> Launches:
        """The kernels of a mode."""
        if mode not in self.launches:
            self.launches[mode] = Launches(self.layout, mode, self.streams)
        return self.launches[mode]

    def block(self, mode: Mode, steps: int) -> None:
        """Run a block of steps: kernel by kernel the first times, then as one graph."""
        key, launches = (mode, steps), self.launches_of(mode)
        self.uses[key] += 1
        if not self.on_gpu or self.uses[key] < _CAPTURED_FROM:
            # on a GPU this compiles and loads the kernels, which a capture must not
            launches.block(steps)
            return
        graph = self.graphs.pop(key, None) or self._captured(launches, steps)
        self.graphs[key] = graph
        if len(self.graphs) > _MOST_GRAPHS:
            del self.graphs[next(iter(self.graphs))]
        graph.replay()

    def _captured(self, launches: Launches, steps: int) -> Any:
        """A block of steps as a graph."""
        graph = torch.cuda.CUDAGraph()
        # a stream of this device: that of torch is made on the device of the first capture
        with torch.cuda.graph(graph, stream=self.capturing, capture_error_mode="thread_local"):
            launches.block(steps)
        return graph


class _Run:
    """One call of a program."""

    def __init__(
        self, engine: Engine, args: Sequence[RunArgs], reports: Sequence[RunReport]
    ) -> None:
        self.engine, self.args, self.reports = engine, args, reports
        self.layout = engine.layout
        self.retry: Retry | None = None
        self.retry_of = -1
        if args[0].retry is not None:
            self.retry_of, self.retry = args[0].retry
        records = [r for each in args for r in each.records]
        self.watched = [r for r in records if in_blocks(r, self.layout)]
        self.others = [r for r in records if not in_blocks(r, self.layout)]
        self.mode = mode_of(args[0], self.layout, records)
        self.stage = Stage(self.layout, self.mode, args)
        self.heads = self._heads_of_plans()
        self.active = [True] * len(args)

    def go(self, check: Callable[[], None]) -> None:
        """Show every sample."""
        self._set_control()
        self.stage.begin_run()
        for launch in self.engine.around.lists:
            launch()
        for sample in range(self.args[0].n_samples):
            tries = self._present(sample, check)
            for r, report in enumerate(self.reports):
                report.tries.append(tries[r])
                report.samples += 1
                progress = self.args[r].progress
                if progress:
                    progress(report.samples)

    def end(self) -> None:
        """Hand the heads of the windows back."""
        for r, plan in enumerate(self.engine.plans):
            windows = [w for p in plan.populations for w in p.windows]
            for window, head in zip(windows, self.heads[r], strict=True):
                window.head.fill_(head)

    def _present(self, sample: int, check: Callable[[], None]) -> list[int]:
        """Show a sample until it brings enough spikes; returns how often, per replica."""
        n = len(self.args)
        tries = [0] * n
        self._activate([True] * n)
        while True:
            boosts = [_boost(k, self.retry) for k in tries]
            tries = [k + on for k, on in zip(tries, self.active, strict=True)]
            try:
                self._show(sample, boosts, check)
            finally:
                self._hand_counts_over(sample)
            again = self._lacking(tries)
            if not any(again):
                return tries
            self._activate(again)

    def _lacking(self, tries: list[int]) -> list[bool]:
        """Which replicas are shown the sample again.  The only place where the host waits."""
        if self.retry is None:
            return [False] * len(tries)
        most, fewest = self.retry.max_tries, self.retry.min_spikes
        may = [on and k < most for on, k in zip(self.active, tries, strict=True)]
        if not any(may):
            return may
        found = self._counts(self.retry_of).flatten(1).sum(1).tolist()
        return [on and n < fewest for on, n in zip(may, found, strict=True)]

    def _show(self, sample: int, boosts: Sequence[float], check: Callable[[], None]) -> None:
        args = self.args[0]
        for p in self.mode.counts:
            self._counts(p).zero_()
        self.stage.begin_sample(sample, boosts)
        if args.reset:
            for launch in (*self.engine.around.reset, *self.engine.around.forget):
                launch()
            self._note_heads(None)
        first = 0
        while first < args.n_steps:
            check()
            steps = self._steps_until_record(sample, first)
            self.stage.begin_block(sample, first, steps)
            self.engine.block(self.mode, steps)
            self._note_heads(steps)
            first += steps
            for r, report in enumerate(self.reports):
                report.steps += steps * self.active[r]
            self._record(sample * args.n_steps + first, steps)
        if args.normalize:
            for launch in self.engine.around.normalise:
                launch()

    def _steps_until_record(self, sample: int, first: int) -> int:
        """Length of the block that begins at a step."""
        done = sample * self.args[0].n_steps + first
        steps = min(self.layout.tiling.steps, self.args[0].n_steps - first)
        until = (r.every - (r.phase + done) % r.every for r in self.others)
        return min((steps, *until))

    def _record(self, done: int, steps: int) -> None:
        """Hand over what fell due in the last `steps` of `done` steps."""
        for r in self.others:
            if (r.phase + done) % r.every == 0:
                source = r.source if r.index is None else r.source[..., r.index]
                r.dest[(r.phase + done) // r.every - 1].copy_(source)
        for r in self.watched:
            before = r.phase + done - steps
            row, last = before // r.every, (before + steps) // r.every
            if row == last:
                continue
            seen = self.layout.watched(r.source.data_ptr())
            due = seen[(row + 1) * r.every - before - 1 : steps : r.every]
            r.dest[row:last].copy_(due if r.index is None else due[..., r.index])

    def _hand_counts_over(self, sample: int) -> None:
        for k in self.mode.counts:
            counts = self._counts(k)
            for r, args in enumerate(self.args):
                if self.active[r]:
                    args.counts[k][sample].copy_(counts[r])

    def _counts(self, population: int) -> torch.Tensor:
        """Spikes [R, B, n] of the sample that is shown."""
        p = self.layout.plan.populations[population]
        return self.layout.own("counts", p, self.layout.batch, dtype=torch.int32)

    def _set_control(self) -> None:
        rows = [
            [*seed, args.step, 1, 1]
            for seed, args in zip(seeds(self.engine.plans), self.args, strict=True)
        ]
        self.layout.control.copy_(torch.tensor(rows, dtype=torch.int64))
        heads = [[*row, *[0] * (self.layout.n_heads - len(row))] for row in self.heads]
        self.layout.heads.copy_(torch.tensor(heads, dtype=torch.int64))

    def _activate(self, active: list[bool]) -> None:
        """Let some replicas rest; nothing is written where nothing changes."""
        if active != self.active:
            self.active = active
            flags = torch.tensor(active, dtype=torch.int64, pin_memory=self.engine.on_gpu)
            self.layout.control[:, _ACTIVE].copy_(flags, non_blocking=True)

    def _heads_of_plans(self) -> list[list[int]]:
        return [
            [int(w.head) for p in plan.populations for w in p.windows] for plan in self.engine.plans
        ]

    def _note_heads(self, steps: int | None) -> None:
        """Follow on the host what `tick` does to the heads, or (None) `reset`."""
        lengths = [len(w.data) for p in self.layout.plan.populations for w in p.windows]
        for r, row in enumerate(self.heads):
            if self.active[r]:
                moved = [0 if steps is None else head + steps for head in row]
                self.heads[r] = [h % length for h, length in zip(moved, lengths, strict=True)]


def _boost(tries: int, retry: Retry | None) -> float:
    """Factor of the rates after some tries: 1, then `boost` more each, added one by one."""
    factor = 1.0
    if retry is not None:
        for _ in range(tries):
            factor += retry.boost
    return factor


__all__ = ["Engine"]
