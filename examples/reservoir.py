# SPDX-License-Identifier: Apache-2.0
"""A reservoir: a random recurrent network that learns nothing, and a readout that does."""

from __future__ import annotations

import click
import torch
from common import Gallery, data_option, digits, options, show

from fastsnn import Network, Poisson, Sparse, analysis, evaluation, readouts
from fastsnn.models import LIF, Input
from fastsnn.optional import need


def build(n: int, seed: int, backend: str) -> Network:
    """X drives R at random; of R, four in five neurons excite and the others inhibit."""
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), 784)
    net.population("R", LIF(v_rest=0.0, v_reset=0.0, v_thresh=15.0, tau_m=20.0, t_refrac=2.0), n)
    drawn = 1.5 * torch.randn(784, n) * (torch.rand(784, n) < 0.1)
    net.projection("X", "R", Sparse(drawn.to_sparse()))
    sign = torch.where(torch.arange(n) % 5 < 4, 1.0, -4.0)[:, None]
    recurrent = 4.0 / n**0.5 * sign * torch.rand(n, n) * (torch.rand(n, n) < 0.1)
    net.projection("R", "R", Sparse(recurrent.to_sparse()))
    return net


@options
@data_option
@click.option("--neurons", default=500, show_default=True, help="Size of the reservoir.")
def main(
    quick: bool, seed: int, backend: str, gallery: Gallery, data: str | None, neurons: int
) -> None:
    """Show digits to a random recurrent network; a logistic regression reads its spikes."""
    need("sklearn.linear_model", "scikit-learn", "The logistic readout")
    train = digits(data, train=True, per_class=30 if quick else None)
    test = digits(data, train=False, per_class=20 if quick else None)
    net = build(neurons, seed, backend)
    counts = show(net, train.rates(), 100.0, "R", "learning").float()
    answers = show(net, test.rates(), 100.0, "R", "testing").float()
    scale = 1.0 / counts.std()
    model = readouts.fit_logistic(scale * counts, train.labels, C=0.01)
    accuracy = evaluation.accuracy(readouts.predict_logistic(scale * answers, model), test.labels)

    if gallery:
        net.reset_state()
        spikes = {name: net.monitor(name, "spike") for name in net.populations}
        net.run(100.0, {"X": Poisson(test.rates()[0])})
        gallery.draw(
            "spikes", analysis.plot_spikes, {name: m.get() for name, m in spikes.items()},
            f"Pixels (X) and reservoir (R) while a {test.labels[0]} is shown.", dt=net.dt,
        )  # fmt: skip
    numbers = {
        "accuracy": f"{accuracy:.1%}",
        "training images": f"{len(train.labels):,}",
        "rate of the reservoir": f"{10.0 * answers.mean():.1f} Hz",
    }
    gallery.finish(f"{len(test.labels):,} test digits, {accuracy:.1%} recognised", numbers, net)


if __name__ == "__main__":
    main()
