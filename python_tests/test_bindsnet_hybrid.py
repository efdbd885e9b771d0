# SPDX-License-Identifier: Apache-2.0
"""A part of a network that only torch can run does not change what the network does, while all
else runs natively."""

from __future__ import annotations

import warnings

import pytest
import torch
from bindsnet_own import Graded, OwnConnection, OwnLIF, OwnMonitor, OwnRule
from bindsnet_small import spikes

from fastsnn import backends
from fastsnn.bindsnet import learning
from fastsnn.bindsnet.conversion import PassThroughNodes
from fastsnn.bindsnet.learning import MCC_learning as mcc
from fastsnn.bindsnet.network import Network, nodes, topology
from fastsnn.bindsnet.network.monitors import Monitor, NetworkMonitor
from fastsnn.bindsnet.network.topology_features import Probability, Weight
from fastsnn.errors import ModelError

pytestmark = pytest.mark.skipif(
    "cpu" not in backends.usable(), reason="the native engine is not built"
)
SIZES = {"X": (2, 6, 6), "A": (3, 4, 4), "B": (9,), "C": (7,)}


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
    options = {"learning_rule": mcc.PostPre, "nu": (1e-3, 1e-2)}
    w = torch.rand(source.n, target.n)
    weight = Weight("w", w, norm=9.0, norm_frequency="time step", **options)
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
    "norm at every step": {"AB": features},
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


CHAINED = {name: {} if name == "none" else PARTS[name] for name in (
    "none", "layer A", "rule", "rule of a convolution", "local learning of channels",
)}  # fmt: skip


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", CHAINED)
@pytest.mark.filterwarnings("ignore:(Of this|This) network")
def test_spikes_reach_later_layers_within_a_step(name, batch):
    ends = []
    for backend in ("torch", "auto"):
        net = build(batch, **CHAINED[name])
        net.backend = backend
        ends.append(play(net, one_step=True))
    assert "network" not in net.on_torch
    assert all(float(ends[0][k].sum()) > 30 for k in (2, 5))
    assert_alike(*ends)
    assert any(not torch.equal(a, b) for a, b in zip(ends[1], play(build(batch)), strict=True))


@pytest.mark.parametrize("name", ["layer A", "rule", "connection", "norm at every step"])
@pytest.mark.filterwarnings("ignore:(Of this|This) network")
def test_the_reference_takes_parts_of_torch(name):
    for one_step in {False, name == "rule"}:
        ends = []
        for backend in ("torch", "reference"):
            net = build(2, **PARTS[name])
            net.backend = backend
            ends.append(play(net, steps=8, one_step=one_step))
        assert_alike(*ends)


def test_what_runs_on_torch_is_said_once():
    net = build(**PARTS["rule"])
    with pytest.warns(UserWarning, match=r"a part runs on torch.*\('X', 'B'\) learns by OwnRule"):
        net.run({"X": spikes(5, 1, 72).view(5, 1, *SIZES["X"])}, 5)
    assert list(net.on_torch) == [("rule", ("X", "B"))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.run({"X": spikes(5, 1, 72).view(5, 1, *SIZES["X"])}, 5)


class Stumbling(OwnLIF):
    steps = 0

    def forward(self, x):
        self.steps += 1
        if self.steps == 4:
            raise ValueError("stumbled")
        super().forward(x)


@pytest.mark.filterwarnings("ignore:Of this network")
def test_an_error_in_a_step_stops_the_run_behind_it():
    net = build(A=Stumbling)
    x = spikes(9, 1, 72).view(9, 1, *SIZES["X"])
    with pytest.raises(ValueError, match="stumbled"):
        net.run({"X": x}, 9)
    assert len(net.monitors["B"].get("s")) == 4
    net.run({"X": x}, 9)
    assert len(net.monitors["B"].get("s")) == 9


class Turning(OwnLIF):
    graded = False

    def forward(self, x):
        super().forward(x)
        if self.graded:
            self.s = 0.5 * self.s


@pytest.mark.filterwarnings("ignore:Of this network")
def test_a_layer_that_begins_to_show_other_values_than_spikes_is_refused():
    net = build(A=Turning)
    x = spikes(9, 1, 72).view(9, 1, *SIZES["X"])
    for _ in range(2):
        net.run({"X": x}, 9)
    net.layers["A"].graded = True
    with pytest.raises(ModelError, match="layer 'A' showed spikes until now"):
        net.run({"X": x}, 9)
    net.run({"X": x}, 9)
    assert ("spikes", "A") in net.on_torch


@pytest.mark.filterwarnings("ignore:Of this network")
def test_input_of_other_values_is_delivered_on_torch_while_it_lasts():
    ends = []
    for backend in ("torch", "auto"):
        net = build()
        net.backend = backend
        for k in range(4):
            x = spikes(20, 1, 72, seed=k).view(20, 1, *SIZES["X"]).float() * (0.5 if k == 1 else 1)
            net.run({"X": x}, 20)
            if backend == "auto":
                # its last values arrive in the run behind it
                assert bool(net.on_torch) == (k in (1, 2))
        ends.append([m.get(v) for m in list(net.monitors.values())[:4] for v in m.state_vars])
    assert_alike(*ends)
