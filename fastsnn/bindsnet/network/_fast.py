# SPDX-License-Identifier: Apache-2.0
"""A run in one call of a native backend, over the tensors that layers and connections show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn import backends
from fastsnn.bindsnet.network import _translate, _wire
from fastsnn.bindsnet.network._csrm import Windows
from fastsnn.bindsnet.network._translate import Untranslatable, layers_of
from fastsnn.bindsnet.network._wire import Wire
from fastsnn.bindsnet.network.monitors import Monitor, NetworkMonitor
from fastsnn.bindsnet.network.nodes import CSRMNodes, IzhikevichNodes
from fastsnn.bindsnet.network.topology import LocalConnection
from fastsnn.bindsnet.network.topology_features import Weight
from fastsnn.inputs import BoundInput
from fastsnn.plan import Plan, ProjectionPlan, Record, RunArgs, RunReport

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._request import Request
    from fastsnn.bindsnet.network.network import Network


def fingerprint(net: Network) -> tuple[Any, ...]:
    """Everything that a translation depends on; equal while it is valid."""
    parts: list[Any] = [net.dt, _translate.mode(net)]
    for name, layer in net.layers.items():
        parts.append(name)
        parts.extend(_translate.parameters(layer))
    for pair, connection in net.connections.items():
        parts.append(pair)
        parts.append((id(connection.source), id(connection.target)))
        parts.extend(_wire.parameters(connection))
    return tuple(parts)


class Fast:
    """A network translated: a program, and what ties its tensors to the layers."""

    def __init__(self, net: Network, backend: str | None = None) -> None:
        self.net, self.given = net, {}
        self.mode = _translate.mode(net)
        self.rules = self.mode is None or self.mode[0]
        self.layers = layers_of(net)
        self.windows: list[Windows] = []
        for layer in self.layers.values():
            if isinstance(layer.layer, CSRMNodes):
                self.windows.append(Windows(layer, net, self.layers))
                layer.plan = replace(layer.plan, windows=self.windows[-1].plan)
        self.index = {name: k for k, name in enumerate(self.layers)}
        self.wires = list(self._wires())
        projections = [wire.plan for wire in self.wires]
        projections += list(self._laterals(len(projections)))
        device = next((layer.spike.device for layer in self.layers.values()), torch.device("cpu"))
        plan = Plan(
            float(net.dt), net.batch_size, 0, device,
            tuple(layer.plan for layer in self.layers.values()), tuple(projections),
        )  # fmt: skip
        self.plan = plan
        name = backend or backends.fastest(plan)
        if name is None:
            why = backends.explain(plan)["cpu" if device.type == "cpu" else "cuda"]
            raise Untranslatable(f"no native backend runs it: {why.rstrip('.')}")
        self.program = backends.lower(plan, name)
        self.draws = any(
            p.one_spike or (not p.is_input and p.model.functions["step"].calls("rand"))
            for p in plan.populations
        )

    def _wires(self) -> Iterator[Wire]:
        names = {id(layer.layer): name for name, layer in self.layers.items()}
        for k, (pair, connection) in enumerate(self.net.connections.items()):
            source, target = (names.get(id(x)) for x in (connection.source, connection.target))
            if source is None or target is None or target != pair[1]:
                raise Untranslatable(f"connection {pair} joins other layers than it is named for")
            if self.layers[target].is_input:
                raise Untranslatable(f"connection {pair} leads to an Input layer")
            ends = (self.index[source], self.index[target])
            sides = (self.layers[source], self.layers[target])
            yield Wire(pair, k, connection, ends, sides, self.rules)

    def _laterals(self, first: int) -> Iterator[ProjectionPlan]:
        """The weights inside of Izhikevich layers."""
        for name, layer in self.layers.items():
            if not isinstance(layer.layer, IzhikevichNodes):
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
        self.given = request.inputs
        args = self._arguments(request)
        records = list(self._records(request.steps))
        written = [wire.prepare({**request.kwargs, **request.amplitudes(wire.pair)})
                   for wire in self.wires]  # fmt: skip
        for layer in self.layers.values():
            layer.adopt()
        for windows in self.windows:
            windows.prepare()
        if self.draws:
            # one draw a run: torch.manual_seed decides what is drawn inside
            args.step = int(torch.randint(0, 2**62, (1,)))
        args.fresh, args.records = any(written), [record for record, _ in records]
        for windows in self.windows:
            args.records += windows.records(request.steps)
        report = RunReport()
        try:
            self.program.run(args, report)
        finally:
            for name, layer in self.layers.items():
                given = request.inputs.get(name)
                layer.show(given)
            for windows in self.windows:
                windows.show(report.steps)
            for record, take in records:
                take(record.dest[: report.steps])
        for monitor in self.net.monitors.values():
            if isinstance(monitor, NetworkMonitor):
                monitor.i += report.steps
        if report.interrupted:
            raise KeyboardInterrupt
        for wire in self.wires:
            wire.finish()

    def _arguments(self, request: Request) -> RunArgs:
        learning = bool(self.net.learning) if self.mode is None else True
        args = RunArgs(n_steps=request.steps, learning=learning)
        windowed = {w.layer for w in self.windows}
        if any(self.layers[k].layer in windowed for k in (*request.inputs, *request.forced["clamp"],
                                                         *request.forced["unclamp"])):  # fmt: skip
            raise Untranslatable("a CSRM layer gets input or clamps from outside")
        for name, x in request.inputs.items():
            args.inputs[self.index[name]] = self._input(name, x[: request.steps])
        for what, dtype in (("clamp", torch.bool), ("unclamp", torch.bool),
                            ("injects_v", torch.float32)):  # fmt: skip
            store = args.inject_v if what == "injects_v" else getattr(args, what)
            for name, given in request.forced[what].items():
                store[self.index[name]] = self._forced(name, given, request.steps, dtype)
        self._masks(request, args)
        self._reward(request, args)
        for name, draws in request.replay.items():
            kind = args.uniforms if draws.is_floating_point() else args.winners
            dtype = torch.float32 if draws.is_floating_point() else torch.int32
            kind[self.index[name]] = draws[: request.steps].to(self.plan.device, dtype).contiguous()
        return args

    def _input(self, name: str, x: Tensor) -> BoundInput:
        layer = self.layers[name]
        if x.shape[1] != self.net.batch_size:
            raise Untranslatable(f"the input of '{name}' has a batch of its own size")
        x = x.reshape(*x.shape[:2], layer.layer.n)
        if not layer.is_input:
            x = x.to(torch.float32).contiguous()
            if not bool(torch.isfinite(x.sum())):
                raise Untranslatable(f"the input of '{name}' holds no finite numbers")
            return BoundInput("current", x, per_step=True)
        if x.dtype != torch.bool:
            if x.dtype == torch.uint8:
                known = not x.numel() or int(x.max()) <= 1
            else:
                known = bool(((x == 0) | (x == 1)).all())
            if not known:
                raise Untranslatable(f"the input of '{name}' holds other values than 0 and 1")
        return BoundInput("spikes", x.to(torch.uint8).contiguous())

    def _forced(self, name: str, given: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
        layer = self.layers[name].layer
        given = torch.as_tensor(given, device=layer.s.device)
        if given.dim() == 1 and given.numel() == layer.n and len(layer.shape) == 1:
            return given.to(dtype).contiguous()
        if given.dim() > 1 and len(given) >= steps and given[0].numel() == layer.n:
            return given[:steps].reshape(steps, layer.n).to(dtype).contiguous()
        raise Untranslatable(f"what is forced on '{name}' has a shape of its own")

    def _masks(self, request: Request, args: RunArgs) -> None:
        for k, wire in enumerate(self.wires):
            mask = request.masks.get(wire.pair)
            if mask is None:
                continue
            if isinstance(wire.connection, LocalConnection):
                raise Untranslatable(f"a mask replaces that of connection {wire.pair}")
            if mask.shape != wire.weight.shape:
                raise Untranslatable(f"the mask of {wire.pair} has a shape of its own")
            args.masks[k] = mask.to(self.plan.device, torch.bool)

    def _reward(self, request: Request, args: RunArgs) -> None:
        needing = [
            w for w in self.wires if w.model and "reward" in w.model.functions["learn"].arguments
        ]
        if not needing or not args.learning:
            return
        from fastsnn.bindsnet.learning.learning import reward_of

        given = reward_of(needing[0].rule, request.kwargs)
        reward = torch.as_tensor(given, dtype=torch.float32, device=self.plan.device)
        batch = self.net.batch_size
        alone = any(w.model.one_reward for w in needing)
        if reward.numel() != 1 and (reward.numel() != batch or reward.shape[0] != batch or alone):
            raise Untranslatable("the reward has a shape of its own")
        args.reward = reward.reshape(-1).expand(batch).contiguous()

    def _records(self, steps: int) -> Iterator[tuple[Record, Any]]:
        """What monitors record, with what takes the rows."""
        for monitor in self.net.monitors.values():
            if type(monitor) is Monitor:
                wanted = [(monitor.obj, v, _to_monitor(monitor, v)) for v in monitor.state_vars]
            elif type(monitor) is NetworkMonitor:
                wanted = [
                    (obj, var, _to_network_monitor(monitor, key, var))
                    for key, obj in monitor.objects().items()
                    for var in monitor.rows[key]
                ]
            else:
                raise Untranslatable(f"monitor {type(monitor).__name__} is not one of ours")
            for obj, var, take in wanted:
                source, shape, weights, dtype = self._recorded(obj, var)
                dest = torch.empty((steps, *source.shape), dtype=source.dtype, device=source.device)

                def taken(rows: Tensor, take: Any = take, shape: Any = shape, dtype: Any = dtype):
                    rows = rows.reshape(len(rows), *shape)
                    take(rows.view(dtype) if dtype == torch.uint8 else rows.to(dtype))

                yield Record(source, dest, None, 1, 0, weights), taken

    def _recorded(self, obj: Any, var: str) -> tuple[Tensor, Any, bool, torch.dtype]:
        """The program's tensor, the shape and type that users see, and whether it is a weight."""
        for name, layer in self.layers.items():
            if obj is layer.layer:
                if layer.is_input and var == "s":
                    given = self.given.get(name)
                    dtype = torch.float32 if given is None else given.dtype
                    return layer.plan.spike, layer.spike.shape, False, dtype
                cell = layer.cells.get(var)
                if cell is not None:
                    return cell.tensor, cell.tensor.shape, False, cell.tensor.dtype
        for wire in self.wires:
            feature = obj if isinstance(obj, Weight) else None
            if (obj is wire.connection and var == "w" and hasattr(obj, "w")) or (
                feature is not None and feature.value is wire.weight and var == "value"
            ):
                return wire.plan.w, wire.weight.shape, True, torch.float32
            for cell in wire.cells:
                if obj is wire.connection and cell.key == var:
                    return cell.tensor, cell.tensor.shape, False, cell.tensor.dtype
        return self._constant(obj, var)

    def _constant(self, obj: Any, var: str) -> tuple[Tensor, Any, bool, torch.dtype]:
        """A tensor that no run changes: of parameters, or of features that do not learn."""
        layers = [layer.layer for layer in self.layers.values()]
        features = [f for w in self.wires for f in getattr(w.connection, "pipeline", ())]
        value = getattr(obj, var, None)
        known = any(obj is x for x in (*layers, *features))
        if not known or not isinstance(value, Tensor) or not value.is_contiguous():
            raise Untranslatable(f"a monitor records '{var}' of a {type(obj).__name__}")
        return value.detach(), value.shape, False, value.dtype


def _to_monitor(monitor: Monitor, var: str) -> Any:
    return lambda rows: monitor.append(var, rows.to(monitor.device))


def _to_network_monitor(monitor: NetworkMonitor, key: Any, var: str) -> Any:
    return lambda rows: monitor.append(key, var, rows)
