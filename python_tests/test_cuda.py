# SPDX-License-Identifier: Apache-2.0
"""The CUDA engine, its kernels run by an emulation of threads on the CPU, equals the reference.

The emulation runs threads in an order drawn anew at every barrier, so that a missing barrier shows
as a wrong result.  The module is built with the C++ tests (`make test-cpp`).
"""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import test_parity
import test_replicas
import torch
from cases import Case, Cells, Do, Uniform, Wires
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_nets import cases

from fastsnn import BackendError, Dense, Network, Poisson, backends, models
from fastsnn.backends import cuda

ROOT = Path(__file__).resolve().parents[1]
TAG = sys.implementation.cache_tag
# name -> how networks are spread: policy, blocks of a network, threads of a block
SPREADS = {
    "cuda-grid-1": ("grid", 1, 32),
    "cuda-grid-3": ("grid", 3, 64),
    "cuda-grid-6": ("grid", 6, 32),
    "cuda-cluster-3": ("cluster", 3, 32),
    "cuda-cluster-8": ("cluster", 8, 32),
    "cuda-block": ("alone", 1, 96),
    "cuda-tiles": ("alone", 0, 32),
    "cuda-auto": ("auto", 0, 64),
}


def emulated() -> ModuleType | None:
    """The engine with emulated kernels, the newest that was built for this Python."""
    found = [p for p in ROOT.glob("build/**/_cuda_emulated*.so") if TAG in p.name]
    if not found:
        return None
    path = max(found, key=lambda p: p.stat().st_mtime)
    spec = importlib.util.spec_from_file_location("_cuda_emulated", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULE = emulated()
if MODULE is None:
    pytest.skip("the emulated CUDA engine is not built (make test-cpp)", allow_module_level=True)


@pytest.fixture(autouse=True)
def spreads(monkeypatch):
    """Backends that run on emulated kernels, one per way to spread a network."""
    for name, (policy, blocks, threads) in SPREADS.items():
        engine = cuda.Engine(MODULE, "cpu", policy=policy, blocks=blocks, threads=threads)
        backend = SimpleNamespace(
            NAME=name,
            DEVICES=("cpu",),
            usable=lambda: None,
            supports=engine.supports,
            Program=engine.program,
            ReplicaProgram=engine.replica_program,
        )
        monkeypatch.setitem(backends.REGISTRY, name, backend)


spread = pytest.mark.parametrize("spread", SPREADS)


def play(case: Case, spread: str, steps: int = 4096, shared: int = 232448) -> dict:
    """Play a case in launches of so many steps, with so many bytes of shared memory a block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "STEPS_OF_A_LAUNCH", steps)
        patch.setenv("FASTSNN_EMULATED_SHARED", str(shared))
        return case.play(spread)


# few bytes: state and weights stay in global memory, lists in scratch
@settings(max_examples=50)
@given(
    case=cases(),
    spread=st.sampled_from(list(SPREADS)),
    steps=st.sampled_from([1, 10, 4096]),
    shared=st.sampled_from([20_000, 40_000, 232_448]),
)
def test_random_network_is_bit_identical_however_it_is_spread(case, spread, steps, shared):
    want = case.play("torch")
    assume(test_parity.stays_finite(want))
    got = play(case, spread, steps, shared)
    wrong = test_parity.first_difference(got, want)
    assert wrong is None, f"{spread}, {steps} steps, {shared} bytes: {wrong}"


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rule", test_parity.RULES)
@pytest.mark.parametrize("spread", ["cuda-grid-3", "cuda-cluster-3"])
def test_competing_network_is_bit_identical(spread, rule, batch):
    case = test_parity.competition(rule, 40, batch)
    want = case.play("torch")
    assert want["after 1. present: counts of Ae"].sum() > 20
    assert test_parity.first_difference(play(case, spread, 100), want) is None


@spread
@pytest.mark.parametrize("n", [1, 31, 33, 1000])
def test_odd_sizes_are_bit_identical(n, spread):
    pre = Cells("in", "Input", n, {}, {"traces": True})
    one = Cells("one", "LIF", n, {"tau_m": Uniform(5.0, 50.0, 1)}, {"traces": True})
    weights = Uniform(0.0, 60.0 / n**0.5, 2)
    wires = [Wires("c", pre, one, "dense", weights, "PostPre", {"nu_pre": 0.01, "nu_post": 0.01})]
    story = [Do("run", 12, inputs={"in": ("poisson", Uniform(0.0, 300.0, 4))})]
    case = Case(1.0, 3, 6, [pre, one], wires, [], story)
    want = case.play("torch")
    assert test_parity.first_difference(play(case, spread), want) is None


@pytest.mark.parametrize("spread", ["cuda-grid-3", "cuda-tiles"])
def test_batch_of_more_than_a_word_is_bit_identical(spread):
    case = test_parity.competition("PostPre", 33, 40)
    case.story = [Do("present", 20, 1, case.story[0].inputs, {"count": ["Ae"], "reset": True})]
    if spread == "cuda-tiles":
        case.wires = case.wires[:1]
    assert test_parity.first_difference(play(case, spread), case.play("torch")) is None


@pytest.mark.parametrize("spread", ["cuda-grid-3", "cuda-cluster-3", "cuda-block", "cuda-auto"])
def test_replicas_are_bit_identical(spread):
    for batch in (1, 3):
        test_replicas.test_replicas_equal_networks_of_their_own(spread, batch)
    test_replicas.test_each_replica_retries_by_itself(spread)
    test_replicas.test_progress_counts_the_samples_of_all_replicas(spread)


@pytest.mark.parametrize("spread", ["cuda-grid-3", "cuda-block"])
def test_models_with_exp_agree_to_rounding(spread):
    test_parity.test_models_with_exp_agree_to_rounding(True, None, spread)


def small(spread: str) -> Network:
    net = Network(backend=spread)
    net.population("in", models.Input(), 20)
    net.population("out", models.LIF(), 40)
    net.projection("in", "out", Dense(torch.ones(20, 40)))
    return net


def test_interrupt_keeps_the_books(monkeypatch):
    monkeypatch.setattr(cuda, "STEPS_OF_A_LAUNCH", 10)
    net = small("cuda-grid-3")
    monitor = net.monitor("out", "v")

    def come(samples: int) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        net.present({"in": Poisson(torch.full((9, 20), 50.0))}, 10.0, progress=come)
    # the launch that was under way when Ctrl-C came is the last one
    assert net.step == 20
    assert len(monitor) == 20
    net.run(5)
    assert net.step == 25


def test_progress_is_told_while_it_runs(monkeypatch):
    monkeypatch.setattr(cuda, "STEPS_OF_A_LAUNCH", 10)
    net, seen = small("cuda-grid-3"), []
    net.present({"in": Poisson(torch.full((5, 20), 50.0))}, 10.0, progress=seen.append)
    assert seen[-1] == 5
    assert len(seen) > 2


class Twice(models.LIF):
    """A model of the user's own."""


def test_what_does_not_run_is_told_with_the_reason():
    net = Network(backend="cuda-grid-3")
    net.population("own", Twice(), 3)
    with pytest.raises(BackendError, match="Twice is not built in; the torch backend runs every"):
        net.run(5)
    reason = cuda.supports(small("torch").plan)
    assert reason.startswith("the network lives on device 'cpu', the cuda backend needs")
    assert torch.cuda.is_available() or "CUDA" in cuda.usable()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "star"}, "unknown policy 'star', expected auto"),
        ({"policy": "cluster", "blocks": 9}, "at most 8 blocks"),
        ({"threads": 33}, "multiple of 32"),
    ],
)
def test_impossible_options_are_refused(options, words):
    engine = cuda.Engine(MODULE, "cpu", **options)
    with pytest.raises(ValueError, match=words):
        engine.program(small("torch").plan)


@pytest.mark.parametrize(
    ("plans", "words"), [([], "at least one plan"), ([{}], "the key 'batch' is missing")]
)
def test_native_engine_refuses_incomplete_plans(plans, words):
    with pytest.raises(ValueError, match=words):
        MODULE.Program(plans, {}, lambda size: 0)


def test_engine_says_how_a_network_is_spread():
    engine = cuda.Engine(MODULE, "cpu", policy="grid", blocks=2, threads=64)
    told = engine.program(small("torch").plan).explain()
    assert told.startswith("grid: 2 blocks of 64 threads, ")


@pytest.mark.parametrize(
    ("replicas", "n", "told", "most_bytes"),
    [
        (3, 40, "cluster: 2 blocks of 256 threads", 96 << 10),
        (8, 40, "alone: 1 blocks of 256 threads", (48 << 10) - 1024),
        (8, 600, "alone: 1 blocks of 512 threads", 96 << 10),
        (8, 2000, "alone: 1 blocks of 256 threads", (48 << 10) - 1024),
    ],
    ids=["clusters", "two-a-multiprocessor", "one-by-one", "too-large-anyway"],
)
def test_replicas_share_the_device(replicas, n, told, most_bytes, monkeypatch):
    """The emulated device has 6 multiprocessors; weights of 20 x 600 fit one, but not a half."""
    monkeypatch.setenv("FASTSNN_EMULATED_SHARED", str(96 << 10))
    net = Network(backend="torch")
    net.population("in", models.Input(), 20)
    net.population("out", models.LIF(), n)
    net.projection("in", "out", Dense(torch.ones(20, n)))
    plans = [net.plan] * replicas
    said = cuda.Engine(MODULE, "cpu").replica_program(plans).explain()
    assert said.startswith(told)
    assert int(said.split(", ")[1].split()[0]) <= most_bytes
