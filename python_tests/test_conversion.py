# SPDX-License-Identifier: Apache-2.0
"""Torch models turned into spiking networks: rates against activations, classes, errors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fastsnn import Current, FastsnnError, Network, ShapeError, Spikes
from fastsnn.bindsnet import conversion as drop_in
from fastsnn.conversion import classify, convert, fold, normalize
from fastsnn.datasets import load_mnist
from fastsnn.evaluation import accuracy


def images(train: bool) -> tuple[Tensor, Tensor]:
    """The embedded images [n, 1, 28, 28], 0 to 1, and their labels."""
    found = load_mnist(train=train)
    pixels = torch.as_tensor(found.images).float().reshape(-1, 1, 28, 28) / 255
    return pixels, torch.as_tensor(found.labels).long()


def trained(*layers: nn.Module, epochs: int) -> nn.Sequential:
    """A model trained on the embedded images."""
    torch.manual_seed(0)
    for layer in layers:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    ann = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(ann.parameters(), 3e-3)
    x, y = images(train=True)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(ann(x[part]), y[part]).backward()
            optimizer.step()
    return ann.eval()


def small_cnn(padding: int | str = 0, pool: type[nn.Module] = nn.MaxPool2d) -> nn.Sequential:
    """Every kind of layer that can be converted, with statistics that batch norms have seen."""
    torch.manual_seed(3)
    ann = nn.Sequential(
        nn.Sequential(nn.Conv2d(2, 3, 3, padding=padding, bias=False), nn.BatchNorm2d(3)),
        nn.ReLU(), pool(2, 1), nn.Dropout(0.5), nn.Conv2d(3, 4, (2, 3), stride=(1, 2)),
        nn.ReLU(), nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.LazyLinear(6), nn.Identity(),
        nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3),
    )  # fmt: skip
    for _ in range(20):
        ann(torch.rand(30, 2, 8, 9))
    return ann.eval()


def run(net: Network, x: Tensor, time: int) -> dict[str, Tensor]:
    """Spike rates of every population per step, [B, *shape], for the constant values x."""
    net.reset_state()
    names = list(net.populations)
    counts = net.present({"X": Current(x.flatten(1)[None])}, time, samples=1, count=names).counts
    return {k: counts[k][0].reshape(-1, *net.find(k).shape) / time for k in names}


def test_one_layer_counts_in_closed_form(backend):
    """Constant input: the charge is the sum, and every spike takes 1 of it."""
    w = torch.tensor([[0.5, -0.25, 0.125], [0.25, 0.5, -0.5]])
    layer = nn.Linear(3, 2)
    layer.weight.data, layer.bias.data = w, torch.tensor([0.0625, 0.03125])
    x, time = torch.tensor([[0.75, 0.5, 0.25], [0.0, 1.0, 0.125]]), 64
    net = convert(nn.Sequential(layer, nn.ReLU()), (3,), batch_size=2, backend=backend)
    rates = run(net, x, time)
    assert torch.equal(rates["X"], torch.floor(time * x + 0.5) / time)
    # spikes of the last step are still on their way
    arrived = torch.floor((time - 1) * x + 0.5)
    charge = arrived @ w.T + time * layer.bias
    assert torch.equal(net.find("0").summed, charge)
    left = charge + 0.5 - rates["0"] * time
    assert torch.equal(left, net.find("0").v)
    assert torch.equal(rates["0"], torch.floor(charge + 0.5).clamp(min=0) / time)


@pytest.mark.parametrize("padding", [1, "same"])
def test_batch_norm_and_dropout_fold_exactly(padding):
    ann = small_cnn(padding)
    before = {k: v.clone() for k, v in ann.state_dict().items()}
    x = torch.rand(20, 2, 8, 9)
    folded = fold(ann)
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout) for m in folded)
    torch.testing.assert_close(folded.double()(x.double()).float(), ann(x), atol=2e-6, rtol=0)
    assert all(torch.equal(v, before[k]) for k, v in ann.state_dict().items())


def test_normalized_activations_reach_one_and_keep_their_order():
    ann, x = small_cnn(), torch.rand(40, 2, 8, 9)
    scaled = normalize(ann, x, percentile=100.0)
    tops, y = [], x
    for layer in scaled:
        y = layer(y)
        if isinstance(layer, nn.ReLU):
            tops.append(y.max().item())
    assert tops == pytest.approx([1.0] * len(tops), abs=1e-5)
    ratio = scaled(x) / ann(x)
    torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio), atol=0, rtol=1e-3)


def errors(pool: type[nn.Module], times: list[int]) -> list[dict[str, Tensor]]:
    """|rate - activation| of every population of a small CNN, for each time."""
    ann, x = small_cnn(pool=pool), torch.rand(8, 2, 8, 9)
    net = convert(ann, (2, 8, 9), data=x, percentile=100.0, batch_size=8)
    scaled = normalize(ann, x, percentile=100.0)
    assert list(net.populations) == ["X", "0_0", "2", "4", "6", "8", "12"]
    places = {name: place for place, (name, _) in enumerate(scaled.named_children())}
    wanted = {k: scaled[: places[k] + 1](x).relu() for k in net.populations if k != "X"}
    wanted["X"] = x
    found = []
    for time in times:
        rates = run(net, x, time)
        found.append({k: (rates[k] - wanted[k]).abs() for k in rates})
        found[-1]["logits"] = (net.find("12").summed / time - scaled(x)).abs()
    return found


def test_errors_of_rates_fall_as_one_over_time():
    times = [100, 400, 1600]
    for time, found in zip(times, errors(nn.AvgPool2d, times), strict=True):
        for depth, (name, error) in enumerate(found.items()):
            assert error.max() <= (1 + 3 * depth) / time, (name, time)


def test_max_pooling_errs_only_where_two_are_nearly_equal():
    """While the winner changes, spikes of both pass: too many, and fewer in the long run."""
    short, long = errors(nn.MaxPool2d, [100, 3200])
    for name in short:
        assert long[name].mean() < short[name].mean(), name
    assert short["2"].max() < 0.2
    assert long["2"].mean() < 0.01
    assert long["logits"].max() < 0.05


def test_trained_mlp_keeps_its_answers():
    layers = nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10)
    ann = trained(*layers, epochs=2)
    x, _ = images(train=False)
    net = convert(ann, (1, 28, 28), data=images(train=True)[0][:500], batch_size=101)
    for read, least in (("input", 0.97), ("spikes", 0.95)):
        found = classify(net, x[:300], 60, read)
        assert accuracy(found, ann(x[:300]).argmax(1)) >= least, read


def test_trained_cnn_loses_little_accuracy():
    """1,000 test images: at 64 steps about half a percent is lost."""
    ann = trained(
        nn.Conv2d(1, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.2),
        nn.Linear(64, 10), epochs=4,
    )  # fmt: skip
    x, labels = images(train=False)
    net = convert(ann, (1, 28, 28), data=images(train=True)[0][:1000], batch_size=100)
    answers = ann(x).argmax(1)
    found = classify(net, x, 64)
    assert accuracy(answers, labels) >= 0.94
    assert accuracy(found, labels) >= accuracy(answers, labels) - 0.012
    assert accuracy(found, answers) >= 0.975


def test_a_layer_used_twice_and_spikes_as_input():
    torch.manual_seed(1)
    relu, layer = nn.ReLU(), nn.Linear(4, 4)
    net = convert(nn.Sequential(layer, relu, layer, relu), (4,), torch.rand(9, 4),
                  spiking_input=True)  # fmt: skip
    assert list(net.populations) == ["X", "0", "2"]
    net.run(3, {"X": Spikes(torch.ones(3, 1, 4))})
    with pytest.raises(FastsnnError, match="spiking_input=True takes spikes"):
        classify(net, torch.rand(1, 4), 3)


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)], (4,), "passes negative values"),
        ([nn.Linear(4, 3), nn.ReLU(), nn.Tanh()], (4,), r"Layer '2' \(Tanh\(\)\) cannot be conv"),
        ([nn.BatchNorm1d(4)], (4,), "right behind a Linear or Conv2d"),
        ([nn.Linear(4, 3)], (1, 2, 2), r"expected \(4,\). Put Flatten\(\) before it"),
        ([nn.Conv2d(1, 2, 3)], (9,), "Layer '0' .* expected .channels, height, width"),
        ([nn.Conv2d(2, 2, 3, groups=2)], (2, 5, 5), "expected groups=1"),
        ([nn.Conv2d(2, 2, 3)], (1, 5, 5), "expected 2 channels"),
        ([nn.MaxPool2d(2, ceil_mode=True)], (1, 5, 5), "expected ceil_mode=False"),
        ([nn.Flatten(2)], (1, 5, 5), r"expected Flatten\(\)"),
        ([nn.ReLU()], (4,), "no layer with weights"),
        ([nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)], (4,), "no running"),
    ],
)
def test_what_cannot_be_converted_is_named(layers, shape, message):
    with pytest.raises(FastsnnError, match=message):
        convert(nn.Sequential(*layers), shape)


def test_wrong_arguments_are_told():
    ann = nn.Sequential(nn.Linear(4, 3))
    with pytest.raises(FastsnnError, match=r"is a Linear, expected an nn\.Sequential"):
        convert(ann[0], (4,))
    with pytest.raises(ShapeError, match=r"Layer '0' .* cannot take the data"):
        convert(nn.Sequential(nn.Conv2d(1, 2, 3)), (1, 5, 5), data=torch.rand(9))
    with pytest.raises(FastsnnError, match="percentile=101"):
        convert(ann, (4,), data=torch.rand(9, 4), percentile=101)
    net = convert(ann, (4,))
    assert classify(net, torch.zeros(0, 4), 5).shape == (0,)
    with pytest.raises(FastsnnError, match="expected 0 to 1"):
        classify(net, torch.full((2, 4), 3.0), 5)
    with pytest.raises(ShapeError, match="samples are"):
        classify(net, torch.rand(2, 5), 5)
    with pytest.raises(FastsnnError, match="expected 'input' or 'spikes'"):
        classify(net, torch.rand(2, 4), 5, read="votes")


class Functional(nn.Module):
    """A model whose ReLU is not among its children."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(20, 12), nn.Linear(12, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).relu())


def test_drop_in_rates_follow_the_model():
    torch.manual_seed(2)
    ann, x, time = Functional(), torch.rand(50, 20), 300
    snn = drop_in.ann_to_snn(ann, (20,), data=x, percentile=100.0)
    assert list(snn.layers) == ["Input", "1", "2"]
    assert list(snn.connections) == [("0", "1"), ("1", "2")]
    scaled = drop_in.data_based_normalization(ann, x, percentile=100.0)
    assert scaled is ann
    steps = torch.arange(1, time + 1)[:, None, None]
    spikes = (steps * x[:5]).floor() > ((steps - 1) * x[:5]).floor()
    snn.run({"Input": spikes.float()}, time=time)
    assert (snn.layers["2"].summed / time - scaled(x[:5])).abs().max() < 0.05


def test_drop_in_takes_images_and_warns():
    ann = nn.Sequential(
        nn.ConstantPad2d((1, 2, 0, 1), 0.0), nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3),
        nn.ReLU(), nn.MaxPool2d(2), drop_in.Permute((0, 2, 3, 1)), nn.Flatten(), nn.Linear(60, 4),
        nn.Tanh(),
    )  # fmt: skip
    with pytest.warns(RuntimeWarning, match=r"Without data|Layer '8' \(Tanh"):
        snn = drop_in.ann_to_snn(ann, (1, 7, 8))
    shapes = [tuple(layer.shape) for layer in snn.layers.values()]
    assert shapes == [(1, 7, 8), (1, 8, 11), (3, 8, 11), (3, 4, 5), (4, 5, 3), (4,)]
    features = drop_in.FeatureExtractor(ann)(torch.rand(2, 1, 7, 8))
    assert list(features) == ["input", *map(str, range(9))]
    with pytest.warns(UserWarning, match="runs on torch"):
        snn.run({"Input": torch.ones(4, 1, 1, 7, 8)}, time=4)
    with pytest.raises(FastsnnError, match=r"expected a torch\.nn\.Module"):
        drop_in.ann_to_snn("model.pt", (4,))
