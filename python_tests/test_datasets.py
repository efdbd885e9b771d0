# SPDX-License-Identifier: Apache-2.0
"""Reading, subsetting and fetching MNIST."""

import gzip
import hashlib
import struct
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

from fastsnn import datasets
from fastsnn.datasets.download import CHECKSUMS, DownloadError


def make_set(folder, n_train=30, n_test=20, suffix=".gz"):
    """Write four small idx files with every class in them."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        images = generator.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        datasets.write_idx(folder / f"{prefix}-images-idx3-ubyte{suffix}", images)
        datasets.write_idx(folder / f"{prefix}-labels-idx1-ubyte{suffix}", labels)
    return folder


def test_embedded_set_is_balanced_real_and_under_one_megabyte():
    train, test = datasets.load_mnist(), datasets.load_mnist(train=False)
    assert train.images.shape == (5000, 28, 28)
    assert test.images.shape == (1000, 28, 28)
    assert np.bincount(train.labels).tolist() == [500] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    # MNIST's mean grey value is 33.3 of 255
    assert abs(train.images.mean() - 33.3) < 0.5
    assert sum(file.stat().st_size for file in datasets.EMBEDDED.iterdir()) < 1_000_000


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read_back_as_written(tmp_path, suffix):
    values = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    datasets.write_idx(tmp_path / f"values{suffix}", values)
    assert np.array_equal(datasets.read_idx(tmp_path / f"values{suffix}", 3), values)


def test_idx_file_is_written_alike_each_time(tmp_path):
    values = np.arange(100, dtype=np.uint8)
    datasets.write_idx(tmp_path / "a.gz", values)
    datasets.write_idx(tmp_path / "b.gz", values)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def header(*sizes, kind=0x08):
    return struct.pack(f">I{len(sizes)}I", kind << 8 | len(sizes), *sizes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes, expected at least 16"),
        (header(1, 2), "12 bytes, expected at least 16"),
        (header(2) + bytes(8), r"0x00000801, expected 0x00000803"),
        (header(1, 2, 3, kind=0x0D) + bytes(24), r"0x00000d03, expected 0x00000803"),
        (header(2, 2, 3) + bytes(11), r"11 bytes follow.*expected 12 = 2 x 2 x 3.*cut off"),
        (header(2, 2, 3) + bytes(13), r"13 bytes follow.*expected 12.*damaged"),
        (gzip.compress(header(2, 2, 3) + bytes(12))[:-9], "cannot be unpacked"),
        (gzip.compress(header(2, 2, 3) + bytes(12))[:-2] + b"xx", "cannot be unpacked"),
    ],
)
def test_malformed_idx_file_is_refused_by_name(tmp_path, data, message):
    path = tmp_path / "images"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.read_idx(path, 3)
    assert str(path) in str(caught.value)


def test_counts_that_disagree_are_refused(tmp_path):
    make_set(tmp_path)
    datasets.write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(29, np.uint8))
    with pytest.raises(ValueError, match=r"train-labels.*29 labels, expected 30"):
        datasets.load_mnist(tmp_path)


def test_label_above_nine_is_refused(tmp_path):
    make_set(tmp_path)
    datasets.write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.full(20, 10, np.uint8))
    with pytest.raises(ValueError, match=r"t10k-labels.*a label is 10, expected 0 to 9"):
        datasets.load_mnist(tmp_path, train=False)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither train-images-idx3-ubyte nor"):
        datasets.load_mnist(tmp_path)


def test_unpacked_and_gzipped_sets_are_equal(tmp_path):
    packed = datasets.load_mnist(make_set(tmp_path / "gz"))
    plain = datasets.load_mnist(make_set(tmp_path / "plain", suffix=""))
    assert packed.checksum() == plain.checksum()


def test_checksum_changes_with_any_pixel_or_label():
    images = datasets.load_mnist(train=False)
    pixel, label = images.images.copy(), images.labels.copy()
    pixel[500, 3, 3] ^= 1
    label[7] ^= 1
    sums = {
        images.checksum(),
        datasets.Images(pixel, images.labels).checksum(),
        datasets.Images(images.images, label).checksum(),
    }
    assert len(sums) == 3


def test_balanced_subset_keeps_order_and_refuses_too_many():
    images = datasets.load_mnist(train=False)
    subset = datasets.balanced_subset(images, 7)
    assert np.bincount(subset.labels).tolist() == [7] * 10
    place = [np.flatnonzero((images.images == image).all((1, 2)))[0] for image in subset.images]
    assert place == sorted(place)
    with pytest.raises(ValueError, match="n_per_class is 101, expected at most 100"):
        datasets.balanced_subset(images, 101)


@pytest.fixture
def serve():
    """Serve a folder on loopback; returns its URL."""
    servers = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    def start(folder):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def checksums_of(folder):
    return {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in CHECKSUMS}


def test_download_fetches_all_files_and_then_only_missing_ones(tmp_path, serve):
    origin, lines = make_set(tmp_path / "origin"), []
    arguments = ([serve(origin)], checksums_of(origin), lines.append)
    datasets.download_mnist(tmp_path / "new" / "copy", *arguments)
    assert len(lines) == 4
    copy = datasets.load_mnist(tmp_path / "new" / "copy")
    assert copy.checksum() == datasets.load_mnist(origin).checksum()
    (tmp_path / "new" / "copy" / "train-labels-idx1-ubyte.gz").unlink()
    lines.clear()
    datasets.download_mnist(tmp_path / "new" / "copy", *arguments)
    assert sum("there already" in line for line in lines) == 3


def test_download_falls_to_the_next_mirror(tmp_path, serve):
    origin = make_set(tmp_path / "origin")
    wrong = make_set(tmp_path / "wrong", n_train=10)
    empty = tmp_path / "empty"
    empty.mkdir()
    lines = []
    mirrors = ["http://127.0.0.1:9", serve(empty), serve(wrong), serve(origin)]
    datasets.download_mnist(tmp_path / "copy", mirrors, checksums_of(origin), lines.append)
    assert len(datasets.load_mnist(tmp_path / "copy")) == 30
    failures = [line for line in lines if "failed" in line]
    assert any("404" in line for line in failures)
    assert any("the MD5 is" in line for line in failures)


def test_download_with_no_good_mirror_leaves_nothing_and_says_why(tmp_path, serve):
    origin = make_set(tmp_path / "origin")
    checksums = dict.fromkeys(CHECKSUMS, "0" * 32)
    with pytest.raises(DownloadError, match=r"(?s)no mirror.*MD5 is.*expected 0000") as caught:
        datasets.download_mnist(tmp_path / "copy", [serve(origin)], checksums)
    assert "embedded" in str(caught.value)
    assert list((tmp_path / "copy").iterdir()) == []
    assert checksums_of(origin)  # the origin is untouched


def test_damaged_file_is_downloaded_again(tmp_path, serve):
    origin, copy = make_set(tmp_path / "origin"), make_set(tmp_path / "copy")
    (copy / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    datasets.download_mnist(copy, [serve(origin)], checksums_of(origin))
    assert datasets.load_mnist(copy).checksum() == datasets.load_mnist(origin).checksum()
