# SPDX-License-Identifier: Apache-2.0
"""What monitors record of a native run: rows that the program copies, and what torch looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.bindsnet.network._translate import Layer
from fastsnn.bindsnet.network.monitors import Monitor, NetworkMonitor
from fastsnn.bindsnet.network.topology_features import Weight
from fastsnn.plan import Record

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._fast import Fast
    from fastsnn.bindsnet.network._request import Request


def strangers(fast: Fast) -> list[Any]:
    """Monitors that are not ours."""
    monitors = fast.net.monitors.values()
    return [m for m in monitors if type(m) not in (Monitor, NetworkMonitor)]


def recorded(fast: Fast, request: Request, watchers: list[Any]) -> Iterator[tuple[Record, Any]]:
    """What monitors record natively, with what takes the rows; the rest goes to watchers."""
    for monitor in fast.net.monitors.values():
        wanted = []
        if type(monitor) is Monitor:
            wanted = [(monitor.obj, v, _to_monitor(monitor, v)) for v in monitor.state_vars]
        elif type(monitor) is NetworkMonitor:
            wanted = [
                (obj, var, _to_network_monitor(monitor, key, var))
                for key, obj in monitor.objects().items()
                for var in monitor.rows[key]
            ]
        for obj, var, take in wanted:
            found = _source(fast, obj, var, request)
            if found is None:
                watchers.append(_watcher(obj, var, take))
                continue
            source, shape, weights, dtype = found
            grid = (request.steps, *source.shape)
            dest = torch.empty(grid, dtype=source.dtype, device=source.device)

            def taken(rows: Tensor, take: Any = take, shape: Any = shape, dtype: Any = dtype):
                rows = rows.reshape(len(rows), *shape)
                take(rows.view(dtype) if dtype == torch.uint8 else rows.to(dtype))

            yield Record(source, dest, None, 1, 0, weights), taken


def _source(
    fast: Fast, obj: Any, var: str, request: Request
) -> tuple[Tensor, Any, bool, torch.dtype] | None:
    """The program's tensor, the shape and type that users see, and whether it is a weight."""
    for name, layer in fast.layers.items():
        if obj is layer.layer:
            if layer.is_input and var == "s":
                given = request.inputs.get(name)
                dtype = torch.float32 if given is None else given.dtype
                return layer.plan.spike, layer.spike.shape, False, dtype
            cell = layer.cells.get(var)
            if cell is not None:
                return cell.tensor, cell.tensor.shape, False, cell.tensor.dtype
    for wire in fast.wires:
        feature = obj if isinstance(obj, Weight) else None
        if (obj is wire.connection and var == "w" and hasattr(obj, "w")) or (
            feature is not None and feature.value is wire.weight and var == "value"
        ):
            return wire.plan.w, wire.weight.shape, True, torch.float32
        for cell in wire.cells:
            if obj is wire.connection and cell.key == var:
                return cell.tensor, cell.tensor.shape, False, cell.tensor.dtype
    return _constant(fast, obj, var)


def _constant(fast: Fast, obj: Any, var: str) -> tuple[Tensor, Any, bool, torch.dtype] | None:
    """A tensor that no run changes: of parameters, or of features that do not learn."""
    layers = [layer.layer for layer in fast.layers.values() if isinstance(layer, Layer)]
    features = [f for w in fast.wires for f in getattr(w.connection, "pipeline", ())]
    value = getattr(obj, var, None)
    known = any(obj is x for x in (*layers, *features))
    if not known or not isinstance(value, Tensor) or not value.is_contiguous():
        return None
    return value.detach(), value.shape, False, value.dtype


def _watcher(obj: Any, var: str, take: Any) -> Any:
    return lambda: take(getattr(obj, var).detach()[None].clone())


def _to_monitor(monitor: Monitor, var: str) -> Any:
    return lambda rows: monitor.append(var, rows.to(monitor.device))


def _to_network_monitor(monitor: NetworkMonitor, key: Any, var: str) -> Any:
    return lambda rows: monitor.append(key, var, rows)
