# SPDX-License-Identifier: Apache-2.0
"""Data sets for torch: idx files without torchvision, encoded items, spikes in HDF5, speech."""

from __future__ import annotations

import hashlib
import pickle
import wave
from functools import partial

import numpy as np
import pytest
import torch
from test_datasets import make_set
from torch.utils.data import DataLoader, TensorDataset

from fastsnn import datasets, encoding, optional
from fastsnn.datasets import images
from fastsnn.datasets.spoken import log_mel, mel_bands


@pytest.mark.parametrize("below", ["", "raw", "MNIST/raw"])
def test_mnist_is_found_where_torchvision_puts_it(tmp_path, monkeypatch, below):
    monkeypatch.delenv("FASTSNN_DATA", raising=False)
    make_set(tmp_path / below)
    digits = datasets.MNIST(tmp_path, train=False)
    assert len(digits) == 20
    image, label = digits[13]
    assert image.mode == "L"
    assert np.array_equal(np.array(image), digits.data[13].numpy())
    assert label == 3


def test_mnist_applies_transforms_and_falls_back_to_the_common_folder(tmp_path, monkeypatch):
    make_set(tmp_path / "mnist")
    monkeypatch.setenv("FASTSNN_DATA", str(tmp_path))
    digits = datasets.MNIST(
        tmp_path / "none",
        transform=lambda image: torch.from_numpy(np.array(image)),
        target_transform=lambda label: label + 100,
    )
    assert digits[4][0].shape == (28, 28)
    assert digits[4][1] == 104


def test_missing_files_are_said_where_they_were_looked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("FASTSNN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"FashionMNIST: .*FashionMNIST/raw.*download=True"):
        datasets.FashionMNIST(tmp_path)


def test_files_are_fetched_with_any_kind_of_checksum(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a.bin").write_bytes(b"spikes")
    mirror = [(tmp_path / "from").as_uri()]
    for kind in ("md5", "sha1", "sha256"):
        checksum = {"a.bin": hashlib.new(kind, b"spikes").hexdigest()}
        datasets.download_files(tmp_path / kind, mirror, checksum)
        assert (tmp_path / kind / "a.bin").read_bytes() == b"spikes"
    with pytest.raises(datasets.DownloadError, match="SHA-256 is"):
        datasets.download_files(tmp_path / "x", mirror, {"a.bin": "0" * 64})
    with pytest.raises(ValueError, match="has 3 digits, expected 32"):
        datasets.download_files(tmp_path / "x", mirror, {"a.bin": "abc"})


def test_any_data_set_is_encoded_item_by_item():
    plain = TensorDataset(torch.rand(6, 4), torch.arange(6))
    encoded = datasets.Encoded(plain, partial(encoding.repeat, time=5), lambda label: label % 2)
    item = encoded[3]
    assert set(item) == {"image", "label", "encoded_image", "encoded_label"}
    assert torch.equal(item["encoded_image"], plain[3][0].expand(5, 4))
    assert item["encoded_label"] == 1
    assert encoded.tensors is plain.tensors
    assert len(list(encoded)) == 6
    with pytest.raises(AttributeError):
        _ = encoded.nothing
    assert torch.equal(pickle.loads(pickle.dumps(datasets.Encoded(plain)))[0]["image"], plain[0][0])


def test_batches_have_time_first_and_batch_second():
    plain = TensorDataset(torch.rand(6, 1, 4, 4), torch.arange(6))
    encoded = datasets.Encoded(plain, partial(encoding.repeat, time=5))
    loader = DataLoader(encoded, batch_size=3, collate_fn=datasets.time_first)
    batch = next(iter(loader))
    assert batch["encoded_image"].shape == (5, 3, 1, 4, 4)
    assert torch.equal(batch["encoded_image"][2, 1], plain[1][0])
    assert batch["label"].shape == (1, 3, 1)


@pytest.mark.parametrize(
    ("items", "shape"),
    [
        ([1, 2, 3], (3,)),
        ([1.5, 2.5], (2,)),
        ([torch.tensor(1), torch.tensor(2)], (1, 2, 1)),
        ([torch.ones(5), torch.ones(5)], (5, 2, 1)),
        ([np.ones((3, 2)), np.ones((3, 2))], (3, 2, 2)),
        ([np.float32(1), np.float32(2)], (2,)),
    ],
)
def test_fields_are_stacked_by_their_dimensions(items, shape):
    assert tuple(datasets.time_first(items).shape) == shape


def test_fields_that_do_not_fit_are_refused_and_words_are_kept():
    assert datasets.time_first(["a", "b"]) == ["a", "b"]
    with pytest.raises(ValueError, match=r"items of a batch are \[\(2, 2\), \(3, 2\)\]"):
        datasets.time_first([torch.ones(2, 2), torch.ones(3, 2)])
    with pytest.raises(ValueError, match="different lengths"):
        datasets.time_first([(1, 2), (1,)])


@pytest.fixture
def spoken(tmp_path):
    """A small file in the layout of SHD."""
    pytest.importorskip("h5py")
    samples = [([0.0101, 0.0029, 0.003], [5, 6, 7]), ([], []), ([0.02], [699])]
    datasets.write_spikes(tmp_path / "shd.h5", samples, [3, 0, 19])
    return tmp_path / "shd.h5"


def test_spikes_fall_into_their_steps(spoken):
    data = datasets.SpikeFile(spoken, time=20.0)
    assert len(data) == 3
    spikes, label = data[0]
    assert spikes.shape == (20, 700)
    assert label == 3
    # 3 ms is step 3, though 0.003 * 1000 in floating point may fall short
    assert spikes.nonzero().tolist() == [[2, 6], [3, 7], [10, 5]]
    assert data[1][0].sum() == 0
    # the spike at 20 ms lies behind the end
    assert data[2][0].sum() == 0
    assert datasets.SpikeFile(spoken)[2][0].nonzero().tolist() == [[20, 699]]
    assert datasets.SpikeFile(spoken, time=20.0, dt=0.5)[0][0].nonzero()[0].tolist() == [5, 6]
    step, unit = data.events(-3)
    assert (step.tolist(), unit.tolist()) == ([2, 3, 10], [6, 7, 5])
    with pytest.raises(IndexError):
        data.events(3)


def test_spike_file_serves_workers_and_survives_pickling(spoken):
    data = pickle.loads(pickle.dumps(datasets.SpikeFile(spoken, time=30.0)))
    loader = DataLoader(data, batch_size=3, collate_fn=datasets.time_first, num_workers=1)
    spikes, labels = next(iter(loader))
    assert spikes.shape == (30, 3, 700)
    assert labels.tolist() == [3, 0, 19]


def test_file_of_another_layout_is_refused(tmp_path, spoken):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_dataset("labels", data=[1])
    with pytest.raises(datasets.DataError, match="no data set 'spikes/times'"):
        datasets.SpikeFile(tmp_path / "other.h5")
    with pytest.raises(datasets.DataError, match="a spike of unit 699, expected 0 to 99"):
        datasets.SpikeFile(spoken, n_units=100)


def test_package_that_is_missing_is_named_with_what_needs_it():
    with pytest.raises(ImportError, match=r"Reading needs the package none-such.*pip install"):
        optional.need("none_such.part", "none-such", "Reading")


def test_bands_of_mel_cover_the_spectrum_and_a_tone_lands_in_its_own():
    bands = mel_bands(40, 512, 8000)
    assert (bands >= 0).all()
    assert bands.max() == 1.0
    time = np.arange(8000) / 8000
    loud = log_mel(8000 * np.sin(2 * np.pi * 1000 * time), 8000, center=False)
    # 25 ms frames every 10 ms of 1 s
    assert loud.shape == (98, 40)
    peak = int(loud.mean(0).argmax())
    assert bands[peak, round(1000 / 8000 * 512)] > 0
    assert log_mel(8000 * np.sin(2 * np.pi * 1000 * time), 8000).mean(0).abs().max() < 1e-3


def test_spoken_digits_are_split_without_overlap(tmp_path):
    for digit in range(5):
        for take in range(2):
            with wave.open(str(tmp_path / f"{digit}_ada_{take}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(np.random.randint(-99, 99, 900).astype("<i2").tobytes())
    train = datasets.SpokenDigits(tmp_path, split=0.7)
    test = datasets.SpokenDigits(tmp_path, train=False, split=0.7)
    assert (len(train), len(test)) == (7, 3)
    assert not set(train.paths) & set(test.paths)
    assert train[0][1] == int(train.paths[0].name[0])
    with pytest.raises(FileNotFoundError, match=r"7_name_3\.wav"):
        datasets.SpokenDigits(tmp_path / "none")


def test_images_are_turned_grey_cut_and_resampled():
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 1] = 200
    assert (images.gray_scale(image) == 117).all()
    assert images.crop(image, 1, 3, 2, 6).shape == (2, 4, 3)
    assert images.binary_image(np.array([[0, 1, 9]], np.uint8)).tolist() == [[0, 1, 1]]
    ramp = np.tile(np.arange(8.0), (4, 1))
    # centres of pairs of pixels
    assert np.allclose(images.resize(ramp, 4, 2), np.tile([0.5, 2.5, 4.5, 6.5], (2, 1)))
    with pytest.raises(ValueError, match=r"image is \(4, 8\), expected"):
        images.gray_scale(ramp)
