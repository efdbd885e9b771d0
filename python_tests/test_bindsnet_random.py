# SPDX-License-Identifier: Apache-2.0
"""Random networks under BindsNET's names do the same natively, but for a part, and on torch."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from bindsnet_own import OwnLIF, OwnMonitor, OwnRule

from fastsnn import backends
from fastsnn.bindsnet.learning import (
    MSTDP,
    MSTDPET,
    Hebbian,
    NoOp,
    PostPre,
    WeightDependentPostPre,
)
from fastsnn.bindsnet.learning import MCC_learning as mcc
from fastsnn.bindsnet.network import Network, nodes, topology
from fastsnn.bindsnet.network.monitors import Monitor
from fastsnn.bindsnet.network.topology_features import Bias, Intensity, Mask, Weight

pytestmark = pytest.mark.skipif(
    "cpu" not in backends.usable(), reason="the native engine is not built"
)
LAYERS = (
    nodes.LIFNodes, nodes.IFNodes, nodes.BoostedLIFNodes, nodes.CurrentLIFNodes,
    nodes.AdaptiveLIFNodes, nodes.DiehlAndCookNodes, nodes.McCullochPitts,
)  # fmt: skip
RULES = (PostPre, PostPre, WeightDependentPostPre, Hebbian, MSTDP, MSTDPET, NoOp)
OF_FEATURES = {PostPre: mcc.PostPre, MSTDP: mcc.MSTDP, MSTDPET: mcc.MSTDPET, Hebbian: mcc.Hebbian}
IMAGE = [1, 6, 6]


def traced(r):
    return {
        "traces": True, "traces_additive": r.random() < 0.3, "tc_trace": r.choice([5.0, 20.0]),
        "trace_scale": r.choice([1.0, 0.7]), "sum_input": r.random() < 0.3,
    }  # fmt: skip


class OwnPatches(topology.Connection):
    """Weaker where it has been used."""

    used = 0.0

    def compute(self, s):
        self.used = 0.9 * self.used + 0.01 * s.float().mean()
        return super().compute(s) / (1.0 + self.used)


def layer(r, shape, own):
    kind = OwnLIF if own == "layer" and r.random() < 0.6 else r.choice(LAYERS)
    options = {"thresh": -60.0, "refrac": r.choice([0, 1, 3]), "lbound": r.choice([None, -70.0])}
    if kind is nodes.McCullochPitts:
        options = {"thresh": 1.0}
    elif kind is nodes.BoostedLIFNodes:
        options = {"thresh": 4.0, "refrac": r.choice([0, 2])}
    if kind is OwnLIF:
        options = {}
    return kind(shape=shape, one_spike=False, **options, **traced(r))


def connect(r, source, kind, own):
    """A target for a source, and how they are connected."""
    channels, *sizes = source.shape
    shape = {
        "conv": lambda: [2, *(n - 2 for n in sizes)],
        "local2d": lambda: [2, *(n - 2 for n in sizes)],
        "pool": lambda: [channels, *(n // 2 for n in sizes)],
        "local": lambda: [2 * 4],
    }.get(kind, lambda: [r.randint(3, 9)])()
    target = layer(r, shape, own)
    n, rule = (source.n, target.n), r.choice(RULES)
    if own == "rule" and r.random() < 0.7:
        rule = OwnRule
    options = {
        "update_rule": rule, "nu": (r.choice([0.0, 1e-3, 1e-2]), 1e-2), "wmax": 2.0,
        "wmin": r.choice([0.0, -1.0]), "weight_decay": r.choice([0.0, 0.0, 1e-3]),
        "reduction": r.choice([None, torch.sum, torch.mean, torch.amax]),
        "norm": r.choice([None, 3.0, 8.0]),
    }  # fmt: skip
    if kind == "dense":
        b = torch.rand(target.n) if r.random() < 0.3 else None
        made = OwnPatches if own == "connection" else topology.Connection
        return made(source, target, b=b, **options)
    if kind == "conv":
        return topology.Conv2dConnection(source, target, 3, **options)
    if kind == "local2d":
        return topology.LocalConnection2D(source, target, 3, 1, 2, **options)
    if kind == "local":
        return topology.LocalConnection(source, target, 4, 2, 2, **options)
    if kind == "pool":
        return topology.MaxPool2dConnection(source, target, 2, 2, decay=0.1)
    if kind == "sparse":
        options["update_rule"] = PostPre if rule is WeightDependentPostPre else rule
        w = torch.rand(n) * (torch.rand(n) < 0.4)
        return topology.SparseConnection(source, target, w=w, **options)
    return topology.MulticompartmentConnection(
        source, target, "cpu", features(r, n, OF_FEATURES.get(rule), options)
    )


def features(r, n, rule, options):
    learnt = {k: options[k] for k in ("nu", "norm", "reduction")}
    decay = options["weight_decay"]
    made = [Weight("w", torch.rand(n), range=[0, 2.0], learning_rule=rule, decay=decay, **learnt)]
    if rule is None and options["norm"] is None:
        made += [
            Mask("m", torch.rand(n) < 0.6),
            Bias("b", 0.01 * torch.rand(n)),
            Intensity("i", torch.sign(torch.randn(n))),
        ]
    return made


def build(r, own):
    torch.manual_seed(r.randrange(10**6))
    np.random.seed(r.randrange(10**6))
    net = Network(dt=r.choice([1.0, 0.5]), batch_size=r.choice([1, 2, 3]))
    net.add_layer(nodes.Input(shape=IMAGE, **traced(r)), "X")
    for name in "ABC"[: r.randint(1, 3)]:
        source = r.choice(list(net.layers))
        ways = ["dense", "sparse"] + ["features"] * (own != "rule")
        if len(net.layers[source].shape) == 3 and min(net.layers[source].shape[1:]) > 3:
            ways += ["conv", "local2d", "pool"]
        if net.layers[source].n == 36:
            ways += ["local"]
        made = connect(r, net.layers[source], r.choice(ways), own)
        net.add_layer(made.target, name)
        net.add_connection(made, source, name)
        if r.random() < 0.5:
            lateral = -torch.rand(made.target.n, made.target.n)
            net.add_connection(topology.Connection(made.target, made.target, w=lateral), name, name)
    if own == "monitor":
        net.add_monitor(OwnMonitor(net), "own")
    for name, x in net.layers.items():
        net.add_monitor(Monitor(x, ["s", "x"] + ["v"] * (name != "X")), name)
    return net


def play(r, net, seed, own):
    """Three runs with resets, learning on and off, writes, clamps; everything that can be seen."""
    seen = []
    for k in range(3):
        if r.random() < 0.4:
            net.reset_state_variables()
        if r.random() < 0.3:
            net.train(r.random() < 0.6)
        if r.random() < 0.2:
            net.learning = not net.learning
        if r.random() < 0.3:
            next(iter(net.connections.values())).target.v.add_(0.5)
        steps, g = r.randint(1, 30), torch.Generator().manual_seed(seed + k)
        x = torch.rand(steps, net.batch_size, *IMAGE, generator=g) < 0.2
        given, forced = {"X": r.choice([x, x.byte(), x.float()])}, {}
        if own == "values" and k > 0:
            given["X"] = x * torch.rand(x.shape, generator=g)
        a = net.layers["A"]
        if r.random() < 0.3:
            given["A"] = 2 * torch.rand(steps, net.batch_size, *a.shape, generator=g)
        if r.random() < 0.4 and len(a.shape) == 1:
            forced = {"clamp": {"A": torch.tensor([0])}, "injects_v": {"A": torch.ones(a.n)}}
        net.run(given, steps * net.dt, reward=0.5, **forced)
        ours = [m for m in net.monitors.values() if isinstance(m, Monitor)]
        seen += [m.get(v) for m in ours for v in m.state_vars]
    if own == "monitor":
        seen += [v for row in net.monitors["own"].seen for values in row for v in values]
    state = [v for _, v in sorted(net.state_dict().items())]
    return seen + [v.to_dense() if v.is_sparse else v for v in state]


OWN = (None, None, None, "layer", "rule", "connection", "monitor", "values")


@pytest.mark.parametrize("seed", range(64))
@pytest.mark.filterwarnings("ignore:(Of this|This) network", "ignore:OwnRule. nu is zero")
def test_both_paths_agree(seed):
    ends, own = [], OWN[seed % len(OWN)]
    for backend in ("torch", "auto"):
        r = random.Random(seed)
        net = build(r, own)
        net.backend = backend
        ends.append(play(r, net, seed, own))
    assert "network" not in net.on_torch
    for want, got in zip(*ends, strict=True):
        assert want.dtype == got.dtype
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4, equal_nan=True)
