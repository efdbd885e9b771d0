# SPDX-License-Identifier: Apache-2.0
"""Replicas give, bit for bit, what networks of their own give."""

from __future__ import annotations

import places
import pytest
import torch

from fastsnn import (
    AllButOne,
    BackendError,
    Dense,
    FastsnnError,
    Network,
    Poisson,
    Replicas,
    Retry,
    ShapeError,
    models,
)

SEEDS = (3, 4, 9)


def build(seed: int, place: str = "torch", n: int = 33, batch: int = 1) -> Network:
    """Input, competing plastic layer, own weights."""
    net = Network(seed=seed, batch_size=batch, **places.options(place))
    net.population("X", models.Input(), 20, traces=True)
    net.population("Y", models.DiehlAndCook(v_thresh=-60.0, theta_plus=0.5), n, traces=True)
    w = torch.rand(20, n, generator=torch.Generator().manual_seed(seed))
    rule = models.PostPre(nu_pre=0.001, nu_post=0.05)
    net.projection("X", "Y", Dense(w), rule=rule, w_min=0.0, w_max=1.0, norm=9.0)
    net.projection("Y", "Y", AllButOne(-8.0))
    return net


def rates(k: int, samples: int = 2) -> torch.Tensor:
    return 150.0 * torch.rand(samples, 20, generator=torch.Generator().manual_seed(k))


def same_state(a: Network, b: Network) -> bool:
    x, y = a.state_dict(), b.state_dict()
    return list(x) == list(y) and all(torch.equal(x[k].cpu(), y[k].cpu()) for k in x)


def assert_replicas_equal_networks(place: str, batch: int, shown_ms: float, run_ms: float) -> None:
    """Present and run replicas at a place, and each as a network of its own on torch."""
    together = Replicas(lambda seed: build(seed, place, batch=batch), SEEDS)
    monitor = together[1].monitor("Y", "v", every=3)
    alone = [build(seed, "torch", batch=batch) for seed in SEEDS]
    recorded = alone[1].monitor("Y", "v", every=3)
    shown = [{"X": Poisson(rates(k).unsqueeze(1).expand(-1, batch, -1))} for k in range(3)]
    first = together.present(shown, shown_ms, count=["Y"])
    together.run(run_ms, {"X": Poisson(rates(7)[0])})
    for r, net in enumerate(alone):
        want = net.present(shown[r], shown_ms, count=["Y"])
        net.run(run_ms, {"X": Poisson(rates(7)[0])})
        assert torch.equal(first[r].counts["Y"].cpu(), want.counts["Y"])
        assert want.counts["Y"].sum() > 0
        assert same_state(together[r], net)
    assert torch.equal(monitor.get().cpu(), recorded.get())


@pytest.mark.parametrize("batch", [1, 3])
def test_replicas_equal_networks_of_their_own(place, batch):
    assert_replicas_equal_networks(place, batch, 40.0, 15.0)


def assert_each_retries(
    place: str, scales: tuple[float, ...], shown_ms: float, max_tries: int
) -> None:
    """Show images of different strength, and compare how often each had to be shown."""
    together = Replicas(lambda seed: build(seed, place), SEEDS)
    retry = Retry("Y", min_spikes=3, boost=2.0, max_tries=max_tries)
    weak = [{"X": Poisson(scale * rates(k))} for k, scale in enumerate(scales)]
    got = together.present(weak, shown_ms, count=["Y"], retry=retry)
    tries = []
    for r, seed in enumerate(SEEDS):
        net = build(seed)
        want = net.present(weak[r], shown_ms, count=["Y"], retry=retry)
        assert torch.equal(got[r].tries, want.tries)
        assert same_state(together[r], net)
        tries += want.tries.tolist()
    assert len(set(tries)) > 1


def test_each_replica_retries_by_itself(place):
    assert_each_retries(place, (0.02, 1.0, 0.2), 30.0, 4)


def test_replica_is_a_network_that_can_be_written_saved_and_trained(place, tmp_path):
    together = Replicas(lambda seed: build(seed, place), SEEDS)
    together[2].projections["X->Y"].w[4] = 0.25
    together.train(False)
    together.run(20.0, {"X": Poisson(rates(1)[0])})
    assert (together[2].projections["X->Y"].w[4] != 0.25).any()  # normalised after the write
    assert not torch.equal(together[1].populations["Y"].v, together[2].populations["Y"].v)
    together[2].save(tmp_path / "replica.safetensors")
    assert same_state(Network.load(tmp_path / "replica.safetensors"), together[2])
    together.reset_state()
    assert (together[0].populations["Y"].v == -65.0).all()


def test_replicas_follow_a_change_of_the_batch_size(place):
    together = Replicas(lambda seed: build(seed, place), SEEDS)
    alone = [build(seed) for seed in SEEDS]
    for net in (*together, *alone):
        net.set_batch_size(2)
    together.run(10.0, {"X": Poisson(rates(1))})
    for mine, net in zip(together, alone, strict=True):
        net.run(10.0, {"X": Poisson(rates(1))})
        assert same_state(mine, net)


def test_progress_counts_the_samples_of_all_replicas(place):
    seen = []
    together = Replicas(lambda seed: build(seed, place), SEEDS)
    together.present({"X": Poisson(rates(0))}, 5.0, progress=seen.append)
    assert seen[-1] == 6
    assert seen == sorted(seen)


def test_mistakes_are_told_before_anything_changes(place):
    with pytest.raises(FastsnnError, match="at least one seed"):
        Replicas(build, [])
    with pytest.raises(ShapeError, match="replica 1 differs from replica 0: 'Y': n=34, expected"):
        Replicas(lambda seed: build(seed, n=33 + seed), [0, 1])
    one = build(0)
    with pytest.raises(FastsnnError, match="one Network twice"):
        Replicas(lambda seed: one, [0, 1])
    if place != "torch":
        with pytest.raises(BackendError, match="replica 1 runs on 'torch', replica 0 on"):
            Replicas(lambda seed: build(seed, "torch" if seed else place), [0, 1])
    together = Replicas(lambda seed: build(seed, place), SEEDS)
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in together]
    with pytest.raises(ShapeError, match="list of 2, expected one value for all replicas or"):
        together.run(5.0, [{}, {}])
    with pytest.raises(ShapeError, match="'X' lie in"):
        together.run(5.0, [{"X": Poisson(rates(0)[0])}] * 2 + [{"X": Poisson(-rates(0)[0])}])
    for net, state in zip(together, before, strict=True):
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


def test_replica_that_ran_alone_before_or_between_runs_on_the_same_state(place):
    nets = [build(seed, place) for seed in SEEDS]
    alone = [build(seed) for seed in SEEDS]
    shown = {"X": Poisson(rates(5)[0])}
    for net in (*nets, *alone):
        net.run(10.0, shown)
    made = iter(nets)
    first = Replicas(lambda seed: next(made), SEEDS)
    made = iter(nets)
    second = Replicas(lambda seed: next(made), SEEDS)
    for together in (first, second, first):
        together.run(10.0, shown)
        together[1].run(5.0, shown)
        for r, net in enumerate(alone):
            net.run(10.0, shown)
            if r == 1:
                net.run(5.0, shown)
    assert all(same_state(mine, net) for mine, net in zip(nets, alone, strict=True))
