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


def some():
    """Probabilities 0 and 1: what is drawn does not matter."""
    return (rand() > 0.5).float()


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
    "probability": lambda: [learnt(), Probability("p", some())],
    "probability before": lambda: [Probability("p", some()), Weight("w", 2 * rand(), norm=9.0)],
    "probability with a norm": lambda: [Weight("w", rand()), Probability("p", some(), norm=0.5)],
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
    net = network(PIPELINES[name], batch, backend)
    generator = torch.Generator().manual_seed(1)
    # the norm of probabilities leaves numbers that are drawn
    for _ in range(1 if name.endswith("a norm") else 3):
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
def test_probability_lets_its_share_through_and_follows_the_seed():
    p = torch.linspace(0, 1, N_POST).expand(N_PRE, -1).contiguous()

    def summed(seed):
        net = network(lambda: [Weight("w", torch.ones(N_PRE, N_POST)), Probability("p", p)], 1,
                      "native")  # fmt: skip
        # a neuron at rest after a spike takes nothing
        net.layers["b"].thresh.fill_(1e9)
        torch.manual_seed(seed)
        net.run({"a": torch.ones(501, 1, N_PRE, dtype=torch.uint8)}, time=501)
        return net.layers["b"].summed[0]

    one, again, other = summed(3), summed(3), summed(4)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    count = 500 * N_PRE
    within = 6 * (p[0] * (1 - p[0]) / count).sqrt()
    assert bool(((one / count - p[0]).abs() <= within + 1e-6).all())


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
