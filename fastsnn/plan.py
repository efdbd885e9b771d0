# SPDX-License-Identifier: Apache-2.0
"""The plan: a network as flat tensors and numbers, in the order of a step.  The contract of all
backends.

`docs/design.md` gives the order of a step and of every sum.  A backend changes the tensors of the
plan in place; it never looks at the network.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from fastsnn.compartments import Compartments
from fastsnn.inputs import BoundInput, Retry
from fastsnn.models.declare import Neuron, Rule
from fastsnn.population import TRACE_KINDS, Population
from fastsnn.projection import Projection
from fastsnn.random import Purpose, stream
from fastsnn.sparse.drives import Driven
from fastsnn.sparse.projection import SparseProjection
from fastsnn.sparse.wirings import Wiring
from fastsnn.synapses import Synapses


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """The last values of `of` ("i_syn" or "spike"): data [W, B, n] is a ring.

    head: int64 [1], the slot written next, which is the oldest.
    """

    data: Tensor
    of: str
    head: Tensor


@dataclass(frozen=True, eq=False)
class PopulationPlan:
    """One population.  Tensors are [B, n] unless said; numbers are [1] or [n]."""

    name: str
    index: int
    model: type[Neuron]
    n: int
    is_input: bool
    state: tuple[Tensor, ...]
    init: tuple[Tensor, ...]
    shared: tuple[Tensor, ...]  # [n]
    params: tuple[Tensor, ...]  # in the order of Neuron.step_params; 0 for `learning`
    windows: tuple[WindowPlan, ...]
    kernels: tuple[Tensor, ...]  # [W]
    spike: Tensor  # bool
    x: Tensor | None
    trace: int  # 0 none, 1 set, 2 additive
    decay_x: Tensor
    trace_scale: Tensor
    summed: Tensor | None
    one_spike: bool


@dataclass(frozen=True, eq=False)
class ProjectionPlan:
    """One projection from population `source` to `target` (indices)."""

    name: str
    index: int
    source: int
    target: int
    # "dense", "one_to_one", "all_but_one", "indexed", "max_pool", "mean_field", "compartments", or
    # "silent": learns like "dense" and delivers nothing
    kind: str
    w: Tensor
    bias: Tensor | None
    rule: type[Rule] | None
    params: Tensor  # Rule.learn_params, then the reward if Rule.one_reward; may change
    pre: tuple[Tensor, ...]  # [B, n_pre], what the rule reads besides the spike, own traces last
    post: tuple[Tensor, ...]
    last_pre: Tensor | None  # bool [B, n_pre], for rules with lag
    last_post: Tensor | None
    synapse: tuple[Tensor, ...]  # in w's shape
    reduction: str
    w_min: Tensor  # [1] or one per weight
    w_max: Tensor
    weight_decay: float
    norm: float | None
    changed: Tensor | None  # bool, one per sum that norm holds: [n_post], see Synapses.n_sums
    synapses: Synapses | None = None  # "indexed": w is w.flatten()[synapses.weight]; "max_pool"
    rate: Tensor | None = None  # "max_pool": running rates, [B, n_pre]
    decay: float = 0.0  # "max_pool": of the rates
    receptor: int = 0  # 0: i_syn, k + 1: the k-th of Neuron.receptors()
    compartments: Compartments | None = None
    # "indexed" with delays; what is of step t stands in slot t % slots
    dendritic: bool = False  # the target's spikes reach the synapses late, else the source's
    sent: Tensor | None = None  # bool [slots, n]: spikes of the late side
    arriving: Tensor | None = None  # dendritic: [delay, n_post], currents that act in t
    past: Tensor | None = None  # [slots, own variables, n] of the late side, as seen in t
    every: int = 0  # steps after which the rule consolidates, 0: never
    terminal: PopulationPlan | None = None  # its `efficacy` scales what a spike delivers

    @property
    def bounded(self) -> bool:
        """Whether a bound is finite."""
        return bool(torch.isfinite(self.w_min).any() or torch.isfinite(self.w_max).any())


@dataclass(frozen=True, eq=False)
class PortPlan:
    """Where the spikes of sparse projections and drives arrive: sums in whole numbers of `grain`.

    receptor: 0: i_syn, k + 1: the k-th of Neuron.receptors().
    arriving: int32 [slots, n], what is under way; what acts in step t stands in slot t % slots.
    """

    population: int
    receptor: int
    grain: float
    arriving: Tensor


@dataclass(frozen=True, eq=False)
class SparsePlan:
    """Static synapses from population `source` onto a port.

    A spike of step t acts in step t + delay, by round(w / grain), half to even, of at most
    +-32767.
    """

    name: str
    source: int
    port: int
    wiring: Wiring
    stream: int


@dataclass(frozen=True, eq=False)
class DrivePlan:
    """Random input that every neuron of a port draws for itself; see `fastsnn.sparse.drives`.

    table: int64 [rates, entries] of `Drive.table`; which: int32 [n], the neuron's row of it.
    stream, offset: neuron i draws number offset + i of the stream.
    """

    name: str
    port: int
    kind: str
    table: Tensor
    which: Tensor
    stream: int
    offset: int


@dataclass(frozen=True, eq=False)
class Plan:
    """A network, ready to be lowered.

    dtype: of every tensor that holds real numbers, here and in `RunArgs`, but for rates of inputs.
    """

    dt: float
    batch: int
    seed: int
    device: torch.device
    populations: tuple[PopulationPlan, ...]
    projections: tuple[ProjectionPlan, ...]
    ports: tuple[PortPlan, ...] = ()
    sparse: tuple[SparsePlan, ...] = ()
    drives: tuple[DrivePlan, ...] = ()
    dtype: torch.dtype = torch.float32

    def beyond(
        self, kinds: tuple[str, ...], dtypes: Collection[torch.dtype] = (torch.float32,)
    ) -> str | None:
        """Why a backend that knows no other kinds of projections and numbers cannot run it."""
        if self.dtype not in dtypes:
            return f"its numbers are {self.dtype}, it knows {', '.join(map(str, dtypes))}."
        for p in self.projections:
            if p.kind not in kinds:
                return f"projection '{p.name}' is of kind '{p.kind}', it runs {', '.join(kinds)}."
            if p.rule and p.rule.host_only and "indexed" not in kinds:
                rule = p.rule.__name__
                return f"the rule {rule} of '{p.name}' needs the backend cpu, cuda or torch."
        return None

    def ends(self, p: SparsePlan) -> tuple[int, int, bool]:
        """Neurons of its source, of its target, and whether they are one population."""
        target = self.ports[p.port].population
        return self.populations[p.source].n, self.populations[target].n, p.source == target

    @property
    def expected_synapses(self) -> float:
        """Number of static sparse synapses, on average."""
        return sum(p.wiring.expected_synapses(*self.ends(p)) for p in self.sparse)

    @property
    def memory(self) -> int:
        """Bytes of all tensors of the plan."""
        tensors = {}
        for part in (*self.populations, *self.projections, *self.ports, *self.drives):
            for value in vars(part).values():
                value = value.tensors if isinstance(value, (Synapses, Compartments)) else value
                for item in value if isinstance(value, (tuple, list)) else (value,):
                    item = item.data if isinstance(item, WindowPlan) else item
                    if isinstance(item, Tensor):
                        tensors[item.data_ptr()] = item.numel() * item.element_size()
        return sum(tensors.values())


@dataclass(eq=False)
class Record:
    """Copy `source`, [B, n], [n] or a weight, to the next row of `dest` every k-th step."""

    source: Tensor
    dest: Tensor
    index: Tensor | None
    every: int
    phase: int
    weights: bool


STEP_ENDED = -1


@dataclass(eq=False)
class RunArgs:
    """One call of a backend: S samples of T steps each."""

    n_steps: int
    n_samples: int = 1
    step: int = 0
    learning: bool = True
    normalize: bool = True
    reset: bool = False
    reward: Tensor | None = None  # [B]
    inputs: dict[int, BoundInput] = field(default_factory=dict)
    clamp: dict[int, Tensor] = field(default_factory=dict)  # bool [T, n] or [n]
    unclamp: dict[int, Tensor] = field(default_factory=dict)
    inject_v: dict[int, Tensor] = field(default_factory=dict)  # [T, n] or [n]
    masks: dict[int, Tensor] = field(default_factory=dict)  # bool, in w's shape
    records: list[Record] = field(default_factory=list)
    counts: dict[int, Tensor] = field(default_factory=dict)  # int32 [S, B, n], zeros
    retry: tuple[int, Retry] | None = None
    winners: dict[int, Tensor] = field(default_factory=dict)  # int32 [S*T, B], replayed
    uniforms: dict[int, Tensor] = field(default_factory=dict)  # [S*T, B, n], replayed
    recorded: tuple[int, ...] = ()  # populations whose spikes are reported
    progress: Callable[[int], None] | None = None  # called with the number of finished samples
    fresh: bool = False  # whether weights may leave their bounds, for they were written to
    # populations act in their order, and their spikes reach later ones within the step
    chained: bool = False
    # called within every step: attend(k) for the populations k that are told their spikes and
    # traces, which it writes, when neurons have advanced; attend(STEP_ENDED) before the step is
    # recorded.  The plan's tensors are up to date, and may be written to but for weights that learn
    attend: Callable[[int], object] | None = None
    told: frozenset[int] = frozenset()


@dataclass
class RunReport:
    """What a backend says after (or, when interrupted, during) a run."""

    steps: int = 0
    samples: int = 0
    tries: list[int] = field(default_factory=list)
    interrupted: bool = False
    # of recorded populations: spikes of each step, int64 [steps], and their ids, int32
    events: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


def make_plan(
    populations: list[Population],
    projections: list[Projection],
    dt: float,
    batch: int,
    seed: int,
    device: torch.device,
    sparse: Sequence[SparseProjection] = (),
    drives: Sequence[Driven] = (),
    dtype: torch.dtype = torch.float32,
) -> Plan:
    """Resolve a network into a plan."""
    index = {p.name: k for k, p in enumerate(populations)}
    ports = [
        PortPlan(index[p.name], p.receptor(name), p.grains[name], arriving)
        for p in populations
        for name, arriving in p.arriving.items()
    ]
    at = {(port.population, port.receptor): k for k, port in enumerate(ports)}
    # at the end, so that a projection keeps its number
    inner = [learner for p in projections for learner in p.learners()]
    return Plan(
        dt,
        batch,
        seed,
        device,
        tuple(_population(k, p) for k, p in enumerate(populations)),
        tuple(_projection(k, p, index) for k, p in enumerate([*projections, *inner])),
        tuple(ports),
        tuple(
            SparsePlan(
                c.name,
                index[c.source.name],
                at[index[c.target.name], c.receptor],
                c.wiring,
                c.index,
            )
            for c in sparse
        ),
        tuple(_drive(d, index, at) for d in drives),
        dtype,
    )


def _drive(d: Driven, index: dict[str, int], at: dict[tuple[int, int], int]) -> DrivePlan:
    population = index[d.target.name]
    table, which = d.drive.table(str(d), d.target.n, d.target.dt, d.target.grains[d.port])
    where = d.target.device
    return DrivePlan(
        d.name, at[population, d.target.receptor(d.port)], d.drive.kind, table.to(where),
        which.to(where), stream(population, Purpose.DRIVE), d.order * d.target.n,
    )  # fmt: skip


def _population(index: int, p: Population) -> PopulationPlan:
    kind = type(p.model)
    zero = torch.zeros(1, dtype=p.dtype, device=p.device)
    return PopulationPlan(
        name=p.name,
        index=index,
        model=kind,
        n=p.n,
        is_input=p.is_input,
        state=tuple(p.state[k] for k in kind.state()),
        init=tuple(p.initial_values().values()),
        shared=tuple(p.shared.values()),
        params=()
        if p.is_input
        else tuple(zero if k == "learning" else p.number(k) for k in kind.step_params()),
        windows=tuple(
            WindowPlan(p.windows[k], kind.variables[k].of, p.heads[k]) for k in kind.windows()
        ),
        kernels=tuple(p.number(k) for k in kind.kernels()),
        spike=p.state["spike"],
        x=p.state.get("x"),
        trace=TRACE_KINDS[p.trace_kind],
        decay_x=p.rounded(torch.exp(-p.dt / p.tau_trace)),
        trace_scale=p.rounded(p.trace_scale),
        summed=p.state.get("summed"),
        one_spike=p.one_spike,
    )


def _terminal(p: Projection) -> PopulationPlan | None:
    if p.terminal is None:
        return None
    names = type(p.terminal.model).state()
    return replace(_population(0, p.terminal), state=tuple(p.state[k] for k in names))


def _projection(index: int, p: Projection, populations: dict[str, int]) -> ProjectionPlan:
    return ProjectionPlan(
        name=p.name,
        index=index,
        source=populations[p.source.name],
        target=populations[p.target.name],
        kind=p.kind,
        w=p.w,
        bias=p.bias,
        rule=type(p.rule) if p.rule else None,
        params=p.rule_params,
        pre=tuple(p.side("pre")),
        post=tuple(p.side("post")),
        last_pre=p.state.get("last_pre"),
        last_post=p.state.get("last_post"),
        synapse=tuple(p.state[k] for k in type(p.rule).own("synapse")) if p.rule else (),
        reduction=p.reduction,
        w_min=p.w_min,
        w_max=p.w_max,
        weight_decay=p.weight_decay,
        norm=p.norm,
        # nobody asks which sums changed where none is held
        changed=p.state.get("changed") if p.norm is not None or p.kind != "indexed" else None,
        synapses=p.synapses,
        rate=p.state.get("rate"),
        decay=float(p.sizes.get("decay", 0.0)),
        receptor=p.receptor,
        compartments=p.compartments,
        dendritic=p.dendritic,
        sent=p.state.get("sent"),
        arriving=p.state.get("arriving"),
        past=p.state.get("past"),
        every=p.every,
        terminal=_terminal(p),
    )
