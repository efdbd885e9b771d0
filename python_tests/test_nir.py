# SPDX-License-Identifier: Apache-2.0
"""NIR graphs: what every node means, and what is refused."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nir_graphs import assert_same, chain, engine, full, lif

import fastsnn.nir
from fastsnn import nn as layers
from fastsnn.errors import FastsnnError, ShapeError
from fastsnn.nir import GraphError, load, save

nir = pytest.importorskip("nir")

__all__ = ["engine"]  # a fixture


def one_step(node: Any, x: torch.Tensor, shape: Any) -> torch.Tensor:
    """The output of a single node."""
    return load(chain(node, shape=shape), dt=1e-3, reset="value").run(x).output


def test_weights_and_shapes_mean_what_torch_means() -> None:
    draw = np.random.default_rng(0)
    w, b = draw.normal(size=(3, 5)).astype(np.float32), draw.normal(size=3).astype(np.float32)
    x = torch.randn(4, 2, 5)
    assert torch.equal(
        one_step(nir.Affine(w, b), x, 5), F.linear(x, torch.tensor(w), torch.tensor(b))
    )
    assert torch.equal(one_step(nir.Linear(w), x, 5), F.linear(x, torch.tensor(w)))
    scale = draw.normal(size=5).astype(np.float32)
    assert torch.equal(one_step(nir.Scale(scale), x, 5), x * torch.tensor(scale))
    above = one_step(nir.Threshold(np.full(5, 0.3, np.float32)), x, 5)
    assert torch.equal(above, (x > 0.3).float())


def test_convolutions_and_pools_mean_what_torch_means() -> None:
    draw = np.random.default_rng(1)
    x = torch.randn(3, 2, 4, 9, 9)
    w, b = draw.normal(size=(6, 2, 3, 3)).astype(np.float32), np.ones(6, np.float32)
    conv = nir.Conv2d((9, 9), w, (2, 1), (1, 0), (1, 2), 2, b)
    want = F.conv2d(x.flatten(0, 1), torch.tensor(w), torch.tensor(b), (2, 1), (1, 0), (1, 2), 2)
    assert torch.equal(sized(conv, x, want.shape[1:]).flatten(0, 1), want)
    same = nir.Conv2d((9, 9), w, 1, "same", 1, 2, b)
    assert sized(same, x, (6, 9, 9)).shape == (3, 2, 6, 9, 9)
    line = torch.randn(3, 2, 2, 7)
    w1 = draw.normal(size=(5, 2, 3)).astype(np.float32)
    conv1 = nir.Conv1d(7, w1, 2, 1, 1, 1, np.zeros(5, np.float32))
    want = F.conv1d(line.flatten(0, 1), torch.tensor(w1), None, 2, 1)
    assert torch.equal(one_step(conv1, line, (2, 7)).flatten(0, 1), want)
    pair = np.array([2, 2])
    mean = F.avg_pool2d(x.flatten(0, 1), 2, 2, 1)
    pools = [nir.AvgPool2d(pair, pair, pair // 2), nir.SumPool2d(pair, pair, pair // 2)]
    made = [sized(p, x, mean.shape[1:]).flatten(0, 1) for p in pools]
    assert torch.equal(made[0], mean)
    torch.testing.assert_close(made[1], 4 * mean)


def sized(node: Any, x: torch.Tensor, size: Any) -> torch.Tensor:
    """The output of a node whose shapes nir does not work out without a graph."""
    nodes = {
        "input": nir.Input(np.array(x.shape[2:])),
        "node": node,
        "output": nir.Output(np.array(size)),
    }
    edges = [("input", "node"), ("node", "output")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    return load(graph, dt=1e-3, reset="value").run(x).output


def test_flatten_counts_dimensions_of_a_sample() -> None:
    x = torch.randn(3, 2, 4, 5, 6)
    for start, end in ((0, -1), (1, 2), (0, 1), (-2, -1)):
        node = nir.Flatten({"input": np.array([4, 5, 6])}, start, end)
        made = one_step(node, x, (4, 5, 6))
        assert torch.equal(made, torch.stack([torch.stack([
            s.flatten(start, end) for s in row]) for row in x]))  # fmt: skip


def test_integrators_follow_their_equations(engine: str) -> None:
    x, dt = torch.rand(50, 3, 2), 1e-3
    fields = {"r": 2.0, "v_leak": 0.5, "tau": 0.02}
    cases = {
        "I": (nir.I(**full(2, r=2.0)), {}),
        "LI": (nir.LI(**full(2, **fields)), fields),
        "CubaLI": (
            nir.CubaLI(**full(2, tau_mem=0.02, tau_syn=0.01, r=2.0, v_leak=0.5, w_in=3.0)),
            fields,
        ),
    }
    for name, (node, _) in cases.items():
        net = load(chain(node, shape=2), dt=dt, reset="value", backend=engine)
        v, i, want = torch.zeros(3, 2), torch.zeros(3, 2), []
        for now in x:
            if name == "I":
                v = v + dt * 2.0 * now
            else:
                i = i + dt / 0.01 * (3.0 * now - i)
                v = v + dt / 0.02 * (0.5 - v + 2.0 * (i if name == "CubaLI" else now))
            want.append(v)
        torch.testing.assert_close(net.run(x).output, torch.stack(want), atol=1e-6, rtol=1e-5)


def test_exact_integration_meets_the_closed_form() -> None:
    node = nir.LI(**full(1, tau=0.01, r=1.0, v_leak=0.25))
    net = load(chain(node, shape=1), dt=5e-3, reset="value", integrator="exact")
    made = net.run(torch.ones(20, 1, 1)).output[:, 0, 0]
    want = torch.tensor([1.25 * (1 - math.exp(-0.5 * (k + 1))) for k in range(20)])
    torch.testing.assert_close(made, want, atol=1e-6, rtol=1e-6)


def test_resets_differ_by_what_is_left_over() -> None:
    x = torch.full((6, 1, 1), 0.7 / 1e-3)
    node = nir.IF(**full(1, r=1.0, v_threshold=1.0, v_reset=0.0))
    spikes = {
        reset: load(chain(node, shape=1), dt=1e-3, reset=reset).run(x).output[:, 0, 0].tolist()
        for reset in ("value", "subtract")
    }
    assert spikes == {"value": [0, 1, 0, 1, 0, 1], "subtract": [0, 1, 1, 0, 1, 1]}


def test_v_reset_is_where_a_spike_leads_to() -> None:
    node = nir.IF(**full(1, r=1.0, v_threshold=1.0, v_reset=-0.5))
    net = load(chain(node, shape=1), dt=1.0, reset="value")
    made = net.run(torch.full((3, 1, 1), 2.0), record=["n0:v"])
    assert made.recorded["n0:v"].flatten().tolist() == [-0.5, -0.5, -0.5]
    with pytest.raises(GraphError, match=r"'n0' \(IF\): v_reset is not 0"):
        load(chain(node, shape=1), dt=1.0, reset="subtract")


def test_delays_are_per_element_and_survive_between_runs() -> None:
    node = nir.Delay(np.array([0.0, 2e-3, 3e-3], np.float32))
    net = load(chain(node, shape=3), dt=1e-3, reset="value")
    x = torch.randn(8, 2, 3)
    whole = net.run(x).output
    for k, steps in enumerate((0, 2, 3)):
        assert torch.equal(whole[steps:, :, k], x[: 8 - steps, :, k])
        assert not whole[:steps, :, k].any()
    first = net.run(x[:3])
    assert torch.equal(torch.cat((first.output, net.run(x[3:], first.state).output)), whole)


def loop(*extra: Any, edges: Any = ()) -> Any:
    """A graph whose neurons feed back over weights and maybe more."""
    w = np.array([[0.0, 0.9], [0.8, 0.0]], np.float32)
    nodes = {
        "input": nir.Input(np.array([2])),
        "back": nir.Affine(w, np.array([0.1, 0.2], np.float32)),
        "cells": nir.IF(**full(2, r=1.0, v_threshold=1.0, v_reset=0.0)),
        **dict(extra),
        "output": nir.Output(np.array([2])),
    }
    given = edges or [("back", "cells"), ("cells", "back")]
    return nir.NIRGraph(nodes, [("input", "cells"), ("cells", "output"), *given])


def by_hand(x: torch.Tensor, lag: int) -> torch.Tensor:
    """What `loop` does, with a feedback of `lag` steps whose bias acts from the start."""
    w, b = torch.tensor([[0.0, 0.9], [0.8, 0.0]]), torch.tensor([0.1, 0.2])
    v, spikes = torch.zeros_like(x[0]), [torch.zeros_like(x[0])] * lag
    for now in x:
        v = v + now + F.linear(spikes[-lag], w, b)
        spikes.append((v > 1.0).float())
        v = torch.where(v > 1.0, 0.0, v)
    return torch.stack(spikes[lag:])


def test_a_loop_carries_the_spikes_of_the_step_before(engine: str) -> None:
    x = 0.4 * torch.rand(30, 3, 2)
    net = load(loop(), dt=1.0, reset="value", backend=engine)
    want = by_hand(x, 1)
    assert 0.2 < float(want.mean()) < 0.9
    assert torch.equal(net.run(x).output, want)
    first = net.run(x[:11])
    assert torch.equal(torch.cat((first.output, net.run(x[11:], first.state).output)), want)


def test_a_delay_in_a_loop_is_all_the_delay_of_the_loop() -> None:
    x = 0.4 * torch.rand(30, 3, 2)
    for steps in (1, 3):
        extra = ("delay", nir.Delay(np.full(2, float(steps), np.float32)))
        edges = [("back", "cells"), ("cells", "delay"), ("delay", "back")]
        net = load(loop(extra, edges=edges), dt=1.0, reset="value")
        assert torch.equal(net.run(x).output, by_hand(x, steps))
        first = net.run(x[:7])
        whole = torch.cat((first.output, net.run(x[7:], first.state).output))
        assert torch.equal(whole, by_hand(x, steps))


def test_two_layers_in_a_loop_pass_forward_at_once_and_back_a_step_later() -> None:
    eye = np.eye(1, dtype=np.float32)
    cell = full(1, r=1.0, v_threshold=0.5, v_reset=0.0)
    nodes = {
        "output": nir.Output(np.array([1])),
        "second": nir.IF(**cell),
        "back": nir.Linear(eye),
        "first": nir.IF(**cell),
        "on": nir.Linear(eye),
        "input": nir.Input(np.array([1])),
    }
    edges = [("input", "first"), ("first", "on"), ("on", "second"), ("second", "back"),
             ("back", "first"), ("second", "output")]  # fmt: skip
    net = load(nir.NIRGraph(nodes, edges), dt=1.0, reset="value")
    x = torch.zeros(4, 1, 1)
    x[0] = 1.0
    made = net.run(x, record=["first", "second"]).recorded
    assert made["first"].flatten().tolist() == made["second"].flatten().tolist() == [1, 1, 1, 1]


def test_a_sub_graph_is_its_nodes_and_comes_back_nested(tmp_path: Path) -> None:
    inner = nir.NIRGraph(
        {
            "in": nir.Input(np.array([2])),
            "cells": lif(2, tau=0.002),
            "out": nir.Output(np.array([2])),
        },
        [("in", "cells"), ("cells", "out")],
    )
    nodes = {"input": nir.Input(np.array([2])), "sub": inner, "output": nir.Output(np.array([2]))}
    graph = nir.NIRGraph(nodes, [("input", "sub"), ("sub", "output")])
    x = 3 * torch.rand(40, 2, 2)
    nested = load(graph, dt=1e-3, reset="value")
    flat = load(chain(lif(2, tau=0.002), shape=2), dt=1e-3, reset="value").run(x).output
    assert 0.05 < float(flat.mean()) < 0.9
    assert torch.equal(nested.run(x, record=["sub.cells"]).recorded["sub.cells"], flat)
    save(nested, tmp_path / "nested.nir")
    assert_same(nir.read(tmp_path / "nested.nir"), graph)


def test_several_inputs_and_outputs_go_by_name_and_edges_sum() -> None:
    one = np.array([1])
    nodes = {"a": nir.Input(one), "b": nir.Input(one), "scale": nir.Scale(np.array([2.0])),
             "sum": nir.Output(one), "twice": nir.Output(one)}  # fmt: skip
    edges = [("a", "sum"), ("b", "sum"), ("b", "scale"), ("scale", "twice")]
    net = load(nir.NIRGraph(nodes, edges), dt=1.0, reset="value")
    a, b = torch.randn(3, 2, 1), torch.randn(3, 2, 1)
    made = net.run({"a": a, "b": b}).output
    assert torch.equal(made["sum"], a + b)
    assert torch.equal(made["twice"], 2 * b)
    with pytest.raises(ShapeError, match="expected a, b"):
        net.run(a)


def test_a_trained_graph_saves_what_changed(tmp_path: Path) -> None:
    w, b = np.ones((2, 3), np.float64), np.zeros(2, np.float64)
    net = load(chain(nir.Affine(w, b), lif(2), shape=3), dt=1e-3, reset="value")
    loss = net(torch.rand(20, 2, 3)).sum()
    loss.backward()
    torch.optim.SGD(net.parameters(), 0.01).step()
    save(net, tmp_path / "trained.nir")
    again = nir.read(tmp_path / "trained.nir")
    made, weight = again.nodes["n0"].weight, net.node("n0").weight
    assert made.dtype == np.float64
    assert np.array_equal(made.astype(np.float32), weight.detach().numpy())
    assert not np.array_equal(made, w)
    assert_same(again, save(net))


def test_layers_become_a_graph_that_runs_alike() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        layers.EachStep(torch.nn.Conv2d(1, 3, 3, bias=False), torch.nn.AvgPool2d(2)),
        layers.IF(0.4, reset="subtract"),
        layers.EachStep(torch.nn.Flatten()),
        torch.nn.Linear(12, 5),
        layers.LIF(3.0, reset="subtract"),
        torch.nn.Linear(5, 4, bias=False),
        layers.CubaLIF(4.0, 2.0, output="v", reset="none"),
    )
    for weight in net.parameters():
        weight.data.abs_()
    graph = save(net, dt=1e-3, input_shape=(1, 6, 6))
    kinds = [type(n).__name__ for n in graph.nodes.values()]
    assert kinds == ["Input", "Conv2d", "AvgPool2d", "IF", "Flatten", "Affine", "LIF", "Linear",
                     "CubaLI", "Output"]  # fmt: skip
    x = 2 * torch.rand(20, 2, 1, 6, 6)
    with torch.no_grad():
        want = net(x)
    loaded = load(graph, dt=1e-3, reset="subtract")
    made = loaded.run(x).output
    torch.testing.assert_close(made, want, atol=1e-5, rtol=1e-4)
    assert torch.equal(pickle.loads(pickle.dumps(loaded)).run(x).output, made)
    assert want.abs().max() > 0.01
    with pytest.raises(GraphError, match=r"layer '0' \(BatchNorm1d\)"):
        save(torch.nn.Sequential(torch.nn.BatchNorm1d(3)), dt=1.0, input_shape=(3,))
    with pytest.raises(GraphError, match="at it"):
        save(torch.nn.Sequential(layers.LIF(fires="at")), dt=1.0, input_shape=(3,))


def test_what_cannot_be_is_refused_with_the_name_of_the_node() -> None:
    def refused(graph: Any, words: str, **options: Any) -> None:
        with pytest.raises(GraphError, match=words):
            load(graph, **{"dt": 1e-3, "reset": "value", **options})

    refused(chain(lif(2, tau=0.0), shape=2), r"'n0' \(LIF\): tau must be above 0")
    refused(chain(lif(2, tau=1e-4), shape=2), r"'n0' \(LIF\): dt=0.001 s is more than twice tau")
    uneven = lif(2)
    uneven.r = np.ones(3, np.float32)
    refused(chain(uneven, shape=2), r"'n0' \(LIF\): its fields have different shapes")
    refused(chain(lif(2, r=math.nan), shape=2), r"'n0' \(LIF\): r holds")
    refused(chain(nir.Delay(np.array([1.5e-3])), shape=1), r"'n0' \(Delay\).*0.0015 s is no whole")
    refused(chain(nir.Delay(np.array([-1e-3])), shape=1), r"'n0' \(Delay\): delay must be 0")
    plain = [("back", "cells"), ("cells", "back"), ("back", "back")]
    refused(loop(edges=plain), "'back' form a loop without a neuron")
    missing = chain(lif(2), shape=2)
    missing.edges.append(("n0", "ghost"))
    refused(missing, "ghost")
    narrow = chain(lif(2), shape=2)
    narrow.nodes["n0"] = lif(3)
    refused(narrow, "n0")
    refused(7, "expected a path or a nir.NIRGraph")
    refused("no/such.nir", "there is no file")


def test_the_page_tells_a_script_that_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = (root / "docs" / "nir.md").read_text().split("```python\n")[1].split("```")[0]
    space: dict[str, Any] = {}
    exec(script, space)
    assert space["result"].output.shape == (100, 8, 10)
    assert (tmp_path / "network.nir").is_file()


def test_a_damaged_file_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "damaged.nir"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(GraphError, match="no valid NIR file"):
        load(path, dt=1e-3, reset="value")


def test_what_a_user_may_get_wrong_is_told() -> None:
    graph = chain(lif(2), shape=2)
    for options in ({"dt": 0.0}, {"dt": math.nan}, {"reset": "zero"}, {"integrator": "rk4"},
                    {"backend": "cuda"}):  # fmt: skip
        with pytest.raises(FastsnnError, match=next(iter(options))):
            load(graph, **{"dt": 1e-3, "reset": "value", **options})
    net = load(graph, dt=1e-3, reset="value")
    with pytest.raises(ShapeError, match=r"input 'input' is \[5, 2\], expected \[T, B, 2\]"):
        net.run(torch.zeros(5, 2))
    with pytest.raises(GraphError, match="no variable 'i', it has v"):
        net.run(torch.zeros(5, 1, 2), record=["n0:i"])
    with pytest.raises(GraphError, match="there is no node 'x'"):
        net.run(torch.zeros(5, 1, 2), record=["x"])
    assert fastsnn.nir.load is load
