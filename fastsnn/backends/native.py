# SPDX-License-Identifier: Apache-2.0
"""Backend "cpu": the C++ engine, called once per run with the pointers of the plan's tensors."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from fastsnn.inputs import BoundInput
from fastsnn.lowering import build
from fastsnn.models import Input
from fastsnn.models.declare import Model
from fastsnn.plan import Plan, PopulationPlan, ProjectionPlan, RunArgs, RunReport
from fastsnn.random import Purpose, stream

try:
    import fastsnn._native as _native
except ImportError as error:
    _native = None
    _REASON = (
        f"the native engine is not built ({error}). "
        f"Install fastsnn where a C++20 compiler (g++) is found."
    )

NAME = "cpu"
DEVICES = ("cpu",)
ABI = 1
_TRY_AGAIN = 50


def usable() -> str | None:
    """None, or why the native engine does not work here."""
    return _REASON if _native is None else None


def supports(plan: Plan) -> str | None:
    """None, or why this plan cannot run on the native engine."""
    if plan.device.type != "cpu":
        return f"the network lives on device '{plan.device}', the cpu backend needs device='cpu'."
    own = [m.__name__ for m in _models(plan) if not build.is_built_in(m)]
    if own and build.obstacle():
        return f"the model {own[0]} would have to be compiled, and {build.obstacle()}."
    return None


def _models(plan: Plan) -> list[type[Model]]:
    neurons = [p.model for p in plan.populations if not p.is_input]
    return [*neurons, *(p.rule for p in plan.projections if p.rule)]


class Program:
    """A plan lowered to the C++ engine."""

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan = plan
        self._keep: list[Any] = []
        # None: the engine says how many threads may pay off; whether they do, `_Choice` measures
        most = self._make(threads or 0)
        self._programs = {most.threads: most}
        self._choice = _Choice([most.threads] if threads else sorted({1, most.threads}))
        self._last: int | None = None

    @property
    def threads(self) -> int:
        """Threads of the next run."""
        return self._choice.threads

    def _make(self, threads: int) -> Any:
        return _native.Program(self._plan_dict(threads))

    def _program(self, threads: int) -> Any:
        if threads not in self._programs:
            self._programs[threads] = self._make(threads)
        return self._programs[threads]

    def run(self, args: RunArgs, report: RunReport) -> None:
        """Run all samples in one call, with the GIL released."""
        done = torch.zeros(2, dtype=torch.int64)
        finished = torch.zeros(1, dtype=torch.int64)
        keep: list[Any] = []
        threads = self._choice.threads
        call = self._run_dict(args, keep) | {
            "fresh": self._last != threads,
            "done": done.data_ptr(),
            "progress": finished.data_ptr(),
        }
        self._last = threads
        start = perf_counter()
        try:
            with _Watch(args.progress, finished):
                result = self._program(threads).run(call)
            report.tries = list(result["tries"])
        except KeyboardInterrupt:
            report.interrupted = True
        report.samples, report.steps = int(done[0]), int(done[1])
        self._choice.note(threads, report.steps, perf_counter() - start)

    def _plan_dict(self, threads: int) -> dict[str, Any]:
        plan = self.plan
        return {
            "abi": ABI,
            "batch": plan.batch,
            "dt": plan.dt,
            "seed": plan.seed,
            "threads": threads,
            "isa": "",
            "populations": [self._population(p) for p in plan.populations],
            "projections": [self._projection(p) for p in plan.projections],
        }

    def _population(self, p: PopulationPlan) -> dict[str, Any]:
        return {
            "name": p.name,
            **self._kernel("model", "factory", p.model if not p.is_input else Input),
            "n": p.n,
            "state": [_ptr(t) for t in p.state],
            "init": [self._number(t) for t in p.init],
            "shared": [_ptr(t) for t in p.shared],
            "param": [self._number(t) for t in p.params],
            "window": [
                {
                    "ptr": _ptr(w.data),
                    "length": len(w.data),
                    "of": _WINDOWS[w.of],
                    "head": _ptr(w.head),
                }
                for w in p.windows
            ],
            "kernel": [self._number(t) for t in p.kernels],
            "spike": _ptr(p.spike),
            "x": _ptr(p.x),
            "trace": p.trace,
            "decay_x": self._number(p.decay_x),
            "trace_scale": self._number(p.trace_scale),
            "summed": _ptr(p.summed),
            "one_spike": p.one_spike,
            "is_input": p.is_input,
            "stream": stream(p.index, Purpose.INPUT),
        }

    def _projection(self, p: ProjectionPlan) -> dict[str, Any]:
        return {
            "name": p.name,
            "source": p.source,
            "target": p.target,
            "kind": p.kind,
            "w": _ptr(p.w),
            "bias": _ptr(p.bias),
            **(self._kernel("rule", "rule_factory", p.rule) if p.rule else {"rule": ""}),
            "param": self._number(p.params),
            "pre": [_ptr(t) for t in p.pre],
            "post": [_ptr(t) for t in p.post],
            "last_pre": _ptr(p.last_pre),
            "last_post": _ptr(p.last_post),
            "synapse": [_ptr(t) for t in p.synapse],
            "reduction": p.reduction,
            "w_min": self._number(p.w_min),
            "w_max": self._number(p.w_max),
            "weight_decay": p.weight_decay,
            "norm": p.norm,
            "changed": _ptr(p.changed),
        }

    def _kernel(self, by_name: str, by_factory: str, model: type) -> dict[str, Any]:
        """A built-in model by its name; a user's own, compiled and loaded, by its factory."""
        if build.is_built_in(model):
            return {by_name: model.__name__}
        return {by_name: model.__name__, by_factory: build.factory(model, _native.isa()[0])}

    def _number(self, t: Tensor) -> tuple[int, int]:
        self._keep.append(t)
        return _ptr(t), t.numel()

    def _run_dict(self, args: RunArgs, keep: list[Any]) -> dict[str, Any]:
        def hold(t: Tensor) -> int:
            keep.append(t)
            return _ptr(t)

        def forced(given: dict[int, Tensor], dtype: torch.dtype) -> list[dict[str, Any]]:
            return [
                {"population": k, "ptr": hold(t.to(dtype).contiguous()), "per_step": t.dim() == 2}
                for k, t in given.items()
            ]

        retry = args.retry and {
            "population": args.retry[0],
            "min_spikes": args.retry[1].min_spikes,
            "max_tries": args.retry[1].max_tries,
            "boost": args.retry[1].boost,
        }
        return {
            "n_steps": args.n_steps,
            "n_samples": args.n_samples,
            "step": args.step,
            "learning": args.learning,
            "normalize": args.normalize,
            "reset": args.reset,
            "reward": _ptr(args.reward),
            "inputs": [self._input(k, given, hold) for k, given in args.inputs.items()],
            "clamp": forced(args.clamp, torch.uint8),
            "unclamp": forced(args.unclamp, torch.uint8),
            "inject_v": forced(args.inject_v, torch.float32),
            "masks": [
                {"projection": k, "ptr": hold(t.to(torch.uint8))} for k, t in args.masks.items()
            ],
            "records": [
                {
                    "source": _ptr(r.source),
                    "item": r.source.element_size(),
                    "count": r.source.numel(),
                    "row": r.source.shape[-1],
                    "index": _ptr(r.index),
                    "n_index": 0 if r.index is None else len(r.index),
                    "every": r.every,
                    "phase": r.phase,
                    "dest": _ptr(r.dest),
                    "weights": r.weights,
                }
                for r in args.records
            ],
            "counts": [{"population": k, "ptr": _ptr(t)} for k, t in args.counts.items()],
            "retry": retry,
            "replay": [
                *(
                    {"population": k, "kind": "winner", "ptr": _ptr(t)}
                    for k, t in args.winners.items()
                ),
                *(
                    {"population": k, "kind": "uniform", "ptr": _ptr(t)}
                    for k, t in args.uniforms.items()
                ),
            ],
        }

    @staticmethod
    def _input(index: int, given: BoundInput, hold: Any) -> dict[str, Any]:
        out = {
            "population": index,
            "kind": given.kind,
            "per_step": given.per_step,
            "scale": given.scale,
        }
        if given.kind == "events":
            return out | {"ids": hold(given.data), "offsets": hold(given.offsets)}
        return out | {"ptr": hold(given.data.contiguous())}


_WINDOWS = {"i_syn": "input", "spike": "spike"}


def _ptr(t: Tensor | None) -> int:
    return 0 if t is None else t.data_ptr()


class _Choice:
    """How many threads to use, by the time that steps took.

    Threads wait for each other at every step: where other programs use the cores, fewer are faster.
    The result is the same bits.  The slower choice is tried again every `_TRY_AGAIN` runs.
    """

    def __init__(self, options: list[int]) -> None:
        self.options = options
        self.seconds_a_step: dict[int, float] = {}
        self.runs = 0

    @property
    def threads(self) -> int:
        """The choice for the next run."""
        untried = [n for n in self.options if n not in self.seconds_a_step]
        if untried:
            return untried[0]
        best = min(self.options, key=self.seconds_a_step.__getitem__)
        again = self.runs % _TRY_AGAIN == 0
        return next(n for n in self.options if len(self.options) == 1 or (n == best) != again)

    def note(self, threads: int, steps: int, seconds: float) -> None:
        """Remember how long a run took."""
        if steps:
            self.runs += 1
            self.seconds_a_step[threads] = seconds / steps


class _Watch:
    """Calls `progress` from a thread of its own while the engine runs without the GIL."""

    def __init__(self, progress: Any, finished: Tensor) -> None:
        self.progress, self.finished = progress, finished
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True) if progress else None

    def __enter__(self) -> None:
        if self.thread:
            self.thread.start()

    def __exit__(self, *_: object) -> None:
        if self.thread:
            self.stop.set()
            self.thread.join()
            self.progress(int(self.finished[0]))

    def _watch(self) -> None:
        last = -1
        while not self.stop.wait(0.1):
            now = int(self.finished[0])
            if now != last:
                last = now
                self.progress(now)
