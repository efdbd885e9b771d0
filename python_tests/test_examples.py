# SPDX-License-Identifier: Apache-2.0
"""The examples run, and learn what they say."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastsnn import environments
from fastsnn.analysis import read_scalars

Run = Callable[..., dict[str, float]]


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run an example with --quick; the numbers that it prints."""
    monkeypatch.syspath_prepend(str(root / "examples"))

    def run(name: str, *options: str) -> dict[str, float]:
        command = importlib.import_module(name).main
        result = CliRunner().invoke(command, ["--quick", *options], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        found = re.findall(r"^  ([^:]+): ([\d.,]+)", result.output, re.MULTILINE)
        return {name: float(value.replace(",", "")) for name, value in found}

    yield run
    for name in ["common", *(p.stem for p in (root / "examples").glob("*.py"))]:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("unsupervised", {"receptive-fields", "classes"}),
        ("convolutional", {"kernels"}),
        ("local", {"kernels"}),
        ("supervised", {"receptive-fields"}),
        ("reservoir", {"spikes"}),
    ],
)
def test_digits_are_recognised_far_above_chance(
    run: Run, tmp_path: Path, name: str, pictures: set[str]
) -> None:
    if name == "reservoir":
        pytest.importorskip("sklearn")
    numbers = run(name, "--plot", str(tmp_path), "--report", str(tmp_path))
    assert numbers["accuracy"] > 35.0  # chance: 10
    assert {p.stem for p in tmp_path.glob("*.png")} == pictures
    assert f"{numbers['accuracy']}%" in (tmp_path / "index.html").read_text()


def test_a_converted_model_answers_as_the_model_after_some_steps(run: Run, tmp_path: Path) -> None:
    numbers = run("conversion", "--plot", str(tmp_path), "--report", str(tmp_path))
    assert numbers["8 steps"] < numbers["24 steps"]
    assert numbers["model"] > 50.0  # chance: 10; trained on 1,000 images
    assert numbers["24 steps"] > numbers["model"] - 10.0
    assert numbers["answers as the model"] > 85.0
    assert (tmp_path / "accuracy.png").exists()


def test_an_example_logs_numbers_and_pictures_for_tensorboard(run: Run, tmp_path: Path) -> None:
    numbers = run("own_neuron", "--log", str(tmp_path))
    (file,) = tmp_path.glob("events.out.tfevents.*")
    assert read_scalars(tmp_path)["spikes, tiring"] == [(0, numbers["spikes, tiring"])]
    assert b"\x89PNG" in file.read_bytes()


def test_an_example_says_the_same_again_for_the_same_seed(run: Run) -> None:
    first, again, other = (run("own_rule", "--seed", seed) for seed in ("1", "1", "2"))
    assert first == again != other


def test_own_neuron_tires_and_fires_as_computed_without(run: Run) -> None:
    numbers = run("own_neuron")
    assert numbers["spikes, fresh"] == numbers["spikes expected of it"]
    assert 0 < numbers["spikes, tiring"] < 0.7 * numbers["spikes, fresh"]


def test_own_rule_finds_the_inputs_that_fire_together(run: Run, backend: str) -> None:
    numbers = run("own_rule", "--backend", backend)
    assert numbers["weight, together"] > 0.6 > 0.5 > numbers["weight, alone"]


def test_reward_makes_the_pole_stay_up_longer(run: Run) -> None:
    pytest.importorskip("gymnasium")
    numbers = run("reinforcement")
    assert numbers["return after"] > 2.0 * numbers["return before"]


def test_space_invaders_is_played(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("ale_py")
    numbers = run("space_invaders", "--plot", str(tmp_path))
    assert {"score at random", "score after", "episodes"} == set(numbers)
    assert (tmp_path / "score.png").exists()


def test_a_missing_package_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **options: object) -> None:
        raise ImportError("The environment CartPole-v1 needs the package gymnasium")

    monkeypatch.syspath_prepend(str(root / "examples"))
    monkeypatch.setattr(environments, "Gym", missing)
    result = CliRunner().invoke(importlib.import_module("reinforcement").main, ["--quick"])
    assert result.exit_code == 1
    assert "needs the package gymnasium" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backend", "abacus"], "expected auto"),
        (["--data", "/nowhere"], "MNIST's four idx files"),
    ],
)
def test_wrong_options_are_errors_of_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.syspath_prepend(str(root / "examples"))
    result = CliRunner().invoke(importlib.import_module("local").main, ["--quick", *options])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert said in result.output


def test_an_example_runs_as_a_script(root: Path) -> None:
    script = root / "examples" / "own_neuron.py"
    done = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "interval, first and last" in done.stdout
