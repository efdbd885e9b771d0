# SPDX-License-Identifier: Apache-2.0
"""`print(net)`: a network as a readable table."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from torch import Tensor

if TYPE_CHECKING:
    from fastsnn.compartments import LiveFeature
    from fastsnn.models.declare import Model
    from fastsnn.network import Network
    from fastsnn.projection import Projection


def describe(net: Network, width: int = 120) -> str:
    """Layers, connections, parameters and memory of a network."""
    layers = Table(title="populations", title_justify="left")
    for column in ("name", "model", "neurons", "trace", "parameters"):
        layers.add_column(column, justify="right" if column == "neurons" else "left")
    for p in net.populations.values():
        options = [f"one_spike={p.one_spike}"] if p.one_spike else []
        layers.add_row(
            p.name,
            type(p.model).__name__,
            "x".join(map(str, p.shape)),
            "-" if p.trace_kind == "none" else f"{p.trace_kind}, {number(p.tau_trace)} ms",
            parameters(p.model, options),
        )
    wires = Table(title="projections", title_justify="left")
    for column in ("name", "wiring", "weight", "bounds", "rule", "norm", "memory"):
        wires.add_column(column, justify="right" if column == "memory" else "left")
    for c in net.projections.values():
        bounds = f"{number(c.w_min)} .. {number(c.w_max)}" if c.bounded else "-"
        wires.add_row(
            c.name,
            wiring(c),
            "x".join(map(str, c.w.shape)),
            bounds,
            f"{type(c.rule).__name__}({parameters(c.rule)})" if c.rule else "static",
            "-" if c.norm is None else f"{c.norm:g}",
            size(sum(t.numel() * t.element_size() for t in tensors(c))),
        )
    for c in net.sparse.values():
        wires.add_row(
            c.name,
            repr(c.wiring),
            f"{c.n_synapses:,.0f}",
            "-",
            f"static, onto {c.port}",
            "-",
            size(int(c.memory)),
        )
    for d in net.drives.values():
        wires.add_row(d.name, repr(d.drive), "-", "-", f"drive, onto {d.port}", "-", "-")
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=False, legacy_windows=False)
    console.print(
        f"Network: dt {net.dt:g} ms, batch {net.batch_size}, seed {net.seed}, "
        f"learning {'on' if net.learning else 'off'}, memory {size(net.plan.memory)}, "
        f"backend {net.backend if net.populations else '-'}"
    )
    console.print(layers)
    console.print(wires)
    return out.getvalue().rstrip()


def wiring(c: Projection) -> str:
    """The wiring of a projection with its sizes."""
    if c.synapses and c.wiring.is_listed:
        return (
            f"{c.wiring.__name__}({c.synapses.n_syn / (c.source.n * c.target.n):.2g} of all pairs)"
        )
    sizes = ", ".join(f"{k}={v}" for k, v in c.sizes.items())
    shown = f"{c.wiring.__name__}({sizes})" if sizes else c.wiring.__name__
    return " ".join([shown, *(f"+ {_feature(f)}" for f in c.features.values())])


def _feature(live: LiveFeature) -> str:
    """A feature with its rule or its longest delay."""
    name, rule, longest = (
        type(live.feature).__name__,
        live.feature.rule,
        live.options().get("longest"),
    )
    inside = f"{type(rule).__name__}({parameters(rule)})" if rule else longest
    return name if inside is None else f"{name}({inside})"


def tensors(c: Projection) -> list[Tensor]:
    """Weight, variables and indices of a projection."""
    return [*c.variables().values(), *(c.synapses.tensors if c.synapses else ())]


def parameters(model: Model, options: list[str] | None = None) -> str:
    """The parameters of a model with their units, in a line."""
    parts = [
        f"{k}={number(v)}{' ' + unit if (unit := getattr(model.params[k], 'unit', '')) else ''}"
        for k, v in model.values.items()
        if not (isinstance(v, float) and v in (float("inf"), -float("inf")))
    ]
    return ", ".join([*parts, *(options or [])])


def number(value: Any) -> str:
    """A number, or the range of a tensor."""
    if isinstance(value, Tensor):
        low, high = float(value.min()), float(value.max())
        return f"{low:g}" if low == high else f"{low:g}..{high:g}"
    return value if isinstance(value, str) else f"{value:g}"


def size(n_bytes: int) -> str:
    """Bytes in words."""
    value, unit = float(n_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
