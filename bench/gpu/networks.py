# SPDX-License-Identifier: Apache-2.0
"""Large sparse networks on a GPU: the microcircuit, and conductances with 1,000 synapses each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import torch

from fastsnn import Network
from fastsnn.bench.gpu import timing
from fastsnn.models.conductances import LIFCondExp
from fastsnn.networks import NETWORKS
from fastsnn.networks.recipe import uniform
from fastsnn.networks.vogels_abbott import COBA, COBA_W, V_RESET, V_THRESH
from fastsnn.sparse import FixedOutDegree, PoissonDrive

Row = dict[str, Any]
_DT = 0.1
# of the network that the weights of COBA_W are for
_SYNAPSES = 80


def microcircuit(scale: float, backend: str) -> Network:
    """Potjans and Diesmann's column of 77,169 neurons at scale 1."""
    return NETWORKS["microcircuit"].make(scale, seed=1, backend=backend)


def coba(scale: float, backend: str) -> Network:
    """A million neurons at scale 1, each with 1,000 synapses of weights as much smaller.

    Random input to every neuron keeps it going.
    """
    net = Network(dt=_DT, seed=1, backend=backend)
    sizes = {"E": int(800_000 * scale), "I": int(200_000 * scale)}
    k = min(1000, sum(sizes.values()))
    less = _SYNAPSES / k
    for name, n in sizes.items():
        net.population(name, LIFCondExp(**COBA), n)
        net.populations[name].v = uniform(net, name, V_RESET, V_THRESH)
        net.drive(name, PoissonDrive(300.0, COBA_W[0]), receptor="ex")
    for source, w, receptor in (("E", COBA_W[0], "ex"), ("I", COBA_W[1], "inh")):
        for target in sizes:
            each = round(k * sizes[target] / sum(sizes.values()))
            wiring = FixedOutDegree(each, w=w * less, delay=_DT)
            net.projection(source, target, wiring, receptor=receptor)
    return net


@dataclass(frozen=True)
class Sparse:
    """A network by its scale; small: the scale at which it is compared with the reference."""

    name: str
    build: Callable[[float, str], Network]
    small: float
    tiny: float


ALL = (
    Sparse("microcircuit", microcircuit, 0.02, 0.002),
    Sparse("coba", coba, 0.002, 0.0001),
)


def check(case: Sparse, scale: float, backend: str, ms: float = 20.0) -> None:
    """Raise RuntimeError where a small version differs from the reference on the CPU by a bit."""
    states = []
    for name in (backend, "torch"):
        net = case.build(scale, name)
        net.run(ms)
        states.append({k: v.cpu() for k, v in net.state_dict().items()})
    for key, value in states[0].items():
        if not torch.equal(value, states[1][key]):
            raise RuntimeError(f"{case.name}: '{key}' is not that of the reference")


def measure(case: Sparse, backend: str, scale: float, ms: float, **timed: Any) -> Iterator[Row]:
    """Compare a small version with the reference, then build and time."""
    check(case, min(scale, case.small), backend, min(ms, 20.0))
    start = perf_counter()
    net = case.build(scale, backend)
    net.run(_DT)
    timing.finish()
    built = perf_counter() - start
    net.run(ms)
    times = timing.measure(partial(net.run, ms), **timed)
    steps = round(ms / _DT)
    # after the timing, for recording is not what is timed
    recorder = net.record_spikes()
    recorded = min(ms, 10.0)
    net.run(recorded)
    spikes = sum(len(recorder.ids(name)) for name in net.populations)
    n = sum(p.n for p in net.populations.values())
    synapses = net.plan.expected_synapses
    found = times.quantiles()
    per_step = spikes / round(recorded / _DT)
    yield {
        "kind": "network", "name": case.name, "backend": backend, "scale": scale, "n": n,
        "synapses": synapses, "build_s": built, "steps": steps, **found,
        "us_per_step": 1e6 * found["seconds_p50"] / steps,
        "real_time": found["seconds_p50"] / (ms / 1000.0),
        "hz": spikes / n / (recorded / 1000.0),
        "events_per_step": per_step * synapses / n,
    }  # fmt: skip
