# SPDX-License-Identifier: Apache-2.0
"""Learning rules, bounds, normalisation, decay and masks against closed forms, on every backend."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fastsnn import Dense, Events, Network, Spikes, models

HALF_ULP = 2.0**-24
N_PRE, N_POST, STEPS = 31, 63, 130


def pair(rule, backend: str, *, w=0.05, batch_size=1, **options) -> Network:
    """Input 'pre' -> 'post', whose threshold no weights reach: it spikes when it is told to."""
    net = Network(batch_size=batch_size, backend=backend)
    net.population("pre", models.Input(), N_PRE, traces=True, tau_trace=15.0)
    model = models.McCullochPitts(v_thresh=90.0)
    net.population("post", model, N_POST, traces=True, tau_trace=30.0)
    weight = w if isinstance(w, torch.Tensor) else torch.full((N_PRE, N_POST), w)
    net.projection("pre", "post", Dense(weight), rule=rule, name="c", **options)
    return net


def drive(pre, post) -> dict:
    """Inputs of `pair` from spike trains [T, B, n]."""
    return {"pre": Spikes(torch.tensor(pre)), "post": 100.0 * torch.tensor(post, dtype=torch.float)}


def trains(rate=0.06, batch=1, seed=0):
    """Two random spike trains [T, B, n]."""
    rng = np.random.default_rng(seed)
    return (rng.random((STEPS, batch, n)) < rate for n in (N_PRE, N_POST))


def traces(train: np.ndarray, tau: float, scale=1.0, additive=False) -> np.ndarray:
    """Exponential traces [T, B, n] in float64, this step's spike included."""
    x, out = np.zeros(train.shape[1:]), []
    for spike in train:
        x = x * np.exp(-1 / tau)
        x = x + scale * spike if additive else np.where(spike, scale, x)
        out.append(x)
    return np.array(out)


def outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[B, n_pre] x [B, n_post] -> [B, n_pre, n_post]."""
    return a[:, :, None] * b[:, None, :]


def assert_close(got: torch.Tensor, want: np.ndarray, scale: float) -> None:
    """Every step rounds w once or twice, and a term (at most `scale`) and its trace a few times."""
    bound = STEPS * HALF_ULP * (2 * np.abs(want).max() + 4 * scale)
    assert np.abs(got.numpy() - want).max() <= bound


@pytest.mark.parametrize(("rule", "sign"), [(models.PostPre, -1), (models.Hebbian, 1)])
def test_stdp_window_is_two_exponentials(rule, sign, backend):
    # presynaptic neuron i spikes at 49 + i, postsynaptic j at 33 + j: all differences -46..+46
    net = pair(rule(nu_pre=0.02, nu_post=0.03), backend)
    net.run(
        STEPS,
        {
            "pre": Events(49 + torch.arange(N_PRE), torch.arange(N_PRE)),
            "post": 100.0 * torch.eye(STEPS)[33 : 33 + N_POST].T[:, None],
        },
    )
    dt = (33 + np.arange(N_POST)) - (49 + np.arange(N_PRE))[:, None]  # t_post - t_pre
    potentiation = np.where(dt >= 0, 0.03 * np.exp(-np.abs(dt) / 15.0), 0.0)
    depression = np.where(dt <= 0, 0.02 * np.exp(-np.abs(dt) / 30.0), 0.0)
    got = net.projections["c"].w.double().numpy() - np.float32(0.05)
    # the trace rounds twice a step over 46 steps, the weight three times
    bound = 0.03 * 100 * HALF_ULP + 3 * 0.1 * HALF_ULP
    assert np.abs(got - (potentiation + sign * depression)).max() <= bound
    assert np.abs(got).max() > 0.01


def test_hebbian_only_potentiates_and_postpre_does_both(backend):
    for rule, signs in ((models.Hebbian, {1.0}), (models.PostPre, {1.0, -1.0})):
        pre, post = trains(0.01)
        net = pair(rule(nu_pre=1e-3, nu_post=1e-3), backend)
        net.run(STEPS, drive(pre, post))
        moved = torch.sign(net.projections["c"].w - 0.05)
        assert set(moved.unique().tolist()) - {0.0} == signs


def test_weight_dependent_steps_shrink_towards_the_bounds(backend):
    for w in (0.0, 0.03, 0.1):
        net = pair(
            models.WeightDependentPostPre(nu_pre=0.25, nu_post=0.5), backend, w=w, w_min=0.0,
            w_max=0.1,
        )  # fmt: skip
        post = np.zeros((4, 1, N_POST))
        post[1], post[3, 0, 5] = np.arange(N_POST) % 2, 1
        net.run(4, {"pre": Events([1, 3], [0, 7]), "post": 100.0 * torch.tensor(post)})
        got, f = net.projections["c"].w.double().numpy(), np.float32
        up, down = 0.5 * (f(0.1) - f(w)), 0.25 * f(w)
        bound = 8 * HALF_ULP * 0.1
        # a pair in one step is potentiated and depressed; no partner, no change
        assert np.abs(got[0, 1::2] - (w + up - down))[3:].max() <= bound
        assert np.abs(got[7, 5] - (w + up - down)) <= bound
        assert np.abs(got[7, 7::2] - (w - down * np.exp(-2 / 30.0))).max() <= bound
        assert np.abs(got[0, 6::2] - w).max() <= bound
        assert np.abs(got[3, 6:] - w).max() <= bound


@pytest.mark.parametrize("rule", [models.PostPre, models.WeightDependentPostPre, models.Hebbian])
def test_bounds_are_never_crossed(rule, backend):
    pre, post = trains(0.3)
    net = pair(rule(nu_pre=0.05, nu_post=0.06), backend, w=0.0, w_min=-0.2, w_max=0.1)
    w = net.monitor("c", "w")
    net.run(STEPS, drive(pre, post))
    seen = w.get()
    low, high = torch.tensor([-0.2, 0.1])
    assert ((seen >= low) & (seen <= high)).all()
    if rule is not models.WeightDependentPostPre:  # soft bounds are approached, hard ones reached
        assert (seen == high).any()
        assert rule is models.Hebbian or (seen == low).any()


def test_bounds_may_differ_from_synapse_to_synapse(backend):
    pre, post = trains(0.3)
    high = torch.linspace(0.0, 0.5, N_PRE * N_POST).reshape(N_PRE, N_POST)
    net = pair(models.Hebbian(nu_pre=0.1, nu_post=0.1), backend, w_min=-high, w_max=high, w=0.0)
    net.run(STEPS, drive(pre, post))
    assert torch.equal(net.projections["c"].w, high)


@pytest.mark.parametrize("reduction", ["sum", "mean", "max"])
def test_updates_are_reduced_over_the_batch(reduction, backend):
    pre, post = trains(batch=3)
    net = pair(
        models.PostPre(nu_pre=0.02, nu_post=0.03), backend, batch_size=3, reduction=reduction
    )
    net.run(STEPS, drive(pre, post))
    reduce = {"sum": np.sum, "mean": np.mean, "max": np.max}[reduction]
    x_pre, x_post = traces(pre, 15.0), traces(post, 30.0)
    w = np.full((N_PRE, N_POST), 0.05)
    for t in range(STEPS):
        w = w - 0.02 * reduce(outer(pre[t], x_post[t]), axis=0)
        w = w + 0.03 * reduce(outer(x_pre[t], post[t]), axis=0)
    assert_close(net.projections["c"].w, w, 3 * 0.03)


def florian(kind, pre, post, rewards, *, a_plus, a_minus, nu, tau_e=25.0):
    """Florian 2007, eqs 5-12, with reward and weights acting on the pairs of the step before."""
    batch = pre.shape[1]
    p_plus, p_minus = np.zeros((batch, N_PRE)), np.zeros((batch, N_POST))
    pairs, e = np.zeros((batch, N_PRE, N_POST)), np.zeros((N_PRE, N_POST))
    w = np.full((N_PRE, N_POST), 0.05)
    for t in range(STEPS):
        if kind is models.MSTDP:
            w = w + nu * (rewards[t][:, None, None] * pairs).sum(0)
        else:
            e = e * np.exp(-1 / tau_e) + pairs.sum(0) / tau_e
            w = w + nu * rewards[t][0] * e
        p_plus = p_plus * np.exp(-1 / 12.0) + a_plus * pre[t]
        p_minus = p_minus * np.exp(-1 / 18.0) + a_minus * post[t]
        pairs = outer(p_plus, post[t]) + outer(pre[t], p_minus)
    return w


@pytest.mark.parametrize("kind", [models.MSTDP, models.MSTDPET])
@pytest.mark.parametrize("batch", [1, 3])
def test_reward_modulated_rules_follow_florian(kind, batch, backend):
    pre, post = trains(batch=batch)
    rule = kind(nu=0.01, a_plus=0.8, a_minus=-1.1, tau_plus=12.0, tau_minus=18.0)
    net = pair(rule, backend, batch_size=batch)
    # a new reward every 13 steps; MSTDPET takes one for the whole batch
    rng = np.random.default_rng(7)
    given = rng.uniform(-1, 1, (STEPS // 13, batch))
    if kind is models.MSTDPET:
        given[:] = given[:, :1]
    for k, reward in enumerate(given):
        part = slice(13 * k, 13 * k + 13)
        net.run(13, drive(pre[part], post[part]), reward=torch.tensor(reward))
    want = florian(kind, pre, post, np.repeat(given, 13, 0), a_plus=0.8, a_minus=-1.1, nu=0.01)
    assert np.abs(want - 0.05).max() > 0.005
    assert_close(net.projections["c"].w, want, 0.01 * batch * 10)


def test_rmax_learns_from_surprise(backend):
    pre, _ = trains()
    net = Network(backend=backend)
    net.population("pre", models.Input(), N_PRE, traces=True, traces_additive=True, tau_trace=9.0)
    net.population("post", models.SRM0(rho_0=0.5, d_thresh=8.0), N_POST)
    start = torch.full((N_PRE, N_POST), 0.5)
    rule = models.Rmax(nu=0.05, tau_c=5.0, tau_e=25.0)
    net.projection("pre", "post", Dense(start), rule=rule, name="c")
    spike, probability = net.monitor("post", "spike"), net.monitor("post", "s_prob")
    net.run(STEPS, {"pre": Spikes(torch.tensor(pre))}, reward=0.7)
    x = traces(pre, 9.0, additive=True)
    q, p = spike.get().double().numpy(), probability.get().double().numpy()
    w, e = start.double().numpy(), np.zeros((N_PRE, N_POST))
    for t in range(STEPS):
        e = e * (1 - 1 / 25.0) + outer(x[t], q[t] - p[t] / (1 + 5.0 * p[t]))[0]
        w = w + 0.05 * 0.7 * e
    assert np.abs(w - 0.5).max() > 0.05
    assert q.sum() > 20
    assert_close(net.projections["c"].w, w, 0.05 * 0.7 * np.abs(e).max() * 25)


def test_columns_sum_to_the_norm_after_every_run(backend):
    rng = np.random.default_rng(8)
    w = torch.tensor(rng.normal(size=(N_PRE, N_POST)), dtype=torch.float)
    w[:, 5] = 0.0
    pre, post = trains()
    net = pair(models.PostPre(nu_pre=0.01, nu_post=0.01), backend, w=w, norm=7.5, w_min=-9, w_max=9)
    c = net.projections["c"]
    net.run(0)
    assert torch.equal(c.w, w)
    net.run(1)
    want = w.double() * 7.5 / w.double().abs().sum(0).clamp(min=1e-9)
    assert (c.w - want).abs().max() <= 40 * HALF_ULP * 7.5
    assert not c.w[:, 5].any()
    net.run(STEPS, drive(pre, post), normalize=False)
    off = (c.w.double().abs().sum(0) - 7.5).abs()
    assert off.max() > 0.01
    net.run(1)
    # 31 additions of numbers below 7.5, one division, one product
    assert (c.w.double().abs().sum(0) - 7.5).abs().max() <= 40 * HALF_ULP * 7.5
    c.w *= 0.5
    net.run(1)
    assert (c.w.double().abs().sum(0) - 7.5).abs().max() <= 40 * HALF_ULP * 7.5


def test_columns_that_did_not_change_are_not_normalised_again(backend):
    net = pair(models.PostPre(nu_pre=0.0, nu_post=0.01), backend, norm=1.0)
    net.run(1)
    before = net.projections["c"].w.clone()
    post = torch.zeros(3, 1, N_POST)
    post[2, 0, 40] = 100.0
    net.run(3, {"pre": Events([0], [9]), "post": post})
    after = net.projections["c"].w
    changed = (after != before).any(0).nonzero()[:, 0].tolist()
    assert changed == [40]
    assert (after[:, 40] > before[:, 40]).nonzero()[:, 0].tolist() == [9]


def test_weight_decays_by_its_fraction_every_learning_step(backend):
    start = torch.linspace(-0.4, 0.6, N_PRE * N_POST).reshape(N_PRE, N_POST)
    for rule in (None, models.PostPre()):
        net = pair(rule, backend, w=start, weight_decay=0.03)
        net.run(20)
        net.train(False)
        net.run(20)
        want = start.double() * 0.97**20
        # 20 products, and a factor that is rounded
        assert ((net.projections["c"].w - want).abs() <= 2 * 20 * HALF_ULP * want.abs()).all()


def test_masked_weights_are_zero_also_without_learning(backend):
    mask = torch.rand(N_PRE, N_POST) < 0.4
    for learning in (True, False):
        pre, post = trains(0.2)
        net = pair(models.Hebbian(nu_pre=1e-3, nu_post=1e-3), backend)
        net.train(learning)
        w = net.monitor("c", "w", every=43)
        net.run(STEPS, drive(pre, post), masks={"c": mask})
        assert not w.get()[:, mask].any()
        rest = w.get()[-1][~mask]
        assert (rest != 0.05).all() if learning else (rest == 0.05).all()
        # the mask lasts as long as the run that it was given to
        net.train(True)
        net.run(STEPS, drive(pre, post))
        assert net.projections["c"].w[mask].min() > 0
