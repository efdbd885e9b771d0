# SPDX-License-Identifier: Apache-2.0
"""Environments keep their promises: what is seen, what it is worth, when it is over."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fastsnn.environments import CueReward, Discrete, DotTracing, Gym, atari


def walk(environment, *actions):
    """Rewards of some actions."""
    return [environment.step(a)[1] for a in actions]


@pytest.mark.parametrize("fit_func", ["euc", "disp", "rng", "dir"])
def test_reward_of_dots_is_its_formula(fit_func):
    dots = DotTracing(50, height=9, width=7, fit_func=fit_func, bullseye=0.0, seed=3)
    for action in (1, 2, 3, 4, 0) * 4:
        before, goal = dots.net_dot.place(), dots.targets[0].place()
        _, reward, _, caught = dots.step(action)
        away = dots.targets[0].place() - dots.net_dot.place()
        distance = np.hypot(*away)
        change = np.hypot(*(goal - before)) - np.hypot(*(goal - dots.net_dot.place()))
        want = {
            "euc": -distance,
            "disp": away,
            "rng": -np.ceil(distance / 2),
            "dir": np.sign(change),
        }[fit_func]
        if not caught:
            assert np.allclose(reward, want)


def test_actions_go_clockwise_and_edges_stop_bounce_or_wrap():
    moves = {0: (0, 0), 1: (-1, 0), 2: (0, 1), 3: (1, 0), 4: (0, -1)}
    for bound, after in (("stay", (0, 0)), ("bounce", (1, 0)), ("trans", (5, 0))):
        dots = DotTracing(99, height=6, width=6, bound_hand=bound, teleport=False, seed=0)
        dots.net_dot.move(3, 3)
        for action, (down, right) in moves.items():
            start = dots.net_dot.place()
            dots.step(action)
            assert (dots.net_dot.place() - start).tolist() == [down, right]
        dots.net_dot.move(0, 0)
        dots.step(1)
        assert tuple(dots.net_dot.place()) == after
    with pytest.raises(ValueError, match="action is 5, expected 0 to 4"):
        dots.step(5)


def test_tails_fade_and_dots_stay_on_the_grid():
    dots = DotTracing(200, height=5, width=8, decay=4, dots=2, herrs=1, diag=True, seed=1)
    for k in range(100):
        grid, _, _, _ = dots.step(k % 9)
        assert set(np.unique(grid)) <= {0.0, 0.25, 0.5, 0.75, 1.0}
        assert grid[tuple(dots.targets[1].place())] == 1.0
    assert "@" in dots.render()


def test_episode_of_dots_ends_in_time_and_begins_anew_alike():
    dots = DotTracing(7, seed=5)
    first = walk(dots, *[1] * 6)
    assert dots.step(1)[2] is True
    dots.reset()
    assert walk(dots, *[1] * 6) == first


def test_intercept_gives_the_bullseye_and_sends_the_dot_elsewhere():
    dots = DotTracing(9, height=30, width=30, randr=0.0, seed=2)
    target = dots.targets[0]
    target.move(15, 15)
    dots.courses[id(target)] = 0
    dots.net_dot.move(16, 15)
    grid, reward, _, caught = dots.step(1)
    assert caught
    assert reward == 10.0
    assert grid[15, 15] == 1.0
    assert tuple(dots.net_dot.place()) != (15, 15)


@pytest.mark.parametrize(
    "wrong", [{"bound_hand": "x"}, {"fit_func": "x"}, {"t": 0}, {"speed": 0}, {"decay": 0}]
)
def test_wrong_settings_of_dots_are_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*expected"):
        DotTracing(**{"t": 5, **wrong})


def test_cues_ask_and_reward_the_truth():
    cues = CueReward(epdur=500, cuebits=6, seed=4)
    rewards, asked, truth = [], False, False
    for _ in range(499):
        # the answer that is right, given in the step after the question
        answer = int(truth) if asked else 0
        obs, reward, done, info = cues.step(answer)
        rewards.append(reward.item())
        asked = cues.place == cues.trial + 1
        truth = bool(info["targ_disp"])
        assert not done
        if asked:
            assert (obs[:6] == 1).all()
    assert set(rewards) == {0.0, 1.0}
    assert sum(rewards) == 499 // 11
    assert cues.step(0)[2]
    assert obs[7] + obs[8] == 1


def test_wrong_answers_to_cues_are_punished():
    cues = CueReward(epdur=200, seed=4, zprob=0.0)
    rewards = [cues.step(1)[1].item() for _ in range(110)]
    assert -1.0 in rewards
    assert 1.0 in rewards
    with pytest.raises(ValueError, match="action is 2, expected 0 or 1"):
        cues.step(2)


def test_gym_gives_tensors_with_a_batch_and_clips_rewards():
    pytest.importorskip("gymnasium")
    pole = Gym("CartPole-v1", seed=3)
    first = pole.reset()
    assert first.shape == (4,)
    obs, reward, done, info = pole.step(torch.tensor(1))
    assert obs.shape == (1, 4)
    assert (reward, done) == (1.0, False)
    assert torch.equal(info["gym_obs"], obs[0])
    assert torch.equal(Gym("CartPole-v1", seed=3).reset(), first)
    assert not torch.equal(pole.reset(), first)
    while not pole.step(1)[2]:
        pass
    assert pole.info["terminated"]
    pole.close()


def test_time_limit_ends_an_episode_too():
    pytest.importorskip("gymnasium")
    car = Gym("MountainCar-v0", clip_rewards=True)
    car.reset(seed=0)
    steps = [car.step(1)[1:3] for _ in range(200)]
    assert steps[0] == (-1.0, False)
    assert steps[-1] == (-1.0, True)
    assert car.info["truncated"]


def fake_frames(monkeypatch, frames):
    """Let Gym play these frames, whatever the action."""
    left = list(frames)
    game = SimpleNamespace(
        action_space=Discrete(2),
        reset=lambda seed: (left.pop(0), {}),
        step=lambda a: (left.pop(0), 5.0, False, not left, {}),
    )
    monkeypatch.setattr("fastsnn.environments.gym.make", lambda *args, **options: game)
    return Gym


def test_images_get_a_channel_and_rewards_their_sign(monkeypatch):
    game = fake_frames(monkeypatch, np.ones((3, 6, 5)))("any", encoder=lambda obs: 2 * obs)
    assert game.reset().shape == (6, 5)
    obs, reward, done, _ = game.step(0)
    assert obs.shape == (1, 1, 6, 5)
    assert (obs == 2).all()
    assert (reward, done) == (1.0, False)
    assert game.step(0)[2]


def test_history_shows_what_rises_above_earlier_frames(monkeypatch):
    frames = np.zeros((6, 2, 2))
    frames[1, 0, 0] = frames[2, 0, 1] = frames[3, 0, 0] = frames[3, 1, 1] = 1
    game = fake_frames(monkeypatch, frames)("any", history_length=2, delta=1)
    game.reset()
    shown = [game.step(0)[0][0, 0].nonzero().tolist() for _ in range(4)]
    # the third has the two before it taken away
    assert shown == [[[0, 0]], [[0, 1]], [[1, 1]], []]
    with pytest.raises(ValueError, match="history_length is 0, expected 1 or more"):
        Gym("any", history_length=0)


def test_frames_of_atari_become_small_images_of_two_values():
    frame = np.zeros((210, 160, 3), np.uint8)
    frame[100:110, 80:90] = 200
    field = atari.breakout(frame)
    assert field.shape == (80, 80)
    assert set(np.unique(field)) == {0, 1}
    # 66 to 76 of 160 rows, 80 to 90 of 160 columns, halved
    assert field.sum() == 5 * 5
    assert field[33:38, 40:45].all()
    assert atari.space_invaders(frame).shape == (78, 84)
    assert atari.of_game("ALE/Breakout-v5") is atari.breakout
    assert atari.of_game("CartPole-v1") is None


def test_atari_plays_under_its_old_and_new_names():
    pytest.importorskip("ale_py")
    for name in ("ALE/Breakout-v5", "BreakoutDeterministic-v4"):
        game = Gym(name, preprocess=atari.breakout, seed=0)
        assert game.reset().shape == (80, 80)
        assert game.step(1)[0].shape == (1, 1, 80, 80)
        game.close()


def test_missing_gymnasium_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ImportError, match="CartPole-v1 needs the package gymnasium"):
        Gym("CartPole-v1")
