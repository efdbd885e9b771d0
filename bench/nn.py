# SPDX-License-Identifier: Apache-2.0
"""Time a layer of LIF neurons, forward and with its gradient, in turn with other libraries.

    python -m fastsnn.bench.nn [--shape T B N] [--threads 2] [--device cpu]

snnTorch, Norse and SpikingJelly (torch, on a GPU also its own kernels) take part where they are
installed.  The least of all turns counts: other programs can only make a call slower.  CPU time is
that of all threads, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from fastsnn.bench.harness import commit, finish, machine, save, versions
from fastsnn.bench.table import seconds
from fastsnn.nn import LIF

# the layer of all: v = v + (x - v) / 2, a spike sets v to 0, gradients stop at the reset
TAU = 2.0
OURS = "fastsnn"


@dataclass(frozen=True)
class Contestant:
    """spikes: [T, B, N] of x, from a fresh state."""

    name: str
    spikes: Callable[[Tensor], Tensor]


def fastsnn(device: str, backend: str = "auto") -> Contestant:
    """This package."""
    layer = LIF(TAU, fires="at", detach_reset=True, backend=backend).to(device)
    return Contestant(OURS, layer)


def snntorch(device: str) -> Contestant:
    """Leaky, in the loop that its users write."""
    import snntorch

    # it has no decay of the input: x is halved instead
    layer = snntorch.Leaky(1 - 1 / TAU, reset_mechanism="zero").to(device)

    def run(x: Tensor) -> Tensor:
        mem, rows = torch.zeros_like(x[0]), []
        for now in x:
            spike, mem = layer(now / TAU, mem)
            rows.append(spike)
        return torch.stack(rows)

    return Contestant("snnTorch", run)


def norse(device: str) -> Contestant:
    """LIF, which also has a synaptic current."""
    import norse.torch

    layer = norse.torch.LIF(norse.torch.LIFParameters(tau_mem_inv=torch.tensor(500.0)))
    layer = layer.to(device)
    return Contestant("Norse", lambda x: layer(x)[0])


def spikingjelly(device: str, backend: str = "torch") -> Contestant:
    """LIFNode over many steps, on one of its backends."""
    from spikingjelly.activation_based import neuron, surrogate

    layer = neuron.LIFNode(
        TAU, surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m"
    ).to(device)
    if backend != "torch":
        # raises where this version or machine has no such backend
        layer.backend = backend

    def run(x: Tensor) -> Tensor:
        layer.reset()
        return layer(x)

    return Contestant(f"SpikingJelly {backend}", run)


def contestants(device: str, backend: str = "auto") -> Iterator[Contestant]:
    """Those that can take part here, ours first."""
    yield fastsnn(device, backend)
    makers: list[tuple[str, Callable[[], Contestant]]] = [
        ("snntorch", lambda: snntorch(device)),
        ("norse", lambda: norse(device)),
        ("spikingjelly", lambda: spikingjelly(device)),
    ]
    if device != "cpu":
        makers += [("spikingjelly", lambda: spikingjelly(device, "cupy")),
                   ("spikingjelly", lambda: spikingjelly(device, "triton"))]  # fmt: skip
    for package, make in makers:
        if importlib.util.find_spec(package):
            try:
                yield make()
            # a library may lack what one of its backends needs
            except Exception as error:
                print(f"{package} takes no part: {error}", file=sys.stderr)


def drawn(shape: Sequence[int], device: str) -> Tensor:
    """Input with which about a quarter of the neurons fire in a step."""
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.rand(tuple(shape), generator=generator)).to(device)


def forward(layer: Contestant, x: Tensor) -> Callable[[], Any]:
    """Without a graph for gradients."""

    def run() -> Tensor:
        with torch.no_grad():
            return layer.spikes(x)

    return run


def training(layer: Contestant, x: Tensor) -> Callable[[], Any]:
    """Forward and the gradient of the input."""
    given, weight = x.clone().requires_grad_(), torch.rand_like(x)

    def run() -> None:
        given.grad = None
        layer.spikes(given).backward(weight)

    return run


KINDS = {"forward": forward, "forward + backward": training}


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of every kind and contestant: least and median seconds, least of the CPU."""
    x = drawn(args.shape, args.device)
    asked = (OURS, *args.only)
    taking_part = [c for c in contestants(args.device) if any(part in c.name for part in asked)]
    rows = []
    for kind, make in KINDS.items():
        runs = {c.name: make(c, x) for c in taking_part}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for turn in range(args.rounds + 1):
            for name, run in runs.items():
                # several calls of what is short, so that all have about the same time
                for _ in range(5 if name == OURS else 1):
                    start, cpu = perf_counter(), process_time()
                    run()
                    finish()
                    # the first turn makes ready what is made only once
                    if turn:
                        times[name].append((perf_counter() - start, process_time() - cpu))
        for name, found in times.items():
            wall, cpu = (sorted(column) for column in zip(*found, strict=True))
            rows.append({"kind": kind, "name": name, "least": wall[0],
                         "median": wall[len(wall) // 2], "cpu": cpu[0]})  # fmt: skip
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", nargs=3, type=int, default=(100, 128, 1024), metavar="N")
    parser.add_argument("--threads", type=int, default=2, help="of torch and of this package")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each")
    parser.add_argument("--only", nargs="+", default=[""], help="parts of names; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    rows = measure(args)
    title = f"LIF over {list(args.shape)} on {args.device}, {args.threads} threads"
    shown = Table(title=title)
    for name in ("", "library", "least", "median", "times ours", "CPU", "times ours"):
        shown.add_column(name, justify="right" if name not in ("", "library") else "left")
    ours = {row["kind"]: row for row in rows if row["name"] == OURS}
    for row in rows:
        ratio, of_cpu = (f"{row[k] / ours[row['kind']][k]:.1f}" for k in ("least", "cpu"))
        wall = seconds(row["least"]), seconds(row["median"]), ratio
        shown.add_row(row["kind"], row["name"], *wall, seconds(row["cpu"]), of_cpu)
    Console(width=100).print(shown)
    if args.json:
        found = {"machine": machine(), "versions": versions(), "commit": commit(), "rows": rows}
        save(args.json, {"shape": list(args.shape), "threads": args.threads, **found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
