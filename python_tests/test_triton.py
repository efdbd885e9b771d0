# SPDX-License-Identifier: Apache-2.0
"""The kernels of Triton, interpreted on the CPU, give the bits of the torch reference."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import interpreting
import own_models
import pytest
import random_nets
import torch
from cases import Case, Cells, Do, Uniform, Wires
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from interpreting import INTERPRETER, SMALL
from test_parity import RULES, competition, first_difference, stays_finite
from test_replicas import (
    assert_each_retries,
    assert_replicas_equal_networks,
    build,
    rates,
    same_state,
)

from fastsnn import BackendError, Dense, Network, Poisson, models
from fastsnn.backends import triton_jit, triton_run
from fastsnn.backends.triton_launches import Launch, Launches

pytestmark = interpreting.needed


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    interpreting.switch_on(monkeypatch)


def assert_equals_torch(case: Case, want: Any = None) -> dict[str, torch.Tensor]:
    """Play a case on both; returns what there was to see."""
    want = want or case.play("torch")
    wrong = first_difference(case.play("triton"), want)
    assert wrong is None, f"{wrong}\n{case}"
    return want


def short(case: Case) -> Case:
    """A case that the interpreter gets through."""
    for act in case.story:
        act.steps, act.samples = min(act.steps, 7), min(act.samples, 2)
    return case


@settings(max_examples=10)
@given(data=st.data(), small=st.booleans())
def test_random_network_is_bit_identical(data, small):
    with pytest.MonkeyPatch.context() as patch, interpreting.tiled(SMALL if small else INTERPRETER):
        patch.setattr(random_nets, "SIZES", (1, 2, 17, 31, 33, 65))
        case = data.draw(random_nets.cases(max_acts=2).map(short))
        want = case.play("torch")
        assume(stays_finite(want))
        assert_equals_torch(case, want)


class Chances(Uniform):
    """Probabilities, many of them zero."""

    def __call__(self, *shape: int) -> torch.Tensor:
        return super().__call__(*shape).clamp(min=0.0)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_competing_network_is_bit_identical(rule, batch):
    case = competition(rule, 31, batch)
    case.cells[0].n = 40
    case.wires[0].w = Uniform(0.0, 1.0, 1)
    for act, steps in zip(case.story, (5, 0, 2), strict=True):
        act.steps, act.samples = steps, min(act.samples, 2)
        act.inputs = {k: ("bernoulli", Chances(-0.5, 0.5, 4)) for k in act.inputs}
    if rule != "PostPre":
        case.story[0].options.pop("retry", None)
    with interpreting.tiled(
        dataclasses.replace(INTERPRETER, neurons=32, rows=32, steps=4, warps=1)
    ):
        want = assert_equals_torch(case)
    assert want["after 1. present: counts of Ae"].sum() > 1
    assert not torch.equal(want["after 1. present: XAe.w"], case.wires[0].w(40, 31))


@pytest.mark.parametrize(("n", "batch"), [(1, 1), (31, 3), (33, 1), (1000, 1), (1000, 3)])
def test_odd_sizes_are_bit_identical(n, batch):
    pre = Cells("in", "Input", 17, {}, {"traces": True})
    cells = Cells("out", "LIF", n, {"tau_m": Uniform(5.0, 50.0, 1)}, {"traces": True})
    wires = [
        Wires("c", pre, cells, "dense", Uniform(0.0, 3.5, 2), "PostPre", {"nu_post": 0.01}),
        Wires("d", cells, cells, "dense", Uniform(-0.3, 0.35, 3), "Hebbian", {"nu_pre": 0.01}),
    ]
    story = [Do("run", 2, inputs={"in": ("bernoulli", Uniform(0.5, 0.9, 4))})]
    case = Case(1.0, batch, 6, [pre, cells], wires, [], story)
    with interpreting.tiled(dataclasses.replace(INTERPRETER, neurons=512, rows=512)):
        want = assert_equals_torch(case)
    assert not torch.equal(want["after 1. run: c.w"], wires[0].w(17, n)) or n == 1


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["Triplet", "Square", "Watchful"])
def test_rules_of_a_users_own_are_bit_identical(name, batch):
    seen = {}
    for backend in ("torch", "triton"):
        net = Network(batch_size=batch, seed=3, backend=backend, device="cpu")
        net.population("in", models.Input(), 17, traces=True)
        net.population("noisy", own_models.Restless(v_thresh=2.0), 33, traces=True, sum_input=True)
        rule = getattr(own_models, name)()
        w = Uniform(0.0, 2.0, 1)(17, 33)
        bounds = {"w_min": 0.0, "w_max": 3.0, "norm": 20.0}
        net.projection("in", "noisy", Dense(w), rule=rule, name="c", reduction="mean", **bounds)
        watch = [net.monitor("noisy", "v"), net.monitor("c", "w", every=4)]
        net.run(9, {"in": Poisson(torch.full((17,), 200.0))})
        net.train(False)
        net.run(3, {"in": Poisson(torch.full((17,), 200.0))})
        seen[backend] = {k: v.clone() for k, v in net.state_dict().items()}
        seen[backend] |= {f"monitor {k}": m.get() for k, m in enumerate(watch)}
    assert first_difference(seen["triton"], seen["torch"]) is None


@pytest.mark.parametrize("replayed", [True, False])
def test_models_with_exp_agree_to_rounding(replayed):
    draws, seen = Uniform(0.0, 1.0, 8)(20, 3, 33), {}
    for backend in ("torch", "triton"):
        net = Network(batch_size=3, seed=2, backend=backend, device="cpu")
        net.population("in", models.Input(), 31, traces=True, traces_additive=True)
        net.population("srm", models.SRM0(rho_0=0.1), 33)
        rule = models.Rmax(nu=0.01)
        net.projection("in", "srm", Dense(Uniform(0.0, 4.0, 3)(31, 33)), rule=rule, name="c")
        watch = {k: net.monitor("srm", k) for k in ("spike", "s_prob")}
        spikes = Poisson(torch.full((31,), 60.0))
        net.run(20, {"in": spikes}, reward=0.8, replay={"srm": draws} if replayed else None)
        seen[backend] = {k: m.get() for k, m in watch.items()} | {"w": net.projections["c"].w}
    got, want = seen["triton"], seen["torch"]
    assert torch.equal(got["spike"], want["spike"])
    assert want["spike"].any()
    torch.testing.assert_close(got["s_prob"], want["s_prob"], rtol=2e-5, atol=1e-7)
    torch.testing.assert_close(got["w"], want["w"], rtol=0, atol=1e-5)


def test_replayed_winners_spike():
    winners = torch.tensor([[2], [-1], [0], [4]])
    for backend in ("torch", "triton"):
        net = Network(backend=backend, device="cpu")
        net.population("Y", models.DiehlAndCook(), 5)
        spike = net.monitor("Y", "spike")
        net.run(4, replay={"Y": winners})
        assert spike.get()[:, 0].nonzero().tolist() == [[0, 2], [2, 0], [3, 4]]


@pytest.mark.parametrize("batch", [1, 3])
def test_replicas_equal_networks_of_their_own(batch):
    assert_replicas_equal_networks("triton", batch, 8.0, 4.0)


def test_each_replica_retries_by_itself():
    assert_each_retries("triton", (0.02, 1.0, 0.4), 10.0, 3)


def test_weights_beyond_their_bounds_are_clipped_though_nothing_spikes():
    # normalisation leaves them there; the first step after it clips every weight
    pre, post = Cells("in", "Input", 9, {}, {"traces": True}), Cells("out", "LIF", 5, {}, {})
    post.options["traces"] = True
    options = {"w_min": 0.0, "w_max": 1.0, "norm": 30.0}
    rule = ("PostPre", {"nu_post": 0.01})
    wires = [Wires("c", pre, post, "dense", Uniform(0.5, 1.0, 2), *rule, options)]
    case = Case(1.0, 1, 6, [pre, post], wires, [], [Do("run", 1), Do("run", 4), Do("run", 4)])
    case.story[1].options["normalize"] = False
    want = assert_equals_torch(case)
    assert want["after 1. run: c.w"].max() > 1.0
    assert want["after 2. run: c.w"].max() == 1.0


def test_interrupt_leaves_the_state_of_a_finished_step(monkeypatch):
    net = build(3, "triton")
    with interpreting.tiled(SMALL):
        engine = net.compile()._all._engine
    block = engine.block

    def interrupted(mode: Any, steps: int) -> None:
        block(mode, steps)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(engine, "block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.run(100.0, {"X": Poisson(rates(7)[0])})
    assert net.step == 3
    want = build(3)
    want.run(3.0, {"X": Poisson(rates(7)[0])}, normalize=False)
    assert same_state(net, want)


class Recorded:
    """Stands in for a CUDA graph: keeps launches while it is captured, and replays them."""

    made: ClassVar[list[Recorded]] = []

    def __init__(self) -> None:
        self.calls: list[tuple[Launch, dict[str, Any]]] = []
        self.replays = 0
        self.made.append(self)

    @contextmanager
    def captured(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            keep = self.calls.append
            patch.setattr(Launch, "__call__", lambda launch, **more: keep((launch, more)))
            yield

    def replay(self) -> None:
        self.replays += 1
        for launch, more in self.calls:
            launch(**more)


class Stream:
    """Stands in for a CUDA stream, and counts who waits for whom."""

    def __init__(self, *_: Any) -> None:
        self.waited = 0

    def wait_stream(self, other: Stream) -> None:
        other.waited += 1


def on_a_pretended_gpu(monkeypatch: pytest.MonkeyPatch, net: Network) -> tuple[Any, Stream]:
    """Let a network capture its blocks; returns its engine, and the current stream."""
    current = Stream()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorded)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **options: graph.captured())
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: current)
    monkeypatch.setattr(Recorded, "made", [])
    with interpreting.tiled(SMALL):
        engine = net.compile()._all._engine
    engine.on_gpu, engine.streams = True, [Stream()]
    return engine, current


@pytest.mark.parametrize("most", [1, 16])
def test_captured_blocks_replay_to_the_same_bits(most, monkeypatch):
    monkeypatch.setattr(triton_run, "_MOST_GRAPHS", most)
    net, want = build(3, "triton"), build(3)
    engine, current = on_a_pretended_gpu(monkeypatch, net)
    for each in (net, want):
        each.present({"X": Poisson(rates(7))}, 11.0)
        each.run(11.0, {"X": Poisson(rates(7)[0])})
    assert same_state(net, want)
    # blocks of 3 and of 2 steps: the first two of each run as they are, the third is captured
    assert [graph.replays for graph in Recorded.made] == [7, 1]
    assert len(engine.graphs) == min(most, 2)
    assert current.waited == engine.streams[0].waited > 0


def test_kernels_side_by_side_are_all_launched_once():
    for n in range(6):
        called: list[int] = []
        launches = Launches.__new__(Launches)
        launches.streams = [Stream(), Stream()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
            patch.setattr(torch.cuda, "current_stream", Stream)
            launches.together([lambda k=k, to=called: to.append(k) for k in range(n)])
        assert sorted(called) == list(range(n))
        assert sum(stream.waited for stream in launches.streams) == min(2, max(0, n - 1))


def test_what_does_not_run_is_refused_with_the_reason(monkeypatch):
    with monkeypatch.context() as patch:
        patch.delenv("TRITON_INTERPRET")
        assert "no CUDA device was found. TRITON_INTERPRET=1" in triton_jit.usable()
        assert "needs device='cuda'" in triton_jit.supports(build(0).plan)
        net = Network(backend="triton", device="cpu")
        net.population("X", models.Input(), 3)
        with pytest.raises(BackendError, match="no CUDA device was found"):
            net.compile()
    assert triton_jit.supports(build(0).plan) is None
