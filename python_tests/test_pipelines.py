# SPDX-License-Identifier: Apache-2.0
"""Pipelines: actions from spikes, rewards to rules, samples to counts."""

from __future__ import annotations

import io
import sys

import pytest
import torch
from torch.utils.data import TensorDataset

from fastsnn import Bernoulli, Dense, FastsnnError, Network, Poisson, Spikes
from fastsnn.analysis import FileAnalyzer
from fastsnn.environments import Discrete, Environment
from fastsnn.models import LIF, MSTDP, DiehlAndCook, Input, PostPre
from fastsnn.pipelines import (
    DatasetPipeline,
    Delay,
    EnvironmentPipeline,
    Explorer,
    Overlay,
    RewardPrediction,
    actions,
    passing,
)


def record(*spikes, n=3, n_steps=6):
    """Spikes [n_steps, 1, n] of (step, neuron)."""
    found = torch.zeros(n_steps, 1, n)
    for step, neuron in spikes:
        found[step, 0, neuron] = 1
    return found


def shares(select, spikes, n_actions=3, n=2000):
    drawn = torch.tensor([select(spikes, n_actions) for _ in range(n)])
    return torch.bincount(drawn, minlength=n_actions) / n


def test_actions_follow_the_spikes():
    spikes = record((2, 1), (3, 1), (1, 2), (4, 0), (5, 0))
    assert actions.highest(spikes, 3) == 0
    assert actions.first_spike(spikes, 3) == 2
    assert actions.first_spike(record(), 3) == 0
    # 5 standard deviations of 2,000 draws
    close = {"atol": 0.056, "rtol": 0}
    want = torch.tensor([2.0, 2.0, 1.0])
    assert torch.allclose(shares(actions.softmax, spikes), torch.softmax(want, 0), **close)
    assert torch.allclose(shares(actions.multinomial, spikes), want / 5, **close)
    assert torch.allclose(shares(actions.multinomial, record()), torch.ones(3) / 3, **close)
    assert torch.allclose(shares(actions.uniform, spikes), torch.ones(3) / 3, **close)


def test_neighbours_speak_for_one_action_together():
    spikes = record((0, 1), (1, 4), (2, 5), n=6)
    assert actions.counts_by_action(spikes, 3).tolist() == [1, 0, 2]
    assert actions.first_spike(spikes, 3) == 0
    with pytest.raises(ValueError, match="the output has 6 neurons, expected a multiple of the 4"):
        actions.highest(spikes, 4)


def test_explorer_breaks_long_repeats_and_acts_at_random_as_often_as_asked():
    explore = Explorer(after=2)
    taken = [explore(0, 50) for _ in range(40)]
    # four alike, then one that is most likely another
    assert taken[:4] == [0, 0, 0, 0]
    assert taken[4] != 0
    often = Explorer(probability=0.3)
    other = sum(often(0, 10**6) != 0 for _ in range(2000)) / 2000
    assert abs(other - 0.3) < 0.052
    with pytest.raises(ValueError, match="probability is 2, expected 0 to 1"):
        Explorer(2)


def test_explorer_that_never_explores_draws_nothing():
    state = torch.get_rng_state()
    Explorer()(1, 3)
    assert torch.equal(torch.get_rng_state(), state)


def test_rewards_come_late_but_all_of_them():
    delay = Delay(2)
    assert [delay(r) for r in (1, 2, 3, 4)] == [0, 0, 1, 2]
    delay.reset()
    assert delay(9) == 0
    assert Delay()(7) == 7


def test_overlay_keeps_the_trails_of_what_vanished():
    overlay = Overlay(3)
    frames = torch.tensor([[0.0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0], [1, 0, 0, 1]])
    shown = torch.stack([overlay(frame) for frame in frames])
    third = 1 / 3
    want = [[0, 0, 2, 2], [0, 0, 2, 1], [0, 0, 3 * third, 4 * third], [0, 1, third, 2 * third]]
    assert torch.allclose(shown, torch.tensor(want))


class Choice(Environment):
    """A lamp to the left or right; the reward is 1 for its side, else -1."""

    def __init__(self, n_steps):
        self.action_space, self.n_steps = Discrete(2), n_steps

    def reset(self):
        self.left, self.taken = self.n_steps, []
        return self._lamp()

    def step(self, a):
        self.taken.append(a)
        reward = 1.0 if a == self.side else -1.0
        self.left -= 1
        return self._lamp(), reward, self.left == 0, {}

    def render(self):
        pass

    def _lamp(self):
        self.side = int(torch.randint(2, (1,)))
        return torch.eye(2)[self.side]


def chooser(backend, rule=None):
    net = Network(seed=2, backend=backend)
    net.population("X", Input(), n=2)
    net.population("R", LIF(v_thresh=-60.0, t_refrac=0.0), n=2)
    options = {} if rule is None else {"rule": rule, "w_min": 0.0, "w_max": 6.0}
    net.projection("X", "R", Dense(torch.full((2, 2), 3.0)), **options)
    return net


def test_reward_changes_weights_while_learning_and_not_while_testing(backend):
    net = chooser(backend, MSTDP(nu=0.4))
    play = EnvironmentPipeline(
        net,
        Choice(10),
        lambda lamp: {"X": Bernoulli(0.5 * lamp)},
        "R",
        time=20.0,
        explore=Explorer(0.2),
    )
    rewards = play.train(3, progress=False)
    assert play.episode_rewards == rewards
    assert len(play.environment.taken) == 10
    w = net.projections["X->R"].w.clone()
    assert (w != 3.0).any()
    assert len(play.test(1, progress=False)) == 1
    assert torch.equal(net.projections["X->R"].w, w)
    play.close()
    assert not net.monitors


def test_pipeline_hands_rewards_on_with_their_delay(backend):
    net = chooser(backend)
    seen = []
    real = net.run
    net.run = lambda time, inputs, reward: (seen.append(reward), real(time, inputs))[1]
    play = EnvironmentPipeline(
        net, Choice(4), lambda lamp: {"X": Spikes(lamp.expand(5, 2))}, "R",
        time=5.0, reward_delay=2, select=actions.highest, reset_state=True,
    )  # fmt: skip
    total = play.episode()
    # the first run has no reward yet; two rewards are still on their way at the end
    assert seen[:3] == [0.0, 0.0, 0.0]
    assert len(seen) == 5
    assert total in (-4.0, -2.0, 0.0, 2.0, 4.0)
    assert play.episode(max_steps=2) in (-2.0, 0.0, 2.0)


def test_output_must_fit_the_actions(backend):
    net = chooser(backend)
    environment = Choice(3)
    environment.action_space = Discrete(3)
    with pytest.raises(ValueError, match=r"'R' has 2 neurons, expected a multiple of .* 3 actions"):
        EnvironmentPipeline(net, environment, lambda lamp: {}, "R")
    with pytest.raises(FastsnnError):
        EnvironmentPipeline(net, Choice(3), lambda lamp: {}, "nowhere")


def test_pictures_of_episodes_are_made(backend, tmp_path):
    play = EnvironmentPipeline(
        chooser(backend), Choice(3), lambda lamp: {"X": Spikes(lamp.expand(5, 2))}, "R",
        time=5.0, analyzer=FileAnalyzer(tmp_path), plot_every=2,
    )  # fmt: skip
    play.train(2, progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {"spike.png", "reward.png"}


def bars(n):
    """Images of one of two bars, and which."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 1, 4, 4)
    images[labels == 0, 0, 1] = 1
    images[labels == 1, 0, :, 2] = 1
    return TensorDataset(images, labels)


def bar_reader(backend, batch_size):
    net = Network(seed=0, backend=backend, batch_size=batch_size)
    net.population("X", Input(), n=16, traces=True)
    net.population("Y", DiehlAndCook(theta_plus=0.05), n=6, traces=True, one_spike=True)
    # three neurons for each bar
    w = bars(2).tensors[0].view(2, 16).T.repeat_interleave(3, 1)
    net.projection(
        "X", "Y", Dense(4.0 * w), rule=PostPre(nu_pre=1e-3, nu_post=0.05),
        w_min=0.0, w_max=8.0, norm=16.0,
    )  # fmt: skip
    return net


@pytest.mark.parametrize("batch_size", [1, 4])
def test_data_set_is_learnt_labelled_and_recognised(backend, batch_size):
    net = bar_reader(backend, batch_size)
    show = DatasetPipeline(net, lambda images: {"X": Poisson(120.0 * images)}, "Y", time=50.0)
    told = []
    counts = show.train(bars(13), progress=False, after=lambda k, c, y: told.append(len(y)))
    assert counts.shape == (12 if batch_size == 4 else 13, 6)
    assert told == [batch_size] * (len(counts) // batch_size)
    w = net.projections["X->Y"].w.clone()
    assignments, _ = show.fit(bars(12), 2, progress=False)
    assert show.test(bars(20), assignments, 2, n_samples=8, progress=False) > 0.9
    # labelling and testing do not learn
    assert torch.equal(net.projections["X->Y"].w, w)
    assert not net.monitors


def test_supervision_clamps_what_each_label_asks_for(backend):
    net = bar_reader(backend, 1)
    show = DatasetPipeline(
        net,
        lambda images: {"X": Poisson(0.0 * images)},
        "Y",
        time=20.0,
        extra=lambda labels: {"clamp": {"Y": torch.arange(6) == 3 * labels}},
    )
    counts = show.train(bars(4), progress=False)
    assert counts[:, [0, 3]].tolist() == [[20, 0], [0, 20], [20, 0], [0, 20]]
    with pytest.raises(ValueError, match="has 0 samples, expected at least one batch of 1"):
        show.train(TensorDataset(torch.zeros(0, 1, 4, 4), torch.zeros(0)), progress=False)


def test_progress_is_a_bar_on_a_terminal_and_nothing_elsewhere(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, said in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        items = passing([1, 2, 3], "learning", "episodes", facts=lambda: "reward 7")
        assert list(items) == [1, 2, 3]
        assert ("learning" in stream.getvalue()) is said
        assert ("reward 7" in stream.getvalue()) is said


def test_a_prediction_is_the_moving_average_of_rewards():
    prediction = RewardPrediction(window=4.0)
    for total, steps in ((8.0, 4), (2.0, 1), (0.0, 10)):
        prediction.update(total, steps)
    # a_step: 0.25 * 2, then 0.25 * 2 more of the rest, then three quarters of it
    assert prediction.a_step == pytest.approx(0.75 * (0.75 * 0.5 + 0.25 * 2.0))
    assert prediction.history == pytest.approx([2.0, 2.0, 1.5])
    assert prediction.error(1.0) == pytest.approx(1.0 - prediction.a_step)
    with pytest.raises(FastsnnError, match=r"window=0\.5"):
        RewardPrediction(window=0.5)
