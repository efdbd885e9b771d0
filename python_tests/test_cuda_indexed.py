# SPDX-License-Identifier: Apache-2.0
"""Listed synapses that learn on the emulated CUDA engine: the bits of torch and cpu."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuda import MODULE, spreads
from test_sparse_plasticity_parity import nets, outcome

import fastsnn
from fastsnn import (
    BackendError,
    Current,
    Dense,
    Network,
    Poisson,
    Replicas,
    Sparse,
    models,
    structured,
)
from fastsnn.backends import cuda
from fastsnn.models.terminals import Terminal
from fastsnn.networks import NETWORKS
from fastsnn.sparse import FixedInDegree, Normal, PoissonDrive

pytestmark = pytest.mark.skipif(
    "cpu" not in fastsnn.backends.usable(), reason="the native engine is not built"
)
GRIDS = ("cuda-grid-1", "cuda-grid-3", "cuda-grid-6", "cuda-auto")
OTHERS = {"cuda-grid-3": "cuda-grid-6", "torch": "cuda-grid-1", "cpu": "cuda-grid-3"}

__all__ = ["spreads"]  # a fixture


@settings(max_examples=60)
@given(
    case=nets(),
    grid=st.sampled_from(GRIDS),
    steps=st.sampled_from([1, 7, 4096]),
    shared=st.sampled_from([20_000, 232_448]),
)
def test_random_network_is_bit_identical_however_it_is_spread(
    case, grid, steps, shared, tmp_path_factory
):
    case["dtype"] = torch.float32
    folder = tmp_path_factory.mktemp("nets")
    want = outcome(case, "torch", None, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "STEPS_OF_A_LAUNCH", steps)
        patch.setenv("FASTSNN_EMULATED_SHARED", str(shared))
        got = outcome(case, grid, None, folder)
    for name, value in want.items():
        assert torch.equal(got[name], value), name


RULES = {
    "PostPre": lambda: models.PostPre(nu_pre=0.01, nu_post=0.02),
    "WeightDependentPostPre": lambda: models.WeightDependentPostPre(nu_pre=0.01, nu_post=0.02),
    "Hebbian": lambda: models.Hebbian(nu_pre=0.001, nu_post=0.002),
    "MSTDP": lambda: models.MSTDP(nu=0.02),
    "MSTDPET": lambda: models.MSTDPET(nu=0.02),
    "PairSTDP": lambda: models.PairSTDP(a_plus=0.05, a_minus=0.04),
    "RewardSTDP": lambda: models.RewardSTDP(nu=0.05, interval=4.0),
}


@st.composite
def mixed(draw):
    """A function that makes a network of all kinds of projections, and its input."""
    n = draw(st.sampled_from([3, 33, 80]))
    seed = draw(st.integers(0, 99))
    joins = [
        (
            draw(st.sampled_from(["in", "E"])), draw(st.sampled_from(["E", "I"])),
            draw(st.sampled_from([*RULES, None])), draw(st.sampled_from([1, 2, 6])),
            draw(st.sampled_from(["axonal", "dendritic"])), draw(st.booleans()),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    one_spike = draw(st.booleans())
    norm = draw(st.sampled_from([None, 15.0]))

    def make(backend: str) -> Network:
        g = torch.Generator().manual_seed(seed)
        net = Network(seed=seed, backend=backend)
        net.population("in", models.Input(), n, traces=True)
        net.population("E", models.LIF(t_refrac=2.0), n, traces=True, one_spike=one_spike)
        net.population("I", models.LIF(), 40, traces=True)
        net.projection("in", "E", Dense(torch.rand(n, n, generator=g) * 60.0 / n), name="dense")
        for name in ("E", "I"):
            net.drive(name, PoissonDrive(200.0, 6.0))
        net.projection("I", "E", FixedInDegree(5, w=-3.0, delay=Normal(3.0, 1.0, low=1.0)))
        for k, (source, target, rule, delay, kind, each) in enumerate(joins):
            m, size = 4 * n, net.populations[target].n
            ids = torch.randint(n, (m,), generator=g), torch.randint(size, (m,), generator=g)
            own = rule is None or rule in ("PairSTDP", "RewardSTDP")
            steps = torch.randint(1, delay + 1, (m,), generator=g)
            late = {"delay": steps if each else float(delay), "multapses": True}
            w = Sparse(torch.rand(m, generator=g), *ids, **(late if own else {"multapses": True}))
            net.projection(
                source, target, w, rule=RULES[rule]() if rule else None, name=f"c{k}",
                norm=None if rule in ("RewardSTDP", None) else norm, w_min=-0.2, w_max=1.5,
                delay_kind=kind if own else "axonal",
            )  # fmt: skip
        return net

    return make


def shown(net: Network, reset: bool) -> dict[str, torch.Tensor]:
    """State and what was seen of two samples, learning in one run and not in the other."""
    n = net.populations["in"].n
    watched = {
        name: net.monitor("c0", name)
        for name in sorted({*net.projections["c0"].variables()} - {"changed"})
    }
    some = net.monitor("c0", "w", index=[0, 3, 11], every=3)
    seen = net.present(
        {"in": Poisson(torch.linspace(20.0, 200.0, 2 * n).reshape(2, n))}, 18.0, reset=reset,
        count=["E"], reward=0.5,
    )  # fmt: skip
    net.train(False)
    net.run(6.0, {"in": Poisson(torch.full((1, n), 80.0))})
    return {
        **{k: v.clone() for k, v in net.state_dict().items()},
        **{f"seen {name}": monitor.get() for name, monitor in watched.items()},
        "some weights": some.get(),
        "counts": seen.counts["E"],
    }


@settings(max_examples=40)
@given(make=mixed(), grid=st.sampled_from(GRIDS), reset=st.booleans())
def test_all_kinds_of_projections_together(make, grid, reset):
    want, got = (shown(make(name), reset) for name in ("torch", grid))
    for name, value in want.items():
        assert torch.equal(got[name], value), name


def recurrent(backend: str, rule: models.Rule, kind: str, delay: float | str) -> tuple:
    g = torch.Generator().manual_seed(1)
    net = Network(seed=2, backend=backend)
    net.population("E", models.LIF(), 70)
    ids = torch.randint(70, (2, 700), generator=g)
    steps = torch.randint(1, 9, (700,), generator=g) if delay == "each" else delay
    w = 0.6 * torch.rand(700, generator=g)
    net.projection(
        "E", "E", Sparse(w, *ids, delay=steps, multapses=True), rule=rule, delay_kind=kind,
        w_min=0.0, w_max=2.0, name="c",
    )  # fmt: skip
    return net, torch.rand(60, 1, 70, generator=g) * 8.0


@pytest.mark.parametrize("kind", ["axonal", "dendritic"])
@pytest.mark.parametrize("delay", [1.0, 4.0, "each"])
def test_a_run_goes_on_from_its_file_on_any_backend(kind, delay, tmp_path):
    rule = models.PairSTDP(a_plus=0.05, a_minus=0.06)
    whole, current = recurrent("torch", rule, kind, delay)
    whole.run(60.0, {"E": Current(current)})
    assert int((whole.projections["c"].w == 0.0).sum()) > 0
    for first, other in OTHERS.items():
        net, _ = recurrent(first, rule, kind, delay)
        for last, step in ((0, 1), (1, 20), (20, 60)):
            net.run(float(step - last), {"E": Current(current[last:step])})
            net.save(tmp_path / "net.safetensors")
            net = Network.load(tmp_path / "net.safetensors", backend=other if step < 20 else first)
        for name, value in whole.state_dict().items():
            assert torch.equal(net.state_dict()[name], value), name


@pytest.mark.parametrize("kind", ["axonal", "dendritic"])
def test_power_law_agrees_to_rounding(kind):
    states = []
    for backend in ("torch", "cuda-grid-3"):
        net, current = recurrent(backend, models.PowerSTDP(), kind, 4.0)
        net.run(20.0, {"E": Current(current[:20])})
        states.append(net.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-5, atol=1e-5)


def test_power_law_of_a_dense_projection_runs_too():
    states = []
    for backend in ("torch", "cuda-grid-3"):
        net = Network(seed=2, backend=backend)
        net.population("in", models.Input(), 20)
        net.population("out", models.LIF(), 40)
        net.projection("in", "out", Dense(torch.full((20, 40), 6.0)), rule=models.PowerSTDP())
        net.run(40.0, {"in": Poisson(torch.full((1, 20), 100.0))})
        states.append(net.state_dict())
    assert len(states[0]["in->out.w"].unique()) > 10
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-5, atol=1e-5)


def test_hpc_benchmark_is_that_of_the_cpu():
    recipe, spikes, states = NETWORKS["hpc-benchmark"], [], []
    for backend in ("cpu", "cuda-grid-3"):
        net = recipe.make(0.01, seed=1, backend=backend)
        recorder = net.record_spikes()
        net.run(20.0)
        spikes.append(len(recorder.ids("E")))
        states.append(net.state_dict())
    assert spikes[0] == spikes[1] > 50
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-4, atol=1e-4)


def test_replicas_learn_each_for_themselves():
    def build(backend):
        def make(seed):
            net, _ = recurrent(backend, models.PairSTDP(a_plus=0.05), "dendritic", "each")
            net.projections["c"].w *= 1.0 + 0.1 * seed
            return net

        return make

    current = torch.rand(30, 1, 70, generator=torch.Generator().manual_seed(1)) * 8.0
    given_ = [{"E": Current(current * (1.0 + 0.1 * r))} for r in range(3)]
    many = Replicas(build("cuda-grid-3"), range(3))
    many.run(30.0, given_)
    for r, inputs in enumerate(given_):
        net = build("torch")(r)
        net.run(30.0, inputs)
        for name, value in net.state_dict().items():
            assert torch.equal(many[r].state_dict()[name], value), name


class Own(Terminal):
    """Terminals of the user's own."""

    efficacy = models.Var(init=1.0)

    def step(efficacy, i_syn):
        return efficacy, i_syn > 0.0


def test_what_does_not_run_is_told_with_the_reason():
    ids = torch.arange(5)

    def refused(words: str, wiring=None, batch: int = 1, **options) -> None:
        net = Network(batch_size=batch, backend="cuda-grid-3")
        net.population("a", models.LIF(), shape=(1, 5, 1))
        net.projection("a", "a", wiring or Sparse(1.0, ids, ids), name="c", **options)
        with pytest.raises(BackendError, match=words):
            net.run(5.0)

    refused("'c' lists its synapses, which needs batch_size=1 on the cuda backend, got 2", batch=2)
    refused("'c' has kernels over a grid, which the cuda", structured.Conv2d(kernel_size=1))
    refused("the model Own is not built in", short_term=Own())


@pytest.mark.parametrize("policy", ["alone", "cluster"])
def test_listed_synapses_need_a_grid(policy):
    net, _ = recurrent("torch", models.PairSTDP(), "axonal", 1.0)
    with pytest.raises(ValueError, match=f"policy '{policy}': a network with sparse"):
        cuda.Engine(MODULE, "cpu", policy=policy).program(net.plan)
    told = cuda.Engine(MODULE, "cpu", policy="grid", blocks=2).program(net.plan).explain()
    assert told.startswith("plastic grid: 2 blocks of 256 threads, ")
