# SPDX-License-Identifier: Apache-2.0
"""The network from end to end: state, seeds, live tensors, monitors, Ctrl-C, memory, looks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from fastsnn import AllButOne, Dense, Network, OneToOne, Poisson, ShapeError, models
from fastsnn.projection import Projection

N_IN, N = 31, 63


def small(backend: str, **options) -> Network:
    """A network with a bit of everything: two rules, competition, traces, adaptive thresholds."""
    net = Network(backend=backend, **options)
    net.population("X", models.Input(), N_IN, traces=True)
    net.population("Ae", models.DiehlAndCook(theta_plus=0.5, v_thresh=-58.0), N, traces=True)
    net.population("Ai", models.LIF(v_thresh=-60.0), N, traces_additive=True, traces=True)
    draw = torch.Generator().manual_seed(1)
    net.projection(
        "X", "Ae", Dense(torch.rand(N_IN, N, generator=draw)), w_min=0.0, w_max=1.0, norm=12.0,
        rule=models.PostPre(nu_pre=1e-3, nu_post=1e-2),
    )  # fmt: skip
    net.projection("Ae", "Ai", OneToOne(22.5))
    net.projection("Ai", "Ae", AllButOne(-1.5))
    rule = models.MSTDPET(nu=0.01)
    net.projection("X", "Ai", Dense(torch.rand(N_IN, N, generator=draw)), name="r", rule=rule)
    return net


def run(net: Network, steps: float = 40, rate: float = 100.0, **options) -> Network:
    """Run on Poisson input."""
    net.run(steps, {"X": Poisson(torch.full((N_IN,), rate))}, reward=0.5, **options)
    return net


def copy(net: Network) -> dict[str, torch.Tensor]:
    """The state as it is now."""
    return {k: v.clone() for k, v in net.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Names of the tensors that differ."""
    assert list(before) == list(after)
    return {k for k in before if not torch.equal(before[k], after[k])}


def test_every_part_of_the_state_moves(backend):
    net = small(backend)
    before = copy(net)
    run(net)
    net.run(1, reward=0.5, clamp={k: torch.ones(p.n) for k, p in net.populations.items()})
    # static weights, and the flag; columns that no norm asks about stay marked as changed
    still = {"learning", "Ae->Ai.w", "Ai->Ae.w", "r.changed"}
    assert set(before) - changed(before, copy(net)) == still


def test_state_put_back_continues_bit_for_bit(backend):
    net = run(small(backend))
    middle = copy(net)
    end = copy(run(net))
    other = small(backend)
    other.load_state_dict(middle)
    assert not changed(middle, copy(other))
    assert not changed(end, copy(run(other)))
    net.load_state_dict(middle)
    assert not changed(end, copy(run(net)))


def test_reset_restores_the_start_exactly_and_keeps_what_was_learnt(backend):
    net = small(backend, batch_size=3)
    start, end = copy(net), copy(run(net))
    net.reset_state()
    reset = copy(net)
    kept = {k for k in start if k.endswith((".w", ".theta", ".changed")) or k.startswith("r.")}
    for key in kept | {"step", "learning"}:
        assert torch.equal(reset[key], end[key]), key
    for key in set(start) - kept - {"step"}:
        assert torch.equal(reset[key], start[key]), key
    assert not torch.equal(start["Ae.theta"], end["Ae.theta"])


def test_without_learning_weights_and_thresholds_stay_but_neurons_live(backend):
    net = run(small(backend))
    net.train(False)
    before = copy(net)
    run(net)
    assert not [k for k in changed(before, copy(net)) if k.endswith((".w", ".theta", ".e"))]
    assert {"Ae.v", "X.x", "Ai.x"} <= changed(before, copy(net))
    net.train()
    assert {"Ae.theta", "X->Ae.w", "r.w"} <= changed(before, copy(run(net)))


def test_batch_size_changes_state_and_keeps_what_is_learnt(backend):
    net = run(small(backend))
    learnt = copy(net)
    net.set_batch_size(3)
    assert net.populations["Ae"].v.shape == (3, N)
    fresh = small(backend, batch_size=3)
    for key, tensor in copy(net).items():
        same = key.endswith((".w", ".theta", ".changed", ".e")) or key in ("step", "learning")
        assert torch.equal(tensor, learnt[key] if same else fresh.state_dict()[key]), key
    run(net)
    assert not torch.equal(net.populations["X"].x[0], net.populations["X"].x[1])


def test_seed_decides_everything(backend):
    first = copy(run(small(backend, seed=7)))
    assert not changed(first, copy(run(small(backend, seed=7))))
    assert {"X.x", "Ae.v", "X->Ae.w"} <= changed(first, copy(run(small(backend, seed=8))))


def test_a_reset_does_not_repeat_the_random_numbers(backend):
    net = small(backend)
    seen = net.monitor("X", "spike")
    first = run(net) and seen.get().clone()
    net.reset_state()
    run(net)
    assert not torch.equal(first, seen.get())


def test_written_state_takes_effect(backend):
    net = Network(backend=backend)
    a = net.population("a", models.Input(), 3)
    b = net.population("b", models.IF(v_thresh=1e6, v_reset=0.0), 3)
    c = net.projection("a", "b", Dense(1.0))
    b.v = torch.tensor([1.0, 2.0, 3.0])
    a.spike = True
    net.run(1)
    assert b.v.tolist() == [[4.0, 5.0, 6.0]]
    b.v[0, 1] = 50.0
    c.w[2] = 10.0
    a.spike = torch.tensor([False, True, True])
    net.run(1)
    assert b.v.tolist() == [[15.0, 61.0, 17.0]]
    c.w *= 0.5
    a.spike = True
    net.run(1)
    assert b.v.tolist() == [[21.0, 67.0, 23.0]]
    c.w = torch.eye(3)
    a.spike = True
    net.run(1)
    assert b.v.tolist() == [[22.0, 68.0, 24.0]]
    net.reset_state()
    assert not b.v.any()


def test_written_weights_are_clipped_and_normalised_again(backend):
    net = small(backend)
    c = net.projections["X->Ae"]
    run(net, 1)
    c.w[:, 5] = 9.0
    c.w[:, 6] *= 0.25
    net.run(1, normalize=False, reward=0.0)
    assert torch.equal(c.w[:, 5], torch.ones(N_IN))
    net.run(1, reward=0.0)
    # 31 additions, a division and a product, each rounded
    assert ((c.w.sum(0) - 12.0).abs() <= 40 * 2.0**-24 * 12.0).all()


def test_another_rule_keeps_the_state(backend):
    net = run(small(backend))
    before = copy(net)
    net.set_rule("X->Ae", models.PostPre(nu_pre=0.0, nu_post=0.0))
    assert not changed(before, copy(net))
    w = net.projections["X->Ae"].w.clone()
    run(net)
    assert torch.equal(net.projections["X->Ae"].w, w)
    assert not torch.equal(net.projections["r"].w, before["r.w"])


def test_monitors_see_every_kth_step_over_all_runs(backend):
    full, sparse = small(backend), small(backend)
    all_v = full.monitor("Ae", "v")
    all_w = full.monitor("X->Ae", "w")
    theta = full.monitor("Ae", "theta")
    some = sparse.monitor("Ae", "v", every=3, index=[5, 0, 62])
    w = sparse.monitor(sparse.projections["X->Ae"], "w", every=4, index=[7])
    for steps in (5, 1, 13):
        run(full, steps, normalize=False)
        run(sparse, steps, normalize=False)
    assert all_v.get().shape == (19, 1, N)
    assert theta.get().shape == (19, N)
    assert torch.equal(some.get(), all_v.get()[2::3][:, :, [5, 0, 62]])
    assert torch.equal(w.get(), all_w.get()[3::4][:, :, [7]])
    assert torch.equal(all_v.get()[-1], full.populations["Ae"].v)
    assert torch.equal(all_w.get()[-1], full.projections["X->Ae"].w)


def test_bounded_monitor_keeps_the_last_rows_in_bounded_memory(backend):
    full, bounded = small(backend), small(backend)
    everything, last = full.monitor("Ae", "v"), bounded.monitor("Ae", "v", capacity=7)
    for steps in (3, 30, 5):
        run(full, steps)
        run(bounded, steps)
        assert torch.equal(last.get(), everything.get()[-7:])
        assert last.get().untyped_storage().nbytes() <= 2 * 7 * 4 * N


def test_monitor_forgets_at_a_reset_and_stops_when_removed(backend):
    net = small(backend)
    m = net.monitor("Ai", "spike", every=2)
    run(net, 5)
    assert len(m) == 2
    net.reset_state()
    assert len(m) == 0
    with pytest.raises(ShapeError, match="nothing recorded yet"):
        m.get()
    run(net, 3)
    assert len(m) == 1
    net.remove_monitor(m)
    run(net, 4)
    assert len(m) == 1


def test_presentations_count_the_spikes_that_monitors_see(backend):
    net = small(backend, batch_size=3)
    m = net.monitor("Ae", "spike")
    rates = torch.rand(4, 3, N_IN) * 200
    progress = []
    shown = net.present(
        {"X": Poisson(rates)}, 25, count=["Ae", "X"], reward=0.1, progress=progress.append
    )
    spikes = m.get().reshape(4, 25, 3, N)
    assert torch.equal(shown.counts["Ae"], spikes.sum(1).to(torch.int32))
    assert shown.counts["X"].sum() > 100
    assert shown.tries.tolist() == [1] * 4
    assert progress[-1] == 4
    assert net.step == 100


def test_one_presentation_is_a_reset_and_a_run(backend):
    shown, ran = run(small(backend)), run(small(backend))
    rates = torch.rand(2, N_IN) * 200
    shown.present({"X": Poisson(rates)}, 20, reward=0.5)
    for sample in rates:
        ran.reset_state()
        ran.run(20, {"X": Poisson(sample)}, reward=0.5)
    assert not changed(copy(shown), copy(ran))


def test_ctrl_c_stops_between_two_steps(backend):
    net, twin = small(backend), small(backend)
    net.run(1, reward=0.5)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        net.run(1e8, reward=0.5)
    timer.join()
    assert 0 < net.step < 1e8
    # the state is that of the last finished step, and goes on from there
    twin.run(1, reward=0.5)
    twin.run(net.step - 1, reward=0.5, normalize=False)
    assert not changed(copy(net), copy(twin))
    assert not changed(copy(run(net, normalize=False)), copy(run(twin, normalize=False)))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_go_on_during_a_run(backend):
    net = Network(backend=backend)
    net.population("a", models.Izhikevich(), 1000)
    ticks, stop = [], threading.Event()

    def tick() -> None:
        while not stop.wait(0.002):
            ticks.append(time.monotonic())

    steps = 100
    while True:  # a run that takes a while on this machine
        started = time.monotonic()
        net.run(steps)
        if time.monotonic() - started > 0.5:
            break
        steps *= 4
    thread = threading.Thread(target=tick)
    thread.start()
    started = time.monotonic()
    net.run(steps)
    ended = time.monotonic()
    stop.set()
    thread.join()
    during = [t for t in ticks if started + 0.1 * (ended - started) < t < ended]
    assert len(during) > 10


def test_table_shows_names_sizes_parameters_and_memory():
    net = small("torch", batch_size=3)
    text = str(net)
    for word in (
        "X", "Ae", "Ai", "X->Ae", "Ai->Ae", "DiehlAndCook", "AllButOne", "PostPre", "MSTDPET",
        "theta_plus=0.5 mV", "31", "63", "31x63", "nu_post=0.01", "0 .. 1", "12", "batch 3", "KiB",
    ):  # fmt: skip
        assert word in text, word
    assert max(map(len, text.splitlines())) <= 120
    assert str(Network()).startswith("Network: dt 1 ms")


def test_memory_is_that_of_the_tensors():
    net = small("torch", batch_size=3)
    tensors = [v for k, v in net.state_dict().items() if k not in ("step", "learning")]
    state = sum(t.numel() * t.element_size() for t in tensors)
    numbers = 4 * 40 * 8  # at most 40 parameters of a population or rule
    assert state <= net.plan.memory <= state + numbers
    weight = sum(c.w.numel() * 4 for c in net.projections.values() if isinstance(c, Projection))
    assert net.plan.memory < 3 * weight + 40_000


MEMORY = """
import resource, sys, torch
from fastsnn import Network, Poisson, models
net = Network(backend=sys.argv[1])
net.population("in", models.Input(), 20_000)
rates = {"in": Poisson(torch.full((2, 20_000), 1.0))}
net.present(rates, 4)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
net.present(rates, 150, count=["in"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_nothing_big_is_made_for_long_random_input(backend):
    # as spikes on a grid this input would take 5,900 KiB, as floats 23,400
    command = [sys.executable, "-c", MEMORY, backend]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 3_000
