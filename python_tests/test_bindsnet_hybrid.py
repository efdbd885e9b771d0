# SPDX-License-Identifier: Apache-2.0
"""A part of a network that only torch can run does not change what the network does, while all
else runs natively."""

from __future__ import annotations

import pytest
import torch
from bindsnet_small import spikes

from fastsnn import backends
from fastsnn.bindsnet import learning
from fastsnn.bindsnet.conversion import PassThroughNodes
from fastsnn.bindsnet.learning import MCC_learning as mcc
from fastsnn.bindsnet.network import Network, nodes, topology
from fastsnn.bindsnet.network.monitors import AbstractMonitor, Monitor, NetworkMonitor
from fastsnn.bindsnet.network.topology_features import Probability, Weight

pytestmark = pytest.mark.skipif(
    "cpu" not in backends.usable(), reason="the native engine is not built"
)
SIZES = {"X": (2, 6, 6), "A": (3, 4, 4), "B": (9,), "C": (7,)}


class OwnLIF(nodes.Nodes):
    """A layer as users write them, in the way of BindsNET."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("v", torch.zeros(0))

    def forward(self, x):
        self.v = 0.9 * self.v + x
        self.s = self.v >= 1.5
        self.v = self.v.masked_fill(self.s, 0.0)
        super().forward(x)

    def reset_state_variables(self):
        super().reset_state_variables()
        self.v.zero_()

    def set_batch_size(self, batch_size):
        super().set_batch_size(batch_size)
        self.v = torch.zeros(batch_size, *self.shape)


class Graded(OwnLIF):
    """Shows its voltage for spikes."""

    def forward(self, x):
        self.v = 0.5 * self.v + x
        self.s = self.v.clamp(0.0, 1.0)
        nodes.Nodes.forward(self, x)


class OwnRule(learning.LearningRule):
    """Remembers what it saw a step before, as users' rules do."""

    before = None

    def update(self, **kwargs):
        source, target = self.source, self.target
        if self.before is not None and len(self.before[0]) == len(source.s):
            pre, post = (s.flatten(1).float() for s in self.before)
            change = pre.T @ target.x.flatten(1) - 0.3 * source.x.flatten(1).T @ post
            w = self.connection.weight()
            self.connection.store(w + 0.01 * (change if w.dim() == 2 else change.mean()))
        self.before = (source.s, target.s)
        super().update()


class OwnConnection(topology.AbstractConnection):
    """Two sources a target."""

    def __init__(self, source, target, **kwargs):
        super().__init__(source, target, **kwargs)
        self.w = torch.nn.Parameter(torch.rand(source.n, target.n), requires_grad=False)

    def compute(self, s):
        w = self.w * (torch.arange(len(self.w))[:, None] // 2 % self.target.n
                      == torch.arange(self.target.n))  # fmt: skip
        return (s.float().flatten(1) @ w).view(len(s), *self.target.shape)


class OwnMonitor(AbstractMonitor):
    """Keeps what layers show, without a copy."""

    def __init__(self, network):
        self.network, self.seen = network, []

    def record(self):
        layers = self.network.layers
        self.seen.append([(x.s, x.x, getattr(x, "v", x.s)) for x in layers.values()])

    def reset_state_variables(self):
        pass


def build(batch=1, seed=0, **parts):
    """X -> A (convolution) -> B <-> B, X -> B, B -> C, C -> A: parts may be others."""
    torch.manual_seed(seed)
    net = Network(batch_size=batch)
    made = {"X": nodes.Input(shape=SIZES["X"], traces=True)}
    for name in "ABC":
        kind = parts.get(name, nodes.LIFNodes)
        options = {"thresh": -61.0, "refrac": 1, "traces": True, "tc_trace": 10.0}
        made[name] = kind(shape=SIZES[name], **options)
    for name, layer in made.items():
        net.add_layer(layer, name)
    for pair in ("XA", "AB", "BB", "XB", "BC", "CA"):
        ends = (made[pair[0]], made[pair[1]])
        default = convolution if pair == "XA" else dense
        net.add_connection(parts.get(pair, default)(*ends), *pair)
    for name, layer in made.items():
        net.add_monitor(Monitor(layer, ["s", "x"] + ["v"] * (name != "X")), name)
    net.add_monitor(NetworkMonitor(net, state_vars=["w"]), "weights")
    return net


def passing(shape, thresh, refrac, **kwargs):
    return PassThroughNodes(shape=shape, **kwargs)


def dense(source, target, rule=learning.PostPre, **kwargs):
    w = 4.0 * torch.rand(source.n, target.n) / source.n**0.5 - (2.0 if source is target else 0.0)
    options = {"nu": (1e-3, 1e-2), "wmin": -3.0, "wmax": 3.0, **kwargs}
    return topology.Connection(source, target, w=w, update_rule=rule, **options)


def convolution(source, target, rule=learning.PostPre, **kwargs):
    w = 1.5 * torch.rand(target.shape[0], source.shape[0], 3, 3)
    options = {"nu": (1e-4, 1e-3), "wmin": -1.0, "wmax": 2.0, "norm": 9.0, **kwargs}
    return topology.Conv2dConnection(source, target, 3, w=w, update_rule=rule, **options)


def local(source, target):
    w = 1.5 * torch.rand(2, 48, 9)
    options = {"nu": (1e-3, 1e-2), "wmin": 0.0, "wmax": 2.0, "norm": 9.0}
    return topology.LocalConnection2D(
        source, target, 3, 1, 3, w=w, update_rule=learning.PostPre, **options
    )


def features(source, target):
    weight = Weight("w", torch.rand(source.n, target.n), learning_rule=mcc.PostPre, nu=(1e-3, 1e-2))
    keep = Probability("p", (torch.rand(source.n, target.n) > 0.2).float())
    return topology.MulticompartmentConnection(source, target, "cpu", [weight, keep])


def own_feature_rule(source, target):
    class Rule(mcc.PostPre):
        def update(self, **kwargs):
            self.feature_value += 0.001 * self.source.s.flatten(1).float().sum(0)[:, None]

    weight = Weight("w", torch.rand(source.n, target.n), learning_rule=Rule, nu=(1e-3, 1e-2))
    return topology.MulticompartmentConnection(source, target, "cpu", [weight])


def average(x, dim):
    return x.mean(dim)


def replacing(source, target):
    class Rule(learning.NoOp):
        def update(self, **kwargs):
            self.connection.w.data = self.connection.w * 0.999

    return dense(source, target, rule=Rule)


def sparse(source, target):
    w = 3 * torch.rand(source.n, target.n) * (torch.rand(source.n, target.n) < 0.4)
    return topology.SparseConnection(source, target, w=w, update_rule=OwnRule, wmax=2.0)


def mean_field(source, target):
    return topology.MeanFieldConnection(source, target, w=torch.rand(target.shape))


PARTS = {
    "layer A": {"A": OwnLIF},
    "layer B, which is recurrent": {"B": OwnLIF},
    "all layers": {"A": OwnLIF, "B": OwnLIF, "C": OwnLIF},
    "layer of graded signals": {"B": Graded},
    "passing layer": {"C": passing},
    "connection": {"AB": OwnConnection},
    "connection between layers of one's own": {"A": OwnLIF, "B": OwnLIF, "AB": OwnConnection},
    "rule": {"XB": lambda *ends: dense(*ends, rule=OwnRule)},
    "rule into a layer of one's own": {
        "B": OwnLIF, "XB": lambda *ends: dense(*ends, rule=OwnRule, norm=20.0)
    },
    "rule of a convolution": {"XA": lambda *ends: convolution(*ends, rule=OwnRule)},
    "rule of a feature": {"XB": own_feature_rule},
    "rule that replaces the weight": {"XB": replacing},
    "rule of a sparse connection": {"AB": sparse},
    "probability": {"AB": features},
    "MSTDP of a convolution": {"XA": lambda *ends: convolution(*ends, rule=learning.MSTDP)},
    "MSTDPET of a convolution": {"XA": lambda *ends: convolution(*ends, rule=learning.MSTDPET)},
    "local learning of channels": {"XA": local},
    "mean field": {"BC": mean_field},
    "Dale's rule": {"AB": lambda *ends: dense(*ends, Dales_rule=torch.arange(48) % 2 == 0)},
    "reduction": {"AB": lambda *ends: dense(*ends, reduction=average)},
    "rate per neuron": {
        "AB": lambda *ends: dense(*ends, nu=(torch.full((9,), 1e-3), torch.rand(9) / 100))
    },
}  # fmt: skip


def play(net, steps=25, runs=3, **kwargs):
    """Runs with resets, writes, learning switched; everything that was recorded, and the end."""
    own = OwnMonitor(net)
    for k in range(runs):
        if k == 2:
            net.add_monitor(own, "own")
        torch.manual_seed(k)
        x = spikes(steps, net.batch_size, 72, p=0.1, seed=k).view(steps, -1, *SIZES["X"])
        given = {"X": x if k else x.bool()}
        forced = {"clamp": {"B": torch.arange(9) == 2}, "injects_v": {"B": torch.ones(9)}}
        if k == 1:
            given["C"] = torch.rand(steps, net.batch_size, 7) + net.layers["C"].n % 2
            net.reset_state_variables()
            net.layers["A"].v.add_(0.1)
            net.learning = False
        net.run(given, steps, reward=0.5, **(forced if k else {}), **kwargs)
        net.learning = True
    seen = [net.monitors[k].get(v) for k in SIZES for v in net.monitors[k].state_vars]
    seen += [rows for found in net.monitors["weights"].get().values() for rows in found.values()]
    seen += [x for row in own.seen for layer in row for x in layer]
    state = [v for _, v in sorted(net.state_dict().items())]
    return seen + [v.to_dense() if v.is_sparse else v for v in state]


def assert_alike(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", PARTS)
@pytest.mark.filterwarnings("ignore:Of this network")
def test_part_runs_on_torch_and_the_rest_natively(name, batch):
    ends = []
    for backend in ("torch", "auto"):
        net = build(batch, **PARTS[name])
        net.backend = backend
        ends.append(play(net))
    assert "network" not in net.on_torch
    assert net.on_torch or (batch == 1 and name in ("mean field", "reduction"))
    assert all(float(ends[0][k].sum()) > 30 for k in (2, 5))
    assert_alike(*ends)
