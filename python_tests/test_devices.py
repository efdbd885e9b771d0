# SPDX-License-Identifier: Apache-2.0
"""Everything but the kernels works with state on a GPU: tried on one that is pretended.

Where there is a GPU, test_parity runs the same networks on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from cases import Uniform
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pretend import OnGPU, pretended_gpu
from random_nets import cases
from test_parity import RULES, competition, first_difference, stays_finite
from torch import Tensor

from fastsnn import (
    BackendError,
    Bernoulli,
    Current,
    Dense,
    Events,
    Network,
    Poisson,
    Replicas,
    Sparse,
    backends,
    evaluation,
    executing,
    models,
)
from fastsnn.datasets import Images
from fastsnn.mnist import checkpoint, judging, presentation, recording, training
from fastsnn.mnist.settings import Settings


@pytest.fixture
def gpu() -> Iterator[None]:
    """A pretended GPU."""
    with pretended_gpu():
        yield


def there(tensors: dict[str, Tensor]) -> set[bool]:
    """Where tensors are; counters of the host stay there."""
    return {
        isinstance(t, OnGPU)
        for k, t in tensors.items()
        if k not in ("step", "learning") and not k.endswith(".head")
    }


def test_pretended_gpu_refuses_what_a_gpu_refuses(gpu):
    far, near = torch.ones(3, 4, device="cuda"), torch.ones(4)
    refused = [
        lambda: far + near,
        lambda: torch.where(near > 0, far, far),
        lambda: torch.stack([far[0], near]),
        lambda: near[torch.arange(2, device="cuda")],
        lambda: near.add_(far[0, 0]),
        lambda: far / 3.0,
        lambda: torch.rand(2, device="cuda", generator=torch.Generator()),
    ]
    for k, mistake in enumerate(refused):
        with pytest.raises(RuntimeError):
            pytest.fail(f"{k}: {mistake()}")
    with pytest.raises(TypeError, match="numpy"):
        far.numpy()
    moved = near.to("cuda")
    moved += 1
    assert near.tolist() == [1.0] * 4
    for fine in (far * torch.tensor(2.0), far[:, torch.arange(2)], far / 2.0, moved, *far):
        assert fine.device.type == "cuda"
    assert near.copy_(far[0]).device.type == far.cpu().device.type == "cpu"


@settings(max_examples=25)
@given(case=st.booleans().flatmap(lambda structured: cases(structured=structured)))
def test_random_network_is_bit_identical_with_state_on_a_gpu(case):
    want = case.play("torch")
    assume(stays_finite(want))
    with pretended_gpu():
        got = case.play("torch@cuda")
    assert first_difference(got, want) is None, case


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_competing_network_is_bit_identical_with_state_on_a_gpu(rule, batch):
    case = competition(rule, 33, batch, reduction="mean")
    for act in case.story:
        act.steps //= 2
    want = case.play("torch")
    with pretended_gpu():
        got = case.play("torch@cuda")
    assert first_difference(got, want) is None


def rich(device: str, backend: str = "torch") -> Network:
    """A network with tensors in every option, given on either device."""
    net = Network(0.5, 2, 7, device=device, backend=backend)
    places = itertools.cycle([device, "cpu"])

    def made(low: float, high: float, *shape: int) -> Tensor:
        return Uniform(low, high, 1)(*shape).to(next(places))

    cells = {"traces": True, "tau_trace": made(5.0, 20.0, 9), "trace_scale": made(0.5, 1.0, 9)}
    net.population("in", models.Input(), 5, traces=True)
    net.population("a", models.LIF(v_thresh=made(-64.0, -60.0, 9)), 9, sum_input=True, **cells)
    kernel = models.CSRM(response_kernel="alpha", v_thresh=1.0, tau=made(2.0, 3.0, 1))
    net.population("b", kernel, 9, one_spike=True)
    net.population("c", models.SRM0(rho_0=0.1), 9)
    options = {"w_min": made(-1.0, 0.0, 5, 9), "w_max": made(1.0, 3.0, 5, 9)}
    net.projection(
        "in", "a", Dense(made(0.0, 2.0, 5, 9)), rule=models.PostPre(nu_pre=0.01, nu_post=0.02),
        name="w", norm=4.0, weight_decay=0.01, bias=made(0.0, 0.1, 9), **options,
    )  # fmt: skip
    net.projection("in", "b", Dense(), name="drawn")
    net.projection("a", "c", Dense(made(0.0, 9.0, 9, 9)), rule=models.Rmax(nu=0.01), name="r")
    net.monitor("a", "v", index=[3, 1], every=2, capacity=3)
    net.monitor("w", "w", every=5)
    return net


def live(net: Network, device: str) -> dict[str, Tensor]:
    """Use everything that takes tensors, given on either device; returns the state."""
    on = {"device": device}
    events = Events(torch.tensor([1, 2, 9], **on), torch.tensor([4, 0, 2]), torch.ones(3, **on))
    net.run(
        10, {"in": events, "a": Current(torch.full((9,), 2.0))}, reward=torch.tensor([0.5, 0.5]),
        clamp={"a": torch.arange(9, **on) == 4}, unclamp={"b": torch.arange(9) == 2},
        inject_v={"a": torch.full((20, 9), 0.5, **on)}, masks={"w": torch.rand(5, 9) < 0.2},
        replay={"b": torch.full((20, 2), 3), "c": torch.rand(20, 2, 9, **on)},
    )  # fmt: skip
    net.projections["w"].w[2] = torch.full((9,), 0.4, **on)
    net.populations["a"].v = -62.0
    net.set_rule("w", models.PostPre(nu_pre=0.02, nu_post=0.01))
    net.run(5, {"in": Bernoulli(torch.full((5,), 0.3, **on))}, reward=0.1)
    return net.state_dict()


def test_tensors_of_a_user_may_be_on_either_device(tmp_path, monkeypatch):
    monkeypatch.setattr(executing, "_CHUNK_BYTES", 0)
    home = rich("cpu")
    torch.manual_seed(1)
    want = live(home, "cpu") | {k: m.get() for k, m in enumerate(home.monitors)}
    with pretended_gpu():
        net = rich("cuda")
        torch.manual_seed(1)
        state = live(net, "cuda")
        assert there(state) == {True}
        got = state | {k: m.get() for k, m in enumerate(net.monitors)}
        assert first_difference({k: v.cpu() for k, v in got.items()}, want) is None
        assert "Network" in str(net)
        net.save(tmp_path / "net.safetensors")
        for device in ("cpu", "cuda"):
            back = Network.load(tmp_path / "net.safetensors", device=device, backend="torch")
            assert there(back.state_dict()) == {device == "cuda"}
            net.load_state_dict(back.state_dict())
        net.set_batch_size(3)
        assert there(net.state_dict()) == {True}
        net.run(5, {"in": Poisson(torch.full((3, 5), 90.0))}, reward=0.1)
        net.reset_state()


@pytest.mark.parametrize("p", [0.0, 0.3])
def test_listed_synapses_may_be_given_on_either_device(p):
    grid = (Uniform(0.0, 1.0, 2)(7, 9) < p).nonzero()
    seen = []
    for device in ("cpu", "cuda"):
        with pretended_gpu():
            pre, post = grid.to(device).T
            w = Uniform(0.0, 30.0, 3)(len(grid))
            net = Network(device=device, backend="torch")
            net.population("in", models.Input(), 7, traces=True)
            net.population("a", models.LIF(), 9, traces=True)
            sparse = Sparse(w, pre, post)
            net.projection("in", "a", sparse, rule=models.PostPre(nu_post=0.1), norm=9.0)
            net.run(30, {"in": Poisson(torch.full((7,), 200.0))})
            seen.append({k: v.cpu() for k, v in net.state_dict().items()})
    assert first_difference(*seen) is None


def test_replicas_stack_their_state_on_a_gpu(gpu):
    def build(seed: int) -> Network:
        return competition("PostPre", 9, 1).build("torch@cuda")

    replicas = Replicas(build, range(2))
    shown = replicas.present({"X": Poisson(torch.full((2, 300), 40.0))}, 20, count=["Ae"])
    assert there({"counts": shown[1].counts["Ae"], **replicas[1].state_dict()}) == {True}
    replicas.run(10, {"X": Poisson(torch.full((300,), 40.0, device="cuda"))})


def test_readout_takes_counts_of_a_gpu(gpu):
    counts, labels = torch.randint(0, 9, (50, 12)), torch.arange(50) % 3
    seen = []
    for device in ("cpu", "cuda"):
        spikes, truth = counts.to(device), labels.to(device)
        assignments, proportions, _ = evaluation.assign_labels(spikes, truth, 3)
        votes = [
            evaluation.all_activity(spikes, assignments, 3),
            evaluation.proportion_weighting(spikes, assignments, proportions, 3),
            evaluation.weighted_evidence(spikes, proportions),
        ]
        rights = [evaluation.accuracy(vote, truth) for vote in votes]
        matrix = evaluation.confusion_matrix(truth, votes[0], 3)
        seen.append(([vote.tolist() for vote in votes], rights, matrix.tolist()))
    assert seen[0] == seen[1]


def test_mnist_job_works_with_state_on_a_gpu(gpu, tmp_path, monkeypatch):
    build = presentation.diehl_and_cook
    monkeypatch.setattr(
        presentation, "diehl_and_cook", lambda *a, **k: build(*a, **k, device="cuda")
    )
    draw = np.random.default_rng(0)
    images = Images(draw.integers(0, 255, (6, 4, 4), np.uint8), np.arange(6, dtype=np.uint8))
    options = Settings(n_neurons=8, time=20, backend="torch", n_epochs=1, update_interval=3)
    trainer = training.Trainer(options, images)
    trainer.step()
    trainer.step()
    assert there(trainer.net.state_dict()) == {True}
    checkpoint.write(tmp_path / "run", *trainer.state())
    trainer.restore(*checkpoint.read(tmp_path / "run"))
    verdict = judging.judge(trainer, images)
    assert verdict.confusion.sum() == 6
    recording.record(trainer.net, images.images[0], options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["auto", *backends.REGISTRY])
def test_device_that_is_not_there_is_an_error_at_once(name):
    with pytest.raises(BackendError, match=r"Network\(device='cuda'\)"):
        Network(device="cuda", backend=name)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", 1.5, "cuda:99"])
def test_device_that_is_no_place_for_a_state_is_an_error_at_once(device):
    with pytest.raises(BackendError, match="Network\\(device="):
        Network(device=device)
