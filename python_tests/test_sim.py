# SPDX-License-Identifier: Apache-2.0
"""`fastsnn sim`: what it prints, writes and refuses."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from fastsnn import cli
from fastsnn.networks import NETWORKS
from fastsnn.recording import SpikeReader, from_npz
from fastsnn.sim import job, progress

TINY = ["--scale=0.05", "--time=30", "--warm-up=10", "--seed=1"]


@pytest.fixture
def sim(capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder: returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main(["sim", *map(str, arguments)])
        out = capsys.readouterr()
        return stop.value.code, out.out, out.err

    return call


def test_run_reports_rates_and_writes_spikes_numbers_and_pictures(sim, tmp_path):
    code, out, err = sim("cuba", *TINY, "--out=here", "--export=npz")
    assert code == 0, err
    assert "160 │" in out
    assert "real-time factor" in out
    assert "s of biology" in err
    for name in ("raster.png", "rates.png", "distributions.png", "index.html"):
        assert (tmp_path / "here" / name).stat().st_size > 1000
    found = json.loads((tmp_path / "here" / "result.json").read_text())
    assert found["neurons"] == 200
    assert found["window_ms"] == [10.0, 40.0]
    assert found["job"]["seed"] == 1
    assert {"machine", "versions", "commit", "real_time_factor", "peak_bytes"} <= set(found)
    archive = from_npz(tmp_path / "here" / "spikes.npz")
    with SpikeReader(tmp_path / "here" / job.SPIKES) as file:
        for name in ("E", "I"):
            steps, ids = file.read(name)
            np.testing.assert_allclose(archive.spikes[name][0], 0.1 * (steps + 1))
            np.testing.assert_array_equal(archive.spikes[name][1], ids)
            late = (steps >= 100) & (steps < 400)
            rate = late.sum() / archive.sizes[name] / 0.03
            assert found["statistics"][name]["rate"] == pytest.approx(rate)


def test_spikes_are_those_of_one_run_whatever_the_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "_SECONDS_A_PIECE", 1e-9)
    given = {"network": "cuba", "scale": 0.05, "time": 3.0, "warm_up": 1.0, "out": tmp_path}
    got = job.run(job.Job(**given)).events("E")
    net = NETWORKS["cuba"].make(0.05)
    recorder = net.record_spikes()
    net.run(4.0)
    np.testing.assert_allclose(got[0], recorder.steps("E") * 0.1)
    np.testing.assert_array_equal(got[1], recorder.ids("E"))


def test_only_the_latest_spikes_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "MOST_SPIKES", 100)
    outcome = job.run(job.Job("cuba", 0.2, time=60.0, warm_up=0.0, out=tmp_path))
    assert len(outcome.events("E")[1]) >= 100
    assert outcome.window("E").start > 0.0
    assert outcome.window("E").stop == 60.0


def test_nothing_or_one_population_may_be_recorded(sim, tmp_path):
    code, out, _ = sim("cuba", *TINY, "--record=none")
    assert code == 0
    assert "population" not in out
    assert "real-time factor" in out
    assert not (tmp_path / "report" / "raster.png").exists()
    code, out, _ = sim("cuba", *TINY, "--record=I", "--no-plot")
    assert code == 0
    assert "│ I " in out
    assert "│ E " not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cortex"], "'cortex' is not one of"),
        (["cuba", "--scale=-1"], "scale is -1.0, expected a number above 0"),
        (["cuba", "--variant=dc"], "variant is 'dc', expected one of: none"),
        (["cuba", "--record=X"], "--record is 'X', expected none or some of: E, I"),
        (["cuba", "--time=0"], "--time is 0 ms, expected more than none"),
        (["cuba", "--time=0.15"], "no whole number of steps of 0.1 ms"),
        (["cuba", "--backend=abacus"], "backend='abacus' is unknown"),
        (["cuba", "--export=tape"], "'tape' is not one of"),
    ],
)
def test_wrong_value_is_named_and_ends_with_two(sim, tmp_path, arguments, message):
    code, out, err = sim(arguments[0], "--scale=0.01", *arguments[1:])
    assert code == 2
    assert message in " ".join(err.split())
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_help_lists_every_network(sim):
    code, out, _ = sim("--help")
    assert code == 0
    for recipe in NETWORKS.values():
        assert f"{recipe.name} " in out
        assert recipe.title in out


def test_progress_tells_biological_time_and_real_time_factor():
    file = io.StringIO()
    with progress.watching("cuba", 2000.0, file) as watch:
        watch._last -= 60.0
        watch.advance(500.0, 0.25)
        watch.advance(1500.0, 0.75)
    first, last = file.getvalue().splitlines()
    assert first == "cuba  0.50/2.00 s of biology  real-time factor 0.5  1 s left"
    assert last == "cuba  2.00/2.00 s of biology  real-time factor 0.5  1.0 s"


def test_progress_on_a_terminal_is_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    with progress.watching("cuba", 1000.0, file) as watch:
        watch.advance(1000.0, 2.0)
    assert "━" in file.getvalue()
    assert "real-time factor 2" in file.getvalue()
