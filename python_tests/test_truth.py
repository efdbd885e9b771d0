# SPDX-License-Identifier: Apache-2.0
"""Neurons and traces against closed forms and independent integrations, on every backend."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fastsnn import AllButOne, Dense, Events, Network, OneToOne, Spikes, models

HALF_ULP = 2.0**-24  # largest relative error of one float32 operation


def spikes_of(net: Network, name: str, time: float, inputs=None, **options) -> torch.Tensor:
    """Spikes of a population, bool [T, B, n]."""
    monitor = net.monitor(name, "spike")
    net.run(time, inputs, **options)
    return monitor.get()


def intervals(spikes: torch.Tensor, neuron: int) -> np.ndarray:
    """Steps between the spikes of one neuron of batch element 0."""
    return np.diff(spikes[:, 0, neuron].nonzero()[:, 0].numpy())


def test_lif_interval_is_refractory_time_plus_charging_time(backend):
    # charging from reset: v_k - v_rest = I (1 - d^k) / (1 - d)
    d, threshold, n_refrac = np.exp(-1 / 100.0), 13.0, 5
    current = np.linspace(0.02, 3.0, 130)
    k = np.ceil(np.log(np.maximum(1e-9, 1 - threshold * (1 - d) / current)) / np.log(d))

    def height(k):
        return current * (1 - d**k) / (1 - d)

    # v is about 65 mV, and up to 1/(1-d) = 100 roundings of two operations live in it
    error = 100 * 2 * 65 * HALF_ULP
    clear = (height(k) - threshold > error) & (threshold - height(k - 1) > error)
    silent = current / (1 - d) < threshold - error
    net = Network(backend=backend)
    net.population("lif", models.LIF(), 130)
    spikes = spikes_of(net, "lif", 1000, {"lif": torch.tensor(current)})
    assert silent.sum() >= 4
    assert (clear & ~silent).sum() > 110
    for neuron in np.flatnonzero(silent):
        assert not spikes[:, 0, neuron].any()
    for neuron in np.flatnonzero(clear & ~silent):
        assert (intervals(spikes, neuron) == n_refrac + k[neuron]).all()
        assert int(spikes[:, 0, neuron].nonzero()[0, 0]) == k[neuron] - 1


REFRACTORY = [
    (models.IF, 1), (models.LIF, 1), (models.BoostedLIF, 1), (models.AdaptiveLIF, 1),
    (models.CompetitiveLIF, 1), (models.SubtractiveIF, 1), (models.CurrentLIF, 0),
]  # fmt: skip


@pytest.mark.parametrize(("model", "rest"), REFRACTORY, ids=lambda m: getattr(m, "__name__", ""))
@pytest.mark.parametrize(("dt", "t_refrac"), [(1.0, 5.0), (0.5, 3.0), (1.0, 0.0)])
def test_refractory_neuron_never_fires_above_ceiling(model, rest, dt, t_refrac, backend):
    net = Network(dt=dt, backend=backend)
    low = {} if model is models.BoostedLIF else {"v_reset": -165.0}
    if model is models.SubtractiveIF:  # lands on v - v_thresh
        low = {"v_reset": 0.0, "v_thresh": 40.0}
    parameters = low | {"t_refrac": t_refrac} | ({"tau_i": 0.01} if rest == 0 else {})
    net.population("fast", model(**parameters), 31, one_spike=False)
    drive = 150.0 + 40.0 * torch.rand(200, 1, 31)
    if model is models.SubtractiveIF:
        drive = torch.full((200, 1, 31), 40.0)
    spikes = spikes_of(net, "fast", 200 * dt, {"fast": drive})
    ceiling = t_refrac / dt
    for neuron in range(31):
        found = intervals(spikes, neuron)
        # input acts again `rest` steps after the refractory time, and then at once
        assert (found == max(1, ceiling + rest)).all(), neuron
        assert found.min() >= ceiling


def test_refractory_time_is_the_same_at_every_dt(backend):
    # the same 4 ms of refractoriness at four time steps that are exact in binary
    for dt in (1.0, 0.5, 0.25, 0.125):
        net = Network(dt=dt, backend=backend)
        net.population("if", models.IF(t_refrac=4.0), 1)
        spikes = spikes_of(net, "if", 40.0, {"if": torch.tensor([100.0])})
        assert (intervals(spikes, 0) == 4 / dt + 1).all()


def test_if_ramps_in_exact_steps(backend):
    # -65 + k/4 is exact in float32, so step and height are known exactly
    slope = torch.arange(1, 64) / 4.0
    net = Network(backend=backend)
    net.population("if", models.IF(t_refrac=0.0), 63)
    v = net.monitor("if", "v")
    spikes = spikes_of(net, "if", 60, {"if": slope})
    period = torch.ceil(13.0 / slope)
    phase = (torch.arange(60.0)[:, None] + 1) % period
    assert torch.equal(spikes[:, 0], phase == 0)
    assert torch.equal(v.get()[:, 0], -65.0 + slope * phase)


def test_lower_bound_holds_and_nothing_lies_below(backend):
    for model in (models.IF, models.LIF, models.CurrentLIF, models.AdaptiveLIF, models.Izhikevich):
        net = Network(backend=backend)
        bound = torch.linspace(-90.0, -66.0, 31)
        net.population("low", model(lbound=bound), 31)
        v = net.monitor("low", "v")
        net.run(50, {"low": -30.0 * torch.rand(50, 1, 31)})
        assert (v.get() >= bound).all()
        assert (v.get() == bound).any(0).all(), model.__name__


@pytest.mark.parametrize("additive", [False, True])
def test_trace_is_a_sum_of_exponentials_or_the_last_one(additive, backend):
    rng = np.random.default_rng(1)
    train = rng.random((120, 3, 63)) < 0.05
    tau, scale = np.linspace(2.0, 40.0, 63), np.linspace(0.5, 2.0, 63)
    net = Network(batch_size=3, backend=backend)
    net.population(
        "in", models.Input(), 63, traces=True, traces_additive=additive,
        tau_trace=torch.tensor(tau), trace_scale=torch.tensor(scale),
    )  # fmt: skip
    x = net.monitor("in", "x")
    net.run(120, {"in": torch.tensor(train)})
    age = np.arange(120)[:, None] - np.arange(120)  # [now, spike]
    if not additive:  # only the latest spike before now counts
        since = np.full(train.shape[1:], -1)
        latest = np.empty(train.shape, dtype=int)
        for t in range(120):
            since = np.where(train[t], t, since)
            latest[t] = since
        want = np.where(latest >= 0, np.exp(-(np.arange(120)[:, None, None] - latest) / tau), 0.0)
    else:
        kernel = np.where(age[..., None] >= 0, np.exp(-np.maximum(age, 0)[..., None] / tau), 0.0)
        want = np.einsum("tsn,sbn->tbn", kernel, train.astype(float))
    # each step rounds once or twice, and the decay factor itself is rounded
    bound = 3 * 120 * HALF_ULP * np.maximum(1e-30, want * scale)
    assert (np.abs(x.get().numpy() - want * scale) <= bound).all()


def test_spike_reaches_the_target_one_step_later_and_decays(backend):
    w = torch.linspace(-5.0, 12.0, 31).repeat(7, 1)
    net = Network(backend=backend)
    net.population("pre", models.Input(), 7)
    net.population("post", models.LIF(tau_m=20.0), 31)
    net.projection("pre", "post", Dense(w))
    v = net.monitor("post", "v")
    net.run(30, {"pre": Events([4], [3])})
    age = torch.arange(30, dtype=torch.float64) - 5  # the step after the spike
    psp = torch.where(age >= 0, torch.exp(-age / 20.0), 0.0)
    want = -65.0 + psp[:, None] * w[3].double()
    assert torch.equal(v.get()[:5], torch.full((5, 1, 31), -65.0))
    assert ((v.get()[:, 0] - want).abs() <= 3 * 30 * 65 * HALF_ULP).all()


def test_each_projection_costs_one_step(backend):
    net = Network(backend=backend)
    net.population("0", models.Input(), 5)
    for k in range(4):
        net.population(str(k + 1), models.McCullochPitts(), 5)
        net.projection(str(k), str(k + 1), OneToOne(1.0))
    monitors = [net.monitor(str(k), "spike") for k in range(5)]
    net.run(12, {"0": Events([1, 2, 6], [0, 4, 2])})
    for delay, monitor in enumerate(monitors):
        seen = monitor.get()[:, 0].nonzero().tolist()
        assert seen == [[1 + delay, 0], [2 + delay, 4], [6 + delay, 2]]


def test_all_but_one_and_one_to_one_deliver_what_their_matrices_would(backend):
    n, rng = 63, np.random.default_rng(2)
    train = torch.tensor(rng.random((20, 3, n)) < 0.2)
    own = torch.arange(n) / 4.0  # multiples of 1/4: exact sums in any order
    for wiring, matrix in (
        (AllButOne(-1.5), -1.5 * (1 - torch.eye(n))),
        (OneToOne(own), torch.diag(own)),
        (OneToOne(2.0), 2.0 * torch.eye(n)),
    ):
        net = Network(batch_size=3, backend=backend)
        net.population("pre", models.Input(), n)
        net.population("post", models.IF(v_thresh=1e9, v_reset=0.0), n, sum_input=True)
        net.projection("pre", "post", wiring, bias=torch.full((n,), 0.5))
        v = net.monitor("post", "v")
        net.run(20, {"pre": Spikes(train)})
        delivered = torch.zeros(20, 3, n)
        delivered[1:] = train[:-1].float() @ matrix
        want = (delivered + 0.5).cumsum(0)
        assert torch.equal(v.get(), want)
        assert torch.equal(net.populations["post"].summed, want[-1])


def test_izhikevich_equals_a_plain_integration_and_adapts(backend):
    rng = np.random.default_rng(3)
    a, b, c, d = (np.float32(x) for x in (0.02, 0.2, -65.0, 8.0))
    current = np.concatenate([np.full(1, 10.0), rng.uniform(-5, 20, 62)]).astype(np.float32)
    net = Network(dt=0.5, backend=backend)
    net.population("rs", models.Izhikevich(v_thresh=30.0), 63)
    v_seen, u_seen = net.monitor("rs", "v"), net.monitor("rs", "u")
    spikes = spikes_of(net, "rs", 300, {"rs": torch.tensor(current)})
    v, u, half = np.full(63, -65, np.float32), np.full(63, -13, np.float32), np.float32(0.25)
    spike = np.zeros(63, bool)
    for t in range(600):
        v, u = np.where(spike, c, v), np.where(spike, u + d, u)
        for _ in range(2):
            v = v + half * (np.float32(0.04) * (v * v) + 5 * v + 140 - u + current)
        u = u + np.float32(0.5) * a * (b * v - u)
        spike = v >= 30
        assert (v_seen.get()[t, 0].numpy() == v).all(), t
        assert (u_seen.get()[t, 0].numpy() == u).all(), t
        assert (spikes[t, 0].numpy() == spike).all(), t
    # regular spiking with spike frequency adaptation, Izhikevich 2003, figure 2
    found = intervals(spikes, 0)
    assert len(found) >= 4
    assert found[0] < found[-1]


def test_threshold_rises_with_the_spikes_of_the_batch_and_decays(backend):
    rng = np.random.default_rng(4)
    net = Network(batch_size=3, backend=backend)
    plus = torch.linspace(0.05, 2.0, 31)
    net.population("a", models.AdaptiveLIF(theta_plus=plus, tau_theta=50.0, t_refrac=1.0), 31)
    theta = net.monitor("a", "theta")
    spikes = spikes_of(net, "a", 200, {"a": torch.tensor(rng.uniform(0, 12, (200, 3, 31)))})
    want = np.zeros(31)
    for t in range(200):
        want = want * np.exp(-1 / 50.0) + plus.numpy() * spikes[t].sum(0).numpy()
        # theta forgets after tau_theta: at most 50 steps of three roundings are in it
        assert (np.abs(theta.get()[t].numpy() - want) <= 3 * 50 * HALF_ULP * (1 + want)).all()
    assert spikes.sum(1).max() > 1
    assert want.max() > 5


def test_one_of_the_candidates_spikes_and_all_adapt(backend):
    net = Network(backend=backend)
    net.population("dc", models.DiehlAndCook(theta_plus=0.5, tau_theta=1e30), 31, traces=True)
    dc = net.populations["dc"]
    net.run(1, {"dc": torch.full((31,), 20.0)})
    assert int(dc.spike.sum()) == 1
    assert torch.equal(dc.x != 0, dc.spike)
    assert torch.equal(dc.theta, torch.full((31,), 0.5))
    assert torch.equal(dc.v, torch.full((1, 31), -65.0))
    assert torch.equal(dc.refrac, torch.full((1, 31), 5.0))


def test_competitive_threshold_rises_only_for_the_spike_that_is_sent(backend):
    net = Network(backend=backend)
    model = models.CompetitiveLIF(theta_plus=0.5, tau_theta=1e30, t_refrac=0.0)
    net.population("c", model, 31)
    spikes = spikes_of(net, "c", 40, {"c": torch.full((31,), 40.0)})
    assert (spikes.sum(2) == 1).all()
    # theta follows the step before
    assert torch.equal(net.populations["c"].theta, 0.5 * spikes[:-1].sum((0, 1)))


@pytest.mark.parametrize("kernel", models.CSRM.params["response_kernel"].options)
def test_csrm_is_a_convolution(kernel, backend):
    steps, n, tau, tau_m = 80, 5, 3.0, 10.0
    rng = np.random.default_rng(5)
    current = rng.uniform(0.0, 60.0, (steps, n))
    current[:, 0] = 0.0
    net = Network(backend=backend)
    model = models.CSRM(
        response_kernel=kernel, tau=tau, tau_m=tau_m, v_thresh=20.0, res_window=12.0,
        ref_window=7.0, reset_const=15.0, theta_plus=0.25, tau_theta=1e30,
    )  # fmt: skip
    net.population("srm", model, n)
    v_seen = net.monitor("srm", "v")
    spikes = spikes_of(net, "srm", steps, {"srm": torch.tensor(current)})[:, 0].numpy()
    age = np.arange(12.0)
    response = {
        "exponential": np.exp(-age / tau) / tau,
        "alpha": age / tau**2 * np.exp(-age / tau),
        "alpha_slayer": age / tau * np.exp(1 - age / tau),
        "laplacian": np.exp(-age / tau) / (2 * tau),
        "triangular": (1 - age / tau) / tau,
        "rectangular": np.where(age < tau, 1 / tau, 0.0),
    }[kernel]
    reset = -15.0 * np.exp(-np.arange(7.0) / tau)
    force = np.zeros((steps, n))
    for j in range(n):
        force[:, j] = np.convolve(current[:, j], response)[:steps]
        force[1:, j] += np.convolve(spikes[:-1, j], reset)[: steps - 1]
    # 19 products a step, and about 1 / (1 - decay) steps are remembered
    terms = np.abs(response).sum() * 60 + np.abs(reset).sum()
    bound = 2 * 21 * HALF_ULP * terms / (1 - np.exp(-1 / tau_m))
    v, theta, want = np.full(n, -65.0), np.zeros(n), []
    for t in range(steps):
        v = v * np.exp(-1 / tau_m) + force[t]
        want.append(v)
        margin = v - 20.0 - theta
        clear = np.abs(margin) > bound
        assert clear.mean() > 0.5
        assert (spikes[t] == (margin >= 0))[clear].all()
        theta = theta + 0.25 * spikes[t]
    assert np.abs(v_seen.get()[:, 0].numpy() - want).max() <= bound
    assert spikes.any(0).sum() >= 3


def test_clamped_neurons_spike_unclamped_never_and_unclamp_wins(backend):
    net = Network(backend=backend)
    net.population("in", models.Input(), 6, traces=True)
    net.population("lif", models.LIF(), 6, traces=True)
    net.projection("in", "lif", OneToOne(4.0))
    clamp, unclamp = torch.zeros(9, 6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)
    clamp[2:4, 1], clamp[:, 5], unclamp[5], unclamp[0] = True, True, True, True
    monitors = {(p, k): net.monitor(p, k) for p in ("in", "lif") for k in ("spike", "x")}
    v = net.monitor("lif", "v")
    given = Events([3, 3], [0, 4])
    net.run(
        9, {"in": given},
        clamp={"in": clamp, "lif": clamp[2]}, unclamp={"in": unclamp, "lif": unclamp},
    )  # fmt: skip
    seen = monitors["in", "spike"].get()[:, 0]
    assert seen.nonzero().tolist() == [[2, 1], [3, 1], [3, 4]]
    # traces know what came by itself, forced or silenced
    assert monitors["in", "x"].get()[3, 0].tolist() == [1, 0, 0, 0, 1, 0]
    forced = monitors["lif", "spike"].get()[:, 0]
    assert torch.equal(forced, torch.tensor([False, True, False, False, False, False]).expand(9, 6))
    assert not monitors["lif", "x"].get().any()
    # forced spikes are delivered, and neither reset v nor start refractoriness
    assert v.get()[2, 0].tolist() == [-65.0] * 6
    assert v.get()[3, 0].tolist() == [-65.0, -61.0, -65.0, -65.0, -65.0, -65.0]
    assert v.get()[4, 0, 4] == -61.0
    assert v.get()[4, 0, 1] > -58.0
    assert v.get()[4, 0, 0] == -65.0


def test_injected_potential_is_there_before_the_step(backend):
    net = Network(backend=backend)
    net.population("if", models.IF(v_thresh=0.0), 31)
    ramp = torch.arange(31) * 2.0
    spikes = spikes_of(net, "if", 1, inject_v={"if": ramp + 10})
    assert torch.equal(spikes[0, 0], ramp + 10 >= 65)
    net = Network(batch_size=3, backend=backend)
    net.population("if", models.IF(v_thresh=1e9), 31)
    rows = torch.arange(4.0)[:, None] * ramp
    v = net.monitor("if", "v")
    net.run(4, inject_v={"if": rows})
    assert torch.equal(v.get(), (-65.0 + rows.cumsum(0))[:, None].expand(4, 3, 31))
