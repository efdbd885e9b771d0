# SPDX-License-Identifier: Apache-2.0
"""The cases of `fastsnn bench` on a GPU: parity, time, and the least that had to be done."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from fastsnn import Current
from fastsnn.bench import harness, nn
from fastsnn.bench.cases import CASES, Case, Headline, Neurons, Setting, Workload
from fastsnn.bench.gpu import launches, timing
from fastsnn.plan import Plan

Row = dict[str, Any]


class SharedHeadline(Headline):
    """The same weights for every backend, drawn once: they are many."""

    drawn = staticmethod(lru_cache(maxsize=1)(Headline.drawn))


class Update(Neurons):
    """The update of LIF neurons alone, nothing counted: T steps of one run."""

    def run(self) -> None:
        self.network.run(self.setting.steps * self.setting.dt, {"Y": Current(self.current)})

    def outcome(self) -> dict[str, Tensor]:
        return {k: v for k, v in self.network.state_dict().items() if k.startswith("Y.")}


DIEHL_COOK = CASES["diehl-cook"]
HEADLINE = replace(CASES["headline"], build=SharedHeadline)
UPDATE = Case("lif", "the update of n LIF neurons alone", Update, (), parity=(1000, 64, 1))


def measure(case: Case, setting: Setting, **timed: Any) -> Iterator[Row]:
    """Compare with the reference on the CPU, then time.  The reference itself is only timed."""
    if setting.backend != "torch":
        harness.check_parity(case, setting)
    if timing.on_gpu():
        torch.cuda.reset_peak_memory_stats()
    workload = case.build(setting)
    times = timing.measure(workload.run, **timed)
    yield _row(case, setting, workload, times)
    del workload
    gc.collect()
    if timing.on_gpu():
        torch.cuda.empty_cache()


def _row(case: Case, setting: Setting, workload: Workload, times: timing.Times) -> Row:
    found, work, steps = times.quantiles(), workload.work(), workload.steps
    network = workload.network  # type: ignore[attr-defined]
    plan: Plan = network.plan
    many, median = setting.replicas, found["seconds_p50"]
    # no row of weights need be read twice in a step
    read = min(4.0 * work.adds / steps, work.footprint) if work.adds else 0.0
    moved = state_bytes(plan) / steps if not plan.projections else 0.0
    return {
        "kind": "speed", "case": case.name, "n": setting.n, "batch": setting.batch,
        "replicas": many, "learning": setting.learning, "backend": setting.backend,
        "device": network.device.type, "steps": steps, "images": workload.images, **found,
        "us_per_step": 1e6 * median / steps,
        "images_per_s": workload.images / median if workload.images else None,
        "recurrent": _recurrent(plan),
        "moved_per_step": many * moved,
        "read_per_step": many * read,
        "footprint": many * work.footprint if work.adds else 0.0,
        "operations_per_step": many * work.operations / steps,
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if timing.on_gpu() else None,
        "spread": explain(workload),
    }  # fmt: skip


def state_bytes(plan: Plan) -> int:
    """Bytes that a run of neurons alone moves: state in and out, currents in, spikes out."""
    return sum(
        sum(2 * t.nbytes for t in p.state) + 4 * p.spike.numel() + p.spike.nbytes
        for p in plan.populations
        if not p.is_input
    )


def _recurrent(plan: Plan) -> bool:
    """Whether neurons hear of spikes that are not known beforehand."""
    return any(not plan.populations[c.source].is_input for c in plan.projections)


def explain(workload: Any) -> str:
    """How the backend has spread the network, where it says so."""
    runner = getattr(workload, "runner", workload.network)
    say = getattr(getattr(runner, "_program", None), "explain", None)
    return str(say()) if callable(say) else ""


def host_talk(setting: Setting) -> Iterator[Row]:
    """Launches and host time of a step of Diehl and Cook's network."""
    workload = DIEHL_COOK.build(setting)
    pixels = workload.pixels  # type: ignore[attr-defined]

    def run(steps: int) -> None:
        workload.pixels = pixels[: steps // setting.steps]  # type: ignore[attr-defined]
        workload.run()

    most = len(pixels) * setting.steps
    found = launches.per_step(run, setting.steps, most)
    start = {"kind": "launches", "case": "diehl-cook", "n": setting.n, "backend": setting.backend}
    yield {**start, "steps": most, **found}


def layers(shape: tuple[int, int, int], device: str, **timed: Any) -> Iterator[Row]:
    """A layer of LIF neurons over [T, B, N], with and without its gradient, by all libraries."""
    x = nn.drawn(shape, device)
    ours = nn.fastsnn(device, "triton").spikes(x)
    if not torch.equal(ours, nn.fastsnn(device, "torch").spikes(x)):
        raise RuntimeError("the spikes of the layer are not those of the reference")
    for contestant in nn.contestants(device, "triton"):
        for kind, make in nn.KINDS.items():
            # another library may not run on this device: that is no failure of ours
            try:
                times = timing.measure(make(contestant, x), **timed)
            except Exception as error:
                if contestant.name == nn.OURS:
                    raise
                print(f"{contestant.name}, {kind}: {error}")
                continue
            yield {"kind": "layer", "name": contestant.name, "pass": kind, "shape": list(shape),
                   **times.quantiles()}  # fmt: skip


def bindsnet(n: int, device: str, images: int, steps: int) -> Iterator[Row]:
    """BindsNET's network on the same images and device."""
    from fastsnn.bench.bindsnet_side_by_side import bindsnet_diehl_cook

    ours = DIEHL_COOK.build(Setting(n=n, samples=images, steps=steps, backend="torch"))
    show = bindsnet_diehl_cook(ours, device)  # type: ignore[arg-type]
    pixels = iter(ours.pixels.reshape(images, -1).repeat(1000, 1).to(device))  # type: ignore[attr-defined]
    times = timing.measure(lambda: show(next(pixels)), rounds=3)
    yield {
        "kind": "bindsnet", "case": "diehl-cook", "n": n, "steps": steps,
        "us_per_step": 1e6 * times.median / steps, **times.quantiles(),
    }  # fmt: skip
