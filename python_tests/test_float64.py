# SPDX-License-Identifier: Apache-2.0
"""Networks in float64: the bits of the reference, closed forms to its digits, files, refusals."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
import torch
from hypothesis import assume, given, settings
from random_nets import cases
from test_parity import assert_equals_torch, stays_finite

from fastsnn import BackendError, Dense, FastsnnError, Network, Poisson, Sparse, models
from fastsnn.injection import StepCurrent
from fastsnn.sparse import FixedProbability, PoissonDrive


@settings(max_examples=60)
@given(case=cases(structured=True))
def test_random_network_has_the_bits_of_the_reference(case):
    case = dataclasses.replace(case, dtype=torch.float64)
    want = case.play("torch")
    assume(stays_finite(want))
    assert all(v.dtype != torch.float32 for k, v in want.items() if "monitor" not in k)
    assert_equals_torch(case, want, "cpu")


def test_membrane_follows_its_closed_form_to_the_last_digits(backend):
    net = Network(dt=0.1, backend=backend, dtype=torch.float64)
    # 1 / 3 pA has no short form in either type
    model = models.LIFExp(v_rest=-65.0, tau_m=10.0, c_m=250.0, v_thresh=0.0, i_offset=100.0 / 3.0)
    net.population("cell", model, 3)
    net.populations["cell"].v = -70.0
    monitor = net.monitor("cell", "v")
    net.run(200.0)
    t = 0.1 * torch.arange(1, 2001, dtype=torch.float64)[:, None, None]
    steady = -65.0 + 100.0 / 3.0 * 10.0 / 250.0
    want = steady + (-70.0 - steady) * torch.exp(-t / 10.0)
    assert (monitor.get() - want).abs().max() < 1e-11


def test_currents_and_weights_keep_their_digits(backend):
    third = 1.0 / 3.0
    seen = {}
    for dtype in (torch.float32, torch.float64):
        net = Network(dt=1.0, backend=backend, dtype=dtype)
        net.population("in", models.Input(), 1)
        net.population("out", models.IF(v_thresh=1e9, v_reset=0.0), 2)
        net.projection("in", "out", Dense(torch.full((1, 2), third, dtype=torch.float64)))
        wired = Sparse(torch.tensor([third], dtype=torch.float64), [0], [1], delay=[3.0])
        net.projection("in", "out", wired, name="late")
        net.populations["out"].v = 0.0
        on = torch.ones(5, 1)
        net.run(5.0, {"in": on, "out": StepCurrent([2.0], [third])})
        seen[dtype] = net.populations["out"].v[0]
    # four spikes arrived and three steps had the current, at neuron 1 two late spikes besides
    want = torch.tensor([7 * third, 9 * third], dtype=torch.float64)
    assert (seen[torch.float64] - want).abs().max() < 1e-14
    assert 1e-9 < (seen[torch.float32] - want).abs().max() < 1e-5


def test_synapses_and_noise_drawn_are_those_of_float32(backend):
    """What is drawn does not depend on the type of numbers."""
    ids = {}
    for dtype in (torch.float32, torch.float64):
        net = Network(dt=0.5, seed=5, backend=backend, dtype=dtype)
        # sums of whole numbers of a power of two are exact in both types
        net.population("cells", models.IF(v_thresh=20.0, v_reset=0.0, t_refrac=0.0), 60)
        net.populations["cells"].v = 0.0
        net.projection("cells", "cells", FixedProbability(0.2, w=2.0, delay=1.5))
        net.drive("cells", PoissonDrive(900.0, 4.0))
        spikes = net.record_spikes()
        net.run(100.0)
        ids[dtype] = (spikes.steps("cells"), spikes.ids("cells"))
    assert len(ids[torch.float32][1]) > 100
    for a, b in zip(*ids.values(), strict=True):
        assert torch.equal(a, b)


def test_file_keeps_the_type(backend, tmp_path):
    net = Network(backend=backend, dtype=torch.float64, seed=1)
    net.population("in", models.Input(), 5, traces=True)
    net.population("out", models.LIF(), 4, traces=True)
    net.projection("in", "out", Dense(), rule=models.PostPre(), name="c", w_min=0.0, w_max=9.0)
    rates = {"in": Poisson(torch.full((5,), 200.0))}
    net.run(50.0, rates)
    net.save(tmp_path / "net")
    again = Network.load(tmp_path / "net", backend=backend)
    assert again.dtype == torch.float64
    for made in (net, again):
        made.run(50.0, rates)
    for name, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert math.isfinite(float(net.projections["c"].w.sum()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.int32, "float64", None])
def test_other_types_are_refused(dtype):
    with pytest.raises(FastsnnError, match=re.escape(f"Network(dtype={dtype!r}): expected torch")):
        Network(dtype=dtype)


@pytest.mark.parametrize("name", ["triton", "cuda"])
def test_backends_of_a_gpu_say_that_they_know_float32(name):
    net = Network(dtype=torch.float64)
    net.population("cells", models.LIF(), 3)
    why = net.explain()[name]
    assert why != "usable"
    if "float64" in why:
        assert why == "its numbers are torch.float64, it knows torch.float32."
    asked = Network(dtype=torch.float64, backend=name, device="cpu")
    asked.population("cells", models.LIF(), 3)
    with pytest.raises(BackendError, match=f"backend='{name}' cannot run"):
        asked.run(1.0)
