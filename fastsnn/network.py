# SPDX-License-Identifier: Apache-2.0
"""The network: what a user describes, runs, saves and looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastsnn import backends, storage, table
from fastsnn.connectivity import Connectivity
from fastsnn.errors import FastsnnError, ModelError, ShapeError
from fastsnn.inputs import Retry, Target, as_source
from fastsnn.models.declare import Neuron, Rule
from fastsnn.monitors import Monitor
from fastsnn.plan import Plan, Record, RunArgs, RunReport, make_plan
from fastsnn.population import Population
from fastsnn.projection import Projection

# rows that monitors may hold beyond what they keep, so that a long run stays within bounded memory
_CHUNK_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Presentation:
    """What `Network.present` returns.

    counts: spikes per population, int32 [S, B, n].   tries: presentations of each sample, [S].
    """

    counts: dict[str, Tensor]
    tries: Tensor


class Network:
    """Populations, projections and what is recorded of them.

    dt:         time step, ms.
    batch_size: number of independent copies of the state that share the weights.
    seed:       of every random number that is drawn; runs with the same seed are bit-identical.
    device:     where the state lives.
    backend:    "auto" (the fastest that can), "torch" or "cpu"; see `explain()`.
    threads:    for the cpu backend; None: as many as pay off.
    """

    def __init__(
        self,
        dt: float = 1.0,
        batch_size: int = 1,
        seed: int = 0,
        device: str | torch.device = "cpu",
        backend: str = "auto",
        threads: int | None = None,
    ) -> None:
        if not 0.0 < dt < float("inf"):
            raise FastsnnError(f"Network(dt={dt!r}): expected a positive time step in ms.")
        if batch_size < 1:
            raise FastsnnError(f"Network(batch_size={batch_size!r}): expected 1 or more.")
        if not 0 <= seed < 2**64:
            raise FastsnnError(f"Network(seed={seed!r}): expected 0 <= seed < 2**64.")
        if threads is not None and threads < 1:
            raise FastsnnError(f"Network(threads={threads!r}): expected 1 or more, or None.")
        self.dt, self.batch_size, self.seed = float(dt), int(batch_size), int(seed)
        self.device = torch.device(device)
        self.learning = True
        self.step = 0
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.monitors: list[Monitor] = []
        self.threads = threads
        self._asked = backend
        self._plan: Plan | None = None
        self._program: backends.Program | None = None
        self._backend = ""

    # ---- description ----

    def population(
        self,
        name: str,
        model: Neuron,
        n: int | None = None,
        *,
        shape: Sequence[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tau_trace: float | Tensor = 20.0,
        trace_scale: float | Tensor = 1.0,
        sum_input: bool = False,
        one_spike: bool | None = None,
    ) -> Population:
        """Add a population of n neurons (or of a shape; flat indices count rows first).

        traces: keep a trace x per neuron that decays with tau_trace (ms) and at a spike is set to
        trace_scale, or raised by it (traces_additive).  sum_input: keep the sum of the input.
        one_spike: at most one spike a step, drawn among the candidates (default: the model's).

        Raises ModelError, ShapeError.
        """
        self._new_name(name)
        if not isinstance(model, Neuron):
            raise ModelError(f"Population '{name}': model is {model!r}, expected a neuron model, e.g. LIF().")
        if n is None and shape is None:
            raise ShapeError(f"Population '{name}': give n or shape.")
        shape = tuple(int(s) for s in (shape if shape is not None else (n,)))  # type: ignore[arg-type]
        size = 1
        for s in shape:
            size *= s
        if size < 1 or min(shape) < 1 or (n is not None and n != size):
            raise ShapeError(f"Population '{name}': n={n}, shape={list(shape)}; expected n = product of shape >= 1.")
        made = Population(
            name, model, shape, dt=self.dt, batch_size=self.batch_size, device=self.device, traces=traces,
            traces_additive=traces_additive, tau_trace=tau_trace, trace_scale=trace_scale,
            sum_input=sum_input, one_spike=type(model).one_spike if one_spike is None else one_spike,
        )  # fmt: skip
        self.populations[name] = made
        self._changed()
        return made

    def projection(
        self,
        source: str | Population,
        target: str | Population,
        connectivity: Connectivity,
        *,
        name: str | None = None,
        rule: Rule | None = None,
        w_min: float | Tensor = -torch.inf,
        w_max: float | Tensor = torch.inf,
        norm: float | None = None,
        weight_decay: float = 0.0,
        reduction: str = "sum",
        bias: Tensor | None = None,
    ) -> Projection:
        """Connect two populations; spikes arrive one step later.

        name: default "source->target".  rule: learning rule.  w_min, w_max: bounds, kept while the
        rule learns.  norm: sum of |w| of every column, restored after each run.  weight_decay:
        fraction of w lost a step while learning.  reduction: of updates over the batch, "sum",
        "mean" or "max".  bias: current added every step, [n_post].

        Raises ModelError, ShapeError.
        """
        ends = [self._find(p) for p in (source, target)]
        name = name or f"{ends[0].name}->{ends[1].name}"
        self._new_name(name)
        if not isinstance(connectivity, Connectivity):
            raise ModelError(f"Projection '{name}': connectivity is {connectivity!r}, expected Dense, OneToOne or AllButOne.")
        if rule is not None and not isinstance(rule, Rule):
            raise ModelError(f"Projection '{name}': rule is {rule!r}, expected a learning rule, e.g. PostPre().")
        if ends[1].is_input:
            raise ModelError(f"Projection '{name}': the target is an Input population, which takes no spikes.")
        made = Projection(
            name, ends[0], ends[1], connectivity, rule=rule, w_min=w_min, w_max=w_max, norm=norm,
            weight_decay=weight_decay, reduction=reduction, bias=bias, seed=self.seed,
            index=len(self.projections),
        )  # fmt: skip
        self.projections[name] = made
        self._changed()
        return made

    def monitor(
        self,
        owner: str | Population | Projection,
        variable: str,
        *,
        every: int = 1,
        index: Sequence[int] | Tensor | None = None,
        capacity: int | None = None,
    ) -> Monitor:
        """Record a variable of a population ("v", "spike", "x", ...) or projection ("w", ...).

        See `Monitor` for the options.
        """
        name = owner if isinstance(owner, str) else owner.name
        found = self.populations.get(name) or self.projections.get(name)
        if found is None or variable not in found.variables():
            have = f"; it has {', '.join(found.variables())}" if found else ""
            raise ShapeError(f"monitor('{name}', '{variable}'): there is no such variable{have}.")
        if index is not None:
            index = torch.as_tensor(index, dtype=torch.int64, device=self.device).reshape(-1)
            width = found.variables()[variable].shape[-1]
            if bool(((index < 0) | (index >= width)).any()):
                raise ShapeError(f"monitor('{name}', '{variable}'): index outside 0..{width - 1}.")
        made = Monitor(name, variable, every, index, capacity)
        self.monitors.append(made)
        return made

    def remove_monitor(self, monitor: Monitor) -> None:
        """Stop recording."""
        self.monitors.remove(monitor)

    # ---- running ----

    def run(
        self,
        time: float,
        inputs: Mapping[str, Any] | None = None,
        *,
        clamp: Mapping[str, Any] | None = None,
        unclamp: Mapping[str, Any] | None = None,
        inject_v: Mapping[str, Any] | None = None,
        masks: Mapping[str, Any] | None = None,
        reward: float | Tensor | None = None,
        normalize: bool = True,
        replay: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Simulate `time` ms from the present state, then normalise.

        inputs:   population -> Spikes, Events, Poisson, Bernoulli, Current, or a tensor.
        clamp:    population -> bool [n] or [T, n]: forced to spike.   unclamp: forced not to.
        inject_v: population -> mV [n] or [T, n], added to v before the step.
        masks:    projection -> bool [n_pre, n_post]: weights held at zero.
        reward:   a number, or one per batch element [B].
        replay:   population -> recorded random draws to use instead of fresh ones: winners of
                  one_spike (integers [T, B], -1: none) or uniform numbers of rand() (floats [T, B, n]).

        Ctrl-C stops between two steps and raises KeyboardInterrupt; the state is then that of the
        last finished step.  Raises FastsnnError for bad input, before anything changes.
        """
        steps = self._steps(time)
        args = RunArgs(n_steps=steps, learning=self.learning, normalize=normalize)
        self._bind(args, inputs)
        args.clamp = self._per_step("clamp", clamp, steps, torch.bool)
        args.unclamp = self._per_step("unclamp", unclamp, steps, torch.bool)
        args.inject_v = self._per_step("inject_v", inject_v, steps, torch.float32)
        args.masks = self._masks(masks)
        args.reward = self._reward(reward)
        self._replay(args, replay)
        if not steps:
            return
        self._execute(args)

    def present(
        self,
        inputs: Mapping[str, Any],
        time: float,
        *,
        count: Sequence[str] = (),
        reset: bool = True,
        retry: Retry | None = None,
        reward: float | Tensor | None = None,
        samples: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Presentation:
        """Show S samples one after another for `time` ms each, in one call of the backend.

        inputs: as for `run`, with a leading dimension of samples: Poisson(rates [S, B, n]).
        count:  populations whose spikes are counted.   reset: `reset_state()` before each sample.
        retry:  show a sample again while too few spikes come.   samples: S, where inputs do not say.
        progress: called now and then with the number of finished samples.

        Weights are normalised after each sample.  Raises as `run`.
        """
        steps = self._steps(time)
        if samples is None:
            samples = self._count_samples(inputs)
        args = RunArgs(n_steps=steps, n_samples=samples, learning=self.learning, reset=reset)
        self._bind(args, inputs)
        args.reward = self._reward(reward)
        args.progress = progress
        if steps < 1:
            raise FastsnnError(f"present(time={time!r}): expected at least one step of {self.dt} ms.")
        if retry is not None:
            if self.batch_size != 1:
                raise FastsnnError(f"present(retry=...): needs batch_size 1, the network has {self.batch_size}.")
            args.retry = (self._index(retry.population), retry)
        counted = [*count, *([retry.population] if retry else [])]
        for name in counted:
            n = self._find(name).n
            shape = (samples, self.batch_size, n)
            args.counts[self._index(name)] = torch.zeros(shape, dtype=torch.int32, device=self.device)
        report = self._execute(args)
        counts = {name: args.counts[self._index(name)] for name in count}
        return Presentation(counts, torch.tensor(report.tries, dtype=torch.int32))

    def reset_state(self) -> None:
        """Put neurons, spikes and traces at their initial values and empty the monitors.

        Weights, adaptive thresholds and the learning rules' own traces are kept.
        """
        for p in self.populations.values():
            p.reset()
        for m in self.monitors:
            m.clear()

    def train(self, mode: bool = True) -> None:
        """Switch learning (weights and adaptive thresholds) on or off."""
        self.learning = bool(mode)

    def set_batch_size(self, batch_size: int) -> None:
        """Change the batch size; state starts at its initial values, weights and theta are kept."""
        if batch_size < 1:
            raise FastsnnError(f"set_batch_size({batch_size!r}): expected 1 or more.")
        self.batch_size = batch_size
        for p in self.populations.values():
            p.allocate(batch_size)
        for c in self.projections.values():
            c.allocate()
        for m in self.monitors:
            m.clear()
        self._changed()

    @property
    def backend(self) -> str:
        """Name of the backend that runs this network."""
        self._compile()
        return self._backend

    def explain(self) -> dict[str, str]:
        """Every backend with "usable", or the reason why it cannot run this network here."""
        return backends.explain(self.plan)

    @property
    def plan(self) -> Plan:
        """The network as the backends see it."""
        if self._plan is None:
            self._plan = make_plan(
                list(self.populations.values()), list(self.projections.values()),
                self.dt, self.batch_size, self.seed, self.device,
            )  # fmt: skip
        return self._plan

    # ---- state, files, looks ----

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that a run changes, by name ("Ae.v", "X->Ae.w", "step"): live tensors."""
        return storage.state_dict(self)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put the state of `state_dict` back; names and shapes must agree."""
        storage.load_state_dict(self, state)

    def save(self, path: str | Path) -> None:
        """Write description and state to one safetensors file, atomically."""
        storage.save(self, path)

    @staticmethod
    def load(path: str | Path, models: Sequence[type] = (), **options: Any) -> Network:
        """Read a file of `save`.  models: the classes of your own models.  options: backend, threads, device."""
        return storage.load(path, models, **options)

    def __str__(self) -> str:
        return table.describe(self)

    def __repr__(self) -> str:
        return (
            f"Network({len(self.populations)} populations, {len(self.projections)} projections, "
            f"dt={self.dt}, batch_size={self.batch_size})"
        )

    # ---- inside ----

    def _changed(self) -> None:
        self._plan = self._program = None

    def _new_name(self, name: str) -> None:
        if not name or not isinstance(name, str) or "." in name:
            raise FastsnnError(f"Name {name!r}: expected a non-empty string without dots.")
        if name in self.populations or name in self.projections:
            raise FastsnnError(f"Name '{name}' is taken; give another one.")

    def _find(self, population: str | Population) -> Population:
        name = population if isinstance(population, str) else population.name
        if name not in self.populations:
            raise FastsnnError(f"There is no population '{name}'; there are: {', '.join(self.populations) or 'none'}.")
        return self.populations[name]

    def _index(self, population: str | Population) -> int:
        return list(self.populations).index(self._find(population).name)

    def _compile(self) -> backends.Program:
        if self._program is None:
            if not self.populations:
                raise FastsnnError("The network has no population; add one with Network.population.")
            self._backend = backends.choose(self.plan, self._asked)
            self._program = backends.lower(self.plan, self._backend, self.threads)
        return self._program

    def _steps(self, time: float) -> int:
        steps = round(float(time) / self.dt)
        if steps < 0 or abs(steps * self.dt - time) > 1e-6 * max(self.dt, abs(time)):
            raise FastsnnError(f"time={time!r} ms is no whole number of steps of dt={self.dt} ms.")
        return steps

    def _count_samples(self, inputs: Mapping[str, Any]) -> int:
        for name, value in inputs.items():
            data = getattr(value, "rates", getattr(value, "p", None))
            dims = torch.as_tensor(data).dim() if data is not None else 0
            if dims == 3 or (dims == 2 and self.batch_size == 1 and self._find(name).n == data.shape[-1]):
                return len(data)
        raise FastsnnError("present(): the inputs do not say how many samples there are; give samples=S.")

    def _bind(self, args: RunArgs, inputs: Mapping[str, Any] | None) -> None:
        for name, value in (inputs or {}).items():
            p = self._find(name)
            target = Target(
                p.name, p.n, p.is_input, args.n_steps, args.n_samples, self.batch_size, self.dt, self.device
            )
            args.inputs[self._index(p)] = as_source(p.name, value, p.is_input).bind(target)

    def _per_step(
        self, what: str, given: Mapping[str, Any] | None, steps: int, dtype: torch.dtype
    ) -> dict[int, Tensor]:
        out = {}
        for name, value in (given or {}).items():
            p = self._find(name)
            data = torch.as_tensor(value, device=self.device).to(dtype)
            if data.numel() not in (p.n, steps * p.n):
                raise ShapeError(f"{what} of '{p.name}' is {tuple(data.shape)}, expected {(p.n,)} or {(steps, p.n)}.")
            if dtype == torch.float32 and not bool(torch.isfinite(data).all()):
                raise ShapeError(f"{what} of '{p.name}' holds NaN or infinity, expected finite numbers.")
            if what == "inject_v" and "v" not in p.state:
                raise ShapeError(f"inject_v: '{p.name}' ({type(p.model).__name__}) has no membrane potential v.")
            flat = data.dim() == 1 or data.numel() == p.n
            out[self._index(p)] = data.reshape((p.n,) if flat else (steps, p.n)).contiguous()
        return out

    def _masks(self, masks: Mapping[str, Any] | None) -> dict[int, Tensor]:
        out = {}
        for name, value in (masks or {}).items():
            if name not in self.projections or not self.projections[name].connectivity.learns:
                raise FastsnnError(f"masks: there is no dense projection '{name}'.")
            shape = tuple(self.projections[name].w.shape)
            mask = torch.as_tensor(value, device=self.device).to(torch.bool)
            if tuple(mask.shape) != shape:
                raise ShapeError(f"masks['{name}'] is {tuple(mask.shape)}, expected {shape} (pre, post).")
            out[list(self.projections).index(name)] = mask.contiguous()
        return out

    def _reward(self, reward: float | Tensor | None) -> Tensor | None:
        needs = [p for p in self.projections.values() if p.rule and "reward" in p.rule.functions["learn"].arguments]
        if reward is None:
            if needs and self.learning:
                raise FastsnnError(f"{needs[0]} learns from reward; give reward=... (a number, or [batch]).")
            return None
        values = torch.as_tensor(reward, dtype=torch.float32, device=self.device).reshape(-1)
        if values.numel() not in (1, self.batch_size) or not bool(torch.isfinite(values).all()):
            raise ShapeError(f"reward={reward!r}: expected a finite number, or {self.batch_size} of them (batch).")
        one = [p for p in needs if type(p.rule).one_reward]
        if one and bool((values != values[0]).any()):
            raise ShapeError(f"{one[0]}: {type(one[0].rule).__name__} takes one reward for the whole batch.")
        return values.expand(self.batch_size).contiguous()

    def _replay(self, args: RunArgs, replay: Mapping[str, Tensor] | None) -> None:
        for name, draws in (replay or {}).items():
            p, winners = self._find(name), not torch.as_tensor(draws).is_floating_point()
            shape = (args.n_steps, self.batch_size) if winners else (args.n_steps, self.batch_size, p.n)
            if tuple(draws.shape) != shape:
                raise ShapeError(f"replay['{name}'] is {tuple(draws.shape)}, expected {shape}.")
            if winners and bool(((draws < -1) | (draws >= p.n)).any()):
                raise ShapeError(f"replay['{name}'] holds winners outside -1..{p.n - 1}.")
            kind = args.winners if winners else args.uniforms
            dtype = torch.int32 if winners else torch.float32
            kind[self._index(p)] = draws.to(self.device, dtype).contiguous()

    def _execute(self, args: RunArgs) -> RunReport:
        """Run, in chunks where monitors keep less than they record, and keep the books."""
        program = self._compile()
        for p in self.projections.values():
            p.settle()
        total = RunReport()
        chunk = self._chunk(args)
        for first in range(0, args.n_steps, chunk):
            last = min(first + chunk, args.n_steps)
            part = args if chunk == args.n_steps else _part(args, first, last)
            part.step = self.step
            part.records = self._records(part)
            report = RunReport()
            try:
                program.run(part, report)
            finally:
                self.step += report.steps
                for p in self.projections.values():
                    p.remember()
                for m, record in zip(self.monitors, part.records, strict=True):
                    m.append(record.dest[: m.rows_in(report.steps)], report.steps)
            total.steps += report.steps
            total.tries = report.tries
            if report.interrupted:
                raise KeyboardInterrupt
        return total

    def _chunk(self, args: RunArgs) -> int:
        if args.n_samples > 1:
            return args.n_steps
        chunk = args.n_steps
        for m in self.monitors:
            if m.capacity is not None:
                row = self._recorded(m).numel() * self._recorded(m).element_size()
                chunk = min(chunk, m.every * max(m.capacity, _CHUNK_BYTES // max(1, row)))
        return max(1, chunk)

    def _recorded(self, m: Monitor) -> Tensor:
        owner = self.populations.get(m.owner) or self.projections[m.owner]
        return owner.variables()[m.variable]

    def _records(self, args: RunArgs) -> list[Record]:
        if args.retry and self.monitors:
            raise FastsnnError("present(retry=...) cannot record; remove the monitors, or run sample by sample.")
        out = []
        for m in self.monitors:
            source = self._recorded(m)
            width = source.shape[-1] if m.index is None else len(m.index)
            rows = m.rows_in(args.n_steps * args.n_samples)
            dest = torch.empty((rows, *source.shape[:-1], width), dtype=source.dtype, device=source.device)
            out.append(Record(source, dest, m.index, m.every, m.phase, m.owner in self.projections))
        return out


def _part(args: RunArgs, first: int, last: int) -> RunArgs:
    """Steps first..last of a run of one sample; only the last part normalises."""

    def cut(given: dict[int, Tensor]) -> dict[int, Tensor]:
        return {k: v[first:last].contiguous() if v.dim() > 1 else v for k, v in given.items()}

    return RunArgs(
        n_steps=last - first,
        learning=args.learning,
        normalize=args.normalize and last == args.n_steps,
        reward=args.reward,
        inputs={k: v.part(first, last) for k, v in args.inputs.items()},
        clamp=cut(args.clamp),
        unclamp=cut(args.unclamp),
        inject_v=cut(args.inject_v),
        masks=args.masks,
        winners=cut(args.winners),
        uniforms=cut(args.uniforms),
    )
