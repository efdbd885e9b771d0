# SPDX-License-Identifier: Apache-2.0
"""The job: build, run with the spikes streamed to a file, and tell the statistics."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastsnn.errors import FastsnnError
from fastsnn.network import Network
from fastsnn.networks import NETWORKS, Expected, Recipe
from fastsnn.networks.recipe import whole_steps
from fastsnn.recording import Recording, SpikeReader
from fastsnn.sim.progress import watching
from fastsnn.statistics import Summary, Window, summarize

SPIKES = "spikes.events"
# of a population; the latest so many are looked at, so that memory has a bound
MOST_SPIKES = 20_000_000
_SECONDS_A_PIECE = 0.3


@dataclass(frozen=True)
class Job:
    """What to run.  time, warm_up: ms, None: the network's.  record: populations, empty: all."""

    network: str
    scale: float = 1.0
    variant: str | None = None
    time: float | None = None
    warm_up: float | None = None
    backend: str = "auto"
    seed: int = 0
    threads: int | None = None
    record: Sequence[str] = ()
    out: Path = Path("report")

    def recipe(self) -> Recipe:
        """The network's recipe.  Raises FastsnnError."""
        if self.network not in NETWORKS:
            raise FastsnnError(
                f"There is no network '{self.network}', expected one of: {', '.join(NETWORKS)}."
            )
        return NETWORKS[self.network]


@dataclass
class Outcome:
    """What came out.  start, stop: of the window that counts, ms.  peak_bytes: of the process."""

    job: Job
    recipe: Recipe
    net: Network
    start: float
    stop: float
    build_s: float
    run_s: float
    synapses: float
    peak_bytes: int
    statistics: dict[str, Summary] = field(default_factory=dict)

    @property
    def real_time_factor(self) -> float:
        """Seconds a second of biology, the warm-up included."""
        return self.run_s / (self.stop / 1000.0)

    @property
    def variant(self) -> str:
        """The kind of the network that ran."""
        return self.job.variant or self.recipe.variants[0]

    def expected(self, population: str) -> Expected:
        """Published statistics of a population at scale 1; None where not known."""
        return self.recipe.expected.get(self.variant, {}).get(population, Expected())

    @property
    def comparable(self) -> bool:
        """Whether the published statistics hold at this scale."""
        return self.job.scale >= self.recipe.holds

    def events(self, population: str) -> tuple[np.ndarray, np.ndarray]:
        """Times (beginnings of steps, ms) and ids of the latest spikes."""
        with SpikeReader(self.job.out / SPIKES) as file:
            kept: deque[tuple[np.ndarray, np.ndarray]] = deque()
            count = 0
            for _, steps, ids in file.chunks(population):
                kept.append((steps, ids))
                count += len(ids)
                while count - len(kept[0][1]) >= MOST_SPIKES:
                    count -= len(kept.popleft()[1])
        steps = np.concatenate([s for s, _ in kept] or [np.zeros(0, np.int64)])
        ids = np.concatenate([i for _, i in kept] or [np.zeros(0, np.int32)])
        return steps * self.net.dt, ids

    def window(self, population: str) -> Window:
        """The spikes that count."""
        times, ids = self.events(population)
        start = max(self.start, times[0]) if len(ids) >= MOST_SPIKES else self.start
        return Window.of(times, ids, self.net.populations[population].n, start, self.stop)

    def weights(self) -> dict[str, np.ndarray]:
        """Weights of what learns, from 0 (the lower bound) to 1 (the upper one)."""
        found = {}
        for name in self.recipe.plastic:
            c = self.net.projections[name]
            found[name] = ((c.w - c.w_min) / (c.w_max - c.w_min)).reshape(-1).cpu().numpy()
        return found

    def recording(self) -> Recording:
        """Everything recorded, for export; times are ends of steps."""
        found = {name: self.events(name) for name in self.statistics}
        dt = self.net.dt
        return Recording(
            {name: (times + dt, ids) for name, (times, ids) in found.items()},
            {name: self.net.populations[name].n for name in found},
            0.0,
            self.stop + dt,
        )

    def as_dict(self) -> dict[str, Any]:
        """Numbers for JSON."""
        job = asdict(self.job) | {"out": str(self.job.out), "variant": self.variant}
        return {
            "job": job,
            "backend": self.net.backend,
            "neurons": sum(p.n for p in self.net.populations.values()),
            "synapses": self.synapses,
            "window_ms": [self.start, self.stop],
            "build_s": self.build_s,
            "run_s": self.run_s,
            "real_time_factor": self.real_time_factor,
            "peak_bytes": self.peak_bytes,
            "statistics": {name: asdict(s) for name, s in self.statistics.items()},
            "weights": {
                name: {"mean": float(w.mean()), "sd": float(w.std())}
                for name, w in self.weights().items()
            },
            "expected": {name: asdict(self.expected(name)) for name in self.statistics},
        }


def run(job: Job) -> Outcome:
    """Build the network, run it, write its spikes to job.out, and summarize them.

    Raises FastsnnError for a job that cannot be done, before anything is written.
    """
    recipe = job.recipe()
    begin = time.perf_counter()
    options = {"seed": job.seed, "backend": job.backend, "threads": job.threads}
    net = recipe.make(job.scale, job.variant, **options)
    names = _recorded(net, job)
    warm_up = recipe.warm_up if job.warm_up is None else job.warm_up
    total = warm_up + (recipe.time if job.time is None else job.time)
    whole_steps(warm_up, net.dt)
    if whole_steps(total, net.dt) <= whole_steps(warm_up, net.dt):
        raise FastsnnError(f"--time is {total - warm_up:g} ms, expected more than none.")
    if names:
        net.record_spikes(*names, to=job.out / SPIKES)
    recipe.run(net, net.dt)
    build_s = time.perf_counter() - begin
    job.out.mkdir(parents=True, exist_ok=True)
    with watching(job.network, total) as watch:
        watch.advance(net.dt, 0.0)
        piece = 200
        while (left := whole_steps(total, net.dt) - net.step) > 0:
            steps = min(piece, left)
            begin = time.perf_counter()
            recipe.run(net, steps * net.dt)
            seconds = time.perf_counter() - begin
            watch.advance(steps * net.dt, seconds)
            piece = max(1, min(10 * piece, round(steps * _SECONDS_A_PIECE / max(seconds, 1e-6))))
    for recorder in net.recorders:
        recorder.sync()
    outcome = Outcome(
        job, recipe, net, warm_up, total, build_s, watch.seconds, synapses(net), peak_bytes()
    )
    for name in names:
        w = outcome.window(name)
        outcome.statistics[name] = summarize(w.times, w.ids, w.n, w.start, w.stop)
    return outcome


def _recorded(net: Network, job: Job) -> list[str]:
    """Populations to record: those asked for, or all."""
    if list(job.record) == ["none"]:
        return []
    unknown = [name for name in job.record if name not in net.populations]
    if unknown:
        have = ", ".join(net.populations)
        raise FastsnnError(f"--record is '{unknown[0]}', expected none or some of: {have}.")
    return list(job.record) or list(net.populations)


def synapses(net: Network) -> float:
    """Number of synapses, expected where a wiring draws it."""
    stored = sum(c.w.numel() for c in net.projections.values())
    return stored + sum(c.n_synapses for c in net.sparse.values())


def peak_bytes() -> int:
    """Most memory that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
