# SPDX-License-Identifier: Apache-2.0
"""Digits with labels: while a digit is shown, a neuron of its class is made to spike."""

from __future__ import annotations

import click
import torch
from common import Gallery, data_option, digits, options
from torch.utils.data import TensorDataset

from fastsnn import AllButOne, Dense, Network, Poisson, analysis
from fastsnn.models import DiehlAndCook, Input, PostPre
from fastsnn.pipelines import DatasetPipeline


def build(n: int, seed: int, backend: str) -> Network:
    """X drives Y by weights that learn; a spike of Y inhibits all others."""
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), 784, traces=True)
    net.population("Y", DiehlAndCook(v_reset=-60.0, theta_plus=0.0), n, traces=True)
    net.projection(
        "X", "Y", Dense(0.3 * torch.rand(784, n)), rule=PostPre(nu_post=5e-4),
        w_min=0.0, w_max=1.0, norm=78.4,
    )  # fmt: skip
    net.projection("Y", "Y", AllButOne(-120.0))
    return net


@options
@data_option
@click.option("--per-class", default=10, show_default=True, help="Neurons of each digit.")
def main(
    quick: bool, seed: int, backend: str, gallery: Gallery, data: str | None, per_class: int
) -> None:
    """Learn digits by clamping neurons of the right class, then recognise others without."""
    train = digits(data, train=True, per_class=20 if quick else None)
    test = digits(data, train=False, per_class=20 if quick else None)
    n = 10 * per_class
    net = build(n, seed, backend)
    classes = torch.arange(n) // per_class
    turn = [0] * 10  # a class's neurons take turns

    def clamp(labels: torch.Tensor) -> dict[str, dict[str, torch.Tensor]]:
        teacher = torch.zeros(n, dtype=torch.bool)
        if net.learning:
            label = int(labels[0])
            teacher[label * per_class + turn[label] % per_class] = True
            turn[label] += 1
        return {"clamp": {"Y": teacher}}

    def draw(k: int, counts: torch.Tensor, labels: torch.Tensor) -> None:
        if k % 250 == 249 or k == len(train.labels) - 1:
            tiles = net.projections["X->Y"].w.T.reshape(-1, 28, 28)
            fields = analysis.mosaics.grid(tiles, 10, per_class)
            gallery.draw(
                "receptive-fields", analysis.plot_weights, fields,
                f"The weights to each neuron; a row of {per_class} for each digit.",
                heading=f"After {k + 1:,} images",
                colours="magma", lines=(28, 28),
            )  # fmt: skip

    pipeline = DatasetPipeline(
        net, lambda rates: {"X": Poisson(rates)}, count="Y", time=100.0, extra=clamp
    )
    pipeline.train(TensorDataset(train.rates(), train.labels), after=draw)
    test_set = TensorDataset(test.rates(), test.labels)
    accuracy = pipeline.test(test_set, classes, n_labels=10)
    numbers = {
        "accuracy": f"{accuracy:.1%}",
        "training images": f"{len(train.labels):,}",
    }
    gallery.finish(f"{len(test.labels):,} test digits, {accuracy:.1%} recognised", numbers, net)


if __name__ == "__main__":
    main()
