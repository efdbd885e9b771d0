# SPDX-License-Identifier: Apache-2.0
"""Parts of a network that run on torch, within the steps of a native program that runs the rest.

A step has the order that it has on torch: connections deliver, layers advance, connections learn,
monitors record.  Of each, the native parts act first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn import models
from fastsnn.bindsnet.network._live import has_spiked, note_spikes
from fastsnn.bindsnet.network._loop import Pair, advance, deliver, options_of
from fastsnn.bindsnet.network._translate import KNOWN, Layer
from fastsnn.errors import ModelError
from fastsnn.inputs import BoundInput
from fastsnn.plan import STEP_ENDED, PopulationPlan, RunArgs

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._fast import Fast
    from fastsnn.bindsnet.network._request import Request
    from fastsnn.bindsnet.network.nodes import Nodes


def spikes(layer: Nodes) -> bool:
    """Whether a layer is known to show nothing but spikes in `s`."""
    return type(layer) in KNOWN or has_spiked(layer)


class Relay:
    """A layer on torch, as a population: natively its input is summed, and its spikes are shown."""

    is_input = False
    # whether connections end here natively; whether they look at its spikes
    reached = heard = False

    def __init__(self, name: str, index: int, layer: Nodes, batch: int, device: Any) -> None:
        self.name, self.layer = name, layer
        self.cells: dict[str, Any] = {}
        self.spike = torch.zeros(batch, *layer.shape, dtype=torch.bool, device=device)
        self.current = torch.zeros(batch, layer.n, device=device)
        self.trace: Tensor | None = None
        one = torch.ones(1, device=device)
        self.plan = PopulationPlan(
            name=name, index=index, model=models.McCullochPitts, n=layer.n, is_input=False,
            state=(self.current,), init=(one,), shared=(), params=(one * torch.inf,), windows=(),
            kernels=(), spike=self.spike.view(batch, -1), x=None, trace=0, decay_x=one,
            trace_scale=one, summed=None, one_spike=False,
        )  # fmt: skip

    def side(self, name: str) -> Tensor | None:
        """The tensor of a variable, for rules."""
        if name != "x" or not self.layer.traces:
            return None
        if self.trace is None:
            self.trace = torch.zeros(self.spike.shape, device=self.spike.device)
        return self.trace

    def adopt(self) -> None:
        """Tell the program what the layer shows."""
        if self.heard:
            self.spike.copy_(self.layer.s != 0)
        if self.trace is not None:
            self.trace.copy_(self.layer.x)

    def tell(self) -> None:
        """Tell the program of a step.  Raises ModelError where its spikes are no spikes."""
        s = self.layer.s
        if self.heard and s.dtype != torch.bool and bool(((s != 0) & (s != 1)).any()):
            raise ModelError(
                f"layer '{self.name}' showed spikes until now, and other values than 0 and 1 in "
                f"this step; set network.backend = 'torch' for layers that do so."
            )
        self.adopt()

    def show(self, last: Tensor | None) -> None:
        """Remember whether the layer shows spikes."""
        note_spikes(self.layer)


class Attendant:
    """What acts on torch during a native run; called within every step (`RunArgs.attend`)."""

    def __init__(
        self, fast: Fast, request: Request, watchers: list[Callable[[], None]], strangers: bool
    ) -> None:
        self.net, self.request, self.watchers = fast.net, request, watchers
        self.t, self.currents, self.left = 0, {}, set()
        self.options = options_of(self.net, request)
        relays = [x for x in fast.layers.values() if isinstance(x, Relay)]
        self.relays = {relay.plan.index: relay for relay in relays}
        self.delivering = fast.on_torch
        resting = {wire.pair: wire for wire in fast.wires if wire.rests}
        self.resting = list(resting.values())
        self.looked_at = fast.wires if strangers else []
        self.updating = [p for p in self.net.connections if p in resting or p in self.delivering]
        self.lent = self._neighbours(fast, self.updating, strangers)
        self.external: dict[str, tuple[Tensor, Tensor | None]] = {}

    def _neighbours(self, fast: Fast, pairs: Iterable[Pair], strangers: bool) -> list[Layer]:
        """Native layers at which torch looks; those who are strangers may look at any."""
        native = [x for x in fast.layers.values() if isinstance(x, Layer)]
        connections = [self.net.connections[pair] for pair in pairs]
        seen = {id(x) for c in connections for x in (c.source, c.target)}
        return [x for x in native if strangers or id(x.layer) in seen]

    def begin(self, fast: Fast, args: RunArgs) -> None:
        """Deliver into the first step, and take part in the run."""
        for name in {pair[1] for pair in self.delivering}:
            layer = fast.layers[name]
            if isinstance(layer, Layer):
                given = args.inputs.get(fast.index[name])
                buffer = torch.zeros(1, *layer.plan.spike.shape, device=layer.spike.device)
                self.external[name] = (buffer, None if given is None else given.data)
                args.inputs[fast.index[name]] = BoundInput("current", buffer)
        args.attend = self
        args.told = frozenset(self.relays)
        self._deliver()

    def __call__(self, population: int) -> None:
        """Act: layers when the native ones have advanced, the rest at the end of the step."""
        if population == STEP_ENDED:
            self._end()
        else:
            self._advance(self.relays[population])

    def _deliver(self) -> None:
        self.currents = deliver(self.net, self.delivering)
        for name, (buffer, given) in self.external.items():
            current = self.currents[name].reshape(buffer.shape)
            buffer.copy_(current if given is None else current + given[self.t])

    def _advance(self, relay: Relay) -> None:
        currents = {k: x for k, x in self.currents.items() if k == relay.name}
        if relay.reached:
            # a copy, which the layer may keep
            native = relay.current.view(relay.spike.shape).clone()
            torchs = currents.get(relay.name)
            currents[relay.name] = native if torchs is None else native + torchs
        advance(self.net, self.request, relay.name, relay.layer, currents, self.t)
        relay.tell()

    def _end(self) -> None:
        for layer in self.lent:
            layer.lend(self.request.inputs.get(layer.name))
        for pair in self.updating:
            self.net.connections[pair].update(**self.options[pair])
        for wire in self.resting:
            wire.follow()
        for wire in self.looked_at:
            wire.store()
        for watch in self.watchers:
            watch()
        self.t += 1
        if self.t < self.request.steps:
            self._deliver()
            for layer in self.lent:
                layer.adopt()
        else:
            # the copies of the last step stay, so that who kept them sees what is written to them
            for layer in self.lent:
                layer.read()
                self.left.add(layer.name)
