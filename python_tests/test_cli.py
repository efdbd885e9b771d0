# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from dataclasses import fields
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

import fastsnn
from fastsnn import backends, cli, datasets
from fastsnn.mnist import Settings, progress
from fastsnn.mnist.settings import option_name

TINY = [
    "--n-neurons=15",
    "--time=20",
    "--intensity=400",
    "--n-train=12",
    "--n-test=8",
    "--n-label=8",
    "--update-interval=5",
]


@pytest.fixture
def fastsnn_command(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder: returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main(list(map(str, arguments)))
        out = capsys.readouterr()
        return stop.value.code, out.out, out.err

    return call


def test_mnist_trains_tests_and_reports(fastsnn_command, tmp_path):
    code, out, err = fastsnn_command("mnist", *TINY)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("test accuracy: ")
    assert "(weighted evidence)" in lines[0]
    assert "(proportion weighting)" in lines[1]
    assert "(all activity)" in lines[2]
    assert any("images/s" in line for line in lines)
    assert lines[-1] == "report: report/index.html"
    assert (tmp_path / "report" / "receptive-fields.png").stat().st_size > 1000
    for title in ("train", "label", "test"):
        assert f"{title}  " in err


def test_chosen_readout_is_printed_first(fastsnn_command):
    _, out, _ = fastsnn_command("mnist", "--no-plot", "--readout", "all", *TINY)
    assert "(all activity)" in out.splitlines()[0]
    assert "report" not in out


def test_resume_and_test_take_what_is_not_given_from_the_checkpoint(fastsnn_command):
    run = ("mnist", "--no-plot", "--checkpoint", "run")
    assert fastsnn_command(*run, *TINY)[0] == 0
    code, out, err = fastsnn_command(*run, "--resume")
    assert code == 0
    assert "train" not in err
    assert fastsnn_command(*run, "--test")[1].splitlines()[:2] == out.splitlines()[:2]
    # what is free may be given anew, the rest must agree
    assert fastsnn_command(*run, "--test", "--n-test=5", "--threads=1")[0] == 0
    code, _, err = fastsnn_command(*run, "--resume", "--n-neurons=16", "--seed=2")
    assert code == 2
    assert "--n-neurons is 16, expected 15" in err
    assert "--seed is 2, expected 0" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-neurons", "0"], "--n-neurons is 0, expected a whole number of at least 1"),
        (["--n-neurons", "many"], "'many' is not a valid integer"),
        (["--nu-post", "-1"], "--nu-post is -1.0, expected a number of at least 0"),
        (["--readout", "none"], "--readout is 'none', expected one of"),
        (["--backend", "abacus"], "backend='abacus' is unknown, expected auto"),
        (["--n-train", "6000"], "--n-train is 6000, expected at most 5000"),
        (["--n-test", "1001"], "--n-test is 1001, expected at most 1000"),
        (["--resume"], "--resume is given without --checkpoint"),
        (["--test"], "--test is given without --checkpoint"),
        (["--data", "nowhere"], "nowhere: neither train-images-idx3-ubyte nor"),
        (["--checkpoint-interval", "0"], "0 is not in the range x>=1"),
        (["--what"], "No such option"),
        (["--checkpoint", "."], "File '.' is a directory"),
    ],
)
def test_wrong_value_is_named_and_ends_with_two(fastsnn_command, arguments, message):
    code, out, err = fastsnn_command("mnist", *arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert out == ""


def test_damaged_checkpoint_and_data_end_with_two(fastsnn_command, tmp_path):
    (tmp_path / "run").write_bytes(b"no checkpoint")
    code, _, err = fastsnn_command("mnist", "--checkpoint=run", "--resume")
    assert code == 2
    assert "not a whole safetensors file" in err
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"x" * 20)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"x" * 20)
    code, _, err = fastsnn_command("mnist", "--data", ".")
    assert code == 2
    assert "magic number" in err


def test_every_setting_is_an_option_with_help(fastsnn_command):
    code, out, _ = fastsnn_command("mnist", "--help")
    assert code == 0
    for spec in fields(Settings):
        assert option_name(spec.name) in out
        assert spec.metadata["help"].split()[0] in out
    for option in ("--train / --test", "--data", "--download", "--checkpoint", "--resume"):
        assert option in out


def write_set(folder):
    generator = np.random.default_rng(0)
    folder.mkdir()
    for prefix in ("train", "t10k"):
        images = generator.integers(0, 256, (20, 28, 28), dtype=np.uint8)
        datasets.write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
        labels = (np.arange(20) % 10).astype(np.uint8)
        datasets.write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)


def test_download_trains_on_what_a_mirror_serves(fastsnn_command, tmp_path, monkeypatch):
    write_set(tmp_path / "origin")
    files = sorted((tmp_path / "origin").iterdir())
    checksums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files}
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "origin"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    mirrors = (f"http://127.0.0.1:{server.server_port}",)
    monkeypatch.setattr("fastsnn.datasets.download.MIRRORS", mirrors)
    monkeypatch.setattr("fastsnn.datasets.download.CHECKSUMS", checksums)
    code, _, err = fastsnn_command("mnist", "--data=got", "--download", "--no-plot", *TINY)
    server.shutdown()
    server.server_close()
    assert code == 0, err
    assert (
        datasets.load_mnist(tmp_path / "got").checksum()
        == datasets.load_mnist(tmp_path / "origin").checksum()
    )


def test_download_without_a_mirror_ends_with_one(fastsnn_command, monkeypatch):
    monkeypatch.setattr("fastsnn.datasets.download.MIRRORS", ("http://127.0.0.1:9/",))
    code, _, err = fastsnn_command("mnist", "--data=got", "--download")
    assert code == 1
    assert "no mirror gave it" in err


def test_info_lists_versions_and_backends(fastsnn_command):
    code, out, _ = fastsnn_command("info")
    assert code == 0
    assert fastsnn.__version__ in out
    for name, reason in backends.explain().items():
        assert f"{name:8}{reason}" in out


def test_bench_passes_its_arguments_on(fastsnn_command, monkeypatch):
    given = []
    monkeypatch.setitem(
        sys.modules, "fastsnn.bench.cli", type("M", (), {"main": staticmethod(given.append)})
    )
    assert fastsnn_command("bench", "diehl-cook", "--n-neurons", "5", "--help")[0] == 0
    assert given == [["diehl-cook", "--n-neurons", "5", "--help"]]


def test_module_and_version():
    call = [sys.executable, "-m", "fastsnn", "--version"]
    out = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert fastsnn.__version__ in out


# ---- progress ----


def test_progress_elsewhere_than_on_a_terminal_is_plain_lines():
    file = io.StringIO()
    with progress.passing("train", 100, 40, file) as bar:
        bar.update(70, accuracy=0.815)
        bar.beyond(70)(30)
        bar.update(100)
    first, last = file.getvalue().splitlines()
    assert first.startswith("train  70/100 images  ")
    assert "accuracy 81.5%" in first
    assert "left" in first
    assert last.startswith("train  100/100 images  ")
    assert "\x1b" not in file.getvalue()


def test_progress_on_a_terminal_is_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    with progress.passing("train", 1000, file=file) as bar:
        bar.update(500, accuracy=0.5)
        bar.update(1000)
    text = file.getvalue()
    assert "━" in text
    assert "1,000/1,000 images" in text
    assert "accuracy 50.0%" in text


def test_rate_counts_only_what_this_process_did():
    with progress.passing("train", 100, 90, io.StringIO()) as bar:
        bar.update(91)
        assert bar.rate * bar.seconds == pytest.approx(1.0, rel=0.5)


def test_result_is_json(fastsnn_command, tmp_path):
    fastsnn_command("mnist", *TINY, "--report", "here")
    numbers = json.loads((tmp_path / "here" / "result.json").read_text())
    assert numbers["settings"]["n_neurons"] == 15
    assert numbers["images_seen"] == 24
