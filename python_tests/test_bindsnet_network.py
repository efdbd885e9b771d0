# SPDX-License-Identifier: Apache-2.0
"""Networks under BindsNET's names: what users write to, derive from, save, and get wrong."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from bindsnet_small import plastic, spikes

from fastsnn.bindsnet.learning import MSTDP, LearningRule, PostPre
from fastsnn.bindsnet.models import DiehlAndCook2015, DiehlAndCook2015v2, TwoLayerNetwork
from fastsnn.bindsnet.network import Network, load
from fastsnn.bindsnet.network.monitors import Monitor
from fastsnn.bindsnet.network.nodes import (
    Input,
    LIFNodes,
    Nodes,
)
from fastsnn.bindsnet.network.topology import (
    Connection,
    Conv2dConnection,
    MaxPool2dConnection,
    MulticompartmentConnection,
    SparseConnection,
)
from fastsnn.bindsnet.network.topology_features import Delay, Probability, Weight
from fastsnn.errors import BackendError, FastsnnError, ModelError, ShapeError


class Ticking(Nodes):
    """Neuron k spikes at the steps k, 2k, ... after its input."""

    def __init__(self, n):
        super().__init__(n=n, traces=True)
        self.register_buffer("age", torch.zeros(n))

    def forward(self, x):
        self.age = self.age + 1
        self.s = ((self.age % torch.arange(1, self.n + 1)) == 0).expand(self.s.shape).clone()
        super().forward(x)

    def reset_state_variables(self):
        super().reset_state_variables()
        self.age.zero_()


class Doubling(Connection):
    def compute(self, s):
        return 2 * super().compute(s)


class Counting(LearningRule):
    def update(self, **kwargs):
        self.connection.w += 1.0
        super().update()


def own_parts():
    net = Network()
    net.add_layer(Ticking(4), "A")
    net.add_layer(LIFNodes(3, thresh=1e3), "B")
    connection = Doubling(
        net.layers["A"], net.layers["B"], w=torch.zeros(4, 3), update_rule=Counting, nu=1.0
    )
    net.add_connection(connection, "A", "B")
    return net


def test_own_layers_connections_and_rules_run_and_say_so_once():
    net = own_parts()
    with pytest.warns(UserWarning, match="runs on torch.*layer 'A' is a Ticking"):
        net.run({}, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.run({}, 3)
    assert torch.equal(net.connections["A", "B"].w, torch.full((4, 3), 5.0))
    # spikes of step k arrive at the next one, through 2 * k: neurons 1; 1, 2; 1, 3; 1, 2, 4
    arrived = torch.tensor([2.0 * 1, 4.0 * 2, 6.0 * 2, 8.0 * 3])
    decayed = arrived * torch.exp(-torch.arange(3.0, -1.0, -1.0) / 100.0)
    torch.testing.assert_close(net.layers["B"].v[0, 0] + 65.0, decayed.sum())
    assert net.layers["A"].s.tolist() == [[True, False, False, False]]


def test_a_forced_backend_is_taken_or_refused():
    net = own_parts()
    net.backend = "native"
    with pytest.raises(BackendError, match="layer 'A' is a Ticking"):
        net.run({}, 2)


def test_callers_tensors_are_left_alone():
    for backend in ("torch", "auto"):
        net = plastic()
        net.backend = backend
        x = spikes(20, 1, 12)
        given = {"X": x}
        before = x.clone()
        net.run(given, 20, clamp={"X": torch.ones(12, dtype=torch.bool)})
        net.reset_state_variables()
        assert torch.equal(x, before)
        assert given["X"] is x


def test_clone_and_files_continue_as_the_original(tmp_path):
    net = DiehlAndCook2015(20, n_neurons=9, inpt_shape=(1, 4, 5), exc=22.5, inh=30.0)
    net.add_monitor(Monitor(net.layers["Ae"], ["s", "v"]), "Ae")
    x = spikes(60, 1, 20).reshape(60, 1, 1, 4, 5)
    net.run({"X": x}, 60)
    net.save(tmp_path / "net")
    ends = []
    for one in (net, net.clone(), load(tmp_path / "net")):
        torch.manual_seed(5)
        one.run({"X": x}, 60)
        ends.append({**one.state_dict(), "spikes": one.monitors["Ae"].get("s")})
    for end in ends[1:]:
        for name, value in ends[0].items():
            assert torch.equal(value, end[name]), name
    assert isinstance(load(tmp_path / "net", learning=False), DiehlAndCook2015)
    assert not load(tmp_path / "net", learning=False).learning


def test_files_hold_no_code(tmp_path):
    net = own_parts()
    net.save(tmp_path / "own")
    with pytest.raises(FastsnnError, match=r"give it: load.*classes="):
        load(tmp_path / "own")
    back = load(tmp_path / "own", classes=[Ticking, Doubling, Counting])
    assert type(back.layers["A"]) is Ticking
    torch.save({"a": 1}, tmp_path / "pickled")
    with pytest.raises(FastsnnError, match=r"no file of Network\.save"):
        load(tmp_path / "pickled")
    plain = TwoLayerNetwork(4, 3, reduction=lambda x, dim: x.sum(dim))
    with pytest.raises(FastsnnError, match="code is not saved"):
        plain.save(tmp_path / "lambda")


def test_state_dict_holds_weights_of_features_and_moves_them():
    net = DiehlAndCook2015(10, n_neurons=4)
    other = DiehlAndCook2015(10, n_neurons=4)
    other.load_state_dict(net.state_dict())
    feature = other.connections["X", "Ae"].pipeline[0]
    assert torch.equal(feature.value, net.connections["X", "Ae"].pipeline[0].value)
    other.to("meta")
    assert feature.value.device.type == "meta"
    assert feature.learning_rule.feature_value is feature.value


def test_dales_rule_keeps_signs():
    net = Network()
    net.add_layer(Input(2, traces=True), "A")
    net.add_layer(LIFNodes(3, traces=True), "B")
    w = torch.tensor([[1.0, -1.0, 0.5], [2.0, -2.0, -0.5]])
    signs = torch.tensor([[True] * 3, [False] * 3])
    connection = Connection(net.layers["A"], net.layers["B"], w=w.clone(), Dales_rule=signs)
    net.add_connection(connection, "A", "B")
    net.backend = "torch"
    net.run({"A": spikes(3, 1, 2)}, 3)
    assert connection.w.tolist() == [[1.0, 0.0, 0.5], [0.0, -2.0, -0.5]]


@pytest.mark.parametrize("network", [TwoLayerNetwork, DiehlAndCook2015, DiehlAndCook2015v2])
def test_ready_networks_learn_in_batches(network):
    net = network(20, n_neurons=5)
    w = next(v for k, v in net.state_dict().items() if k.endswith(("_Y.w", "Ae.weight.value")))
    w = w.clone()
    net.run({"X": spikes(50, 4, 20)}, 50)
    after = next(v for k, v in net.state_dict().items() if k.endswith(("_Y.w", "Ae.weight.value")))
    assert not torch.equal(w, after)


def test_sparse_weights_of_features_learn():
    net = DiehlAndCook2015(20, n_neurons=5, sparse=True, batch_size=2)
    value = net.connections["X", "Ae"].pipeline[0].value
    before = value.to_dense().clone()
    net.run({"X": spikes(50, 2, 20)}, 50)
    assert not torch.equal(value.to_dense(), before)


@pytest.mark.parametrize("way", ["torch", "auto"])
def test_pooling_works_while_learning(way):
    net = Network()
    net.backend = way
    net.add_layer(Input(shape=(1, 4, 4)), "A")
    net.add_layer(LIFNodes(shape=(1, 2, 2), refrac=0, thresh=-64.5), "B")
    pool = MaxPool2dConnection(net.layers["A"], net.layers["B"], 2, 2, decay=0.5)
    net.add_connection(pool, "A", "B")
    x = torch.zeros(2, 1, 1, 4, 4)
    x[0, 0, 0, 1, 2] = 1
    net.run({"A": x}, 2)
    assert net.layers["B"].s.tolist() == [[[[False, True], [False, False]]]]


def test_delay_holds_each_synapse_back():
    net = Network()
    net.add_layer(Input(1), "A")
    net.add_layer(LIFNodes(3, thresh=0.0, tc_decay=1e30), "B")
    features = [Weight("w", torch.ones(1, 3)), Delay("d", torch.tensor([[0, 2, 3]]))]
    net.add_connection(
        MulticompartmentConnection(net.layers["A"], net.layers["B"], "cpu", features), "A", "B"
    )
    net.add_monitor(Monitor(net.layers["B"], ["v"]), "B")
    net.backend = "torch"
    net.run({"A": torch.tensor([1, 0, 0, 0, 0, 0])[:, None, None]}, 6)
    arrival = (net.monitors["B"].get("v")[:, 0] > -64.5).int().argmax(0)
    assert arrival.tolist() == [1, 3, 4]


def test_probability_thins_signals():
    net = Network()
    net.add_layer(Input(50), "A")
    net.add_layer(LIFNodes(1, thresh=1e9, tc_decay=1e30), "B")
    features = [Weight("w", torch.ones(50, 1)), Probability("p", torch.full((50, 1), 0.25))]
    net.add_connection(
        MulticompartmentConnection(net.layers["A"], net.layers["B"], "cpu", features), "A", "B"
    )
    net.backend = "torch"
    net.run({"A": torch.ones(101, 1, 50)}, 101)
    arrived = float(net.layers["B"].v + 65.0)
    assert abs(arrived - 1250) < 5 * np.sqrt(5000 * 0.25 * 0.75)


@pytest.mark.parametrize(("rows", "steps"), [(6, 6), (7, 7), (9, 7)])
def test_a_whole_number_of_steps_is_not_truncated(rows, steps):
    net = Network(dt=0.1)
    net.add_layer(Input(3), "X")
    net.add_monitor(Monitor(net.layers["X"], "s"), "X")
    net.run({"X": spikes(rows, 1, 3)}, 0.7)
    assert len(net.monitors["X"].get("s")) == steps


def test_getting_empties_an_open_recording_only():
    net = plastic()
    net.add_monitor(Monitor(net.layers["X"], ["s"], time=5), "X")
    assert net.monitors["X"].get("s").shape == (0,)
    net.run({"X": spikes(9, 1, 12)}, 9)
    assert net.monitors["Y"].get("s").shape == (9, 1, 7)
    assert net.monitors["Y"].get("s").shape == (0,)
    assert net.monitors["X"].get("s").shape == net.monitors["X"].get("s").shape == (5, 1, 12)


def test_same_seed_draws_the_same_winners():
    ends = []
    for _ in range(2):
        torch.manual_seed(11)
        net = DiehlAndCook2015v2(30, n_neurons=10, inh=2.0)
        net.run({"X": spikes(100, 1, 30)}, 100)
        ends.append(net.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(e.values() for e in ends), strict=True))
    assert ends[0]["Y.theta"].sum() > 0


MISTAKES = {
    "layer without size": (lambda: Input(), ShapeError, "give n or shape"),
    "size and shape": (lambda: Input(5, shape=(2, 2)), ShapeError, "shape=.* has 4 neurons"),
    "weight of another shape": (
        lambda: Connection(Input(2), LIFNodes(3), w=torch.zeros(3, 2)), ShapeError, r"\(2, 3\)"
    ),
    "rule without traces": (
        lambda: Connection(Input(2), LIFNodes(3), update_rule=PostPre, nu=1.0),
        ModelError, "traces=True",
    ),
    "places that do not fit": (
        lambda: Conv2dConnection(Input(shape=(1, 5, 5)), LIFNodes(shape=(2, 5, 5)), 3),
        ShapeError, r"expected \[2, 3, 3\]",
    ),
    "pooling without decay": (
        lambda: MaxPool2dConnection(Input(shape=(1, 4, 4)), LIFNodes(shape=(1, 2, 2)), 2, 2),
        ModelError, "give decay",
    ),
    "unknown layer": (lambda: plastic().run({"Z": spikes(3, 1, 2)}, 3), FastsnnError, "no layer"),
    "short input": (
        lambda: plastic().run({"X": spikes(3, 1, 12)}, 9), ShapeError, "3 steps, the run takes 9"
    ),
    "no reward": (
        lambda: plastic(rule=MSTDP).run({"X": spikes(3, 1, 12)}, 3), FastsnnError, "reward="
    ),
    "range": (
        lambda: Weight("w", torch.ones(2, 2), range=[0.0, 0.5]), ModelError, "leaves the range"
    ),
    "nothing but layers": (lambda: SparseConnection(3, Input(2)), ModelError, "expected a layer"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    wrong, error, text = MISTAKES[name]
    with pytest.raises(error, match=text):
        wrong()
