# SPDX-License-Identifier: Apache-2.0
"""Structured wirings against closed forms: torch's convolutions, patches, pooling, and matrices."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import Chance, Uniform
from torch import Tensor
from torch.nn import functional as F

from fastsnn import (
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Local1d,
    Local2d,
    Local3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MeanField,
    Network,
    Sparse,
    Spikes,
    models,
)
from fastsnn.connectivity import Connectivity

STEPS = 25
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def grid_weights(*shape: int, seed: int = 1) -> Tensor:
    """Multiples of 1/1024: their sums are exact in any order."""
    return (Uniform(-1.0, 1.0, seed)(*shape) * 1024).round() / 1024


def delivered(
    backend: str, wiring: Connectivity, pre: tuple, post: tuple, batch: int = 2, **options: Any
) -> tuple[Tensor, Tensor]:
    """Spikes [T, B, *pre] and the current that they give in the step after, [T, B, *post]."""
    net = Network(batch_size=batch, backend=backend)
    net.population("in", models.Input(), shape=pre)
    net.population("out", models.LIF(v_thresh=1e9), shape=post, sum_input=True)
    net.projection("in", "out", wiring, **options)
    spikes = Chance(0.2, 3)(STEPS, batch, *pre)
    seen = net.monitor("out", "summed")
    net.run(STEPS, {"in": Spikes(spikes.reshape(STEPS, batch, -1))})
    current = seen.get().diff(dim=0, prepend=torch.zeros(1, batch, seen.get().shape[-1]))
    return spikes[:-1].float(), current[1:].reshape(STEPS - 1, batch, *post)


@pytest.mark.parametrize(
    ("wiring", "pre", "kernel", "sizes"),
    [
        (Conv1d, (2, 17), (3,), {"stride": 2, "padding": 1}),
        (Conv1d, (1, 9), (4,), {"dilation": 2}),
        (Conv2d, (2, 9, 7), (3, 2), {"stride": (2, 1), "padding": (1, 0)}),
        (Conv2d, (1, 8, 8), (8, 8), {}),
        (Conv2d, (3, 9, 9), (3, 3), {"stride": 2, "padding": 2, "dilation": 2}),
        (Conv3d, (2, 4, 5, 3), (2, 3, 1), {"stride": (1, 2, 1), "padding": (1, 1, 0)}),
    ],
)
def test_convolution_is_that_of_torch(backend, wiring, pre, kernel, sizes):
    filters, conv = 5, CONV[wiring.dims]
    w, bias = grid_weights(filters, pre[0], *kernel), grid_weights(filters, seed=2)
    post = conv(torch.zeros(1, *pre), w, **sizes).shape[1:]
    spikes, current = delivered(backend, wiring(kernel, w=w, **sizes), pre, post, bias=bias)
    want = conv(spikes.flatten(0, 1), w, bias, **sizes).unflatten(0, spikes.shape[:2])
    assert torch.equal(current, want)


@pytest.mark.parametrize(
    ("wiring", "pre", "kernel", "stride"),
    [
        (Local1d, (2, 12), (3,), 2),
        (Local2d, (2, 8, 7), (3, 2), 2),
        (Local2d, (1, 5, 5), (5, 5), 1),
        (Local3d, (2, 4, 5, 3), (2, 3, 1), (1, 2, 1)),
    ],
)
def test_local_connection_is_a_sum_over_patches(backend, wiring, pre, kernel, stride):
    filters, dims = 3, wiring.dims
    ones = torch.ones(filters, pre[0], *kernel)
    places = CONV[dims](torch.zeros(1, *pre), ones, stride=stride).shape[2:]
    w = grid_weights(pre[0], filters, *places, *kernel)
    spikes, current = delivered(backend, wiring(kernel, stride, w=w), pre, (filters, *places))
    patches = spikes
    for d in range(dims):
        step = stride if isinstance(stride, int) else stride[d]
        patches = patches.unfold(3 + d, kernel[d], step)
    # patches: [T, B, C, *places, *kernel]
    want = (patches[:, :, :, None] * w).flatten(4 + dims).sum(-1).sum(2)
    assert torch.equal(current, want)


@pytest.mark.parametrize(
    ("wiring", "pre", "sizes"),
    [
        (MaxPool1d, (2, 12), {"kernel_size": 3}),
        (MaxPool2d, (2, 8, 8), {"kernel_size": 2, "stride": 2}),
        (MaxPool2d, (1, 7, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
        (MaxPool3d, (2, 4, 5, 3), {"kernel_size": 2}),
    ],
)
def test_max_pool_passes_the_spike_of_the_highest_rate(backend, wiring, pre, sizes):
    decay, pool = 0.25, POOL[wiring.dims]
    sizes = {"stride": 1, **sizes}
    post = pool(torch.zeros(1, *pre), **sizes).shape[1:]
    spikes, current = delivered(backend, wiring(decay=decay, w=0.5, **sizes), pre, post)
    rate, want = torch.zeros(spikes.shape[1:]), []
    for spike in spikes:
        rate = rate - decay * rate + spike
        _, best = pool(rate, return_indices=True, **sizes)
        want.append(0.5 * spike.flatten(2).gather(2, best.flatten(2)).reshape(best.shape))
    assert torch.equal(current, torch.stack(want))
    assert current.any()


def test_rates_of_a_pool_live_with_the_neurons(backend):
    net = Network(backend=backend)
    net.population("in", models.Input(), shape=(1, 4))
    net.population("out", models.LIF(), shape=(1, 2))
    pool = net.projection("in", "out", MaxPool1d(2, 2, decay=0.5))
    net.run(2, {"in": Spikes(torch.tensor([[1, 0, 1, 0], [0, 1, 1, 0]]).bool())})
    # the spikes of the last step are not delivered yet
    assert pool.variables()["rate"].tolist() == [[1, 0, 1, 0]]
    net.run(1)
    assert pool.variables()["rate"].tolist() == [[0.5, 1, 1.5, 0]]
    net.reset_state()
    assert not pool.variables()["rate"].any()
    net.set_batch_size(3)
    assert pool.variables()["rate"].shape == (3, 4)
    net.present({}, 2, samples=1, reset=True)


def test_mean_field_delivers_the_mean_spike_of_each_batch_element(backend):
    for w in (2.0, grid_weights(11)):
        spikes, current = delivered(backend, MeanField(w), (32,), (11,))
        assert torch.equal(current, (spikes.mean(-1, keepdim=True) * w).expand_as(current))


def shuffled(w: Tensor) -> Sparse:
    """The synapses of a matrix in any order."""
    pre, post = w.nonzero()[torch.randperm(int((w != 0).sum()))].T
    return Sparse(w[pre, post], pre=pre, post=post)


SPARSE = {
    "matrix": lambda w: Sparse(w.to_sparse()),
    "csr": lambda w: Sparse(w.to_sparse_csr()),
    "ids": shuffled,
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("how", SPARSE)
def test_sparse_is_the_matrix_with_zeros(backend, how):
    w = grid_weights(33, 17) * Chance(0.3, 5)(33, 17)
    spikes, current = delivered(backend, SPARSE[how](w), (33,), (17,))
    assert torch.equal(current, spikes @ w)


def test_sparse_by_probability_joins_about_as_many_pairs_and_the_same_for_a_seed(backend):
    nets = [Network(seed=s, backend=backend) for s in (1, 1, 2)]
    drawn = []
    for net in nets:
        net.population("a", models.Input(), 200)
        net.population("b", models.LIF(), 150)
        c = net.projection("a", "b", Sparse(probability=0.1), w_min=0.0, w_max=0.3)
        drawn.append(c.synapses.pre * 150 + c.synapses.post)
        assert ((c.w >= 0) & (c.w <= 0.3)).all()
        assert len(c.w) == len(drawn[-1])
    # 30,000 pairs: within five standard deviations
    assert abs(len(drawn[0]) - 3000) < 5 * (30_000 * 0.09) ** 0.5
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2][: len(drawn[0])])


# ---- learning ----

PAIRS = {"nu_pre": 0.01, "nu_post": 0.02}


def recorded(
    backend: str, wiring: Connectivity, pre: tuple, post: tuple, rule, batch=2, **options: Any
) -> tuple[Network, dict[str, Tensor]]:
    """A network that learns, and its spikes and traces in every step, [T, B, *shape]."""
    net = Network(batch_size=batch, backend=backend)
    net.population("in", models.Input(), shape=pre, traces=True, tau_trace=5.0)
    net.population("out", models.LIF(v_thresh=-63.0), shape=post, traces=True, tau_trace=7.0)
    net.projection("in", "out", wiring, name="c", rule=rule, **options)
    watch = {(p, v): net.monitor(p, v) for p in ("in", "out") for v in ("spike", "x")}
    net.run(STEPS, {"in": Spikes(Chance(0.2, 3)(STEPS, batch, *pre).flatten(2))})
    shapes = {"in": pre, "out": post}
    seen = {f"{p} {v}": m.get().float().unflatten(2, shapes[p]) for (p, v), m in watch.items()}
    assert seen["out spike"].sum() > 10
    return net, seen


@pytest.mark.parametrize("reduction", ["sum", "mean", "max"])
def test_convolution_learns_from_the_pairs_of_all_places(backend, reduction):
    pre, post, sizes = (2, 8, 8), (3, 4, 4), {"stride": 2, "padding": 1}
    w0 = Uniform(0.0, 1.0, 4)(3, 2, 3, 3)
    net, seen = recorded(
        backend, Conv2d(3, w=w0, **sizes), pre, post, models.PostPre(**PAIRS), reduction=reduction
    )
    reduce = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}[reduction]
    w = w0.double()
    for t in range(STEPS):
        a, p = (
            F.unfold(seen[f"in {v}"][t], 3, **sizes).double().transpose(1, 2)
            for v in ("spike", "x")
        )
        q, y = (seen[f"out {v}"][t].flatten(2).double() for v in ("spike", "x"))
        w = w - 0.01 * reduce(y @ a, dim=0).reshape(w.shape)
        w = w + 0.02 * reduce(q @ p, dim=0).reshape(w.shape)
    got = net.projections["c"].w
    # 25 steps, each of two sums of at most 16 places and 2 samples, in float32
    assert (got - w).abs().max() < 25 * 2 * 34 * 2.0**-24 * w.abs().max()
    assert (got - w0).abs().max() > 0.1


RULES = {
    "PostPre": models.PostPre(**PAIRS),
    "WeightDependentPostPre": models.WeightDependentPostPre(**PAIRS),
    "Hebbian": models.Hebbian(nu_pre=0.001, nu_post=0.002),
    "MSTDP": models.MSTDP(nu=0.02),
    "MSTDPET": models.MSTDPET(nu=0.1),
}
OPTIONS = (
    {"w_min": 0.0, "w_max": 1.0},
    {"w_min": 0.0, "w_max": 1.0, "norm": 4.0, "reduction": "mean"},
    {"w_min": -0.1, "w_max": 0.9, "weight_decay": 0.01, "reduction": "max", "norm": 3.0},
)


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "norm", "decay"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch", [1, 3])
def test_listed_synapses_learn_as_those_of_a_masked_matrix(backend, rule, batch, options):
    held = Chance(0.4, 8)(40, 21)
    w0 = Uniform(0.2, 1.0, 9)(40, 21) * held
    ids = held.nonzero()
    wirings = {
        "sparse": Sparse(w0[held], pre=ids[:, 0], post=ids[:, 1]),
        "dense": Dense(w0),
    }
    found = {}
    for name, wiring in wirings.items():
        net = Network(batch_size=batch, backend=backend)
        net.population("in", models.Input(), 40, traces=True)
        net.population("out", models.LIF(v_thresh=-62.0), 21, traces=True)
        c = net.projection("in", "out", wiring, rule=RULES[rule], name="c", **options)
        masks = {"c": ~held} if name == "dense" else None
        data = Chance(0.2, 3)(2, STEPS, batch, 40)
        for spikes in data:
            net.run(STEPS, {"in": Spikes(spikes)}, reward=0.5, masks=masks)
        out = {k: v for k, v in net.state_dict().items() if not k.startswith("c.")}
        w = {k: v for k, v in c.variables().items() if v.shape in (c.w.shape, (40, 21))}
        found[name] = out | {k: v[held] if name == "dense" else v for k, v in w.items()}
        assert (found[name]["w"] - w0[held]).abs().max() > 0.01
    for key, want in found["dense"].items():
        assert torch.equal(found["sparse"][key], want), key


def test_local_kernels_learn_as_those_of_sparse_synapses(backend):
    pre, post = (2, 8, 8), (3, 3, 3)
    local = Local2d(3, 2, w=Uniform(0.0, 1.0, 4)(2, 3, 3, 3, 3, 3))
    options = {"w_min": 0.0, "w_max": 1.0, "norm": 6.0}
    rule = models.PostPre(**PAIRS)
    net, _ = recorded(backend, local, pre, post, rule, **options)
    c = net.projections["c"]
    place = c.synapses.weight.long()
    sparse = Sparse(
        Uniform(0.0, 1.0, 4)(2, 3, 3, 3, 3, 3).flatten()[place],
        pre=c.synapses.pre,
        post=c.synapses.post,
    )
    other, _ = recorded(backend, sparse, pre, post, rule, **options)
    assert torch.equal(other.projections["c"].w, c.w.flatten()[place])
    # and every weight has one synapse
    assert torch.equal(place.sort().values, torch.arange(c.w.numel()))


@pytest.mark.parametrize("norm_per", ["filter", "kernel"])
def test_norm_of_a_convolution_is_that_of_each_filter_or_kernel(backend, norm_per):
    net, _ = recorded(
        backend,
        Conv2d(3, norm_per=norm_per, w=Uniform(-1.0, 1.0, 4)(3, 2, 3, 3)),
        (2, 8, 8),
        (3, 6, 6),
        models.PostPre(**PAIRS),
        norm=4.0,
    )
    c = net.projections["c"]
    sums = c.w.abs().flatten(2 if norm_per == "kernel" else 1).sum(-1)
    assert torch.allclose(sums, torch.full_like(sums, 4.0), rtol=1e-5)
    assert not c.variables()["changed"].any()


@pytest.mark.parametrize("delay", [None, 3.0])
def test_mask_acts_on_listed_synapses_that_no_rule_learns(delay, backend):
    net = Network(backend=backend)
    net.population("cells", models.LIF(), 33)
    ids = torch.arange(33)
    net.projection("cells", "cells", Sparse(0.5, ids, ids.flip(0), delay=delay), name="c")
    mask = ids % 3 == 0
    net.run(4.0, masks={"c": mask})
    assert net.projections["c"].w.tolist() == [0.0 if k % 3 == 0 else 0.5 for k in range(33)]


def test_mask_holds_weights_of_a_kernel_at_zero(backend):
    net, _ = recorded(
        backend, Conv2d(3, w=0.3), (1, 6, 6), (2, 4, 4), models.PostPre(**PAIRS), w_max=1.0
    )
    mask = Chance(0.5, 6)(2, 1, 3, 3)
    net.run(10, masks={"c": mask})
    assert (net.projections["c"].w[mask] == 0).all()
    assert (net.projections["c"].w[~mask] != 0).all()
