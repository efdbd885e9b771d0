# SPDX-License-Identifier: Apache-2.0
"""Synapses with dynamics, as parts of a projection: plastic, depressing, and those that fail."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fastsnn.models import TsodyksMarkram
from fastsnn.pynn.relays import Relay
from fastsnn.pynn.synapses import STDPMechanism, Stochastic, TsodyksMarkramSynapse
from fastsnn.sparse import EdgeList
from fastsnn.structured import Sparse
from fastsnn.synapses import order_of

if TYPE_CHECKING:
    from fastsnn.pynn.joining import Joined, Part

Array = np.ndarray
_MOST = 256
_OWN = ("weight", "delay", "presynaptic_index", "postsynaptic_index")
_TERMINAL = ("U", "tau_rec", "tau_facil")


def divided(joined: Joined, part: Part) -> list[Part]:
    """Parts of synapses that one projection of the network can hold.

    A rule has one set of parameters, and terminals are those of a source: synapses that differ
    go to parts of their own.
    """
    numbers = _numbers(joined, part)
    if joined.projection.learns:
        rule = [v for name, v in numbers.items() if name not in _OWN]
        layer = _kinds([*rule, _place(joined, numbers)])
    elif isinstance(joined.projection.synapse_type, TsodyksMarkramSynapse):
        terminal = [numbers[k] for k in _TERMINAL] + [_initial(joined, part)]
        layer = _rank(part.pre, _kinds([part.pre, *terminal]))
    else:
        return [part]
    if layer.max() >= _MOST:
        raise NotImplementedError(
            f"{joined.projection.label}: parameters of the synapses take {layer.max() + 1} "
            f"values, at one source where they are those of terminals, expected at most {_MOST}."
        )
    which = np.arange(len(joined.projection))[part.which]
    return [
        replace(
            part, name=f"{part.name}_{k}", which=which[layer == k], pre=part.pre[layer == k],
            post=part.post[layer == k],
        )
        for k in range(int(layer.max()) + 1)
    ]  # fmt: skip


def made(joined: Joined, part: Part) -> bool:
    """Make the part in the network, if its synapses have dynamics; whether they have."""
    synapse = joined.projection.synapse_type
    for kind, make in (
        (STDPMechanism, _learning), (TsodyksMarkramSynapse, _depressing), (Stochastic, _failing)
    ):  # fmt: skip
        if isinstance(synapse, kind):
            make(joined, part)
            return True
    return False


def _learning(joined: Joined, part: Part) -> None:
    projection, scale = joined.projection, joined.scale(part)
    numbers = _numbers(joined, part)
    given = {name: float(v[0]) for name, v in numbers.items() if name not in _OWN}
    steps, axon, dt = _steps(joined, numbers), _axon(joined, numbers), joined.network.dt
    axonal = bool((axon == steps).all())
    if axonal and "A_plus" in given:
        # a rule sees what comes late one step before it acts, PyNN when it does
        given["A_plus"] *= math.exp(dt / given["tau_plus"])
        given["A_minus"] *= math.exp(-dt / given["tau_minus"])
    rule, least = projection.synapse_type.rule(given, scale)
    low, top = max(given["w_min"] * scale, least), given["w_max"] * scale
    if axonal or not axon.any():
        kind = "axonal" if axonal else "dendritic"
        _listed(joined, part, steps, kind, rule=rule, w_min=low, w_max=top)
        return
    # the axon's part of the delay by neurons that pass on what they get
    ends, relay = np.unique(np.stack([part.pre, axon]), axis=1, return_inverse=True)
    n = ends.shape[1]
    relays = joined.network.population(f"{part.name}_axons", Relay(p=1.0), n)
    pre, late = torch.as_tensor(ends[0]), torch.as_tensor(ends[1] * dt)
    joined.network.projection(
        part.source, relays, EdgeList(pre, torch.arange(n), w=1.0, delay=late),
        name=f"{part.name}_in",
    )  # fmt: skip
    part.source, part.pre = relays, relay.reshape(-1)
    _listed(joined, part, steps - axon, "dendritic", rule=rule, w_min=low, w_max=top)


def _depressing(joined: Joined, part: Part) -> None:
    numbers, n = _numbers(joined, part), part.source.n

    def of_sources(column: Array) -> torch.Tensor:
        values = np.full(n, column[0])
        values[part.pre] = column
        return torch.as_tensor(values)

    u_0, tau_rec, tau_facil = (of_sources(numbers[k]) for k in _TERMINAL)
    terminals = TsodyksMarkram(u_0=u_0, tau_rec=tau_rec, tau_facil=tau_facil)
    start = {"u": of_sources(_initial(joined, part))[None]}
    steps = _steps(joined, numbers)
    _listed(joined, part, steps, "dendritic", start, short_term=terminals)


def _failing(joined: Joined, part: Part) -> None:
    """A relay for each release site: one step to it, the other ones to the target."""
    network, projection = joined.network, joined.projection
    numbers = _numbers(joined, part)
    steps = _steps(joined, numbers)
    if (steps < 2).any():
        raise ValueError(
            f"{projection.label}: delay={numbers['delay'].min():g} ms, stochastic "
            f"synapses need two steps, {2 * network.dt:g} ms, or more."
        )
    sites = projection.synapse_type.sites(numbers)
    each = np.repeat(np.arange(len(part.pre)), sites)
    model = projection.synapse_type.relay({k: torch.as_tensor(v[each]) for k, v in numbers.items()})
    n = len(each)
    relays = network.population(f"{part.name}_relays", model, n)
    if "u" in relays.variables():
        part.relays, part.start = relays, {"u": torch.as_tensor(_initial(joined, part)[each])[None]}
        relays.u = part.start["u"]
    pre, post, ids = (torch.as_tensor(x) for x in (part.pre[each], part.post[each], np.arange(n)))
    network.projection(
        part.source, relays, EdgeList(pre, ids, w=1.0, delay=network.dt), name=f"{part.name}_in"
    )
    w = (joined.weights(part) / torch.as_tensor(sites))[torch.as_tensor(each)]
    late = torch.as_tensor((steps[each] - 1) * network.dt)
    kind = partial(Sparse, multapses=True) if joined.exact else EdgeList
    part.made = network.projection(
        relays, part.target, kind(w=w, pre=ids, post=post, delay=late), name=part.name,
        receptor=joined.receptor,
    )  # fmt: skip
    part.fixed = True


def listed(joined: Joined, part: Part) -> None:
    """Make the part in the network with a weight of the network's type for every synapse."""
    _listed(joined, part, _steps(joined, _numbers(joined, part)), "axonal")


def _listed(
    joined: Joined, part: Part, steps: Array, kind: str, start: dict[str, Any] | None = None,
    **options: Any,
) -> None:  # fmt: skip
    pre, post = (torch.as_tensor(x).long() for x in (part.pre, part.post))
    w = joined.weights(part).clamp(options.get("w_min", -math.inf), options.get("w_max"))
    delay = torch.as_tensor(steps * joined.network.dt)
    part.made = joined.network.projection(
        part.source, part.target, Sparse(w, pre, post, delay=delay, multapses=True),
        name=part.name, receptor=joined.receptor, delay_kind=kind, **options,
    )  # fmt: skip
    part.order = order_of(pre, post, torch.as_tensor(steps) if kind == "axonal" else 1)
    for name, value in (start or {}).items():
        part.made.variables()[name].copy_(value)
    part.start = {k: v.clone() for k, v in part.made.variables().items()}


def _numbers(joined: Joined, part: Part) -> dict[str, Array]:
    return {name: column[part.which] for name, column in joined.projection._columns.items()}


def _initial(joined: Joined, part: Part) -> Array:
    """What `Projection.initialize` was given for u."""
    values = joined.projection._initial.get("u", np.zeros(1))
    return np.broadcast_to(values, len(joined.projection))[part.which]


def _steps(joined: Joined, numbers: dict[str, Array]) -> Array:
    return np.maximum(np.rint(numbers["delay"] / joined.network.dt), 1).astype(np.int64)


def _axon(joined: Joined, numbers: dict[str, Array]) -> Array:
    """Steps of the delay that a spike spends before the synapse."""
    steps, dendrite = _steps(joined, numbers), numbers["dendritic_delay_fraction"]
    return np.rint((1.0 - dendrite) * steps).astype(np.int64)


def _place(joined: Joined, numbers: dict[str, Array]) -> Array:
    """0: all of the delay is the dendrite's, 2: the axon's, 1: either has some."""
    axon = _axon(joined, numbers)
    return np.where(axon == 0, 0, np.where(axon == _steps(joined, numbers), 2, 1))


def _kinds(columns: list[Array]) -> Array:
    """A number for each different row of a table."""
    differing = [c for c in columns if (c != c[0]).any()]
    if not differing:
        return np.zeros(len(columns[0]), dtype=np.int64)
    return np.unique(np.stack(differing), axis=1, return_inverse=True)[1].reshape(-1)


def _rank(source: Array, kind: Array) -> Array:
    """For each synapse the how manieth kind of its source it has; kinds ascend with sources."""
    _, first = np.unique(kind, return_index=True)
    of_kind = source[first]
    start = np.searchsorted(of_kind, np.arange(int(source.max()) + 2))
    return kind - start[source]
