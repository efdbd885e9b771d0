# SPDX-License-Identifier: Apache-2.0
"""Files of spikes: what is written is read, whole after a crash, and understood by others."""

from __future__ import annotations

import numpy as np
import pytest

from fastsnn.errors import FastsnnError, ShapeError
from fastsnn.recording import EXPORTS, Recording, SpikeReader, SpikeWriter, from_npz, to_neo

SIZES = {"E": 7, "I": 3}


def spikes(seed: int, n: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    steps = np.sort(draw.integers(first, first + 1000, 130))
    return steps, draw.integers(0, n, 130).astype(np.int32)


@pytest.fixture
def recording() -> Recording:
    found = {name: spikes(k, n) for k, (name, n) in enumerate(SIZES.items())}
    return Recording({k: (0.1 * s, i) for k, (s, i) in found.items()}, SIZES, 0.0, 100.0)


def by_neuron(recording: Recording) -> dict[tuple[str, int], list[float]]:
    return {
        (name, k): np.sort(recording.spikes[name][0][recording.spikes[name][1] == k]).tolist()
        for name, n in recording.sizes.items()
        for k in range(n)
    }


# ---- the file that grows ----


def test_chunks_come_back_in_order(tmp_path):
    with SpikeWriter(tmp_path / "a", 0.1, SIZES) as file:
        for part in range(3):
            for name, n in SIZES.items():
                file.append(name, *spikes(part, n, 1000 * part))
        file.append("E", [], [])
    with SpikeReader(tmp_path / "a") as file:
        assert (file.dt, file.populations) == (0.1, SIZES)
        for name, n in SIZES.items():
            want = [spikes(part, n, 1000 * part) for part in range(3)]
            for got, parts in zip(file.read(name), zip(*want, strict=True), strict=True):
                np.testing.assert_array_equal(got, np.concatenate(parts))


def test_steps_beyond_32_bits_and_long_pieces_survive(tmp_path, monkeypatch):
    monkeypatch.setattr("fastsnn.recording.stream._SPIKES_A_CHUNK", 50)
    steps = np.sort(np.random.default_rng(0).integers(0, 1 << 40, 333))
    with SpikeWriter(tmp_path / "a", 1.0, {"E": 1}) as file:
        file.append("E", steps, np.zeros(333, int))
    with SpikeReader(tmp_path / "a") as file:
        np.testing.assert_array_equal(file.read("E")[0], steps)
        assert max(len(ids) for _, _, ids in file.chunks()) <= 50


@pytest.mark.parametrize("lost", [1, 500, 1100])
def test_what_a_crash_cut_off_is_dropped_and_the_run_continues(tmp_path, lost):
    path = tmp_path / "a"
    with SpikeWriter(path, 0.1, SIZES) as file:
        for part in range(2):
            file.append("E", *spikes(part, 7, 1000 * part))
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    kept = 1 if lost <= 8 * 130 + 20 else 0
    with SpikeReader(path) as file:
        assert len(file.read("E")[0]) == kept * 130
    with SpikeWriter(path, 0.1, SIZES, resume=True) as file:
        for part in range(kept, 2):
            file.append("E", *spikes(part, 7, 1000 * part))
    assert path.read_bytes() == whole


def test_damaged_chunk_ends_the_file(tmp_path):
    path = tmp_path / "a"
    with SpikeWriter(path, 0.1, SIZES) as file:
        file.append("E", *spikes(0, 7))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with SpikeReader(path) as file:
        assert len(file.read("E")[0]) == 0


def test_mistakes_are_named(tmp_path):
    with SpikeWriter(tmp_path / "a", 0.1, SIZES) as file:
        with pytest.raises(ShapeError, match="No population 'X', expected"):
            file.append("X", [0], [0])
        with pytest.raises(ShapeError, match=r"ids in 0\.\.6"):
            file.append("E", [0], [7])
        with pytest.raises(ShapeError, match="ascending"):
            file.append("E", [1, 0], [0, 0])
    with pytest.raises(FastsnnError, match=r"at dt=0\.1 ms, expected"):
        SpikeWriter(tmp_path / "a", 0.2, SIZES, resume=True)
    (tmp_path / "b").write_bytes(b"x" * 100)
    with pytest.raises(FastsnnError, match="no file of spikes"):
        SpikeReader(tmp_path / "b")
    with pytest.raises(ShapeError, match="the same populations"):
        Recording({}, SIZES, 0.0, 1.0)


# ---- formats of others ----


def test_numpy_archive_round_trip(tmp_path, recording):
    EXPORTS["npz"](recording, tmp_path / "spikes.npz")
    back = from_npz(tmp_path / "spikes.npz")
    assert (back.sizes, back.start, back.stop) == (SIZES, 0.0, 100.0)
    for name in SIZES:
        for got, want in zip(back.spikes[name], recording.spikes[name], strict=True):
            np.testing.assert_array_equal(got, want)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(FastsnnError, match="no archive of spikes"):
        from_npz(tmp_path / "bad.npz")


def test_sonata_holds_every_spike_by_time(tmp_path, recording):
    h5py = pytest.importorskip("h5py")
    EXPORTS["sonata"](recording, tmp_path / "spikes.h5")
    with h5py.File(tmp_path / "spikes.h5") as file:
        assert file.attrs["magic"] == 0x0A7A
        assert list(file["spikes"]) == list(SIZES)
        for name in SIZES:
            group = file["spikes"][name]
            np.testing.assert_array_equal(group["timestamps"], recording.spikes[name][0])
            np.testing.assert_array_equal(group["node_ids"], recording.spikes[name][1])
            assert group["timestamps"].attrs["units"] == "ms"
            assert group.attrs["sorting"] == 2


def test_nwb_holds_a_unit_per_neuron(tmp_path, recording):
    pynwb = pytest.importorskip("pynwb")
    EXPORTS["nwb"](recording, tmp_path / "spikes.nwb")
    with pynwb.NWBHDF5IO(tmp_path / "spikes.nwb", "r") as file:
        units = file.read().units
        for row, ((name, neuron), times) in enumerate(by_neuron(recording).items()):
            assert (units["population"][row], units["neuron"][row]) == (name, neuron)
            np.testing.assert_allclose(units["spike_times"][row], np.array(times) / 1000.0)


def test_neo_block_holds_a_train_per_neuron(recording):
    pytest.importorskip("neo")
    trains = to_neo(recording).segments[0].spiketrains
    want = by_neuron(recording)
    assert len(trains) == len(want)
    for train in trains:
        key = (train.annotations["population"], train.annotations["neuron"])
        np.testing.assert_allclose(train.rescale("ms").magnitude, want[key])
        assert float(train.t_stop) == 100.0


def test_nix_file_round_trip(tmp_path, recording):
    pytest.importorskip("neo")
    pytest.importorskip("nixio")
    from neo.io import NixIO

    EXPORTS["nix"](recording, tmp_path / "spikes.nix")
    with NixIO(str(tmp_path / "spikes.nix"), mode="ro") as file:
        trains = file.read_block().segments[0].spiketrains
    assert sum(map(len, trains)) == 2 * 130
