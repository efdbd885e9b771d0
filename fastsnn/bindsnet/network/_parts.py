# SPDX-License-Identifier: Apache-2.0
"""What a connection is made of, as projections have it; or why no projection is like it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fastsnn import structured
from fastsnn.bindsnet.learning import MCC_learning as mcc
from fastsnn.bindsnet.learning import learning as classic
from fastsnn.bindsnet.network import _signals, topology
from fastsnn.bindsnet.network._translate import Untranslatable
from fastsnn.compartments import Compartments
from fastsnn.synapses import Synapses, listed

_CONV = {
    topology.Conv1dConnection: structured.Conv1d,
    topology.Conv2dConnection: structured.Conv2d,
    topology.Conv3dConnection: structured.Conv3d,
}
_LOCAL = {
    topology.LocalConnection1D: structured.Local1d,
    topology.LocalConnection2D: structured.Local2d,
    topology.LocalConnection3D: structured.Local3d,
}
_POOL = {
    topology.MaxPool1dConnection: structured.MaxPool1d,
    topology.MaxPool2dConnection: structured.MaxPool2d,
    topology.MaxPoo3dConnection: structured.MaxPool3d,
}
MCC_RULES = (mcc.PostPre, mcc.Hebbian, mcc.MSTDP, mcc.MSTDPET)
KNOWN = (
    topology.Connection, topology.SparseConnection, topology.LocalConnection,
    topology.MeanFieldConnection, topology.MulticompartmentConnection, *_CONV, *_LOCAL, *_POOL,
)  # fmt: skip


@dataclass
class Parts:
    """A connection: its weight, and what acts on it.

    rule: None where nothing learns.  decay: factor of a step.  signed: norm holds a plain sum.
    rates: decay of pooling's rates, which lie in the connection's buffers.  is_copy: the weight is
    a dense copy of a sparse one.  own_norm: only the connection itself knows how to normalise.
    """

    weight: Tensor
    rule: Any = None
    bounds: tuple[Any, Any] = (-torch.inf, torch.inf)
    norm: Any = None
    decay: float = 1.0
    signed: bool = True
    kind: str = "dense"
    synapses: Synapses | None = None
    n_sums: int = 0
    bias: Tensor | None = None
    rates: float | None = None
    is_copy: bool = False
    own_norm: bool = False
    compartments: Compartments | None = None


def parts_of(pair: Any, connection: Any, rests: bool) -> Parts:
    """What a connection is made of.  rests: it only delivers, for torch changes its weight.

    Raises Untranslatable.
    """
    if "compute" in vars(connection):
        raise Untranslatable(f"connection {pair} has a compute of its own", ("connection", pair))
    own = {"update", "normalize"} & set(vars(connection))
    if own and not rests:
        raise Untranslatable(f"connection {pair} has a {min(own)} of its own", ("rule", pair))
    if type(connection) is topology.MulticompartmentConnection:
        return _of_features(pair, connection, rests)
    parts = _delivering(pair, connection)
    if not rests:
        _learning(pair, connection, parts)
    elif parts.is_copy:
        # torch would change what was copied
        raise Untranslatable(f"connection {pair} is sparse", ("connection", pair))
    return parts


def _delivering(pair: Any, connection: Any) -> Parts:
    """The weight, and where it leads."""
    kind = type(connection)
    if kind is topology.LocalConnection:
        return _patches(pair, connection)
    if kind is topology.Connection:
        return Parts(connection.w, bias=connection.b, signed=False)
    if kind in _CONV or kind in _LOCAL:
        return _windowed(pair, connection)
    if kind in _POOL:
        return _pooled(pair, connection)
    if kind is topology.SparseConnection:
        return Parts(connection.w.to_dense(), bias=connection.b, signed=False, is_copy=True)
    if kind is topology.MeanFieldConnection and connection.source.batch_size == 1:
        return Parts(connection.w, kind="mean_field")
    raise Untranslatable(f"connection {pair} is a {kind.__name__}", ("connection", pair))


def _learning(pair: Any, connection: Any, parts: Parts) -> None:
    """Add what acts on the weight."""
    kind, rule = type(connection), connection.update_rule
    part = ("rule", pair)
    if connection.Dales_rule is not None:
        raise Untranslatable(f"connection {pair} follows Dale's rule", part)
    parts.norm = connection.norm
    if kind in _POOL or kind is topology.MeanFieldConnection:
        return
    parts.bounds = (connection.wmin, connection.wmax)
    parts.decay = getattr(rule, "weight_decay", 1.0)
    parts.rule = rule = None if type(rule) is classic.NoOp else rule
    conv, many = kind in _CONV, getattr(connection, "in_channels", 1) > 1
    parts.own_norm = kind in _LOCAL and many
    if not conv and kind not in _LOCAL:
        return
    if type(rule) is classic.MSTDPET:
        raise Untranslatable(f"connection {pair} learns by MSTDPET, which changes nothing", part)
    if conv and type(rule) is classic.MSTDP:
        raise Untranslatable(f"connection {pair} learns by MSTDP, all filters alike", part)
    if rule is not None and many and kind is not topology.Conv2dConnection:
        raise Untranslatable(f"connection {pair} learns from patches of mixed channels", part)


def _patches(pair: Any, connection: Any) -> Parts:
    """A local connection's matrix, of which only what lies within the patches is a synapse."""
    pre, post = (~connection.mask).nonzero().T
    n_pre, n_post = connection.w.shape
    synapses = listed(str(pair), pre, post, n_pre, n_post)
    synapses = replace(synapses, weight=(pre * n_post + post).to(torch.int32))
    bias = connection.b if bool(connection.b.any()) else None
    return Parts(connection.w, kind="indexed", synapses=synapses, n_sums=n_post, bias=bias)


def _windowed(pair: Any, connection: Any) -> Parts:
    conv = type(connection) in _CONV
    options = {"kernel_size": connection.kernel_size, "stride": connection.stride}
    if conv:
        options |= {"padding": connection.padding, "dilation": connection.dilation}
        options["norm_per"] = "kernel"
    wiring = (_CONV if conv else _LOCAL)[type(connection)](**options)
    shapes = (connection.source.shape, connection.target.shape)
    if not conv:
        shapes = (shapes[0], [connection.n_filters, *_listed(connection.conv_size)])
    layout = wiring.layout(str(pair), *(tuple(s) for s in shapes), 0, 0)
    parts = Parts(
        connection.w, kind="indexed", synapses=layout.synapses, n_sums=layout.n_sums,
        bias=connection.b,
    )  # fmt: skip
    if conv:
        places = connection.target.n // connection.out_channels
        parts.bias = connection.b.detach().repeat_interleave(places)
        parts.bias = parts.bias if bool(parts.bias.any()) else None
    return parts


def _listed(size: Any) -> list[int]:
    return list(size) if isinstance(size, list | tuple) else [size]


def _pooled(pair: Any, connection: Any) -> Parts:
    wiring = _POOL[type(connection)](
        kernel_size=connection.kernel_size, stride=connection.stride, padding=connection.padding,
        dilation=connection.dilation, decay=float(connection.decay),
    )  # fmt: skip
    shapes = (tuple(connection.source.shape), tuple(connection.target.shape))
    layout = wiring.layout(str(pair), *shapes, 0, 0)
    weight = torch.ones(1, device=connection.firing_rates.device)
    return Parts(weight, kind="max_pool", synapses=layout.synapses, rates=float(connection.decay))


def _of_features(pair: Any, connection: Any, rests: bool) -> Parts:
    _signals.check(pair, connection)
    features, part = connection.pipeline, ("connection", pair)
    if _signals.is_product(connection) and not rests:
        weight, bias = _signals.product(features)
        return Parts(weight, bias=bias)
    feature, compartments = _signals.signals(pair, connection)
    kind = "compartments" if compartments.steps else "dense"
    parts = Parts(feature.value, kind=kind, compartments=compartments)
    if rests:
        return parts
    parts.norm = feature.norm
    learning = [f for f in features if type(f.learning_rule) is not mcc.NoOp]
    if connection.manual_update or not learning:
        return parts
    rule = feature.learning_rule
    if learning != [feature] or type(rule) not in MCC_RULES:
        names = ", ".join(type(f.learning_rule).__name__ for f in learning)
        raise Untranslatable(f"connection {pair} learns by {names}", ("rule", pair))
    if rule.feature_value is not feature.value:
        raise Untranslatable(f"connection {pair} learns a tensor that it does not use", part)
    parts.rule, parts.bounds, parts.decay = rule, (rule.min, rule.max), rule.decay
    return parts
