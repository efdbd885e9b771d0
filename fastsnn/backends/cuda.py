# SPDX-License-Identifier: Apache-2.0
"""Backend "cuda": persistent kernels run many steps of a network, or of replicas, in one launch.

A run is cut into launches of some thousand steps, of which at most two wait for the device at a
time; between them Ctrl-C is honoured and progress told.  Nothing waits for the device but that,
and retries, whose number only the device knows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from fastsnn.backends import cuda_indexed, cuda_sparse, events, pointers
from fastsnn.backends.interrupt import held_back
from fastsnn.lowering import build
from fastsnn.plan import Plan, RunArgs, RunReport

try:
    import fastsnn._cuda as _cuda
except ImportError as error:
    _cuda = None
    _REASON = (
        f"the CUDA engine is not built ({error}). Install fastsnn where nvcc is found (CUDA_HOME)."
    )

NAME = "cuda"
DEVICES = ("cuda",)
KINDS = ("dense", "one_to_one", "all_but_one", "indexed")
OLDEST = (8, 0)
STEPS_OF_A_LAUNCH = 4096


class Engine:
    """The backend on one native module and one type of device.

    options: of the module's Program: policy, blocks, threads.
    """

    def __init__(self, module: ModuleType, device: str, **options: Any) -> None:
        self.module, self.device, self.options = module, device, options

    def supports(self, plan: Plan) -> str | None:
        """None, or why this plan cannot run here."""
        if plan.device.type != self.device:
            return (
                f"the network lives on device '{plan.device}', the cuda backend needs "
                f"device='{self.device}'."
            )
        if beyond := plan.beyond(KINDS):
            return beyond
        if refused := cuda_sparse.refusal(plan) or cuda_indexed.refusal(plan):
            return refused
        models = [p.model for p in plan.populations if not p.is_input]
        models += [p.rule for p in plan.projections if p.rule]
        models += [p.terminal.model for p in plan.projections if p.terminal]
        own = [m.__name__ for m in models if not build.is_built_in(m)]
        if own:
            return f"the model {own[0]} is not built in; the torch backend runs every model."
        return None

    def program(self, plan: Plan, threads: int | None = None) -> Program:
        """Lower a plan."""
        return Program(plan, threads, self)

    def replica_program(self, plans: list[Plan], threads: int | None = None) -> ReplicaProgram:
        """Lower plans of one shape."""
        return ReplicaProgram(plans, threads, self)

    def stream(self, device: torch.device) -> int:
        """The stream that torch works on."""
        return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0


def usable() -> str | None:
    """None, or why the backend does not work here."""
    if _cuda is None:
        return _REASON
    if not torch.cuda.is_available():
        return "torch finds no CUDA device."
    if torch.cuda.get_device_capability() < OLDEST:
        return f"the CUDA device is older than compute capability {OLDEST[0]}.{OLDEST[1]}."
    return None


def supports(plan: Plan) -> str | None:
    """None, or why this plan cannot run on the backend."""
    return Engine(_cuda, "cuda").supports(plan)


class ReplicaProgram:
    """Networks of one shape, lowered together."""

    def __init__(
        self, plans: list[Plan], threads: int | None = None, engine: Engine | None = None
    ) -> None:
        self.plans = plans
        self.engine = engine or Engine(_cuda, "cuda")
        self.device = plans[0].device
        self._keep: list[Any] = []
        with self._on_device():
            dicts = [self._dict(plan) for plan in plans]
            options = self.engine.options | {"device": self._index()}
            self._native = self.engine.module.Program(dicts, options, self._reserve)
            self._reports = torch.zeros((len(plans), 4), dtype=torch.int64, device=self.device)
            # memory was cleared in this stream; runs may come in others
            if self.device.type == "cuda":
                torch.cuda.current_stream(self.device).synchronize()
        self._running = threading.Lock()

    def _dict(self, plan: Plan) -> dict[str, Any]:
        made = pointers.plan_dict(plan, self._keep)
        for p, own in zip(plan.projections, made["projections"], strict=True):
            if p.kind == "indexed":
                own["columns"] = cuda_indexed.columns(p, self._keep)
        return made | {"rows": cuda_sparse.rows(plan, made, self._keep)} if plan.ports else made

    def explain(self) -> str:
        """How the networks are spread over the device."""
        return self._native.explain()

    def run(self, args: list[RunArgs], reports: list[RunReport]) -> None:
        """Run all samples of all networks."""
        if not self._running.acquire(blocking=False):
            raise RuntimeError("this network already runs in another thread")
        try:
            self._run(args, reports)
        finally:
            self._running.release()

    def _run(self, args: list[RunArgs], reports: list[RunReport]) -> None:
        samples = args[0].n_samples
        watched = [events.watch(p, a) for p, a in zip(self.plans, args, strict=True)]
        args = [own for own, _ in watched]
        tries = torch.zeros((len(args), samples), dtype=torch.int32, device=self.device)
        with self._on_device():
            stream = self.engine.stream(self.device)
            # what a run points to lives until the next one: this one may return before its end
            self._run_keep: list[Any] = [tries, args]
            calls = [run_dict(a, self._run_keep) for a in args]
            self._native.begin(calls, tries.data_ptr(), self._reports.data_ptr(), stream)
            self._used_here()
            whole = args[0].n_steps * samples
            try:
                with held_back() as check:
                    self._launch_all(args, whole, stream, check)
            except KeyboardInterrupt:
                self._native.wait(0)
                for report in reports:
                    report.interrupted = True
        self._note(args, reports, tries)
        for (_, spikes), report in zip(watched, reports, strict=True):
            events.report_events(spikes, report)

    def _launch_all(
        self, args: list[RunArgs], whole: int, stream: int, check: Callable[[], None]
    ) -> None:
        told = Told(args)
        launched = 0
        while launched < whole or (args[0].retry and not self._finished(args)):
            self._native.launch(self._steps, stream)
            launched += self._steps
            self._native.wait(1)
            check()
            if told.wanted:
                told.tell(self._positions())

    @property
    def _steps(self) -> int:
        """Steps of a launch: a tenth of a second or so, by a rough guess of the traffic."""
        traffic = 0.0
        for p in self.plans[0].projections:
            share = 1.0 if p.rule and not p.rule.event_driven else 0.05
            traffic += share * 8.0 * p.w.numel() * self.plans[0].batch * len(self.plans)
        return min(STEPS_OF_A_LAUNCH, max(16, int(0.1 / (5e-6 + traffic / 1e12))))

    def _positions(self) -> list[list[int]]:
        """Finished samples, steps, steps since windows were empty, whether they were emptied."""
        return self._reports.tolist()

    def _finished(self, args: list[RunArgs]) -> bool:
        return all(p[0] == a.n_samples for p, a in zip(self._positions(), args, strict=True))

    def _note(self, args: list[RunArgs], reports: list[RunReport], tries: Tensor) -> None:
        """Fill in the reports, and the heads of windows."""
        asked = args[0].retry is not None or reports[0].interrupted
        positions = self._positions() if asked else []
        counted = tries.tolist() if asked else []
        for r, (own, report) in enumerate(zip(args, reports, strict=True)):
            if asked:
                report.samples, report.steps, since, cleared = positions[r]
                report.tries = counted[r][: report.samples]
            else:
                report.samples, report.steps = own.n_samples, own.n_steps * own.n_samples
                report.tries = [1] * own.n_samples
                since, cleared = (own.n_steps, 1) if own.reset else (report.steps, 0)
            for p in self.plans[r].populations:
                for window in p.windows:
                    head = 0 if cleared else int(window.head)
                    window.head.fill_((head + since) % len(window.data))

    def _reserve(self, size: int) -> int:
        """Zeroed memory for the native program, as long as it lives."""
        memory = torch.zeros(max(1, size), dtype=torch.uint8, device=self.device)
        self._keep.append(memory)
        return memory.data_ptr()

    def _used_here(self) -> None:
        """Tell torch that the work of this stream uses memory that came from another one."""
        for memory in (*self._keep, self._reports):
            if isinstance(memory, Tensor) and memory.is_cuda:
                memory.record_stream(torch.cuda.current_stream(self.device))

    def _index(self) -> int:
        """Number of the device; native code has a current device of its own."""
        if self.device.type != "cuda":
            return 0
        return torch.cuda.current_device() if self.device.index is None else self.device.index

    def _on_device(self) -> Any:
        return torch.cuda.device(self.device if self.device.type == "cuda" else -1)


class Program(ReplicaProgram):
    """One lowered plan."""

    threads = 1

    def __init__(
        self, plan: Plan, threads: int | None = None, engine: Engine | None = None
    ) -> None:
        super().__init__([plan], threads, engine)

    def run(self, args: RunArgs, report: RunReport) -> None:  # type: ignore[override]
        """Run all samples; the state of the plan is changed in place."""
        super().run([args], [report])


class Told:
    """Progress, as far as somebody wants to know."""

    def __init__(self, args: list[RunArgs]) -> None:
        self.progress = [a.progress for a in args]
        self.last = [-1] * len(args)
        self.wanted = any(self.progress)

    def tell(self, positions: list[list[int]]) -> None:
        """Call those whose number of finished samples changed."""
        for r, (progress, position) in enumerate(zip(self.progress, positions, strict=True)):
            if progress and position[0] != self.last[r]:
                self.last[r] = position[0]
                progress(position[0])


def run_dict(args: RunArgs, keep: list[Any]) -> dict[str, Any]:
    """The arguments of a run; clamps as bits, as spikes travel between blocks."""
    call = pointers.run_dict(args, keep)
    for key, given in (("clamp", args.clamp), ("unclamp", args.unclamp)):
        packed = {k: packed_bits(t) for k, t in given.items()}
        keep.append(packed)
        call[key] = [
            {"population": k, "ptr": pointers.pointer(t), "per_step": given[k].dim() == 2}
            for k, t in packed.items()
        ]
    return call


def packed_bits(mask: Tensor) -> Tensor:
    """Bits of a mask [..., n], 32 to a word: int32 [..., ceil(n / 32)], neuron 0 lowest."""
    padded = torch.nn.functional.pad(mask.to(torch.int64), (0, -mask.shape[-1] % 32))
    bits = padded.unflatten(-1, (-1, 32)) << torch.arange(32, device=mask.device)
    # modulo 2^32, as an int32
    words = bits.sum(-1)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32).contiguous()


__all__ = ["DEVICES", "NAME", "Engine", "Program", "ReplicaProgram", "supports", "usable"]
