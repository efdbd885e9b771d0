# SPDX-License-Identifier: Apache-2.0
"""The MNIST job: settings, order, training that can be stopped anywhere, checkpoints, report."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fastsnn import backends
from fastsnn.datasets import load_mnist
from fastsnn.files import replacing
from fastsnn.mnist import Settings, SettingsError, checkpoint, run
from fastsnn.mnist.checkpoint import CheckpointError
from fastsnn.mnist.presentation import ask, build, epoch_order, learn, rates, set_learning_rate
from fastsnn.mnist.readout import LabelRates
from fastsnn.mnist.training import Trainer

SMALL = Settings(
    n_neurons=15,
    time=20.0,
    intensity=400.0,
    theta_plus=0.5,
    n_train=20,
    n_test=10,
    n_epochs=2,
    update_interval=7,
    n_label=20,
)


def trained(settings, images, steps=None):
    trainer = Trainer(settings, images)
    while trainer.seen < trainer.total and (steps is None or steps > 0):
        trainer.step()
        steps = None if steps is None else steps - 1
    return trainer


def assert_same_run(one, other):
    """Both are (tensors, info) of a checkpoint; bit-equal."""
    assert one[0].keys() == other[0].keys()
    for name, tensor in one[0].items():
        assert torch.equal(tensor, other[0][name]), name
    assert one[1]["seen"] == other[1]["seen"]
    assert [tuple(p) for p in one[1]["history"]] == [tuple(p) for p in other[1]["history"]]


# ---- settings ----


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_neurons": 0}, "--n-neurons is 0, expected a whole number of at least 1"),
        ({"n_neurons": 1.5}, "--n-neurons is 1.5, expected a whole number"),
        ({"n_neurons": True}, "--n-neurons is True, expected a whole number"),
        ({"dt": 0.0}, "--dt is 0.0, expected a number above 0"),
        ({"norm": float("nan")}, "--norm is nan, expected a number above 0"),
        ({"seed": -1}, "--seed is -1, expected a whole number of at least 0"),
        ({"readout": "x"}, "--readout is 'x', expected one of evidence, proportion, all"),
        ({"retry": 1}, "--retry is 1, expected true or false"),
        ({"time": 0.5}, "--time is 0.5 ms, expected at least --dt = 1"),
        ({"intensity": 600.0, "dt": 2.0}, "--intensity is 600 Hz, expected at most 500"),
        ({"retry": True, "batch_size": 2}, "--batch-size is 2, expected 1 with --retry"),
    ],
)
def test_wrong_setting_is_named_with_what_was_expected(values, message):
    with pytest.raises(SettingsError, match=message):
        Settings(**values)


def test_settings_that_do_not_decide_the_training_may_differ():
    changed = replace(SMALL, n_test=5, readout="all", threads=2, backend="torch", n_label=3)
    assert SMALL.differences(changed) == []
    assert SMALL.differences(replace(SMALL, seed=3, nu_post=0.5)) == [
        "--nu-post is 0.5, expected 0.04",
        "--seed is 3, expected 0",
    ]


# ---- showing images ----


def test_order_of_an_epoch_depends_on_seed_and_epoch_alone():
    orders = [epoch_order(replace(SMALL, seed=s), e, 1000) for s in (0, 1) for e in (0, 1)]
    assert all(sorted(order) == list(range(1000)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert np.array_equal(orders[0], epoch_order(SMALL, 0, 1000))
    assert np.array_equal(epoch_order(replace(SMALL, shuffle=False), 3, 5), range(5))


def test_rate_of_a_pixel_is_the_intensity_times_its_grey_value_to_the_gamma():
    image = np.array([[[0, 51], [102, 255]]], np.uint8)
    assert torch.allclose(
        rates(image, replace(SMALL, gamma=2.0)), 400.0 * torch.tensor([[0.0, 0.04, 0.16, 1.0]])
    )


def test_full_batches_hold_all_images_and_no_more():
    images, done = load_mnist(train=False)[:7], []
    net = build(replace(SMALL, batch_size=3), 784, 20)
    counts = learn(net, images, SMALL, done.append)
    assert counts.shape == (7, 15)
    assert counts.sum() > 0
    assert done[-1] == 7


def test_silent_images_are_asked_again_stronger_until_they_answer():
    images = load_mnist(train=False)[:12]
    faint = replace(SMALL, intensity=50.0, retry=True, min_spikes=1)
    net = build(faint, 784, 20)
    once = ask(net, images, replace(faint, retry=False, judge_spikes=0))
    w, theta = net.projections["X->Ae"].w.clone(), net.populations["Ae"].theta.clone()
    again = ask(net, images, faint)
    assert (once.sum(1) == 0).any()
    assert (again.sum(1) > 0).all()
    assert torch.equal(net.projections["X->Ae"].w, w)
    assert torch.equal(net.populations["Ae"].theta, theta)


# ---- training ----


def test_weights_learn_and_stay_normalised(backend):
    trainer = trained(replace(SMALL, backend=backend), load_mnist()[:20])
    w = trainer.net.projections["X->Ae"].w
    assert not torch.equal(w, build(SMALL, 784, 20).projections["X->Ae"].w)
    assert torch.allclose(w.sum(0), torch.full((15,), 78.4), rtol=1e-5)
    assert [seen for seen, _ in trainer.history] == [14, 20, 27, 34, 40]


def test_trainer_restored_anywhere_ends_with_the_same_bits(backend):
    settings, images = replace(SMALL, backend=backend), load_mnist()[:20]
    whole = trained(settings, images).state()
    for steps in (1, 3, 4):
        state = trained(settings, images, steps).state()
        continued = Trainer(settings, images)
        continued.restore(*state)
        while continued.seen < continued.total:
            continued.step()
        assert_same_run(whole, continued.state())


def test_chunks_do_not_change_what_is_learnt():
    images = load_mnist()[:20]
    one = trained(SMALL, images).net.projections["X->Ae"].w
    other = trained(replace(SMALL, update_interval=20), images).net.projections["X->Ae"].w
    assert torch.equal(one, other)


def test_learning_rate_falls_evenly_to_its_end():
    images = load_mnist()[:1000]
    trainer = Trainer(replace(SMALL, n_epochs=1, update_interval=1000), images)
    rule = trainer.net.projections["X->Ae"]
    rates_seen = []
    for progress in (0.0, 0.25, 0.5, 0.75, 1.0):
        set_learning_rate(trainer.net, SMALL, progress)
        rates_seen.append((rule.rule.values["nu_pre"], rule.rule.values["nu_post"]))
    left = np.array([1.0, 0.8125, 0.625, 0.4375, 0.25])
    assert np.allclose(rates_seen, np.outer(left, [1e-4, 4e-2]))


def test_lower_learning_rate_learns_less():
    images = load_mnist()[:20]
    start = build(SMALL, 784, 20).projections["X->Ae"].w
    change = {}
    for nu_post in (0.0, 0.01, 0.04):
        settings = replace(SMALL, nu_post=nu_post, nu_pre=0.0, norm=78.4)
        change[nu_post] = (trained(settings, images).net.projections["X->Ae"].w - start).abs().sum()
    assert change[0.01] < change[0.04]


def test_default_rise_of_thresholds_suits_neurons_and_images():
    assert Settings(n_neurons=400).theta_step(60_000) == pytest.approx(0.025)
    assert Settings(n_neurons=400).theta_step(10) == 0.5
    assert Settings(theta_plus=0.1).theta_step(10) == 0.1


def test_faded_rates_are_those_of_the_latest_images():
    faded = LabelRates(2)
    faded.add(torch.tensor([[4, 0]]), torch.tensor([3]))
    faded.add(torch.tensor([[0, 6]]), torch.tensor([3]), keep=0.5)
    assert faded.sums[3].tolist() == [2.0, 6.0]
    assert faded.sizes[3] == 1.5
    assert faded.labels()[0].tolist() == [3, 3]


# ---- checkpoints ----


def test_checkpoint_is_read_back_to_the_bit(tmp_path):
    tensors = {"a": torch.randn(3, 4), "b": torch.tensor(True), "c": torch.tensor(2**40)}
    checkpoint.write(tmp_path / "c", tensors, {"seen": 5})
    back, info = checkpoint.read(tmp_path / "c")
    assert info["seen"] == 5
    assert all(torch.equal(tensors[name], back[name]) for name in tensors)
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"), replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_any_damaged_byte_is_noticed(tmp_path):
    path = tmp_path / "c"
    checkpoint.write(path, {"a": torch.arange(50.0)}, {"seen": 5})
    whole = path.read_bytes()
    for place in (len(whole) - 1, len(whole) - 150):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoint.read(path)
    path.write_bytes(whole[:-10])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        checkpoint.read(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        checkpoint.read(path)


def test_other_safetensors_file_is_refused(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "c")
    with pytest.raises(CheckpointError, match="something else"):
        checkpoint.read(tmp_path / "c")


def test_resume_refuses_other_settings_and_other_images(tmp_path):
    path = tmp_path / "c"
    run(SMALL, checkpoint=path)
    with pytest.raises(SettingsError, match=r"--inh is 9\.0, expected 250\.0"):
        run(replace(SMALL, inh=9.0), checkpoint=path, resume=True)
    tensors, info = checkpoint.read(path)
    checkpoint.write(path, tensors, {**info, "images": 1})
    with pytest.raises(CheckpointError, match=r"other training images.*the embedded set"):
        run(SMALL, checkpoint=path, resume=True)
    checkpoint.write(path, tensors, {**info, "settings": {"n_neurons": 15}})
    with pytest.raises(CheckpointError, match="settings were others"):
        run(SMALL, checkpoint=path, resume=True)


def test_checkpoint_is_not_overwritten_and_not_invented(tmp_path):
    (tmp_path / "c").write_bytes(b"precious")
    with pytest.raises(SettingsError, match=r"which exists\. Add --resume"):
        run(SMALL, checkpoint=tmp_path / "c")
    with pytest.raises(SettingsError, match="--test is given without --checkpoint"):
        run(SMALL, train=False)
    with pytest.raises(SettingsError, match="which is not there"):
        run(SMALL, checkpoint=tmp_path / "d", train=False)
    with pytest.raises(SettingsError, match="expected a file in a folder that exists"):
        run(SMALL, checkpoint=tmp_path / "d" / "e")


def test_tested_checkpoint_gives_the_accuracy_of_its_run(tmp_path):
    first = run(SMALL, checkpoint=tmp_path / "c")
    again = run(SMALL, checkpoint=tmp_path / "c", train=False)
    assert again.images_per_s is None
    assert again.verdict.accuracy == first.verdict.accuracy
    assert torch.equal(again.verdict.confusion, first.verdict.confusion)


# ---- killed and interrupted ----

# what starts a process runs on the fastest backend only, with sizes that take it seconds
BACKEND = backends.usable()[0]
N_TRAIN, N_NEURONS, TIME = {"torch": (60, 15, 20), "cpu": (5000, 100, 250)}[BACKEND]


def command(path, *more):
    options = {
        "n-neurons": N_NEURONS,
        "n-train": N_TRAIN,
        "n-test": 10,
        "n-label": 10,
        "time": TIME,
        "intensity": 400,
        "update-interval": N_TRAIN // 20,
        "checkpoint-interval": N_TRAIN // 20,
        "backend": BACKEND,
        "checkpoint": path,
    }
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", "fastsnn", "mnist", "--no-plot", *given, *more]


def start_and_wait(arguments, path, seconds=120):
    """Start a run and wait for its next checkpoint."""
    before = path.stat().st_mtime_ns if path.exists() else None
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.stat().st_mtime_ns != before:
            break
        time.sleep(0.002)
    return process


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The checkpoint of an uninterrupted run."""
    path = tmp_path_factory.mktemp("whole") / "run.safetensors"
    subprocess.run(command(path), check=True, capture_output=True)
    return checkpoint.read(path)


def test_killed_run_resumes_to_the_same_bits(tmp_path, whole_run):
    path, chance = tmp_path / "run.safetensors", random.Random(1)
    kills = 0
    for _ in range(4):
        process = start_and_wait(command(path, "--resume"), path)
        time.sleep(chance.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 1
    subprocess.run(command(path, "--resume"), check=True, capture_output=True)
    assert_same_run(checkpoint.read(path), whole_run)
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_run_says_how_to_go_on_and_resumes_to_the_same_bits(tmp_path, whole_run):
    path = tmp_path / "run.safetensors"
    process = start_and_wait(command(path), path)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert f"fastsnn mnist --checkpoint {path} --resume" in errors
    assert "Traceback" not in errors
    subprocess.run(command(path, "--resume"), check=True, capture_output=True)
    assert_same_run(checkpoint.read(path), whole_run)


# ---- the whole ----


def test_report_is_one_html_file_with_all_pictures(tmp_path):
    from fastsnn.mnist.report import write_report

    result = run(SMALL)
    page = write_report(tmp_path / "report", result).read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "src=" not in page.replace('src="data:', "")
    pictures = sorted(file.name for file in (tmp_path / "report").glob("*.png"))
    assert pictures == [
        f"{name}.png"
        for name in ("accuracy", "confusion", "raster", "receptive-fields", "voltages")
    ]
    numbers = json.loads((tmp_path / "report" / "result.json").read_text())
    assert numbers["accuracy"] == result.verdict.accuracy
    assert sum(map(sum, numbers["confusion"])) == 10


@pytest.mark.skipif(BACKEND == "torch", reason="minutes without the native engine")
def test_hundred_neurons_learn_the_embedded_digits():
    result = run(Settings(n_neurons=100, n_label=2000))
    assert min(result.verdict.accuracy.values()) > 0.8
