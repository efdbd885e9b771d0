# SPDX-License-Identifier: Apache-2.0
"""BindsNET's names for encodings, evaluation, data sets and images do there what they do here."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_datasets import make_set

from fastsnn import encoding
from fastsnn.bindsnet import transforms, utils
from fastsnn.bindsnet.datasets import (
    ALOV300,
    CIFAR10,
    MNIST,
    DataLoader,
    Davis,
    SpokenMNIST,
    create_torchvision_dataset_wrapper,
    preprocess,
)
from fastsnn.bindsnet.encoding import (
    BernoulliEncoder,
    Encoder,
    NullEncoder,
    PoissonEncoder,
    RankOrderEncoder,
    RepeatEncoder,
    SingleEncoder,
    bernoulli,
    bernoulli_loader,
    poisson,
    poisson_loader,
    rank_order_loader,
)
from fastsnn.bindsnet.evaluation import (
    all_activity,
    assign_labels,
    logreg_fit,
    logreg_predict,
    ngram,
    proportion_weighting,
    update_ngram_scores,
)
from fastsnn.bindsnet.preprocessing import AbstractPreprocessor


def test_encoders_call_the_encoding_with_their_settings():
    datum = 100 * torch.rand(4, 5)
    for encoder, encode in (
        (PoissonEncoder(20, dt=0.5), lambda x: encoding.poisson(x, 20, 0.5)),
        (PoissonEncoder(20, approx=True), lambda x: encoding.poisson(x, 20, approx=True)),
        (BernoulliEncoder(20, max_prob=0.5), lambda x: encoding.bernoulli(x, 20, max_prob=0.5)),
        (SingleEncoder(5, sparsity=0.3), lambda x: encoding.single(x, 5, sparsity=0.3)),
        (RepeatEncoder(5), lambda x: encoding.repeat(x, 5)),
        (RankOrderEncoder(9), lambda x: encoding.rank_order(x, 9)),
        (NullEncoder(), lambda x: x),
    ):
        torch.manual_seed(7)
        got = encoder(datum)
        torch.manual_seed(7)
        assert torch.equal(got, encode(datum))


def test_own_encoders_set_their_function():
    class Twice(Encoder):
        def __init__(self, times):
            super().__init__(times)
            self.enc = lambda datum, n: n * datum

    assert Twice(2)(torch.ones(3)).tolist() == [2, 2, 2]


def test_loaders_encode_sample_by_sample_and_know_max_prob():
    data = torch.rand(3, 500)
    spikes = list(bernoulli_loader(data, time=40, max_prob=0.1))
    assert len(spikes) == 3
    assert spikes[0].shape == (40, 500)
    assert abs(torch.stack(spikes).float().mean() - 0.05) < 0.01
    assert next(poisson_loader(data, time=9)).shape == (9, 500)
    assert inspect.isgenerator(rank_order_loader(data, 5))


def test_encodings_ignore_what_they_do_not_know():
    assert poisson(torch.rand(3), 5, device="cpu", input_time_dim=1).shape == (5, 3)
    assert bernoulli(torch.rand(3)).shape == (3,)


def test_labels_and_votes_take_recordings_dense_or_sparse():
    spikes = torch.zeros(3, 5, 4, dtype=torch.bool)
    spikes[0, :4, 0] = spikes[1, :2, 0] = spikes[2, :3, 1] = True
    spikes[:, 0, 2] = True
    labels = torch.tensor([0, 0, 1])
    for recorded in (spikes, spikes.to_sparse(), spikes.float()):
        assignments, proportions, rates = assign_labels(recorded, labels, 2)
        assert rates.tolist() == [[3, 0], [0, 3], [1, 1], [0, 0]]
        # a neuron that never spiked is given to class 0, as BindsNET does
        assert assignments.tolist() == [0, 1, 0, 0]
        assert proportions[2].tolist() == [0.5, 0.5]
        assert all_activity(recorded, assignments, 2).tolist() == [0, 0, 1]
        assert proportion_weighting(recorded, assignments, proportions, 2).tolist() == [0, 0, 1]
    _, _, later = assign_labels(spikes, labels, 2, rates=rates, alpha=0.5)
    assert later.tolist() == [[4.5, 0], [0, 4.5], [1.5, 1.5], [0, 0]]


def test_ngram_reads_runs_of_spikes_and_leaves_out_the_last():
    spikes = torch.zeros(1, 6, 4)
    spikes[0, 0, 1] = spikes[0, 1, 0] = spikes[0, 2, 3] = 1
    scores = update_ngram_scores(spikes, torch.tensor([1]), 2, 2, {})
    assert {k: v.tolist() for k, v in scores.items()} == {(1, 0): [0, 1], (0, 3): [0, 1]}
    assert ngram(spikes, {(1, 0): torch.tensor([0.0, 1.0])}, 2, 2).tolist() == [1]
    assert ngram(spikes, {(0, 3): torch.tensor([0.0, 1.0])}, 2, 2).tolist() == [0]


def test_logistic_regression_is_fitted_and_minus_one_before():
    linear = pytest.importorskip("sklearn.linear_model")
    counts, labels = torch.eye(3).repeat(10, 1), torch.arange(3).repeat(10)
    assert logreg_predict(counts, linear.LogisticRegression()).tolist() == [-1] * 30
    model = logreg_fit(counts, labels, linear.LogisticRegression())
    assert torch.equal(logreg_predict(counts, model), labels)


def test_squares_of_weights_and_assignments_are_filled_up():
    w = torch.arange(24.0).view(6, 4)
    square = utils.get_square_weights(w, 3, (2, 3))
    assert square.shape == (6, 9)
    assert torch.equal(square[2:4, :3], w[:, 3].view(2, 3))
    assert (square[4:] == 0).all()
    assert utils.get_square_assignments(torch.arange(4), 3).tolist() == [
        [0, 1, 2],
        [3, -1, -1],
        [-1, -1, -1],
    ]
    kernels = torch.arange(2 * 3 * 2 * 2.0).view(2, 3, 2, 2)
    laid = utils.reshape_conv2d_weights(kernels)
    assert laid.shape == (8, 8)
    assert torch.equal(laid[:2, 2:4], kernels[1, 0])
    assert torch.equal(laid[4:6, :2], kernels[0, 2])
    local = utils.reshape_local_connection_2d_weights(torch.arange(48.0), 3, (2, 2), 2, 4)
    assert local[2:4, :2].tolist() == [[32, 33], [34, 35]]
    assert local[0].tolist() == [0, 1, 16, 17, 4, 5, 20, 21]


def test_columns_of_patches_add_up_to_the_image_again():
    x = torch.rand(2, 3, 6, 5)
    columns = utils.im2col_indices(x, 2, 1, stride=(2, 1))
    assert torch.allclose(utils.col2im_indices(columns, x.shape, 2, 1, stride=(2, 1)), x)


def test_mnist_is_encoded_batched_and_transformed_without_torchvision(tmp_path):
    make_set(tmp_path)
    digits = MNIST(
        PoissonEncoder(time=30),
        None,
        root=str(tmp_path),
        download=False,
        transform=transforms.Compose(
            [transforms.ToTensor(), transforms.Lambda(lambda x: x * 128.0)]
        ),
    )
    item = digits[7]
    assert item["image"].shape == (1, 28, 28)
    assert torch.allclose(item["image"][0], digits.data[7] / 255.0 * 128.0)
    assert item["encoded_image"].shape == (30, 1, 28, 28)
    assert item["label"] == item["encoded_label"] == 7
    batch = next(iter(DataLoader(digits, batch_size=4)))
    assert batch["encoded_image"].shape == (30, 4, 1, 28, 28)
    assert batch["label"].shape == (4,)
    assert type(digits).__name__ == "MNIST"
    # what belongs to the data set is written to it
    digits.data = digits.data[:5]
    assert len(digits) == len(digits.dataset.data) == 5


def test_own_data_sets_are_wrapped_and_torchvisions_are_asked_for_when_made():
    class Pairs:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return torch.full((3,), float(index)), index

    item = create_torchvision_dataset_wrapper(Pairs)(RepeatEncoder(4))[1]
    assert item["encoded_image"].shape == (4, 3)
    if "torchvision" not in sys.modules:
        with pytest.raises(ImportError, match="CIFAR10 needs the package torchvision"):
            CIFAR10(root="nowhere")


def test_data_sets_that_are_not_there_say_where_to_get_them(tmp_path):
    for make in (
        lambda: SpokenMNIST(str(tmp_path), download=True),
        lambda: Davis(str(tmp_path)),
        lambda: ALOV300(str(tmp_path), None, 32),
    ):
        with pytest.raises(FileNotFoundError, match=r"http|archive"):
            make()


def write_image(path, size, colour):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if isinstance(colour, tuple) else "L", size, colour).save(path)


def test_videos_of_davis_are_read_from_its_folders(tmp_path):
    for name in ("bear", "cat"):
        for k in range(2):
            write_image(tmp_path / f"JPEGImages/480p/{name}/{k:05}.jpg", (20, 10), (9, 9, 9))
            write_image(tmp_path / f"Annotations/480p/{name}/{k:05}.png", (20, 10), k)
    videos = Davis(str(tmp_path), task="semi-supervised", size=(8, 4))
    assert list(videos.get_sequences()) == ["bear", "cat"]
    assert [image.shape for image in videos[0]["images"]] == [(4, 8, 3)] * 2
    assert [int(mask.max()) for mask in videos[0]["masks"]] == [0, 1]
    masks, names = videos.get_all_masks("cat", separate_objects_masks=True)
    assert masks.shape == (1, 2, 4, 8)
    assert names == ["00000", "00001"]
    with pytest.raises(ValueError, match="subset is 'x'"):
        Davis(str(tmp_path), subset="x")


def test_pairs_of_frames_of_alov_hold_the_object_and_where_it_went(tmp_path):
    for k in (1, 6):
        write_image(tmp_path / f"images/01-Light/video1/{k:08}.jpg", (80, 100), (0, 0, 99))
    (tmp_path / "gt/01-Light").mkdir(parents=True)
    (tmp_path / "gt/01-Light/video1.ann").write_text(
        "1 10 20 40 20 40 60 10 60\n6 14 24 44 24 44 64 14 64\n"
    )
    pairs = ALOV300(str(tmp_path), None, 32)
    assert len(pairs) == 1
    sample = pairs[0]
    assert sample["previmg"].shape == sample["currimg"].shape == (32, 32, 3)
    # the box [14, 24, 44, 64] in the region of 60 x 80 whose corner is (-5, 0), times 10
    want = [19 / 60, 24 / 80, 49 / 60, 64 / 80]
    assert np.allclose(sample["currbb"], 10 * np.array(want))


def test_boxes_find_their_context_and_their_way_back():
    image = np.ones((100, 80, 3), np.uint8)
    box = preprocess.BoundingBox(10, 20, 40, 60)
    cut, location, left, top = preprocess.cropPadImage(box, image)
    assert cut.shape == (80, 60, 3)
    assert location.get_bb_list() == [0.0, 0.0, 55.0, 80.0]
    assert (left, top) == (5.0, 0.0)
    # what lies outside the image is empty
    assert (cut[:, :5] == 0).all()
    assert (cut[:, 5:] == 1).all()
    inside = box.recenter(location, left, top, preprocess.BoundingBox(0, 0, 0, 0))
    assert inside.get_bb_list() == [15.0, 20.0, 45.0, 60.0]
    inside.uncenter(image, location, left, top)
    assert inside.get_bb_list() == [10.0, 20.0, 40.0, 60.0]
    box.scale(image)
    assert box.get_bb_list() == [1.25, 2.0, 5.0, 6.0]
    box.unscale(image)
    for _ in range(50):
        new = box.shift(image, 5, 5, -0.4, 0.4, True, preprocess.BoundingBox(0, 0, 0, 0))
        assert 0 <= new.x1 < new.x2 <= 80
        assert 0 <= new.y1 < new.y2 <= 100
    sample, _ = preprocess.shift_crop_training_sample(
        {"image": image, "bb": [10, 20, 40, 60]},
        {"lambda_scale_frac": 15, "lambda_shift_frac": 5, "min_scale": -0.4, "max_scale": 0.4},
    )
    assert sample["bb"][2] - sample["bb"][0] == pytest.approx(30)


def test_images_of_samples_are_normalised_by_imagenets_mean():
    image = np.zeros((10, 8, 3), np.uint8)
    image[..., 0] = 255
    made = preprocess.NormalizeToTensor()(
        {"previmg": image, "currimg": image, "currbb": [1, 2, 3, 4]}
    )
    assert made["previmg"].shape == (3, 10, 8)
    assert made["previmg"][0, 0, 0].item() == pytest.approx((1 - 0.485) / 0.229)
    assert preprocess.bgr2rgb(image)[0, 0].tolist() == [0, 0, 255]


def test_stand_in_for_transforms_crops_resizes_and_normalises():
    from PIL import Image

    image = torch.arange(30.0).view(1, 5, 6)
    assert torch.equal(transforms.CenterCrop((3, 2))(image), image[:, 1:4, 2:4])
    assert transforms.CenterCrop(8)(image).shape == (1, 8, 8)
    assert transforms.CenterCrop(8)(image).sum() == image.sum()
    picture = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(5, 6))
    assert np.array(transforms.CenterCrop((3, 2))(picture))[0].tolist() == [8, 9]
    assert transforms.Resize(10)(picture).size == (12, 10)
    assert transforms.Resize((2, 3))(image).shape == (1, 2, 3)
    assert transforms.Grayscale()(Image.new("RGB", (2, 2))).mode == "L"
    normal = transforms.Normalize([1.0], [2.0])(image)
    assert torch.allclose(normal, (image - 1) / 2)


def test_preprocessing_is_done_once_for_a_file(tmp_path):
    class Sums(AbstractPreprocessor):
        calls = 0

        def _process(self, filename, cache):
            type(self).calls += 1
            cache["data"] = torch.from_numpy(np.loadtxt(filename, delimiter=",").sum(1))

    source, cache = tmp_path / "data.csv", str(tmp_path / "made" / "data.pt")
    source.write_text("1,2\n3,4\n")
    for _ in range(2):
        assert Sums().process(str(source), cachedfile=cache).tolist() == [3, 7]
    assert Sums.calls == 1
    source.write_text("1,2\n3,5\n")
    assert Sums().process(str(source), cachedfile=cache).tolist() == [3, 8]
    Sums().process(str(source), use_cache=False, cachedfile=cache)
    assert Sums.calls == 3


def test_names_are_there_without_slow_packages():
    heavy = ("matplotlib", "torchvision", "gymnasium", "sklearn", "h5py", "scipy")
    code = (
        "import sys\n"
        "from fastsnn.bindsnet import datasets, encoding, environment, evaluation, utils\n"
        "from fastsnn.bindsnet import pipeline\n"
        "from fastsnn.bindsnet.datasets import *\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
