# SPDX-License-Identifier: Apache-2.0
"""Digits without labels, by local connections: every place has kernels of its own."""

from __future__ import annotations

import math

import click
import torch
from common import Gallery, data_option, digits, options, recognise, show

from fastsnn import Local2d, Network, Sparse, analysis
from fastsnn.models import DiehlAndCook, Input, PostPre

SIZE, KERNEL, STRIDE, PLACES = 20, 12, 4, 3  # 20 = 12 + 2 * 4


def rivals(n_filters: int, n_places: int, w: float) -> Sparse:
    """Inhibition between the neurons that look at the same place."""
    same_place = torch.eye(n_places).repeat(n_filters, n_filters)
    return Sparse((w * (same_place - torch.eye(n_filters * n_places))).to_sparse())


def build(n_filters: int, seed: int, backend: str) -> Network:
    """X drives Y by local weights that learn; the neurons of a place compete."""
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), shape=(1, SIZE, SIZE), traces=True)
    neuron = DiehlAndCook(v_reset=-60.0, theta_plus=0.05)
    net.population("Y", neuron, shape=(n_filters, PLACES, PLACES), traces=True)
    net.projection(
        "X", "Y", Local2d(KERNEL, stride=STRIDE), rule=PostPre(nu_pre=1e-4, nu_post=1e-2),
        w_min=0.0, w_max=1.0, norm=0.2 * KERNEL**2,
    )  # fmt: skip
    net.projection("Y", "Y", rivals(n_filters, PLACES**2, -100.0))
    return net


def middle(rates: torch.Tensor) -> torch.Tensor:
    """The digits without their margins, [n, SIZE * SIZE]."""
    return rates.view(-1, 28, 28)[:, 4:24, 4:24].flatten(1)


@options
@data_option
@click.option("--filters", default=25, show_default=True, help="Neurons in each place.")
def main(
    quick: bool, seed: int, backend: str, gallery: Gallery, data: str | None, filters: int
) -> None:
    """Learn local weights from digits without labels, then read the digits out of the neurons."""
    train = digits(data, train=True, per_class=30 if quick else None)
    test = digits(data, train=False, per_class=20 if quick else None)
    net = build(filters, seed, backend)
    learnt = net.projections["X->Y"]
    side = math.ceil(filters**0.5)

    def draw(seen: int, counts: torch.Tensor) -> None:
        # a grey line between the kernels of a place, a white one between places
        framed = torch.nn.functional.pad(learnt.w[0], (0, 1, 0, 1), value=math.nan)
        gallery.draw(
            "kernels", analysis.plot_weights, analysis.mosaics.local_kernels(framed),
            f"The {filters} kernels of each of {PLACES} x {PLACES} places, where they look.",
            heading=f"Local kernels after {seen:,} images", colours="magma", size=(7.0, 7.0),
            w_min=0.0, w_max=float(learnt.w.max()), lines=(side * (KERNEL + 1),) * 2,
        )  # fmt: skip

    show(net, middle(train.rates()), 250.0, "Y", "learning", after=draw)
    net.train(False)
    counts = show(net, middle(train.rates()), 250.0, "Y", "labelling")
    answers = show(net, middle(test.rates()), 250.0, "Y", "testing")
    accuracy, _ = recognise(counts, train.labels, answers, test.labels)
    numbers = {
        "accuracy": f"{accuracy:.1%}",
        "training images": f"{len(train.labels):,}",
        "spikes an image": f"{answers.sum(1).float().mean():.1f}",
    }
    gallery.finish(f"{len(test.labels):,} test digits, {accuracy:.1%} recognised", numbers, net)


if __name__ == "__main__":
    main()
