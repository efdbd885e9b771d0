# SPDX-License-Identifier: Apache-2.0
"""A balanced network of 4,000 neurons that keeps itself active (Vogels & Abbott 2005)."""

from __future__ import annotations

import click
import torch

from fastsnn import Network
from fastsnn.models import LIFExp
from fastsnn.sparse import FixedProbability
from fastsnn.statistics import summarize


def build(n: int, seed: int, backend: str) -> Network:
    """Four neurons in five excite, the others inhibit; everyone has 80 synapses."""
    net = Network(dt=0.1, seed=seed, backend=backend)
    model = LIFExp(
        v_rest=-49.0, v_thresh=-50.0, v_reset=-60.0, c_m=200.0, tau_m=20.0, tau_syn_ex=5.0,
        tau_syn_inh=10.0, t_refrac=5.0,
    )  # fmt: skip
    net.population("E", model, 4 * n // 5)
    net.population("I", model, n // 5)
    for source, w, receptor in (("E", 16.2, "ex"), ("I", -90.0, "inh")):
        for target in ("E", "I"):
            wiring = FixedProbability(80 / n, w=w, delay=0.1)
            net.projection(source, target, wiring, receptor=receptor)
    draw = torch.Generator().manual_seed(seed)
    for part in net.populations.values():
        part.v = -60.0 + 10.0 * torch.rand(part.n, generator=draw)
    return net


@click.command()
@click.option("--neurons", default=4000, show_default=True)
@click.option("--time", default=1000.0, show_default=True, help="ms after 200 that do not count.")
@click.option("--seed", default=0, show_default=True)
@click.option("--backend", default="auto", show_default=True)
def main(neurons: int, time: float, seed: int, backend: str) -> None:
    """Run the network and print its rates."""
    net = build(neurons, seed, backend)
    net.run(200.0)
    spikes = net.record_spikes()
    net.run(time)
    for name, part in net.populations.items():
        times, ids = spikes.times(name).numpy(), spikes.ids(name).numpy()
        found = summarize(times, ids, part.n, 200.0, 200.0 + time)
        print(f"{name}: {found.rate:.2f} Hz, CV of the intervals {found.cv:.2f}")


if __name__ == "__main__":
    main()
