# SPDX-License-Identifier: Apache-2.0
"""The network: what a user describes, runs, saves and looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastsnn import backends, building, running, storage, table
from fastsnn.connectivity import Connectivity
from fastsnn.errors import FastsnnError, real_type, whole_number
from fastsnn.executing import execute
from fastsnn.features import Feature
from fastsnn.inputs import Retry
from fastsnn.models.declare import Neuron, Rule
from fastsnn.models.terminals import Terminal
from fastsnn.monitors import Monitor
from fastsnn.plan import Plan, RunArgs, RunReport, make_plan
from fastsnn.population import Population
from fastsnn.projection import Projection
from fastsnn.recorders import SpikeRecorder
from fastsnn.running import Presentation
from fastsnn.sparse.drives import Driven, PoissonDrive
from fastsnn.sparse.projection import SparseProjection
from fastsnn.sparse.wirings import Wiring


class Network:
    """Populations, projections and what is recorded of them.

    dt:         time step, ms.
    batch_size: number of independent copies of the state that share the weights.
    seed:       of every random number that is drawn; runs with the same seed are bit-identical.
    device:     where the state lives; default "cpu", or where the given backend works.
    backend:    "auto" (the fastest that can), "cuda", "cpu", "triton", "torch"; see `explain()`.
    threads:    for the cpu backend; None: as many as pay off.
    dtype:      of states, parameters, weights and currents: torch.float32, or torch.float64, which
                the backends torch and cpu (on x86 with AVX2) know.  Static sparse projections keep
                int16 weights.
    """

    def __init__(
        self, dt: float = 1.0, batch_size: int = 1, seed: int = 0,
        device: str | torch.device | None = None, backend: str = "auto",
        threads: int | None = None, dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        if not 0.0 < dt < float("inf"):
            raise FastsnnError(f"Network(dt={dt!r}): expected a positive time step in ms.")
        self.dt = float(dt)
        self.batch_size = whole_number(f"Network(batch_size={batch_size!r})", batch_size, 1)
        self.seed = whole_number(f"Network(seed={seed!r})", seed, 0, 2**64)
        if threads is not None:
            threads = whole_number(f"Network(threads={threads!r})", threads, 1)
        self.dtype = real_type(f"Network(dtype={dtype!r})", dtype)
        self.device = backends.device_for(backend, device)
        self.learning = True
        self.step = 0
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.sparse: dict[str, SparseProjection] = {}
        self.drives: dict[str, Driven] = {}
        self.recorders: list[SpikeRecorder] = []
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
        made = building.population(
            self, name, model, n, shape, one_spike,
            {"traces": traces, "traces_additive": traces_additive, "tau_trace": tau_trace,
             "trace_scale": trace_scale, "sum_input": sum_input},
        )  # fmt: skip
        self.populations[name] = made
        self.changed()
        return made

    def projection(
        self,
        source: str | Population,
        target: str | Population,
        connectivity: Connectivity | Wiring,
        *,
        name: str | None = None,
        receptor: str | None = None,
        rule: Rule | None = None,
        w_min: float | Tensor = -torch.inf,
        w_max: float | Tensor = torch.inf,
        norm: float | None = None,
        weight_decay: float = 0.0,
        reduction: str = "sum",
        bias: Tensor | None = None,
        features: Sequence[Feature] = (),
        delay_kind: str = "axonal",
        short_term: Terminal | None = None,
    ) -> Projection | SparseProjection:
        """Connect two populations; spikes arrive one step later, or after the wiring's delays.

        A wiring of `fastsnn.sparse` without a rule gives a static sparse projection, which takes
        name and receptor only.

        name: default "source->target".  receptor: port of the target's model, default "i_syn".
        rule: learning rule.  w_min, w_max: bounds, kept while the
        rule learns.  norm: sum of |w| of every target neuron (of a convolution: of every filter),
        restored after each run.  weight_decay: fraction of w lost a step while learning.
        reduction: of updates over the batch, "sum", "mean" or "max".  bias: current added every
        step, [n_post] (of a convolution also [filters]).  features: what happens to the signals of
        a Dense wiring, in order: Mask, Intensity, Probability, Bias, Degradation, Delay,
        Adaptation.  Of listed wirings: delay_kind: which side's spikes are late at the synapses,
        the source's ("axonal") or the target's ("dendritic"); short_term: TsodyksMarkram(...).

        Raises ModelError, ShapeError.
        """
        made = building.projection(
            self, source, target, connectivity, name, receptor, rule,
            {"w_min": w_min, "w_max": w_max, "norm": norm, "weight_decay": weight_decay,
             "reduction": reduction, "bias": bias, "features": features, "delay_kind": delay_kind,
             "short_term": short_term},
        )  # fmt: skip
        kept = self.sparse if isinstance(made, SparseProjection) else self.projections
        kept[made.name] = made
        self.changed()
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
        made = building.monitor(self, owner, variable, every, index, capacity)
        self.monitors.append(made)
        return made

    def drive(
        self,
        target: str | Population,
        drive: PoissonDrive,
        *,
        name: str | None = None,
        receptor: str | None = None,
    ) -> Driven:
        """Give every neuron of a population random input of its own, e.g. PoissonDrive(rate, w).

        receptor: port of the target's model, default "i_syn".  Raises ModelError, ShapeError.
        """
        made = building.drive(self, target, drive, name, receptor)
        self.drives[made.name] = made
        self.changed()
        return made

    def record_spikes(
        self,
        *populations: str | Population,
        capacity: int | None = None,
        to: str | Path | None = None,
    ) -> SpikeRecorder:
        """Record the spikes of populations (default: all) as events; see `SpikeRecorder`."""
        made = building.recorder(self, populations, capacity, to)
        self.recorders.append(made)
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
        masks:    projection -> bool, in the weight's shape: weights held at zero.
        reward:   a number, or one per batch element [B].
        replay:   population -> recorded random draws to use instead of fresh ones: winners of
                  one_spike (integers [T, B], -1: none) or numbers of rand() (floats [T, B, n]).

        Ctrl-C stops between two steps and raises KeyboardInterrupt; the state is then that of the
        last finished step.  Raises FastsnnError for bad input, before anything changes.
        """
        args = running.run_args(
            self, time, inputs, clamp=clamp, unclamp=unclamp, inject_v=inject_v, masks=masks,
            reward=reward, normalize=normalize, replay=replay,
        )  # fmt: skip
        if args.n_steps:
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
        count:  populations whose spikes are counted.
        reset:  neurons start each sample at rest (monitors are kept).
        retry:  show a sample again while too few spikes come.
        samples: S, where the inputs do not say.
        progress: called now and then with the number of finished samples.

        Weights are normalised after each sample.  Raises as `run`.
        """
        args = running.present_args(
            self, inputs, time, count=count, reset=reset, retry=retry, reward=reward,
            samples=samples, progress=progress,
        )  # fmt: skip
        return running.presentation(self, args, self._execute(args), count)

    def reset_state(self) -> None:
        """Put neurons, spikes and traces at their initial values and empty the monitors.

        Weights, adaptive thresholds and the learning rules' own traces are kept.
        """
        for p in self.populations.values():
            p.reset()
        for c in self.projections.values():
            c.reset()
        for m in (*self.monitors, *self.recorders):
            m.clear()

    def train(self, mode: bool = True) -> None:
        """Switch learning (weights and adaptive thresholds) on or off."""
        self.learning = bool(mode)

    def set_rule(self, projection: str | Projection, rule: Rule) -> None:
        """Give a plastic projection other parameters of its rule, e.g. another learning rate.

        State, weights and the rule's own traces stay.  Raises ModelError for another kind of rule.
        """
        name = projection if isinstance(projection, str) else projection.name
        if name not in self.projections:
            raise FastsnnError(f"There is no projection '{name}'.")
        self.projections[name].set_rule(rule)

    def set_batch_size(self, batch_size: int) -> None:
        """Change the batch size; state starts at its initial values, weights and theta are kept."""
        batch_size = whole_number(f"set_batch_size({batch_size!r})", batch_size, 1)
        if batch_size > 1 and (self.sparse or self.drives or self.recorders):
            raise FastsnnError(
                f"set_batch_size({batch_size}): sparse projections, drives and recorded spikes "
                f"need batch_size=1."
            )
        for c in self.projections.values():
            c.check_delays(batch_size)
        self.batch_size = batch_size
        for p in self.populations.values():
            p.allocate(self.batch_size)
        for c in self.projections.values():
            c.allocate()
        for m in self.monitors:
            m.clear()
        self.changed()

    @property
    def backend(self) -> str:
        """Name of the backend that runs this network."""
        if not self.populations:
            raise FastsnnError("The network has no population; add one with Network.population.")
        if not self._backend:
            self._backend = backends.choose(self.plan, self._asked)
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
                list(self.sparse.values()), list(self.drives.values()), self.dtype,
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
        """Read a file of `save`.

        models: classes of your own models.  options: backend, threads, device.
        """
        return storage.load(path, models, **options)

    def __str__(self) -> str:
        return table.describe(self)

    def __repr__(self) -> str:
        return (
            f"Network({len(self.populations)} populations, {len(self.projections)} projections, "
            f"dt={self.dt}, batch_size={self.batch_size})"
        )

    # ---- inside ----

    def moved(self) -> None:
        """The tensors of the plan lie elsewhere now: a program may hold their old addresses."""
        self._program = None
        for p in self.projections.values():
            p.remember()

    def _execute(self, args: RunArgs) -> RunReport:
        program = self.compile()
        return execute([self], [args], lambda parts, reports: program.run(parts[0], reports[0]))[0]

    def changed(self) -> None:
        """What is described is another network now: it is lowered again before it runs."""
        self._plan = self._program = None
        self._backend = ""

    def find(self, population: str | Population) -> Population:
        """A population by its name."""
        name = population if isinstance(population, str) else population.name
        if name not in self.populations:
            have = ", ".join(self.populations) or "none"
            raise FastsnnError(f"There is no population '{name}'; there are: {have}.")
        return self.populations[name]

    def index_of(self, population: str | Population) -> int:
        """Place of a population in the plan."""
        return list(self.populations).index(self.find(population).name)

    def compile(self) -> backends.Program:
        """Choose the backend and lower the plan, if that is not done yet."""
        if self._program is None:
            self._program = backends.lower(self.plan, self.backend, self.threads)
        return self._program
