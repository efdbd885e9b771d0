# SPDX-License-Identifier: Apache-2.0
"""A network under BindsNET's names gives the same natively and on torch, whatever users write."""

from __future__ import annotations

import pytest
import torch
from bindsnet_small import plastic, spikes

from fastsnn import backends
from fastsnn.bindsnet.learning import MSTDP
from fastsnn.bindsnet.network import Network
from fastsnn.bindsnet.network.monitors import Monitor, NetworkMonitor
from fastsnn.bindsnet.network.nodes import CSRMNodes, Input, IzhikevichNodes
from fastsnn.bindsnet.network.topology import Connection

pytestmark = pytest.mark.skipif(
    "cpu" not in backends.usable(), reason="the native engine is not built"
)


def both(change, runs=3, batch=1, **kwargs):
    """State after runs with changes in between, on torch and natively."""
    states = []
    for backend in ("torch", "native"):
        net = plastic(batch, **kwargs)
        net.backend = backend
        for k in range(runs):
            change(net, k)
            reward = {"reward": 0.5} if kwargs.get("rule") is MSTDP else {}
            net.run({"X": spikes(40, batch, 12, seed=k)}, 40, **reward)
        states.append(
            {**net.state_dict(), "spikes": net.monitors["Y"].get("s"), "x": net.layers["X"].s}
        )
    return states


def assert_same(torch_state, native_state):
    for name, want in torch_state.items():
        assert want.dtype == native_state[name].dtype, name
        torch.testing.assert_close(native_state[name], want, rtol=1e-5, atol=1e-5, msg=name)
    assert 20 < int(torch_state["spikes"].sum()) < 0.9 * torch_state["spikes"].numel()


def nothing(net, k):
    pass


def write_v(net, k):
    net.layers["Y"].v = torch.full_like(net.layers["Y"].v, -61.0 - k)


def write_v_in_place(net, k):
    net.layers["Y"].v[:, 2] = -60.5
    net.layers["Y"].refrac_count.fill_(2.0)


def write_w(net, k):
    net.connections["X", "Y"].w[3] = 3.0 + k
    net.Y_to_Y.w -= 0.25


def write_w_unseen(net, k):
    net.connections["X", "Y"].w.data[:, k] *= 2.0


def write_spikes(net, k):
    net.layers["X"].s = torch.ones(net.batch_size, 12, dtype=torch.bool)
    net.layers["Y"].s[:, 1] = True


def reset(net, k):
    net.reset_state_variables()


def stop_learning(net, k):
    net.train(k != 1)


def stop_rules_only(net, k):
    net.learning = k != 1


def freeze_thresholds(net, k):
    net.layers["Y"].train(k != 1)


def write_parameters(net, k):
    net.layers["Y"].thresh = torch.tensor(-60.0 + 0.5 * k)
    net.layers["X"].trace_scale.fill_(1.0 + k)
    net.connections["X", "Y"].update_rule.nu[1] = 1e-2 * (k + 1)


CHANGES = (
    nothing, write_v, write_v_in_place, write_w, write_w_unseen, write_spikes, reset,
    stop_learning, stop_rules_only, freeze_thresholds, write_parameters,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("batch", [1, 3])
def test_native_runs_see_what_users_write(change, batch):
    assert_same(*both(change, batch=batch, adaptive=True))


@pytest.mark.parametrize("mask", [torch.tensor([1, 5]), torch.arange(7) % 2 == 0])
def test_clamps_are_masks_or_indices(mask):
    ends = []
    for backend in ("torch", "native"):
        net = plastic()
        net.backend = backend
        net.run({"X": spikes(30, 1, 12)}, 30, clamp={"Y": mask})
        ends.append(net.monitors["Y"].get("s"))
        assert bool(ends[-1][:, 0, mask].all())
    assert torch.equal(*ends)


def test_native_runs_learn_from_reward_as_torch_does():
    assert_same(*both(reset, rule=MSTDP, batch=2))


def test_batch_size_follows_the_input_and_keeps_what_was_learnt():
    def grow(net, k):
        net.run({"X": spikes(10, k + 1, 12, seed=9)}, 10)

    states = []
    for backend in ("torch", "native"):
        net = plastic(adaptive=True)
        net.backend = backend
        for k in range(3):
            grow(net, k)
        assert net.batch_size == 3
        states.append(net.state_dict())
    assert_same(*({**s, "spikes": (torch.arange(100) < 50)[None]} for s in states))


def test_monitors_of_both_kinds_and_paths_agree():
    shown = []
    for backend in ("torch", "native"):
        net = plastic(batch=2)
        net.backend = backend
        net.add_monitor(Monitor(net.layers["X"], "s", time=25), "X")
        net.add_monitor(Monitor(net.connections["X", "Y"], ["w"]), "w")
        everything = NetworkMonitor(net, time=30)
        net.add_monitor(everything, "all")
        for k in range(2):
            net.run({"X": spikes(20, 2, 12, seed=k)}, 20)
        shown.append(
            [net.monitors["X"].get("s"), net.monitors["w"].get("w")]
            + [rows for found in everything.get().values() for rows in found.values()]
        )
    for want, got in zip(*shown, strict=True):
        assert want.shape == got.shape
        assert want.dtype == got.dtype
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    assert shown[0][0].shape == (25, 2, 12)
    assert shown[0][0].dtype == torch.uint8


def csrm():
    torch.manual_seed(4)
    net = Network(batch_size=2)
    net.add_layer(Input(12), "X")
    net.add_layer(Input(5), "Z")
    options = {"responseKernel": "AlphaKernel", "tau": 2.0, "rest": 0.0, "thresh": 6.0}
    net.add_layer(
        CSRMNodes(7, traces=True, tc_decay=5.0, res_window_size=6, ref_window_size=4, **options),
        "Y",
    )
    for name in "XZY":
        source, b = net.layers[name], 0.1 * torch.rand(7) if name == "Z" else None
        w = torch.rand(source.n, 7) if name != "Y" else -torch.rand(7, 7)
        net.add_connection(Connection(source, net.layers["Y"], w=w, b=b), name, "Y")
    net.add_monitor(Monitor(net.layers["Y"], ["s", "v", "theta"]), "Y")
    return net


@pytest.mark.parametrize("build", [csrm, plastic], ids=lambda f: f.__name__)
def test_a_network_may_change_its_path_between_runs(build):
    ends = []
    for paths in (("torch",) * 5, ("native", "torch", "native", "native", "torch")):
        net = build()
        for k, path in enumerate(paths):
            net.backend = path
            if k == 3:
                net.reset_state_variables()
            given = {n: spikes(25, 2, net.layers[n].n, seed=k) for n in "XZ" if n in net.layers}
            net.run(given, 1 if k == 1 else 25)
        ends.append([net.monitors["Y"].get("s"), net.monitors["Y"].get("v")])
    assert int(ends[0][0].sum()) > 10
    for want, got in zip(*ends, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_izhikevich_layers_excite_each_other_alike():
    ends = []
    for backend in ("torch", "native"):
        torch.manual_seed(2)
        net = Network()
        net.add_layer(IzhikevichNodes(10, excitatory=0.8), "A")
        net.backend = backend
        net.run({"A": 8 * torch.rand(60, 1, 10, generator=torch.Generator().manual_seed(1))}, 60)
        ends.append(net.layers["A"].v)
    torch.testing.assert_close(*ends, rtol=1e-3, atol=1e-3)
