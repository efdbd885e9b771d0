# SPDX-License-Identifier: Apache-2.0
"""Triton's kernels of layers, by its interpreter: bits and gradients of the reference."""

from __future__ import annotations

import interpreting
import pytest
import torch
from test_nn import Odd, assert_same_gradients, call_of

from fastsnn.models import Neuron
from fastsnn.models.driven import MODELS, DrivenCubaLIF
from fastsnn.models.surrogates import SURROGATES
from fastsnn.nn import LIF, Neurons, jit, reference
from fastsnn.nn.calls import Gradients

pytestmark = interpreting.needed


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton interprets on the CPU."""
    interpreting.switch_on(monkeypatch)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
@pytest.mark.parametrize(("reset", "per_neuron"), [("value", False), ("subtract", True)])
def test_kernels_of_triton_give_the_bits_and_gradients_of_the_reference(
    model: type[Neuron], reset: str, per_neuron: bool
) -> None:
    call = call_of(model, reset, per_neuron, n=130, steps=6)
    want, got = reference.forward(call), jit.forward(call.of(*(
        t.detach() for t in (call.x, call.state, call.param))))  # fmt: skip
    assert want.spike.sum() > 0
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
    grads = Gradients(*(torch.randn_like(t) for t in want))
    assert_same_gradients(jit.backward(call, grads), reference.backward(call, grads))


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate_is_that_of_the_reference(surrogate: str) -> None:
    call = call_of(DrivenCubaLIF, "subtract", False, surrogate, n=20, steps=4)
    grads = Gradients(torch.randn_like(call.x), None, None)
    assert_same_gradients(jit.backward(call, grads), reference.backward(call, grads))


def test_layers_train_on_triton_with_any_model() -> None:
    x = torch.rand(5, 2, 9) + 0.5
    for layer in (LIF(2.0, learn=["tau_m"], v_thresh=0.5), Neurons(Odd, learn=["tau"])):
        made = []
        for backend in ("triton", "torch"):
            layer.backend = backend
            layer.zero_grad()
            given = x.clone().requires_grad_()
            out = layer(given)
            (out * torch.linspace(0, 1, out.numel()).view_as(out)).sum().backward()
            made.append([given.grad, *(p.grad.clone() for p in layer.parameters())])
        assert_same_gradients(*made)
        assert float(made[0][1].abs()) > 0


def test_nir_graphs_with_a_loop_run_on_triton() -> None:
    nir = pytest.importorskip("nir")
    import numpy as np

    from fastsnn.nir import load

    def full(**fields: float) -> dict[str, np.ndarray]:
        return {k: np.full(2, v, np.float32) for k, v in fields.items()}

    nodes = {
        "input": nir.Input(np.array([2])),
        "back": nir.Linear(np.array([[0.0, 0.9], [0.8, 0.0]], np.float32)),
        "cells": nir.LIF(**full(tau=2.0, r=1.0, v_leak=0.1, v_threshold=0.5, v_reset=0.0)),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "cells"), ("cells", "back"), ("back", "cells"), ("cells", "output")]
    x = torch.rand(8, 3, 2)
    made, want = (
        load(nir.NIRGraph(nodes, edges), dt=1.0, reset="subtract", backend=b).run(x).output
        for b in ("triton", "torch")
    )
    assert 0.1 < float(want.mean()) < 0.9
    assert torch.equal(made, want)
