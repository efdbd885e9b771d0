# SPDX-License-Identifier: Apache-2.0
"""Every model, of the catalogue or one's own, is the same on every backend."""

from __future__ import annotations

import pytest
import torch
from own_models import Restless, Square, Triplet, Watchful

from fastsnn import Dense, Network, Poisson, Sparse, models
from fastsnn.lowering.header import built_in
from fastsnn.models import Neuron, Rule

DTYPES = (torch.float32, torch.float64)


def of_own_models(
    backend: str, batch: int, reduction: str, threads: int, dtype: torch.dtype
) -> Network:
    """A noisy population with three rules that no catalogue holds."""
    net = Network(batch_size=batch, seed=4, backend=backend, threads=threads, dtype=dtype)
    draw = torch.Generator().manual_seed(5)
    net.population("in", models.Input(), 31, traces=True)
    noisy = Restless(tau_m=torch.linspace(5.0, 30.0, 63))
    net.population("out", noisy, 63, traces=True, traces_additive=True, sum_input=True)
    for source, rule, w_min, w_max in (
        ("in", Triplet(), -torch.inf, 2.5),
        ("in", Square(), -torch.inf, torch.inf),
        ("out", Watchful(), -1.0, 1.0),
    ):
        w = torch.rand(net.populations[source].n, 63, generator=draw) - 0.3
        net.projection(
            source, "out", Dense(w), name=type(rule).__name__, rule=rule, w_min=w_min,
            w_max=w_max, reduction=reduction,
        )  # fmt: skip
    net.run(60, {"in": Poisson(torch.full((31,), 60.0))})
    net.train(False)
    net.run(10, {"in": Poisson(torch.full((31,), 60.0))})
    return net


@pytest.mark.parametrize(("batch", "reduction"), [(1, "sum"), (3, "sum"), (3, "mean"), (3, "max")])
@pytest.mark.parametrize("dtype", DTYPES)
def test_own_models_are_the_same_on_every_backend(batch, reduction, dtype, backend):
    want = of_own_models("torch", batch, reduction, 1, dtype).state_dict()
    assert want["out.fired"].sum() > 100
    assert not Square.event_driven
    assert Watchful.event_driven
    for threads in (1, 2, 4):
        got = of_own_models(backend, batch, reduction, threads, dtype).state_dict()
        for name, tensor in want.items():
            assert torch.equal(got[name], tensor), name


def assert_model_agrees(
    model: type[Neuron], backend: str, dtype: torch.dtype = torch.float32, steps: int = 40
) -> None:
    """A batch of noisy neurons with input at every receptor, on torch and on a backend."""
    ports = model.receptors()
    draw = torch.Generator().manual_seed(2)
    drive = 30.0 * torch.rand(steps, 3, 63, generator=draw) - 8.0
    # pA instead of mV a step, and synapses besides
    drive = 30.0 * drive if ports else drive
    spikes = torch.rand(steps, 3, 9, generator=draw) < 0.2
    weights = 8.0 * torch.rand(len(ports), 9, 63, generator=draw)
    seen = {}
    for name in ("torch", backend):
        net = Network(dt=0.1 if ports else 1.0, batch_size=3, seed=1, backend=name, dtype=dtype)
        net.population("in", models.Input(), 9)
        net.population("m", model(), 63, traces=True)
        for port, w in zip(ports, weights, strict=True):
            net.projection("in", "m", Dense(w), receptor=port, name=port)
        net.run(steps * net.dt, {"m": drive, "in": spikes})
        seen[name] = net.state_dict()
    exact = not any(model.functions["step"].calls(word) for word in ("exp", "log"))
    # a probability 1 - exp(-y) near 0.5, from two libraries that are right to an ulp; of membranes
    # near threshold an ulp grows tenfold in forty steps
    half = torch.finfo(dtype).eps / 2
    bound = {"rtol": 200 * half, "atol": 2000 * half} if ports else {"rtol": 0, "atol": 8 * half}
    for name, tensor in seen["torch"].items():
        close = torch.allclose(seen[backend][name], tensor, **bound)
        assert torch.equal(seen[backend][name], tensor) or (close and not exact), name


@pytest.mark.parametrize("model", built_in(Neuron), ids=lambda m: m.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_neuron_model_is_the_same_on_every_backend(model, dtype, backend):
    assert_model_agrees(model, backend, dtype)


@pytest.mark.parametrize("rule", built_in(Rule), ids=lambda m: m.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_rule_is_the_same_on_every_backend(rule, dtype, backend):
    seen = {}
    for name in ("torch", backend):
        net = Network(seed=1, backend=name, dtype=dtype)
        net.population("in", models.Input(), 31, traces=True)
        target = models.SRM0() if rule is models.Rmax else models.LIF(v_thresh=-60.0)
        net.population("out", target, 63, traces=True)
        given = {k: 0.01 for k in rule.params if k.startswith("nu")}
        wiring = Sparse(1.0, probability=1.0) if rule.consolidates else Dense(1.0)
        net.projection("in", "out", wiring, rule=rule(**given), name="c", w_min=0.0, w_max=2.0)
        net.run(60, {"in": Poisson(torch.full((31,), 80.0))}, reward=0.5)
        seen[name] = net.projections["c"].w
    assert (seen["torch"] - 1.0).abs().max() > 0.005
    # with SRM0 the eligibility trace adds up 60 surprises that differ by a few ulp, as powers do
    ulps = 60 * 4 * torch.finfo(dtype).eps
    rounded = rule in (models.Rmax, models.PowerSTDP, models.NonlinearSTDP)
    bound = ulps if rounded else 0.0
    assert (seen[backend] - seen["torch"]).abs().max() <= bound
