# SPDX-License-Identifier: Apache-2.0
"""Digits without labels, by a convolution: kernels that are shared by all places."""

from __future__ import annotations

import click
import torch
from common import Gallery, data_option, digits, options, recognise, show

from fastsnn import Conv2d, Network, Sparse, analysis
from fastsnn.models import DiehlAndCook, Input, PostPre

KERNEL, STRIDE, PLACES = 16, 4, 4  # 28 = 16 + 3 * 4


def rivals(n_filters: int, n_places: int, w: float) -> Sparse:
    """Inhibition between the filters that look at the same place."""
    same_place = torch.eye(n_places).repeat(n_filters, n_filters)
    return Sparse((w * (same_place - torch.eye(n_filters * n_places))).to_sparse())


def build(n_filters: int, seed: int, backend: str) -> Network:
    """X drives Y by kernels that learn; filters compete for each place."""
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), shape=(1, 28, 28), traces=True)
    neuron = DiehlAndCook(v_reset=-60.0, theta_plus=0.05)
    net.population("Y", neuron, shape=(n_filters, PLACES, PLACES), traces=True)
    net.projection(
        "X", "Y", Conv2d(KERNEL, stride=STRIDE), rule=PostPre(nu_pre=1e-5, nu_post=1e-3),
        w_min=0.0, w_max=1.0, norm=0.2 * KERNEL**2,
    )  # fmt: skip
    net.projection("Y", "Y", rivals(n_filters, PLACES**2, -100.0))
    return net


@options
@data_option
@click.option("--filters", default=25, show_default=True, help="Kernels.")
def main(
    quick: bool, seed: int, backend: str, gallery: Gallery, data: str | None, filters: int
) -> None:
    """Learn kernels from digits without labels, then read the digits out of the filters."""
    train = digits(data, train=True, per_class=30 if quick else None)
    test = digits(data, train=False, per_class=20 if quick else None)
    net = build(filters, seed, backend)
    learnt = net.projections["X->Y"]

    def draw(seen: int, counts: torch.Tensor) -> None:
        gallery.draw(
            "kernels", analysis.plot_weights, analysis.mosaics.kernels(learnt.w),
            f"What each filter looks for in {PLACES} x {PLACES} places of the image.",
            heading=f"Kernels after {seen:,} images", colours="magma", lines=(KERNEL, KERNEL),
        )  # fmt: skip

    show(net, train.rates(), 100.0, "Y", "learning", after=draw)
    net.train(False)
    counts = show(net, train.rates(), 100.0, "Y", "labelling")
    answers = show(net, test.rates(), 100.0, "Y", "testing")
    accuracy, _ = recognise(counts, train.labels, answers, test.labels)
    numbers = {
        "accuracy": f"{accuracy:.1%}",
        "training images": f"{len(train.labels):,}",
        "spikes an image": f"{answers.sum(1).float().mean():.1f}",
    }
    gallery.finish(f"{len(test.labels):,} test digits, {accuracy:.1%} recognised", numbers, net)


if __name__ == "__main__":
    main()
