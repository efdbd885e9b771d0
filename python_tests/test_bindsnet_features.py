# SPDX-License-Identifier: Apache-2.0
"""Pipelines of features through BindsNET's names: natively what torch gives, step by step."""

from __future__ import annotations

import pytest
import torch

from fastsnn import backends
from fastsnn.bindsnet.learning import MCC_learning as mcc
from fastsnn.bindsnet.network import Network
from fastsnn.bindsnet.network.nodes import Input, LIFNodes
from fastsnn.bindsnet.network.topology import MulticompartmentConnection
from fastsnn.bindsnet.network.topology_features import (
    Bias,
    Degradation,
    Intensity,
    Mask,
    NoOp,
    Probability,
    Weight,
)

N_PRE, N_POST = 30, 20
native = pytest.mark.skipif("cpu" not in backends.usable(), reason="the engine is not built")


def rand():
    return torch.rand(N_PRE, N_POST)


def learnt(rule=mcc.PostPre, low=0.0, **options):
    options = {"nu": (1e-2, 2e-2), "range": [low, 2.0], **options}
    return Weight("w", 2 * rand(), learning_rule=rule, **options)


PIPELINES = {
    "mask and intensity": lambda: [
        learnt(norm=8.0), Mask("m", rand() > 0.3), Intensity("i", rand())
    ],
    "mask before": lambda: [Mask("m", rand() > 0.3), learnt(mcc.MSTDP, -1.0, norm=8.0)],
    "bias and degradation": lambda: [
        learnt(), Bias("b", 0.01 * rand()),
        Degradation("d", rand(), degrade_function=lambda x: 0.02 * x), Mask("m", rand() > 0.3),
    ],
    "degradation, at rest": lambda: [
        Weight("w", 2 * rand()), Degradation("d", rand(), degrade_function=torch.exp)
    ],
}  # fmt: skip
# numbers of torch's generator are drawn for these
DRAWN = {
    "probability": lambda: [learnt(), Probability("p", rand())],
    "probability before": lambda: [Probability("p", rand()), Weight("w", 2 * rand(), norm=9.0)],
    "probability with a norm": lambda: [Weight("w", rand()), Probability("p", rand(), norm=0.5)],
    "probability alone": lambda: [Probability("p", rand())],
    "two probabilities": lambda: [Probability("p", rand()), learnt(), Probability("q", rand())],
    "probability and bias": lambda: [
        Bias("b", 0.01 * rand()), learnt(), Probability("p", rand()), Mask("m", rand() > 0.3)
    ],
    "probability float64": lambda: [
        learnt(), Probability("p", rand().double(), value_dtype=torch.float64)
    ],
}  # fmt: skip


def network(features, batch, backend):
    torch.manual_seed(0)
    net = Network(batch_size=batch)
    net.backend = backend
    a, b = (
        Input(n=N_PRE, traces=True),
        LIFNodes(n=N_POST, traces=True, thresh=-60.0, sum_input=True),
    )
    net.add_layer(a, "a")
    net.add_layer(b, "b")
    connection = MulticompartmentConnection(a, b, pipeline=features())
    net.add_connection(connection, "a", "b")
    return net


def after_runs(name, batch, backend):
    net = network({**PIPELINES, **DRAWN}[name], batch, backend)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        spikes = (torch.rand(40, batch, N_PRE, generator=generator) < 0.3).byte()
        net.run({"a": spikes}, time=40, reward=0.5)
    values = [f.value for f in net.connections["a", "b"].pipeline]
    return [net.layers["b"].v, net.layers["b"].s, *values]


@native
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_gives_natively_what_torch_gives(name, batch):
    want = after_runs(name, batch, "torch")
    got = after_runs(name, batch, "native")
    for ours, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(ours.float(), theirs.float(), rtol=1e-4, atol=1e-4)


@native
@pytest.mark.filterwarnings("ignore:Of this network a part")
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", DRAWN)
def test_probability_draws_the_numbers_of_torch(name, batch):
    found = {}
    for backend in ("torch", "auto"):
        found[backend] = after_runs(name, batch, backend), torch.get_rng_state()
    (want, stands), (got, stood) = found["torch"], found["auto"]
    assert torch.equal(stood, stands)
    for ours, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(ours.float(), theirs.float(), rtol=1e-4, atol=1e-4)


def test_probability_lets_through_what_bernoulli_does():
    p = rand()
    connection = network(lambda: [Probability("p", p)], 1, "torch").connections["a", "b"]
    spikes = torch.rand(40, 1, N_PRE) < 0.3
    torch.manual_seed(5)
    want = [(s[0].float()[:, None] * torch.bernoulli(p)).sum(0, keepdim=True) for s in spikes]
    stands = torch.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(torch.cat([connection.compute(s) for s in spikes]), torch.cat(want))
    assert torch.equal(torch.get_rng_state(), stands)


def test_masks_written_between_runs_are_used():
    net = network(lambda: [learnt(), Mask("m", rand() > 0.3)], 1, "auto")
    spikes = torch.ones(20, 1, N_PRE, dtype=torch.uint8)
    net.run({"a": spikes}, time=20)
    net.connections["a", "b"].pipeline[1].value.fill_(False)
    net.reset_state_variables()
    net.run({"a": spikes}, time=20)
    assert torch.equal(net.layers["b"].v, torch.full((1, N_POST), -65.0))


def test_names_that_scripts_import_are_there():
    assert NoOp is mcc.NoOp
    drawn = Probability("p", torch.tensor([[0.0, 1.0], [0.5, 0.0]])).sparse_bernoulli()
    assert drawn.to_dense()[0].tolist() == [0.0, 1.0]
    assert drawn.indices().tolist() == [[0, 1], [1, 0]]
