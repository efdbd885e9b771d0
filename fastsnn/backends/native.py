# SPDX-License-Identifier: Apache-2.0
"""Backend "cpu": the C++ engine, called once per run with the pointers of the plan's tensors."""

from __future__ import annotations

import os
import threading
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from fastsnn.backends import pointers
from fastsnn.lowering import build
from fastsnn.models.declare import Model
from fastsnn.plan import Plan, RunArgs, RunReport

try:
    import fastsnn._native as _native
    import fastsnn._native64 as _native64
except ImportError as error:
    _native = _native64 = None
    _REASON = (
        f"the native engine is not built ({error}). "
        f"Install fastsnn where a C++20 compiler (g++) is found."
    )

NAME = "cpu"
DEVICES = ("cpu",)
STEPWISE = True
ABI = 9
KINDS = (
    "dense", "one_to_one", "all_but_one", "indexed", "max_pool", "mean_field",
    "compartments", "silent",
)  # fmt: skip
# the same sources, compiled for numbers of 32 and of 64 bits
ENGINES = {torch.float32: _native, torch.float64: _native64}
_TRY_AGAIN = 50
_MOST_SYNAPSES_TWICE = 10e6


def usable() -> str | None:
    """None, or why the native engine does not work here."""
    return _REASON if _native is None else None


def lacks(dtype: torch.dtype) -> str | None:
    """None, or why numbers of this type cannot be computed here."""
    if ENGINES[dtype].isa():
        return None
    return f"{dtype} needs a processor with AVX2, which this one has not."


def sparse_rows(
    plan: Plan, sparse: list[dict[str, Any]], ports: list[tuple[int, int]], n_tiles: int
) -> Any:
    """Rows of sparse projections onto some ports for other backends, see csrc/sparse/parse.h."""
    return _native.sparse_rows(
        {
            "n": [p.n for p in plan.populations],
            "ports": ports,
            "n_tiles": n_tiles,
            "seed": plan.seed,
            "threads": os.cpu_count() or 1,
            "isa": "",
            # nothing is drawn again on a device
            "sparse": [p | {"procedural": False} for p in sparse],
            "only_sizes": False,
        }
    )


def supports(plan: Plan) -> str | None:
    """None, or why this plan cannot run on the native engine."""
    if plan.device.type != "cpu":
        return f"the network lives on device '{plan.device}', the cpu backend needs device='cpu'."
    if beyond := plan.beyond(KINDS, ENGINES):
        return beyond
    if lacking := lacks(plan.dtype):
        return lacking
    own = [m.__name__ for m in _models(plan) if not build.is_built_in(m)]
    if own and build.obstacle():
        return f"the model {own[0]} would have to be compiled, and {build.obstacle()}."
    return None


def synapse_bytes(plan: Plan) -> float:
    """Memory of the sparse projections."""
    return sum(p.wiring.memory(*plan.ends(p)) for p in plan.sparse)


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
        # every program keeps synapses of its own
        heavy = plan.expected_synapses > _MOST_SYNAPSES_TWICE
        self._choice = _Choice([most.threads] if threads or heavy else sorted({1, most.threads}))
        self._last: int | None = None

    @property
    def threads(self) -> int:
        """Threads of the next run."""
        return self._choice.threads

    def _make(self, threads: int) -> Any:
        return ENGINES[self.plan.dtype].Program(self._plan_dict(threads))

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
        call = pointers.run_dict(args, keep) | {
            "fresh": args.fresh or self._last != threads,
            "done": done.data_ptr(),
            "progress": finished.data_ptr(),
            "chained": args.chained,
            "attend": args.attend,
            "told": [k in args.told for k in range(len(self.plan.populations) if args.told else 0)],
        }
        self._last = threads
        start = perf_counter()
        try:
            with _Watch(args.progress, finished):
                result = self._program(threads).run(call)
        finally:
            report.samples, report.steps = int(done[0]), int(done[1])
        report.tries = list(result["tries"])
        for k, (counts, ids) in zip(args.recorded, result["events"], strict=True):
            report.events[k] = (torch.from_numpy(counts), torch.from_numpy(ids))
        self._choice.note(threads, report.steps, perf_counter() - start)
        report.interrupted = isinstance(result["error"], KeyboardInterrupt)
        if result["error"] is not None and not report.interrupted:
            raise result["error"]

    def _plan_dict(self, threads: int) -> dict[str, Any]:
        engine = {"abi": ABI, "threads": threads, "isa": ""}
        return pointers.plan_dict(self.plan, self._keep, self._kernel) | engine

    def _kernel(self, by_name: str, by_factory: str, model: type) -> dict[str, Any]:
        """A built-in model by its name; a user's own, compiled and loaded, by its factory."""
        if build.is_built_in(model):
            return {by_name: model.__name__}
        return {
            by_name: model.__name__,
            by_factory: build.factory(model, ENGINES[self.plan.dtype].isa()[0], self.plan.dtype),
        }


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
