# SPDX-License-Identifier: Apache-2.0
"""A run in one call of a native backend, over the tensors that layers and connections show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from fastsnn import backends
from fastsnn.bindsnet.network import _translate, _wire
from fastsnn.bindsnet.network._arguments import arguments
from fastsnn.bindsnet.network._aside import Attendant, Relay, spikes
from fastsnn.bindsnet.network._csrm import Windows
from fastsnn.bindsnet.network._rows import recorded, strangers
from fastsnn.bindsnet.network._translate import Layer, Part, Untranslatable
from fastsnn.bindsnet.network._wire import Wire
from fastsnn.bindsnet.network.monitors import NetworkMonitor
from fastsnn.bindsnet.network.nodes import CSRMNodes, Input, IzhikevichNodes
from fastsnn.plan import Plan, ProjectionPlan, RunReport

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._request import Request
    from fastsnn.bindsnet.network.network import Network


def fingerprint(net: Network) -> tuple[Any, ...]:
    """Everything that a translation depends on; equal while it is valid."""
    parts: list[Any] = [net.dt, _translate.mode(net)]
    for name, layer in net.layers.items():
        parts += (name, spikes(layer))
        parts.extend(_translate.parameters(layer))
    for pair, connection in net.connections.items():
        parts.append(pair)
        parts.append((id(connection.source), id(connection.target)))
        parts.extend(_wire.parameters(connection))
    return tuple(parts)


def translate(net: Network, backend: str | None, aside: dict[Part, str]) -> Fast:
    """A network as a program; parts that cannot be of it are set aside, to run on torch.

    Raises Untranslatable where nothing is left that a program could run.
    """
    aside = dict(aside)
    try:
        return Fast(net, backend, aside)
    except Untranslatable as reason:
        set_aside(aside, reason)
    return translate(net, backend, aside)


def set_aside(aside: dict[Part, str], reason: Untranslatable) -> None:
    """Note a part that runs on torch; raises the reason where it is not one part's."""
    if reason.part is None or reason.part in aside:
        raise reason
    aside[reason.part] = str(reason)


class Fast:
    """A network translated: a program, and what ties its tensors to the layers.

    aside: parts that run on torch, and why; more are added.
    """

    def __init__(self, net: Network, backend: str | None, aside: dict[Part, str]) -> None:
        self.net, self.aside = net, aside
        self.mode = _translate.mode(net)
        self.rules = self.mode is None or self.mode[0]
        self.layers = {name: self._layer(k, name) for k, name in enumerate(net.layers)}
        self.index = {name: k for k, name in enumerate(self.layers)}
        self.windows = list(self._windows())
        self.on_torch: list[Any] = []
        self.wires = list(self._wires())
        projections = [wire.plan for wire in self.wires]
        projections += list(self._laterals(len(projections)))
        native = [x for x in self.layers.values() if isinstance(x, Layer) and not x.is_input]
        if aside and not native and not self.wires:
            raise Untranslatable(next(filter(None, aside.values())))
        device = next((layer.spike.device for layer in self.layers.values()), torch.device("cpu"))
        plan = Plan(
            float(net.dt), net.batch_size, 0, device,
            tuple(layer.plan for layer in self.layers.values()), tuple(projections),
        )  # fmt: skip
        self.plan = plan
        self.attended = bool(aside)
        name = backend or backends.fastest(plan, self.attended)
        if name is None:
            why = backends.explain(plan)["cpu" if device.type == "cpu" else "cuda"]
            raise Untranslatable(f"no native backend runs it: {why.rstrip('.')}")
        self.stepwise = backends.is_stepwise(name)
        self.program = backends.lower(plan, name)
        self.draws = any(
            p.one_spike or (not p.is_input and p.model.functions["step"].calls("rand"))
            for p in plan.populations
        )

    def _layer(self, index: int, name: str) -> Layer | Relay:
        layer, part = self.net.layers[name], ("layer", name)
        if ("spikes", name) in self.aside:
            self.aside.setdefault(part, "")
        if type(layer) is Input and any(pair[1] == name for pair in self.net.connections):
            reason = f"connections lead to '{name}', which is an Input layer"
            self.aside.setdefault(part, reason)
            self.aside.setdefault(("spikes", name), "")
        if part not in self.aside:
            try:
                return Layer(name, index, layer, _translate.adapts(self.net, layer))
            except Untranslatable as reason:
                set_aside(self.aside, reason)
        if not spikes(layer):
            # until a run has shown it
            self.aside.setdefault(("spikes", name), "")
        return Relay(name, index, layer, self.net.batch_size, layer.s.device)

    def _windows(self) -> Iterator[Windows]:
        for layer in self.layers.values():
            if isinstance(layer, Layer) and isinstance(layer.layer, CSRMNodes):
                windows = Windows(layer, self.net, self.layers)
                layer.plan = replace(layer.plan, windows=windows.plan)
                yield windows

    def _wires(self) -> Iterator[Wire]:
        names = {id(layer.layer): name for name, layer in self.layers.items()}
        index = 0
        for pair, connection in self.net.connections.items():
            ends = [names.get(id(x)) for x in (connection.source, connection.target)]
            if None in ends or ends[1] != pair[1]:
                reason = f"connection {pair} joins other layers than it is named for"
                self.aside.setdefault(("connection", pair), reason)
                wire = None
            else:
                wire = self._wire(pair, index, connection, *(self.layers[k] for k in ends))
            if wire is None:
                self._deliver_on_torch(pair)
            else:
                index += 1
                yield wire

    def _wire(
        self, pair: Any, index: int, connection: Any, source: Any, target: Any
    ) -> Wire | None:
        """A connection as a projection; None where it delivers on torch."""
        on_torch = ("spikes", source.name) in self.aside
        # windows of past spikes are kept by the connection
        on_torch |= isinstance(target, Relay) and isinstance(target.layer, CSRMNodes)
        ends = (source.plan.index, target.plan.index)
        rests = False
        while ("connection", pair) not in self.aside:
            rests |= ("rule", pair) in self.aside
            try:
                wire = Wire(pair, index, connection, ends, (source, target), self.rules, rests)
            except Untranslatable as reason:
                set_aside(self.aside, reason)
                continue
            if wire.learns and ("spikes", target.name) in self.aside:
                rests = True
                continue
            if on_torch:
                return None
            source.heard = target.reached = True
            target.heard |= wire.learns
            return wire
        return None

    def _deliver_on_torch(self, pair: Any) -> None:
        target = self.layers[pair[1]]
        if isinstance(target, Layer) and isinstance(target.layer, CSRMNodes):
            reason = f"layer '{pair[1]}' is CSRM, and its input comes from torch"
            raise Untranslatable(reason, ("layer", pair[1]))
        self.on_torch.append(pair)

    def _laterals(self, first: int) -> Iterator[ProjectionPlan]:
        """The weights inside of Izhikevich layers."""
        for name, layer in self.layers.items():
            if not isinstance(layer, Layer) or not isinstance(layer.layer, IzhikevichNodes):
                continue
            k, bound = self.index[name], torch.tensor([torch.inf], device=layer.spike.device)
            yield ProjectionPlan(
                name=f"{name}, lateral", index=first, source=k, target=k, kind="dense",
                w=layer.layer.S.detach().T.contiguous(), bias=None, rule=None, params=bound[:0],
                pre=(), post=(), last_pre=None, last_post=None, synapse=(), reduction="sum",
                w_min=-bound, w_max=bound, weight_decay=0.0, norm=None,
                changed=torch.ones(layer.layer.n, dtype=torch.bool, device=bound.device),
            )  # fmt: skip
            first += 1

    def forget(self) -> None:
        """Another translation has run since this one: it may have changed the weights."""
        for wire in self.wires:
            wire.seen_at = -1

    def run(self, request: Request) -> None:
        """All steps, then normalisation.  Raises Untranslatable before anything changes."""
        args = arguments(self, request)
        watchers: list[Any] = []
        rows = list(recorded(self, request, watchers))
        attendant = self._attendant(request, watchers)
        written = [wire.prepare({**request.kwargs, **request.amplitudes(wire.pair)})
                   for wire in self.wires]  # fmt: skip
        for layer in self.layers.values():
            layer.adopt()
        for windows in self.windows:
            windows.prepare()
        if self.draws:
            # one draw a run: torch.manual_seed decides what is drawn inside
            args.step = int(torch.randint(0, 2**62, (1,)))
        args.fresh, args.records = any(written), [record for record, _ in rows]
        for windows in self.windows:
            args.records += windows.records(request.steps)
        if attendant is not None:
            attendant.begin(self, args)
        report = RunReport()
        try:
            self.program.run(args, report)
        finally:
            for name, layer in self.layers.items():
                if attendant is None or name not in attendant.left:
                    layer.show(request.inputs.get(name))
            for windows in self.windows:
                windows.show(report.steps)
            for record, take in rows:
                take(record.dest[: report.steps])
        for monitor in self.net.monitors.values():
            if type(monitor) is NetworkMonitor:
                monitor.i += report.steps
        if report.interrupted:
            raise KeyboardInterrupt
        self._finish()

    def _attendant(self, request: Request, watchers: list[Any]) -> Attendant | None:
        """Who acts on torch within the steps, if anybody does."""
        others = strangers(self)
        watchers += [monitor.record for monitor in others]
        if not self.attended and not watchers:
            return None
        if not self.stepwise:
            raise Untranslatable("a monitor records what only torch knows")
        return Attendant(self, request, watchers, bool(others))

    def _finish(self) -> None:
        for wire in self.wires:
            wire.finish()
        for pair in self.on_torch:
            self.net.connections[pair].normalize()
