# SPDX-License-Identifier: Apache-2.0
"""A trained torch model as a spiking network: how many steps until it answers as well?"""

from __future__ import annotations

import click
import torch
from common import Digits, Gallery, data_option, digits, options
from torch import Tensor, nn

from fastsnn import analysis, evaluation
from fastsnn.conversion import classify, convert
from fastsnn.pipelines import passing

SHAPE, EVERY = (1, 28, 28), 8


def model() -> nn.Sequential:
    """Two convolutions and a linear layer; all of their kinds can be converted."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def train(ann: nn.Module, train_set: Digits, epochs: int) -> None:
    """Ordinary training, by Adam."""
    images, optimizer = train_set.images.view(-1, *SHAPE), torch.optim.Adam(ann.parameters(), 3e-3)
    ann.train()
    for _ in passing(range(epochs), "training", "epochs"):
        for part in torch.randperm(len(images)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(ann(images[part]), train_set.labels[part]).backward()
            optimizer.step()
    ann.eval()


@options
@data_option
@click.option("--epochs", default=5, show_default=True, help="Of training the model.")
@click.option("--steps", default=64, show_default=True, help="For each image, at most.")
def main(
    quick: bool,
    seed: int,
    backend: str,
    gallery: Gallery,
    data: str | None,
    epochs: int,
    steps: int,
) -> None:
    """Train a small convolutional model, convert it, and see what more steps buy."""
    learnt = digits(data, train=True, per_class=100 if quick else None)
    test = digits(data, train=False, per_class=10 if quick else None)
    ann = model()
    train(ann, learnt, 2 if quick else epochs)
    images = test.images.view(-1, *SHAPE)
    with torch.no_grad():
        wanted = ann(images).argmax(1)
    net = convert(
        ann, SHAPE, data=learnt.images[:1000].view(-1, *SHAPE), batch_size=100,
        seed=seed, backend=backend,
    )  # fmt: skip
    times = range(EVERY, (24 if quick else steps) + 1, EVERY)
    answers: list[Tensor] = []
    for time in passing(times, "testing", "numbers of steps"):
        answers.append(classify(net, images, time))
        right = [100.0 * evaluation.accuracy(a, test.labels) for a in answers]
        of_model = 100.0 * evaluation.accuracy(wanted, test.labels)
        gallery.draw(
            "accuracy", analysis.plot_performance,
            {"torch model": [of_model] * len(right), "spiking network": right},
            f"Of {len(images):,} test digits, by the steps for which each is shown.",
            every=EVERY, along="steps for each image", heading="Accuracy by the number of steps",
        )  # fmt: skip
    same = evaluation.accuracy(answers[-1], wanted)
    numbers = {
        "model": f"{of_model:.1f}%",
        **{f"{t} steps": f"{r:.1f}%" for t, r in zip(times, right, strict=True)},
        "answers as the model": f"{same:.1%}",
    }
    gallery.finish(f"{len(images):,} test digits, {right[-1]:.1f}% recognised", numbers, net)


if __name__ == "__main__":
    main()
