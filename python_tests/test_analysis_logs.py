# SPDX-License-Identifier: Apache-2.0
"""Logs for TensorBoard have the format it reads; analyzers put pictures where they belong."""

from __future__ import annotations

import struct

import pytest
import torch

from fastsnn import analysis
from fastsnn.analysis import events


def test_checksum_is_castagnolis():
    # the check value of CRC-32C for "123456789", masked as the format asks for
    crc = 0xE3069283
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert events._masked(b"123456789") == struct.pack("<I", masked)


def test_records_have_their_lengths_and_checksums(tmp_path):
    with analysis.EventWriter(tmp_path / "run") as writer:
        writer.add_scalar("reward", 2.5, 7)
    data, n = writer.path.read_bytes(), 0
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == events._masked(data[:8])
        body = data[12 : 12 + length]
        assert data[12 + length : 16 + length] == events._masked(body)
        data, n = data[16 + length :], n + 1
    # the version, then the value
    assert n == 2
    assert b"brain.Event:2" in writer.path.read_bytes()


def test_scalars_are_read_back(tmp_path):
    with analysis.EventWriter(tmp_path) as writer:
        for step in (0, 3, 300, 2**40):
            writer.add_scalar("a/b", step / 4, step)
        writer.add_scalar("other", -1.0)
    found = analysis.read_scalars(tmp_path)
    assert found["a/b"] == [(0, 0.0), (3, 0.75), (300, 75.0), (2**40, 2.0**38)]
    assert found["other"] == [(0, -1.0)]
    with pytest.raises(ValueError, match="is closed"):
        writer.add_scalar("late", 1.0)


def test_tensorboard_reads_everything(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with analysis.EventWriter(tmp_path) as writer:
        writer.add_scalar("reward", 2.5, 7)
        writer.add_image("image", torch.rand(5, 4), 8)
        writer.add_figure("figure", analysis.plot_reward([1.0, 2.0]).figure, 9)
        writer.add_histogram("weights", torch.rand(1000), 10)
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in read.Scalars("reward")] == [(7, 2.5)]
    image = read.Images("image")[0]
    assert (image.step, image.height, image.width) == (8, 5, 4)
    assert read.Images("figure")[0].encoded_image_string.startswith(b"\x89PNG")
    assert read.Histograms("weights")[0].histogram_value.num == 1000


def feed(analyzer):
    """Everything that a pipeline shows."""
    analyzer.plot_obs(torch.rand(1, 28, 28), step=1)
    analyzer.plot_conv2d_weights(torch.rand(4, 1, 8, 8), step=1)
    analyzer.plot_reward([0, 1, 0, 2], 2, step=1)
    analyzer.plot_voltages({"X": torch.rand(50, 1, 1, 8, 8)}, {"X": torch.tensor(0.75)}, step=1)
    analyzer.plot_spikes({"X": torch.rand(50, 1, 1, 8, 8) > 0.5}, step=1)
    analyzer.finalize_step()


def test_file_analyzer_keeps_the_latest_pictures(tmp_path):
    analyzer = analysis.FileAnalyzer(tmp_path)
    feed(analyzer)
    first = (tmp_path / "spike.png").read_bytes()
    feed(analyzer)
    assert (tmp_path / "spike.png").read_bytes() != first
    names = {path.stem for path in tmp_path.iterdir()}
    assert names == {"obs", "conv2d", "reward", "voltage", "spike"}


def test_event_analyzer_logs_rewards_as_a_curve_and_the_rest_as_pictures(tmp_path):
    analyzer = analysis.EventAnalyzer(tmp_path)
    feed(analyzer)
    # readable before it is closed
    assert analysis.read_scalars(tmp_path)["reward"] == [(1, 1.0)]
    analyzer.writer.close()
    data = next(tmp_path.iterdir()).read_bytes()
    assert data.count(b"\x89PNG") == 4


def test_window_analyzer_updates_its_windows():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    analyzer = analysis.WindowAnalyzer(lines=True)
    assert pyplot.isinteractive()
    feed(analyzer)
    figures = {tag: view.figure for tag, view in analyzer.views.items()}
    feed(analyzer)
    assert {tag: view.figure for tag, view in analyzer.views.items()} == figures
    analyzer.close()
    pyplot.ioff()
