# SPDX-License-Identifier: Apache-2.0
"""Structured wirings as parts of a network: files, tables, monitors, mistakes, and equal bits."""

from __future__ import annotations

import re

import places
import pytest
import torch
from cases import Chance, Uniform
from hypothesis import assume, given, settings
from own_models import Square, Triplet, Watchful
from random_nets import cases
from test_parity import assert_equals_torch, first_difference, stays_finite

import fastsnn
from fastsnn import (
    Bernoulli,
    Conv1d,
    Conv2d,
    Local2d,
    MaxPool2d,
    MeanField,
    ModelError,
    Network,
    ShapeError,
    Sparse,
    models,
)
from fastsnn.backends import native

OTHERS = [place for place in places.others() if place == "cpu"]


def every_wiring(backend: str) -> Network:
    """One of each kind, each with options of its own."""
    net = Network(batch_size=2, seed=7, backend=backend)
    net.population("in", models.Input(), shape=(1, 8, 8), traces=True)
    net.population("conv", models.LIF(v_thresh=-60.0), shape=(2, 4, 4), traces=True)
    net.population("pool", models.LIF(v_thresh=-64.5), shape=(2, 2, 2), traces=True)
    net.population("local", models.LIF(v_thresh=-60.0), shape=(3, 3, 3), traces=True)
    net.population("out", models.LIF(v_thresh=-64.0), 10, traces=True)
    pairs = models.PostPre(nu_pre=0.001, nu_post=0.01)
    net.projection(
        "in", "conv", Conv2d((3, 3), stride=2, padding=1, norm_per="kernel"), rule=pairs,
        w_min=0.0, w_max=1.0, norm=2.0, bias=[0.1, 0.2],
    )  # fmt: skip
    net.projection("conv", "pool", MaxPool2d(2, stride=2, decay=0.2, w=3.0))
    bounds = Uniform(0.5, 1.5, 3)(1, 3, 3, 3, 4, 4)
    net.projection(
        "in", "local", Local2d(4, 2), rule=models.MSTDPET(nu=0.1), w_min=0.0, w_max=bounds,
        name="kernels",
    )  # fmt: skip
    hebb = models.Hebbian(nu_post=0.01)
    net.projection("local", "out", Sparse(probability=0.3), rule=hebb, norm=5.0, name="list")
    net.projection("pool", "out", Sparse(2.0, pre=[3], post=[9]))
    net.projection("out", "out", MeanField(Uniform(-1.0, 1.0, 2)(10)))
    return net


def run(net: Network, time: float = 30, **options: bool) -> Network:
    net.run(time, {"in": Bernoulli(torch.full((64,), 0.2))}, reward=0.4, **options)
    return net


def test_file_brings_every_wiring_back(backend, tmp_path):
    net = every_wiring(backend)
    watch = [net.monitor(p, "spike") for p in net.populations]
    run(net).save(tmp_path / "net")
    again = Network.load(tmp_path / "net", backend=backend)
    assert str(again) == str(net)
    for one, other in ((again, net), (run(again), run(net))):
        assert first_difference(one.state_dict(), other.state_dict()) is None
    assert all(m.get().any() for m in watch)


def test_examples_of_the_documentation_run(root):
    blocks = re.findall(r"```python\n(.*?)```", (root / "docs/connectivity.md").read_text(), re.S)
    assert len(blocks) == 6
    matrix = Chance(0.5, 1)(8, 5)
    dense = {"w": matrix.float(), "there": matrix, "p": matrix * 0.5, "steps": matrix.int()}
    for block in blocks:
        net = Network()
        if "net.population" not in block:
            net.population("X", models.Input(), 8, traces=True)
            net.population("Y", models.LIF(), 5, traces=True)
        known = vars(models) | vars(fastsnn) | {"net": net, "matrix": matrix.float()}
        exec(block, known | (dense if "Dense(w)" in block else {"w": torch.ones(3)}))
        net.run(2)
        assert net.projections


def test_table_names_the_wirings_and_their_sizes(backend):
    text = str(every_wiring(backend)).replace("\n", " ")
    for shown in ("kernel_size=(3", "MaxPool2d(", "Local2d(", "of all", "MeanField", "1x3x3x3x4x4"):
        assert shown in text


def test_monitors_record_weights_of_any_shape(backend):
    net = every_wiring(backend)
    watch = {name: net.monitor(name, "w", every=10) for name in ("in->conv", "kernels", "list")}
    rate = net.monitor("conv->pool", "rate", index=[0, 31])
    chosen = net.monitor("in->conv", "w", index=[1])
    run(net)
    for name, m in watch.items():
        assert m.get().shape == (3, *net.projections[name].w.shape)
        assert (m.get()[0] != m.get()[2]).any()
    assert rate.get().shape == (30, 2, 2)
    assert torch.equal(chosen.get()[9::10, ..., 0], watch["in->conv"].get()[..., 1])


def test_weights_may_be_written_between_runs(backend):
    net = run(every_wiring(backend))
    c = net.projections["in->conv"]
    c.w[0] = 7.0
    c.w = c.w * 2
    run(net, 1)
    assert float(c.w.max()) <= 2.0 + 1e-6  # bounds of 1, then the norm of 2 of a kernel


def test_batch_size_may_change(backend):
    net = run(every_wiring(backend))
    w = net.projections["list"].w.clone()
    net.set_batch_size(3)
    assert torch.equal(net.projections["list"].w, w)
    run(net)
    assert net.projections["conv->pool"].variables()["rate"].shape == (3, 32)


SOURCE, TARGET = (2, 8, 8), (3, 6, 6)
MISTAKES = (
    (Conv2d(3), (64,), TARGET, ShapeError, r"source has shape \(64,\), Conv2d.*expects \(channels"),
    (Conv2d(3), SOURCE, (3, 5, 6), ShapeError, r"gives \(filters, 6, 6\).*shape=\(3, 6, 6\)"),
    (Conv2d(3), SOURCE, (108,), ShapeError, r"gives \(filters, 6, 6\), the target is \(108,\)"),
    (Conv2d(9), SOURCE, TARGET, ShapeError, "larger than the source"),
    (Conv2d(0), SOURCE, TARGET, ShapeError, "kernel_size=0, expected a whole number of 1"),
    (Conv2d((3, 3, 3)), SOURCE, TARGET, ShapeError, r"kernel_size=\(3, 3, 3\).*or 2 of them"),
    (Conv2d(3, padding=-1), SOURCE, TARGET, ShapeError, "padding=-1, expected a whole number of 0"),
    (Conv2d(3, stride=1.5), SOURCE, TARGET, ShapeError, "stride=1.5, expected"),
    (Conv2d(3, norm_per="all"), SOURCE, TARGET, ModelError, "norm_per='all', expected 'filter'"),
    (Conv2d(3, w=torch.ones(3, 3, 3)), SOURCE, TARGET, ShapeError,
     r"weight is \(3, 3, 3\), expected \(3, 2, 3, 3\) \(filters, channels, \*kernel\)"),
    (Conv1d(3), SOURCE, TARGET, ShapeError, "expects .channels, length"),
    (Local2d(3, 2), SOURCE, TARGET, ShapeError, r"gives \(filters, 3, 3\)"),
    (MaxPool2d(3), SOURCE, TARGET, ShapeError, r"gives \(2, 6, 6\), the target is \(3, 6, 6\)"),
    (MaxPool2d(3, decay=2.0), SOURCE, (2, 6, 6), ModelError, "decay=2.0, expected 0 <= decay"),
    (MaxPool2d(3, padding=2), SOURCE, (2, 10, 10), ShapeError, "at most half of the kernel"),
    (MeanField(torch.ones(4)), SOURCE, (5,), ShapeError, r"weight is \(4,\), expected \(5,\)"),
    (Sparse(0.5), (4,), (5,), ShapeError, "Sparse needs one of a sparse tensor"),
    (Sparse(torch.ones(4, 5)), (4,), (5,), ShapeError, "Sparse needs one of a sparse tensor"),
    (Sparse(torch.ones(5, 4).to_sparse()), (4,), (5,), ShapeError, r"weight is \(5, 4\), expected"),
    (Sparse(pre=[0], post=[5]), (4,), (5,), ShapeError, r"post holds other ids than .*0\.\.4"),
    (Sparse(pre=[0, 1], post=[0]), (4,), (5,), ShapeError, "2 ids in pre and 1 in post"),
    (Sparse(pre=[0, 0], post=[1, 1]), (4,), (5,), ShapeError, "synapse 0 -> 1 is given twice"),
    (Sparse(probability=1.5), (4,), (5,), ModelError, "probability=1.5, expected 0 to 1"),
    (Sparse(torch.ones(3), pre=[0, 1], post=[0, 0]), (4,), (5,), ShapeError,
     r"weight is \(3,\), expected \(2,\) \(synapses\)"),
)  # fmt: skip


@pytest.mark.parametrize(("wiring", "pre", "post", "kind", "told"), MISTAKES)
def test_mistakes_are_told(wiring, pre, post, kind, told):
    net = Network()
    net.population("a", models.Input(), shape=pre)
    net.population("b", models.LIF(), shape=post)
    with pytest.raises(kind, match=f"Projection 'a->b': .*{told}"):
        net.projection("a", "b", wiring)
    assert not net.projections


def test_static_wirings_refuse_rules():
    net = Network()
    net.population("a", models.Input(), shape=(1, 4, 4), traces=True)
    net.population("b", models.LIF(), shape=(1, 2, 2), traces=True)
    with pytest.raises(ModelError, match=r"MaxPool2d is static; rule, .* need Dense, Conv"):
        net.projection("a", "b", MaxPool2d(2, 2), rule=models.PostPre())


# ---- equal bits ----


@pytest.mark.parametrize("other", OTHERS)
@settings(max_examples=200)
@given(case=cases(structured=True))
def test_random_structured_network_is_bit_identical_with_any_threads(case, other):
    want = case.play("torch")
    assume(stays_finite(want))
    assert_equals_torch(case, want, other)


def of_own_rules(backend: str, reduction: str, threads: int | None = None) -> Network:
    """Rules that a user wrote, on weights of their own and on shared ones."""
    net = Network(batch_size=2, backend=backend, threads=threads)
    net.population("in", models.Input(), shape=(1, 8, 8), traces=True)
    wirings = (
        (Conv2d(3, w=Uniform(0.0, 6.0, 1)(3, 1, 3, 3)), (3, 6, 6)),
        (Local2d(4, 2, w=Uniform(0.0, 4.0, 2)(1, 3, 3, 3, 4, 4)), (3, 3, 3)),
        (Sparse((Uniform(0.0, 4.0, 3)(64, 35) * Chance(0.3, 4)(64, 35)).to_sparse()), (35,)),
    )
    for k, (wiring, shape) in enumerate(wirings):
        for rule in (Square(), Triplet(), Watchful()):
            name = f"{type(rule).__name__}{k}"
            net.population(name, models.LIF(v_thresh=-58.0), shape=shape, traces=True)
            net.projection("in", name, wiring, rule=rule, w_max=6.5, reduction=reduction)
    net.run(40, {"in": Bernoulli(torch.full((64,), 0.2))})
    return net


@pytest.mark.parametrize("reduction", ["sum", "mean", "max"])
@pytest.mark.parametrize("other", OTHERS)
def test_own_rules_learn_the_same_on_every_wiring(other, reduction):
    want = of_own_rules("torch", reduction).state_dict()
    for threads in (1, 3):
        got = of_own_rules(other, reduction, threads).state_dict()
        assert first_difference(got, want) is None


@pytest.mark.parametrize("other", OTHERS)
def test_rmax_on_a_convolution_agrees_to_rounding(other):
    found = {}
    for backend in ("torch", other):
        net = Network(batch_size=2, backend=backend)
        net.population("in", models.Input(), shape=(1, 8, 8), traces=True, traces_additive=True)
        net.population("srm", models.SRM0(rho_0=0.1), shape=(3, 6, 6))
        conv = Conv2d(3, w=Uniform(0.0, 5.0, 1)(3, 1, 3, 3))
        net.projection("in", "srm", conv, rule=models.Rmax(nu=0.001), name="c")
        net.run(30, {"in": Bernoulli(torch.full((64,), 0.2))}, reward=0.5)
        found[backend] = net
    got, want = (found[name].projections["c"].w for name in (other, "torch"))
    assert torch.equal(
        found[other].populations["srm"].spike, found["torch"].populations["srm"].spike
    )
    assert (want - Uniform(0.0, 5.0, 1)(3, 1, 3, 3)).abs().max() > 0.1
    # 30 steps of sums over 36 places and 2 samples, of traces below 10, in float32
    assert (got - want).abs().max() <= 30 * 72 * 2.0**-24 * 0.001 * 25 * 72 * 10


@pytest.mark.parametrize("isa", native._native.isa() if OTHERS else [])
def test_every_instruction_set_gives_the_same_bits(isa, monkeypatch):
    plan_dict = native.Program._plan_dict
    monkeypatch.setattr(
        native.Program, "_plan_dict", lambda self, threads: plan_dict(self, threads) | {"isa": isa}
    )
    net, want = run(every_wiring("cpu")), run(every_wiring("torch"))
    assert net.compile()._program(1).isa == isa
    assert first_difference(net.state_dict(), want.state_dict()) is None


def test_a_run_in_two_parts_is_the_same_run(backend):
    net, want = every_wiring(backend), run(every_wiring(backend), normalize=False)
    for time in (11, 19):
        run(net, time, normalize=False)
    assert first_difference(net.state_dict(), want.state_dict()) is None


def test_sparse_pattern_may_be_empty(backend):
    net = Network(backend=backend)
    net.population("a", models.Input(), 4, traces=True)
    net.population("b", models.LIF(), 3, traces=True)
    pattern = Chance(0.0, 1)(4, 3).float().to_sparse()
    rule = models.PostPre(nu_pre=0.1)
    c = net.projection("a", "b", Sparse(pattern), rule=rule, norm=1.0)
    net.run(5, {"a": Bernoulli(torch.full((4,), 0.5))})
    assert c.w.shape == (0,)
