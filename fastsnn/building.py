# SPDX-License-Identifier: Apache-2.0
"""What a user adds to a network: checked, then made.  Nothing changes where a check fails."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn import memory
from fastsnn.connectivity import Connectivity
from fastsnn.errors import FastsnnError, ModelError, ShapeError
from fastsnn.models.declare import Neuron, Rule
from fastsnn.monitors import Monitor
from fastsnn.population import Population
from fastsnn.projection import Projection
from fastsnn.recorders import SpikeRecorder
from fastsnn.sparse.draw import Edges
from fastsnn.sparse.drives import Driven, PoissonDrive
from fastsnn.sparse.projection import SparseProjection
from fastsnn.sparse.wirings import Wiring
from fastsnn.structured import Sparse

if TYPE_CHECKING:
    from fastsnn.network import Network

# streams of wirings that learn begin behind those of static ones
_PLASTIC = 1 << 16


def new_name(net: Network, name: str) -> str:
    """A name that is not taken yet."""
    if not name or not isinstance(name, str) or "." in name:
        raise FastsnnError(f"Name {name!r}: expected a non-empty string without dots.")
    if any(name in taken for taken in (net.populations, net.projections, net.sparse, net.drives)):
        raise FastsnnError(f"Name '{name}' is taken; give another one.")
    return name


def population(
    net: Network,
    name: str,
    model: Neuron,
    n: int | None,
    shape: Sequence[int] | None,
    one_spike: bool | None,
    options: dict[str, Any],
) -> Population:
    """A population, see `Network.population`."""
    new_name(net, name)
    if not (isinstance(model, Neuron) and "step" in model.functions):
        raise ModelError(
            f"Population '{name}': model is {model!r}, expected a neuron model, e.g. LIF()."
        )
    if n is None and shape is None:
        raise ShapeError(f"Population '{name}': give n or shape.")
    shape = tuple(int(s) for s in (shape if shape is not None else (n,)))  # type: ignore[arg-type]
    size = math.prod(shape)
    if size < 1 or min(shape) < 1 or (n is not None and n != size):
        raise ShapeError(
            f"Population '{name}': n={n}, shape={list(shape)}; expected n = product of the shape."
        )
    return Population(
        name, model, shape, dt=net.dt, batch_size=net.batch_size, device=net.device,
        one_spike=type(model).one_spike if one_spike is None else one_spike, dtype=net.dtype,
        **options,
    )  # fmt: skip


def projection(
    net: Network,
    source: str | Population,
    target: str | Population,
    connectivity: Connectivity | Wiring,
    name: str | None,
    receptor: str | None,
    rule: Rule | None,
    options: dict[str, Any],
) -> Projection | SparseProjection:
    """A projection, see `Network.projection`."""
    ends = [net.find(p) for p in (source, target)]
    name = new_name(net, name or f"{ends[0].name}->{ends[1].name}")
    if not isinstance(connectivity, (Connectivity, Wiring)):
        raise ModelError(
            f"Projection '{name}': connectivity is {connectivity!r}, expected Dense(), "
            f"OneToOne(), Conv2d(3), Sparse(...), FixedInDegree(...) or another wiring of "
            f"docs/connectivity.md or docs/sparse.md."
        )
    if rule is not None and not (isinstance(rule, Rule) and "learn" in rule.functions):
        raise ModelError(
            f"Projection '{name}': rule is {rule!r}, expected a learning rule, e.g. PostPre()."
        )
    if ends[1].is_input:
        raise ModelError(
            f"Projection '{name}': the target is an Input population, which takes no spikes."
        )
    if isinstance(connectivity, Wiring):
        if rule is None and options["short_term"] is None:
            _plain(net, name, options)
            return _static(net, name, ends, connectivity, receptor, len(net.sparse))
        connectivity = _listed(net, name, ends, connectivity)
    made = Projection(
        name, *ends, connectivity, receptor=receptor, rule=rule, seed=net.seed,
        index=len(net.projections), **options,
    )  # fmt: skip
    if (sign := _sign(ends[1], receptor)) and bool((made.w * sign < 0).any()):
        raise _wrong_sign(f"Projection '{name}'", receptor, sign)
    return made


def _plain(net: Network, name: str, options: dict[str, Any]) -> None:
    """Nothing is asked of a static sparse projection that it would not do."""
    usual = inspect.signature(net.projection).parameters
    given = [k for k, v in options.items() if isinstance(v, Tensor) or v != usual[k].default]
    if given:
        raise ModelError(
            f"Projection '{name}': {given[0]}={options[given[0]]!r} means nothing to a static "
            f"sparse projection; give it a rule, or leave {', '.join(given)} out."
        )


def rewire(net: Network, name: str, wiring: Wiring) -> SparseProjection:
    """Give a static sparse projection another wiring; what is under way arrives as it was sent."""
    old = net.sparse[name]
    made = _static(net, name, [old.source, old.target], wiring, old.port, old.index)
    net.sparse[name] = made
    net.changed()
    return made


def _static(
    net: Network,
    name: str,
    ends: list[Population],
    wiring: Wiring,
    receptor: str | None,
    index: int,
) -> SparseProjection:
    what, sizes = f"Projection '{name}'", (ends[0].n, ends[1].n, ends[0] is ends[1])
    wiring.check(what, *sizes)
    if sign := _sign(ends[1], receptor):
        wiring.check_sign(what, sign)
    # the backend takes the memory later, for all of them
    taken = sum(c.memory for c in net.sparse.values() if c.name != name)
    memory.require(f"{what}, with those before it", taken + wiring.memory(*sizes))
    return SparseProjection(
        name, *ends, wiring, port=receptor, seed=net.seed, index=index, step=net.step
    )


def draw(net: Network, name: str, ends: Sequence[Population], wiring: Wiring) -> Edges:
    """The synapses of a wiring as lists, for the projection that is added next."""
    sizes = (ends[0].n, ends[1].n, ends[0] is ends[1])
    wiring.check(f"Projection '{name}'", *sizes)
    return wiring.edges(net.seed, _PLASTIC + len(net.projections), net.dt, *sizes)


def _listed(net: Network, name: str, ends: list[Population], wiring: Wiring) -> Sparse:
    """The synapses of a wiring that learns, or whose terminals do, as lists."""
    edges = draw(net, name, ends, wiring)
    delay = edges.delay.to(torch.float64) * net.dt
    return Sparse(edges.w, edges.pre, edges.post, delay=delay, multapses=True)


def _sign(target: Population, receptor: str | None) -> int:
    """Sign that weights onto a port must have; 0: any."""
    port = type(target.model).ports.get(receptor or "")
    return port.sign if port else 0


def _wrong_sign(what: str, receptor: str | None, sign: int) -> ModelError:
    wrong = "negative" if sign > 0 else "positive"
    return ModelError(
        f"{what}: a weight is {wrong}, but those onto the receptor '{receptor}' may not be (a "
        f"conductance, say, whose effect its reversal potential decides). Change its sign."
    )


def drive(
    net: Network,
    target: str | Population,
    drive: PoissonDrive,
    name: str | None,
    receptor: str | None,
) -> Driven:
    """A drive, see `Network.drive`."""
    population = net.find(target)
    taken = sum(d.target is population for d in net.drives.values())
    name = new_name(net, name or f"drive{taken + 1}->{population.name}")
    if not isinstance(drive, PoissonDrive):
        raise ModelError(f"Drive '{name}': drive is {drive!r}, expected PoissonDrive(rate, w).")
    if population.is_input:
        raise ModelError(f"Drive '{name}': the target is an Input population, which takes none.")
    if drive.w * (sign := _sign(population, receptor)) < 0:
        raise _wrong_sign(f"Drive '{name}'", receptor, sign)
    return Driven(name, population, drive, port=receptor, order=taken, step=net.step)


def monitor(
    net: Network,
    owner: str | Population | Projection,
    variable: str,
    every: int,
    index: Sequence[int] | Tensor | None,
    capacity: int | None,
) -> Monitor:
    """A monitor, see `Network.monitor`."""
    name = owner if isinstance(owner, str) else owner.name
    found = net.populations.get(name) or net.projections.get(name)
    if found is None:
        have = ", ".join((*net.populations, *net.projections)) or "nothing yet"
        raise ShapeError(f"monitor('{name}', '{variable}'): no '{name}' here; there is {have}.")
    if variable not in found.variables():
        have = ", ".join(found.variables())
        raise ShapeError(f"monitor('{name}', '{variable}'): no such variable; it has {have}.")
    if index is not None:
        index = torch.as_tensor(index, dtype=torch.int64, device=net.device).reshape(-1)
        width = found.variables()[variable].shape[-1]
        if bool(((index < 0) | (index >= width)).any()):
            raise ShapeError(f"monitor('{name}', '{variable}'): index outside 0..{width - 1}.")
    return Monitor(name, variable, every, index, capacity)


def recorder(
    net: Network,
    populations: Sequence[str | Population],
    capacity: int | None,
    to: str | Path | None,
) -> SpikeRecorder:
    """A recorder of spikes, see `Network.record_spikes`."""
    found = [net.find(p).name for p in populations or list(net.populations)]
    if net.batch_size != 1:
        raise ShapeError(
            f"record_spikes(): needs batch_size=1, the network has {net.batch_size}; record "
            f"'spike' with Network.monitor."
        )
    if capacity is not None and capacity < 1:
        raise ShapeError(f"record_spikes(capacity={capacity!r}): expected 1 or more, or None.")
    sizes = {name: net.populations[name].n for name in found}
    return SpikeRecorder(sizes, net.dt, capacity, None if to is None else Path(to))
