# SPDX-License-Identifier: Apache-2.0
"""A network of layers and connections as a plan of fastsnn, over the same tensors.

`Untranslatable` says which part has no native counterpart; such a network runs on torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.bindsnet.conversion.nodes import SubtractiveResetIFNodes
from fastsnn.bindsnet.network import nodes
from fastsnn.bindsnet.network._layer import ModelNodes, Nodes
from fastsnn.bindsnet.network._live import Cell
from fastsnn.bindsnet.network._stepping import NAMES
from fastsnn.models import Input
from fastsnn.plan import PopulationPlan
from fastsnn.population import TRACE_KINDS

if TYPE_CHECKING:
    from fastsnn.bindsnet.network.network import Network

LAYERS = (
    nodes.McCullochPitts, nodes.IFNodes, nodes.LIFNodes, nodes.BoostedLIFNodes,
    nodes.CurrentLIFNodes, nodes.AdaptiveLIFNodes, nodes.DiehlAndCookNodes, nodes.IzhikevichNodes,
    nodes.SRM0Nodes, nodes.CSRMNodes, SubtractiveResetIFNodes,
)  # fmt: skip
KNOWN = (*LAYERS, nodes.Input)
_NEUTRAL = {"theta_plus": 0.0, "decay_theta": 1.0}  # a threshold that does not adapt


# ("layer", name), ("connection", pair), ("rule", pair); ("spikes", name): those of other values
Part = tuple[str, Any]


class Untranslatable(Exception):
    """Why a part of a network, or of a run, has no native counterpart; None: the whole network."""

    def __init__(self, reason: str, part: Part | None = None) -> None:
        super().__init__(reason)
        self.part = part


class Layer:
    """One layer as a population: its plan and its cells."""

    # whether connections end or begin here natively
    reached = heard = False

    def __init__(self, name: str, index: int, layer: Nodes, adapting: bool) -> None:
        self.name, self.layer, self.is_input = name, layer, type(layer) is nodes.Input
        check_layer(name, layer)
        self.cells: dict[str, Cell] = {}
        shape = layer.s.shape
        # Input: s shows the type of the input, so that its spikes have a tensor of their own
        self.spike = torch.zeros(shape, dtype=torch.bool, device=layer.s.device)
        if not self.is_input:
            self.cells["s"] = Cell(layer._buffers, "s", self.spike)
        for key in ("x", "summed"):
            if key in layer._buffers:
                self._own(key)
        self.last_shown: tuple[Tensor, int] | None = None
        self.plan = self._plan(index, adapting)

    def _own(self, key: str) -> Tensor:
        tensor = self.layer._buffers[key]
        if not tensor.is_contiguous() or tensor.dtype != torch.float32:
            tensor = tensor.to(torch.float32, copy=True).contiguous()
        self.cells[key] = Cell(self.layer._buffers, key, tensor)
        return tensor

    def _plan(self, index: int, adapting: bool) -> PopulationPlan:
        layer, batch = self.layer, len(self.layer.s)
        model = Input if self.is_input else layer.model
        state, shared, params = (), (), ()
        if not self.is_input:
            reading = layer.reading
            state = tuple(self._own(k).view(batch, -1) for k in reading.state)
            shared = tuple(self._own(k).view(-1) for k in reading.shared)
            params = tuple(self._number(k, adapting) for k in model.step_params())
        trace = "none" if not layer.traces else "additive" if layer.traces_additive else "set"
        cells = {k: c.tensor.view(batch, -1) for k, c in self.cells.items() if k in ("x", "summed")}
        zero = torch.zeros(1, device=layer.s.device)
        return PopulationPlan(
            name=self.name, index=index, model=model, n=layer.n, is_input=self.is_input,
            # runs never reset: what to reset to is the layer's business
            state=state, init=tuple(zero for _ in state), shared=shared, params=params,
            windows=(), kernels=self._kernels(), spike=self.spike.view(batch, -1), x=cells.get("x"),
            trace=TRACE_KINDS[trace],
            decay_x=_flat(layer.trace_decay) if layer.traces else zero,
            trace_scale=_flat(layer.trace_scale) if layer.traces else zero,
            summed=cells.get("summed"), one_spike=bool(getattr(layer, "one_spike", False)),
        )  # fmt: skip

    def _kernels(self) -> tuple[Tensor, ...]:
        if self.is_input:
            return ()
        names = self.layer.model.kernels()
        return tuple(_flat(self.layer._buffers[NAMES.get(k, k)]) for k in names)

    def _number(self, name: str, adapting: bool) -> Tensor:
        layer = self.layer
        special = {"learning": 0.0, "dt": layer.dt, "half_dt": (layer.dt or 0.0) * 0.5}
        if name == "lbound":
            special["lbound"] = -torch.inf if layer.lbound is None else layer.lbound
        if not adapting and name in _NEUTRAL:
            special[name] = _NEUTRAL[name]
        if name in special:
            return _flat(torch.as_tensor(special[name], device=layer.s.device))
        number = _flat(layer._buffers[NAMES.get(name, name)])
        if number.numel() not in (1, layer.n):
            raise Untranslatable(
                f"layer '{self.name}' has {name} of a shape of its own", ("layer", self.name)
            )
        return number

    def side(self, name: str) -> Tensor | None:
        """The tensor of a variable, for rules."""
        cell = self.cells.get(name)
        return None if cell is None else cell.tensor

    def lend(self, last: Tensor | None) -> None:
        """Show copies, as a step on torch does: those who look may keep them."""
        for cell in self.cells.values():
            cell.lend()
        self.show(last)
        if self.is_input and last is not None and last.dtype in (torch.bool, torch.uint8):
            self.layer._buffers["s"] = s = self.layer._buffers["s"].clone()
            self.last_shown = (s, s._version)

    def adopt(self) -> None:
        """Take over what users wrote, and show the program's tensors."""
        self.read()
        for cell in self.cells.values():
            cell.show()

    def read(self) -> None:
        """Take over what users wrote."""
        for cell in self.cells.values():
            cell.read()
        if self.is_input and self._is_written():
            self.spike.copy_(self.layer.s != 0)

    def _is_written(self) -> bool:
        """Of an Input layer: whether s is not what was shown last."""
        s, known = self.layer.s, self.last_shown
        return known is None or s is not known[0] or s._version != known[1]

    def check_spikes(self) -> None:
        """Raise Untranslatable where an Input layer shows other values than 0 and 1."""
        s = self.layer.s
        unknown = self.is_input and s.dtype != torch.bool and self._is_written()
        if unknown and bool(((s != 0) & (s != 1)).any()):
            reason = f"layer '{self.name}' shows other values than 0 and 1"
            raise Untranslatable(reason, ("spikes", self.name))

    def show(self, last: Tensor | None) -> None:
        """Of an Input layer: show the spikes of the last step with the type of the input."""
        if not self.is_input:
            return
        dtype = torch.float32 if last is None else last.dtype
        if dtype == torch.bool:
            s = self.spike
        elif dtype == torch.uint8:
            s = self.spike.view(torch.uint8)
        else:
            s = self.spike.to(dtype)
        self.layer._buffers["s"] = s
        self.last_shown = (s, s._version)


def _flat(x: Tensor) -> Tensor:
    return x.detach().to(torch.float32).reshape(-1).contiguous()


def check_layer(name: str, layer: Nodes) -> None:
    """Raise Untranslatable for a layer that is not one of ours, just as we made it."""
    part = ("layer", name)
    if type(layer) not in KNOWN:
        raise Untranslatable(f"layer '{name}' is a {type(layer).__name__}", part)
    changed = {"forward", "set_batch_size", "train"} & set(vars(layer))
    if changed:
        raise Untranslatable(f"layer '{name}' has a {min(changed)} of its own", part)
    if layer.s.dim() == 0 or layer.s.numel() == 0:
        raise Untranslatable(f"layer '{name}' has no neurons or no batch size")
    numbers = {k: b for k, b in layer._buffers.items() if b.is_floating_point() and k != "s"}
    if any(b.dtype != torch.float32 for b in numbers.values()):
        raise Untranslatable(f"layer '{name}' is no float32", part)
    sizes = (1, layer.n, len(layer.s) * layer.n)
    own = {"S", "resKernel", "refKernel", "last_spikes"}
    odd = [k for k, b in numbers.items() if b.numel() not in sizes and k not in own]
    if odd:
        raise Untranslatable(f"layer '{name}' has {odd[0]} of a shape of its own", part)


def parameters(layer: Nodes) -> Iterator[Any]:
    """Everything that a layer's plan was made of, to be compared with `==` and `is`."""
    yield id(layer)
    if type(layer) not in KNOWN:
        yield len(layer.s)
        return
    yield from (len(layer.s), layer.dt, layer.traces, layer.traces_additive, layer.sum_input)
    changes = {"s", "x", "summed"}
    if isinstance(layer, ModelNodes) and layer.reading is not None:
        yield from (layer.lbound, layer.one_spike)
        changes |= {*layer.reading.state, *layer.reading.shared, "last_spikes"}
    for name, tensor in layer._buffers.items():
        if name not in changes:
            yield from (id(tensor), tensor._version)
    yield from (k for k in ("forward", "set_batch_size", "train") if k in layer.__dict__)


def mode(net: Network) -> tuple[bool, ...] | None:
    """None where weights and adaptive thresholds all learn or all rest, else which of them do."""
    learning = bool(net.learning)
    adaptive = [bool(x.learning) for x in net.layers.values() if _is_adaptive(x)]
    return None if all(a == learning for a in adaptive) else (learning, *adaptive)


def adapts(net: Network, layer: Nodes) -> bool:
    """Whether the layer's thresholds are left to `learning`; those that rest alone are made to."""
    return mode(net) is None or bool(layer.learning)


def _is_adaptive(layer: Nodes) -> bool:
    reading = getattr(layer, "reading", None)
    return reading is not None and "learning" in reading.special
