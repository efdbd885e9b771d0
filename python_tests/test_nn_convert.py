# SPDX-License-Identifier: Apache-2.0
"""Converted layers do what those of other libraries do, spike for spike, and learn alike."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastsnn.nn import ConversionError, Neurons, convert

OUR_NAME = {"alpha": "decay_syn", "threshold": "v_thresh"}


def weighed(*outputs: Tensor) -> Tensor:
    """A number that depends on every element."""
    weight = [torch.linspace(-1, 2, o.numel()).view_as(o) for o in outputs]
    return sum((o * w).sum() for o, w in zip(outputs, weight, strict=True))  # type: ignore


def compare(theirs: Any, ours: Any, run: Any, x: Tensor, spikes: int = 0) -> None:
    """Outputs equal, gradients of input and parameters to 1e-5."""
    made = []
    for layer in (theirs, ours):
        given = x.clone().requires_grad_()
        outputs = run(layer, given)
        weighed(*outputs).backward()
        named = {OUR_NAME.get(k, k.removeprefix("neurons.")): p.grad
                 for k, p in layer.named_parameters()}  # fmt: skip
        grads = [given.grad, *(named[k] for k in sorted(named))]
        made.append((outputs, grads))
    rate = float(made[0][0][spikes].detach().mean())
    assert 0.02 < rate < 0.95, f"the neurons fire at {rate}"
    for a, b in zip(made[1][0], made[0][0], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert torch.equal(made[1][0][spikes], made[0][0][spikes])
    for a, b in zip(made[1][1], made[0][1], strict=True):
        scale = max(float(b.abs().max()), 1e-3)
        torch.testing.assert_close(a.view_as(b), b, atol=1e-5 * scale, rtol=1e-4)


def steps_of_snntorch(layer: Any, x: Tensor) -> tuple[Tensor, ...]:
    """The loop that users of snnTorch write."""
    rows, states = [], ()
    for now in x:
        spike, *states = layer(now, *states)
        rows.append((spike, *states))
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("delayed", [True, False])
def test_leaky_of_snntorch(reset: str, delayed: bool) -> None:
    snn = pytest.importorskip("snntorch")
    theirs = snn.Leaky(0.8, learn_beta=True, learn_threshold=True, threshold=1.2,
                       reset_mechanism=reset, reset_delay=delayed)  # fmt: skip
    # so that potentials do not stay above the threshold behind a reset
    x = 1.2 * torch.rand(30, 4, 9)
    ours = convert(theirs)
    spike, mem = convert(theirs).sequence(x)
    compare(theirs, ours, steps_of_snntorch, x)
    theirs.reset_mem()
    want = steps_of_snntorch(theirs, x)
    assert torch.equal(spike, want[0])
    torch.testing.assert_close(mem, want[1])


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_synaptic_of_snntorch(reset: str) -> None:
    snn = pytest.importorskip("snntorch")
    theirs = snn.Synaptic(0.5, 0.6, learn_alpha=True, learn_beta=True, reset_mechanism=reset)
    x = torch.rand(30, 4, 9)
    compare(theirs, convert(theirs), steps_of_snntorch, x)


@pytest.mark.parametrize(
    ("name", "options"),
    [("atan", {"alpha": 3.0}), ("fast_sigmoid", {"slope": 10}), ("sigmoid", {"slope": 5}),
     ("straight_through_estimator", {})],
)  # fmt: skip
def test_surrogates_of_snntorch(name: str, options: dict[str, float]) -> None:
    snn = pytest.importorskip("snntorch")
    from snntorch import surrogate

    theirs = snn.Leaky(0.8, spike_grad=getattr(surrogate, name)(**options))
    compare(theirs, convert(theirs), steps_of_snntorch, 0.7 * torch.rand(12, 3, 5))


def test_hidden_states_of_snntorch_are_kept_and_reset() -> None:
    snn = pytest.importorskip("snntorch")
    theirs = nn.Sequential(nn.Linear(6, 5), snn.Leaky(0.7, init_hidden=True))
    ours = convert(theirs)
    x = 4 * torch.rand(20, 3, 6)
    with torch.no_grad():
        want = torch.stack([theirs(now) for now in x])
        assert torch.equal(torch.stack([ours(now) for now in x]), want)
        ours[1].reset_mem()
        assert torch.equal(torch.stack([ours(now) for now in x]), want)
    assert want.sum() > 0
    assert set(map(id, theirs.parameters())).isdisjoint(map(id, ours.parameters()))


@pytest.mark.parametrize("method", ["super", "triangle"])
def test_lif_and_lif_cell_of_norse(method: str) -> None:
    norse = pytest.importorskip("norse.torch")
    p = norse.LIFParameters(method=method, v_th=torch.tensor(0.4), v_reset=torch.tensor(0.1),
                            alpha=torch.tensor(5.0))  # fmt: skip

    def all_at_once(layer: Any, x: Tensor) -> tuple[Tensor, ...]:
        z, state = layer(x)
        return z, state.v, state.i

    def stepwise(layer: Any, x: Tensor) -> tuple[Tensor, ...]:
        rows, state = [], None
        for now in x:
            z, state = layer(now, state)
            rows.append(z)
        return torch.stack(rows), state.v, state.i

    x = 1.5 * torch.rand(25, 3, 7)
    compare(norse.LIF(p), convert(norse.LIF(p)), all_at_once, x)
    compare(norse.LIFCell(p), convert(norse.LIFCell(p)), stepwise, x)


OF_SPIKINGJELLY = ["Sigmoid", "ATan", "PiecewiseQuadratic", "PiecewiseExp", "SoftSign",
                   "SuperSpike", "Erf"]  # fmt: skip


def of_spikingjelly() -> tuple[Any, Any]:
    """Its modules for neurons and surrogates."""
    pytest.importorskip("spikingjelly")
    module = pytest.importorskip("spikingjelly.activation_based.neuron")
    return module, pytest.importorskip("spikingjelly.activation_based.surrogate")


def both_calls(layer: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Two sequences, with the state kept between."""
    layer.reset()
    return layer(x[:10]), layer(x[10:]), layer.v


@pytest.mark.parametrize("kind", ["IFNode", "LIFNode", "ParametricLIFNode"])
def test_nodes_of_spikingjelly(kind: str) -> None:
    neuron, surrogate = of_spikingjelly()
    inputs = [True] if kind == "IFNode" else [True, False]
    for v_reset, detach, decay_input in itertools.product((0.0, -0.3, None), (True, False), inputs):
        options: dict[str, Any] = {} if kind == "IFNode" else {"decay_input": decay_input}
        theirs = getattr(neuron, kind)(
            v_threshold=0.9, v_reset=v_reset, detach_reset=detach, step_mode="m",
            surrogate_function=surrogate.ATan(), **options,
        )  # fmt: skip
        x = (2.5 if decay_input and options else 1.1) * torch.rand(20, 3, 8) - 0.2
        compare(theirs, convert(theirs), both_calls, x)


@pytest.mark.parametrize("name", OF_SPIKINGJELLY)
def test_surrogates_of_spikingjelly(name: str) -> None:
    neuron, surrogate = of_spikingjelly()
    theirs = neuron.LIFNode(surrogate_function=getattr(surrogate, name)(), step_mode="m")
    compare(theirs, convert(theirs), both_calls, 3 * torch.rand(20, 3, 8))


def test_a_spikingjelly_node_also_goes_step_by_step_and_keeps_its_course() -> None:
    neuron, _ = of_spikingjelly()
    theirs = neuron.LIFNode(store_v_seq=True)
    ours = convert(nn.Sequential(theirs))[0]
    x = 3 * torch.rand(8, 3, 4)
    for now in x:
        torch.testing.assert_close(ours(now), theirs(now))
    torch.testing.assert_close(ours.v_seq, theirs.v_seq)
    ours.reset()
    assert ours.v_seq is None


def test_what_is_not_covered_names_the_layer() -> None:
    snn = pytest.importorskip("snntorch")
    from snntorch import surrogate

    net = nn.Sequential(nn.Sequential(snn.Leaky(0.9, spike_grad=surrogate.SSO())))
    with pytest.raises(ConversionError, match=r"layer '0.0' \(snntorch Leaky\).*'SSO'"):
        convert(net)
    with pytest.raises(ConversionError, match="state_quant"):
        convert(snn.Leaky(0.9, state_quant=lambda v: v))


def test_models_without_such_layers_are_copied() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    made = convert(net)
    assert made is not net
    assert not any(isinstance(m, Neurons) for m in made.modules())
    assert copy.deepcopy(made)[0].weight.equal(net[0].weight)
