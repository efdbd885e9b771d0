# SPDX-License-Identifier: Apache-2.0
"""The cortical microcircuit of Potjans & Diesmann (2014), at a tenth of its size or in full."""

from __future__ import annotations

import time

import click

from fastsnn.networks import NETWORKS
from fastsnn.statistics import summarize


@click.command()
@click.option("--scale", default=0.1, show_default=True, help="1: 77,169 neurons, 1.5 GB.")
@click.option("--drive", type=click.Choice(["poisson", "dc"]), default="poisson")
@click.option("--ms", default=1000.0, show_default=True, help="Biological time.")
@click.option("--seed", default=0, show_default=True)
@click.option("--backend", default="auto", show_default=True)
def main(scale: float, drive: str, ms: float, seed: int, backend: str) -> None:
    """Build the microcircuit, run it, and set the rates beside the published ones."""
    recipe = NETWORKS["microcircuit"]
    start = time.perf_counter()
    net = recipe.make(scale, drive, seed=seed, backend=backend)
    net.run(net.dt)
    print(f"built in {time.perf_counter() - start:.2f} s")
    net.run(500.0 - net.dt)
    spikes = net.record_spikes()
    start = time.perf_counter()
    net.run(ms)
    print(f"{(time.perf_counter() - start) / (ms / 1000.0):.2f} s a second of biology")
    for name, part in net.populations.items():
        times, ids = spikes.times(name).numpy(), spikes.ids(name).numpy()
        found = summarize(times, ids, part.n, 500.0, 500.0 + ms)
        known = recipe.expected[drive][name].rate
        print(f"{name:5}{found.rate:6.2f} Hz, published at scale 1: {known:.2f} Hz")


if __name__ == "__main__":
    main()
