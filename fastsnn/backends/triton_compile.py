# SPDX-License-Identifier: Apache-2.0
"""Every kernel that a network launches, as Triton compiles it for a GPU that need not be here.

`catalogue()` lists those of all models and rules of the package.  Triton must not interpret: run it
without TRITON_INTERPRET.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastsnn import models
from fastsnn.backends.triton_launches import Around, Launch, Launches, sending
from fastsnn.backends.triton_layout import Layout, Mode
from fastsnn.backends.triton_stage import extra_launches
from fastsnn.connectivity import AllButOne, Dense, OneToOne
from fastsnn.kernels.tiling import GPU
from fastsnn.models.declare import Model, Neuron, Rule
from fastsnn.plan import Plan, make_plan
from fastsnn.population import Population
from fastsnn.projection import Projection
from fastsnn.sparse.drives import Driven, PoissonDrive
from fastsnn.structured import Sparse

_TYPES = {
    torch.float32: "*fp32", torch.int64: "*i64", torch.int32: "*i32", torch.uint8: "*u8",
    torch.bool: "*u8",
}  # fmt: skip
_ALIGNED = [["tt.divisibility", 16]]
# of every population, of every projection
_COMMON: dict[str, Any] = {
    "dt": 1.0, "batch_size": 1, "device": torch.device("cpu"), "traces": True, "tau_trace": 20.0,
    "trace_scale": 1.0, "sum_input": True,
}  # fmt: skip
_OPTIONS: dict[str, Any] = {"reduction": "sum", "seed": 0, "weight_decay": 0.0, "bias": None}


@dataclass(frozen=True)
class Compilable:
    """A kernel and what `triton.compiler.ASTSource` and `triton.compile` take with it."""

    label: str
    kernel: Any
    signature: dict[str, Any]
    constants: dict[str, Any]
    attributes: dict[tuple[int, ...], Any]
    options: dict[str, Any]

    @property
    def key(self) -> str:
        """Two with the same key are the same code."""
        parts = (self.kernel.fn.__name__, self.signature, self.constants, self.attributes)
        return repr((*parts, self.options))


def of_launch(launch: Launch, label: str) -> Compilable:
    """A launch as it is compiled."""
    signature: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    attributes: dict[tuple[int, ...], Any] = {}
    for place, parameter in enumerate(launch.kernel.params):
        # what is given with the launch itself: the step of a block, or their number
        value = launch.args.get(parameter.name, 7)
        if parameter.is_constexpr or value is None:
            signature[parameter.name] = "constexpr"
            constants[parameter.name] = value
        else:
            signature[parameter.name] = _type(value, (place,), attributes)
    options = {"num_warps": launch.warps, "enable_fp_fusion": False}
    return Compilable(label, launch.kernel, signature, constants, attributes, options)


def _type(value: Any, path: tuple[int, ...], attributes: dict[tuple[int, ...], Any]) -> Any:
    if isinstance(value, tuple):
        found = [_type(item, (*path, k), attributes) for k, item in enumerate(value)]
        return type(value)(*found) if hasattr(value, "_fields") else tuple(found)
    if isinstance(value, Tensor):
        if value.data_ptr() % 16 == 0:
            attributes[path] = _ALIGNED
        return _TYPES[value.dtype]
    if isinstance(value, float):
        return "fp32"
    if value % 16 == 0:
        attributes[path] = _ALIGNED
    return "i32"


def launches_of(plan: Plan, mode: Mode | None = None) -> Iterator[tuple[str, Launch]]:
    """What a plan launches while it learns (or in a given mode), with labels."""
    layout = Layout([plan], GPU)
    inputs = frozenset(p.index for p in plan.populations if p.is_input)
    launches = Launches(layout, mode or Mode(learning=True, inputs=inputs))
    # the rows themselves do not matter to the code
    sends = [("", sending(layout, layout.sparse.ports[:, None]))]
    extra = (*Around(layout).all(), *extra_launches(layout), *sends)
    for name, launch in (*launches.all(), *extra):
        yield f"{launch.kernel.fn.__name__} {name}".strip(), launch


def kernels_of(plan: Plan, mode: Mode | None = None) -> Iterator[Compilable]:
    """The kernels of `launches_of`."""
    for label, launch in launches_of(plan, mode):
        yield of_launch(launch, label)


def catalogue() -> Iterator[Compilable]:
    """All kernels, with every model and every rule, for one sample at a time and for a batch."""
    seen: set[str] = set()
    for plan in _plans():
        for kernel in kernels_of(plan):
            if kernel.key not in seen:
                seen.add(kernel.key)
                yield kernel


def _plans() -> Iterator[Plan]:
    kinds = [getattr(models, name) for name in models.__all__]
    made = [k for k in kinds if isinstance(k, type) and issubclass(k, Model) and k.functions]
    for kind in made:
        if kind is not models.Input and not getattr(kind, "host_only", False):
            yield from (plan_of(kind, batch) for batch in (1, 8))
        # log, in float64, is contracted, and no other backend's to the last bit
        exact = not any(body.calls("log") for body in kind.functions.values())
        if issubclass(kind, Rule) and kind.own("pre") and not kind.lag and exact:
            yield from (listed_plan_of(kind, way) for way in ("axonal", "dendritic"))


def listed_plan_of(kind: type[Rule], delay_kind: str) -> Plan:
    """A network with listed synapses that learn, each with its own delay."""
    cells = Population("Y", models.LIF(), (64,), **_COMMON, traces_additive=False, one_spike=False)
    each = torch.arange(64)
    wiring = Sparse(1.0, each, each, delay=1 + each % 5)
    wire = Projection(
        "Y->Y", cells, cells, wiring, rule=kind(), norm=None, w_min=0.0, w_max=2.0,
        delay_kind=delay_kind, index=0, **_OPTIONS,
    )  # fmt: skip
    return make_plan([cells], [wire], 1.0, 1, 0, torch.device("cpu"))


def plan_of(kind: type[Model], batch: int, n: int = 1600, n_pre: int = 784) -> Plan:
    """A network with one model or one rule in it: input, and a layer that competes."""
    rule = kind() if issubclass(kind, Rule) else None
    model = kind() if issubclass(kind, Neuron) else models.SRM0()
    common = _COMMON | {"batch_size": batch}
    source = Population(
        "X", models.Input(), (n_pre,), **common, traces_additive=True, one_spike=False
    )
    target = Population("Y", model, (n,), **common, traces_additive=False, one_spike=True)
    free: dict[str, Any] = {"rule": None, "norm": None, "w_min": -torch.inf, "w_max": torch.inf}
    dense: dict[str, Any] = _OPTIONS | {"rule": rule, "norm": 78.4, "w_min": 0.0, "w_max": 1.0}
    wires = [
        Projection("X->Y", source, target, Dense(0.5), index=0, **dense),
        Projection("Y=Y", target, target, OneToOne(1.0), index=1, **_OPTIONS, **free),
        Projection("Y->Y", target, target, AllButOne(-1.0), index=2, **_OPTIONS, **free),
    ]
    drives = [
        Driven(f"d{k}", target, PoissonDrive(1000.0, sign), port=port, order=k, step=0)
        for k, (port, sign) in enumerate(_ports(model) if batch == 1 else ())
    ]
    return make_plan([source, target], wires, 1.0, batch, 0, torch.device("cpu"), drives=drives)


def _ports(model: Neuron) -> list[tuple[str, float]]:
    """Receptors, with a weight that they take."""
    return [(name, float(port.sign or 1)) for name, port in model.ports.items()]


__all__ = ["Compilable", "catalogue", "kernels_of", "launches_of", "of_launch", "plan_of"]
