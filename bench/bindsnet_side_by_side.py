# SPDX-License-Identifier: Apache-2.0
"""Time fastsnn and BindsNET in turn, on the same images, in one run.

    python -m fastsnn.bench.bindsnet_side_by_side --n-neurons 100 400 --threads 1

Drives BindsNET through its public interface where it can be imported, and says so where not.
Encoding, normalisation and counting of the spikes count on both sides.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fastsnn.bench.cases import CASES, DiehlCook, Headline, Setting
from fastsnn.bench.harness import commit, machine, save, versions
from fastsnn.bench.table import seconds

# BindsNET gets as many runs as fit into this time, s, the first not counted unless it fills it
_BUDGET = 30.0


@dataclass(frozen=True)
class Pair:
    """Seconds of one image (diehl-cook) or of one run of 1,000 steps (headline), medians."""

    case: str
    n: int
    threads: int
    bindsnet: float
    fastsnn: float

    @property
    def ratio(self) -> float:
        """How many times faster fastsnn is."""
        return self.bindsnet / self.fastsnn


def bindsnet_diehl_cook(ours: DiehlCook, device: str = "cpu") -> Callable[[Tensor], Tensor]:
    """Return a function that shows one image, [784] uint8, and gives the spike counts.

    device: where the network and the images lie.
    """
    from bindsnet.encoding import poisson
    from bindsnet.models import DiehlAndCook2015
    from bindsnet.network.monitors import Monitor

    steps = ours.setting.steps
    network = DiehlAndCook2015(
        n_inpt=784,
        n_neurons=ours.setting.n,
        dt=1.0,
        **ours.constants,
        device=device,
        inpt_shape=(1, 28, 28),
    )
    monitor = Monitor(network.layers["Ae"], ["s"], time=steps, device=device)
    network.add_monitor(monitor, name="Ae")
    network.to(device)

    def show(pixels: Tensor) -> Tensor:
        rates = pixels.reshape(1, 28, 28) * (ours.max_rate / 255.0)
        spikes = poisson(datum=rates, time=steps, dt=1.0, device=device)
        spikes = spikes.reshape(steps, 1, 1, 28, 28)
        network.run(inputs={"X": spikes}, time=steps)
        counts = monitor.get("s").sum(0)
        network.reset_state_variables()
        return counts

    return show


def bindsnet_headline(ours: Headline) -> Callable[[], None]:
    """Return a function that runs all steps once."""
    from bindsnet.encoding import poisson
    from bindsnet.network import Network
    from bindsnet.network.nodes import Input, LIFNodes
    from bindsnet.network.topology import Connection

    n, steps = ours.setting.n, ours.setting.steps
    network = Network(dt=1.0)
    source, target = Input(n=n), LIFNodes(n=n)
    network.add_layer(source, name="X")
    network.add_layer(target, name="Y")
    weights = ours.network.projections["X->Y"].w.clone()
    network.add_connection(Connection(source, target, w=weights), source="X", target="Y")

    def run() -> None:
        spikes = poisson(datum=ours.rates, time=steps, dt=1.0).reshape(steps, 1, n)
        network.run(inputs={"X": spikes}, time=steps)
        network.reset_state_variables()

    return run


def compare_diehl_cook(n: int, threads: int, images: int) -> Pair:
    """Time both on the same images, in turn."""
    ours = DiehlCook(Setting(n=n, samples=images, threads=threads, backend="auto"))
    theirs = bindsnet_diehl_cook(ours)
    pixels = ours.pixels.reshape(images, -1)
    turns = [lambda image=image: theirs(image) for image in pixels]
    slow, fast = in_turn(turns, ours.run)
    return Pair("diehl-cook", n, threads, slow, fast / images)


def compare_headline(n: int, threads: int) -> Pair:
    """Time both on the same rates and weights, in turn."""
    ours = Headline(Setting(n=n, steps=1000, threads=threads, learning=False, backend="auto"))
    theirs = bindsnet_headline(ours)
    return Pair("headline", n, threads, *in_turn([theirs] * 5, ours.run))


def in_turn(
    theirs: Sequence[Callable[[], object]], ours: Callable[[], object]
) -> tuple[float, float]:
    """Time a call of theirs and one of ours in turn; return the medians, s."""
    ours()
    slow, fast = [_time(theirs[0])], [_time(ours)]
    if slow[0] < _BUDGET:
        slow, fast = [], []
        for turn in theirs:
            fast.append(_time(ours))
            slow.append(_time(turn))
            if sum(slow) > _BUDGET:
                break
    return float(np.median(slow)), float(np.median(fast))


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code; 0 also where BindsNET is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=["diehl-cook", "headline"], default="diehl-cook")
    parser.add_argument("--n-neurons", dest="n", type=int, nargs="+")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of both")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    try:
        version = metadata.version("bindsnet")
        import bindsnet  # noqa: F401
    except ImportError as error:
        print(f"BindsNET cannot be imported ({error}): nothing to compare with.")
        return 0
    torch.set_num_threads(args.threads)
    sizes = args.n or sorted({setting.n for setting in CASES[args.case].sizes})
    shown = Table(title=f"fastsnn and BindsNET {version}, {args.threads} thread(s), in one run")
    for name in ("case", "n", "BindsNET", "fastsnn", "times faster"):
        shown.add_column(name, justify="right")
    pairs = []
    for n in sizes:
        if args.case == "headline":
            pair = compare_headline(n, args.threads)
        else:
            pair = compare_diehl_cook(n, args.threads, args.images)
        pairs.append(pair)
        times = (seconds(pair.bindsnet), seconds(pair.fastsnn))
        shown.add_row(pair.case, f"{n:,}", *times, f"{pair.ratio:,.0f}")
    Console().print(shown)
    if args.json:
        rows = [{**asdict(pair), "ratio": pair.ratio} for pair in pairs]
        found = {**versions(), "bindsnet": version}
        save(
            args.json,
            {"machine": machine(), "versions": found, "commit": commit(), "rows": rows},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
