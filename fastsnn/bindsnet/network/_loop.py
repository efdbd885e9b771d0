# SPDX-License-Identifier: Apache-2.0
"""A run on torch, step by step: the path that every network can take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.bindsnet.network._live import note_spikes
from fastsnn.bindsnet.network.nodes import CSRMNodes, Nodes

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._request import Request
    from fastsnn.bindsnet.network.network import Network

Pair = tuple[str, str]


def run_steps(net: Network, request: Request) -> None:
    """All steps of a run, then normalisation."""
    options = options_of(net, request)
    for t in range(request.steps):
        currents = {} if request.one_step else deliver(net, net.connections)
        for name, layer in net.layers.items():
            if request.one_step:
                currents = deliver(net, (pair for pair in net.connections if pair[1] == name))
            advance(net, request, name, layer, currents, t)
        for pair, connection in net.connections.items():
            connection.update(**options[pair])
        for monitor in net.monitors.values():
            monitor.record()
    for connection in net.connections.values():
        connection.normalize()
    for layer in net.layers.values():
        note_spikes(layer)


def options_of(net: Network, request: Request) -> dict[Pair, dict[str, Any]]:
    """What `update` of every connection is given."""
    return {
        pair: {
            **request.kwargs,
            **request.amplitudes(pair),
            "mask": request.masks.get(pair),
            "learning": net.learning,
        }
        for pair in net.connections
    }


def deliver(net: Network, pairs: Iterable[Pair]) -> dict[str, Tensor]:
    """What connections deliver, of the spikes that their sources show now: by target."""
    currents: dict[str, Tensor] = {}
    for pair in pairs:
        connection, name = net.connections[pair], pair[1]
        source, target = connection.source, connection.target
        if isinstance(target, CSRMNodes):
            delivered = connection.compute_window(source.s)
        else:
            delivered = connection.compute(source.s)
        have = currents.get(name)
        if have is None:
            have = torch.zeros(target.s.shape, device=target.s.device)
            have = have[:, None] if isinstance(target, CSRMNodes) else have
        currents[name] = have + delivered
    return currents


def advance(
    net: Network, request: Request, name: str, layer: Nodes, currents: dict[str, Tensor], t: int
) -> None:
    """One step of a layer: input, injection, neurons, clamps."""
    given = request.inputs.get(name)
    current = currents.get(name)
    # as there: within a step, what connections deliver replaces what comes from outside
    if given is not None and not (request.one_step and current is not None):
        row = given[t]
        current = row if current is None else current + row
    if name in request.forced["injects_v"]:
        injected = request.row("injects_v", name, t)
        layer.v = layer.v + injected.to(layer.v.dtype)
    if current is None:
        current = torch.zeros(layer.s.shape, device=layer.s.device)
    layer.forward(x=current)
    for forced, value in (("clamp", 1), ("unclamp", 0)):
        if name in request.forced[forced]:
            layer.s[:, request.row(forced, name, t)] = value
