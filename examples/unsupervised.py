# SPDX-License-Identifier: Apache-2.0
"""Digits without labels: the fully connected network of Diehl & Cook (2015)."""

from __future__ import annotations

import click
import torch
from common import Gallery, data_option, digits, options, recognise, show

from fastsnn import AllButOne, Dense, Network, OneToOne, analysis
from fastsnn.models import LIF, DiehlAndCook, Input, PostPre


def build(n: int, seed: int, backend: str) -> Network:
    """X drives Ae by learnt weights; a spike of Ae inhibits, through Ai, all others of Ae."""
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), 784, traces=True)
    net.population("Ae", DiehlAndCook(v_reset=-60.0, theta_plus=0.05), n, traces=True)
    net.population("Ai", LIF(v_rest=-60.0, v_reset=-45.0, v_thresh=-40.0, tau_m=10.0), n)
    net.projection(
        "X", "Ae", Dense(0.3 * torch.rand(784, n)), rule=PostPre(nu_pre=1e-4, nu_post=4e-2),
        w_min=0.0, w_max=1.0, norm=78.4,
    )  # fmt: skip
    net.projection("Ae", "Ai", OneToOne(22.5))
    net.projection("Ai", "Ae", AllButOne(-120.0))
    return net


@options
@data_option
@click.option("--neurons", default=100, show_default=True, help="Excitatory neurons.")
def main(
    quick: bool, seed: int, backend: str, gallery: Gallery, data: str | None, neurons: int
) -> None:
    """Learn digits without their labels, then ask which neuron stands for which digit."""
    train = digits(data, train=True, per_class=50 if quick else None)
    test = digits(data, train=False, per_class=20 if quick else None)
    net = build(neurons, seed, backend)
    learnt = net.projections["X->Ae"]
    side = int(neurons**0.5)

    def draw(seen: int, counts: torch.Tensor) -> None:
        fields = analysis.mosaics.receptive_fields(learnt.w, (28, 28), side)
        gallery.draw(
            "receptive-fields", analysis.plot_weights, fields,
            "The weights from the 784 pixels to each neuron, drawn as an image.",
            heading=f"What the neurons look for after {seen:,} images",
            w_min=0.0, w_max=1.0, colours="magma", lines=(28, 28),
        )  # fmt: skip

    show(net, train.rates(), 350.0, "Ae", "learning", after=draw)
    net.train(False)
    counts = show(net, train.rates(), 350.0, "Ae", "labelling")
    answers = show(net, test.rates(), 350.0, "Ae", "testing")
    accuracy, classes = recognise(counts, train.labels, answers, test.labels)
    gallery.draw(
        "classes", analysis.plot_assignments, classes[: side * side].view(side, side),
        "The digit for which each neuron spikes most, in the places of the picture above.",
    )  # fmt: skip
    numbers = {
        "accuracy": f"{accuracy:.1%}",
        "training images": f"{len(train.labels):,}",
        "spikes an image": f"{answers.sum(1).float().mean():.1f}",
    }
    gallery.finish(f"{len(test.labels):,} test digits, {accuracy:.1%} recognised", numbers, net)


if __name__ == "__main__":
    main()
