# SPDX-License-Identifier: Apache-2.0
"""Sparse networks on a GPU: the microcircuit, conductances with 1,000 synapses each, and STDP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import torch

from fastsnn import Network
from fastsnn.bench import peers_sparse
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
# bytes of memory that a spike moves for a synapse: target and weight; where it learns, the weight
# there and back, and as much with two numbers to find it when the target spikes
_STATIC, _LEARNT = 4.0, 28.0


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


def hpc_benchmark(variant: str) -> Callable[[float, str], Network]:
    """NEST's benchmark: 11,250 neurons at scale 1, synapses among excitatory ones learn."""

    def build(scale: float, backend: str) -> Network:
        return NETWORKS["hpc-benchmark"].make(scale, variant, seed=1, backend=backend)

    return build


def stdp(scale: float, backend: str) -> Network:
    """The peers' network of 2,000 neurons with 100 plastic synapses each at scale 1."""
    return peers_sparse.stdp(int(2000 * scale), 1, 1, backend)


@dataclass(frozen=True)
class Sparse:
    """A network by its scale; small: the scale at which it is compared with the reference.

    tiny: that of a dry run.
    rounded: its models have exp or log in a step, so that backends agree to rounding.
    """

    name: str
    build: Callable[[float, str], Network]
    small: float
    tiny: float
    rounded: bool = False


ALL = (
    Sparse("microcircuit", microcircuit, 0.02, 0.002),
    Sparse("coba", coba, 0.002, 0.0001),
)
LEARNING = (
    Sparse("recurrent-stdp", stdp, 0.2, 0.02),
    Sparse("hpc-benchmark", hpc_benchmark("thin"), 0.02, 0.005, rounded=True),
)
# as many inputs at every scale: too large for a dry run, and long in building
LARGE = (Sparse("hpc-benchmark-full", hpc_benchmark("full"), 0.005, 0.001, rounded=True),)


def check(case: Sparse, scale: float, backend: str, ms: float = 20.0) -> None:
    """Raise RuntimeError where a small version differs from the reference on the CPU: by a bit, or
    where it is rounded by more than that.
    """
    states = []
    for name in (backend, "torch"):
        net = case.build(scale, name)
        net.run(ms)
        states.append({k: v.cpu() for k, v in net.state_dict().items()})
    for key, value in states[0].items():
        want = states[1][key]
        close = case.rounded and value.is_floating_point()
        if not (torch.allclose(value, want, 1e-4, 1e-4) if close else torch.equal(value, want)):
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
    learnt = sum(p.synapses.n_syn for p in net.plan.projections if p.synapses is not None)
    static = net.plan.expected_synapses
    synapses = static + learnt
    found = times.quantiles()
    per_step = spikes / round(recorded / _DT)
    yield {
        "kind": "network", "name": case.name, "backend": backend, "scale": scale, "n": n,
        "synapses": synapses, "build_s": built, "steps": steps, **found,
        "us_per_step": 1e6 * found["seconds_p50"] / steps,
        "real_time": found["seconds_p50"] / (ms / 1000.0),
        "hz": spikes / n / (recorded / 1000.0),
        "events_per_step": per_step * synapses / n,
        "bytes_per_event": (_STATIC * static + _LEARNT * learnt) / synapses,
    }  # fmt: skip
