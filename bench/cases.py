# SPDX-License-Identifier: Apache-2.0
"""The named workloads.  To add one: a class like `Workload`, and a line in CASES."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from fastsnn import Current, Dense, Network, Poisson, Replicas
from fastsnn.bench.limits import Work
from fastsnn.models import LIF, Input, Neuron

# a random word: a quarter of 10 rounds of 2 wide products and 4 exclusive ors; then it is compared
_RANDOM = 10 * (2 * 2 + 4) / 4 + 1
_TRACE = 2


@dataclass(frozen=True)
class Setting:
    """One measurement to make.

    n:        neurons.
    samples:  images or trials of one timed run, of each replica.
    steps:    steps of one sample.
    device:   where the state lies; None: where the backend works by itself.
    replicas: independent networks side by side.
    """

    n: int
    batch: int = 1
    learning: bool = True
    samples: int = 1
    steps: int = 250
    backend: str = "cpu"
    threads: int = 1
    seed: int = 0
    dt: float = 1.0
    device: str | None = None
    replicas: int = 1


class Workload(Protocol):
    """A network that is built and waits to run."""

    steps: int  # simulated by one run, batch and replicas counted once
    images: int  # presented by one run, 0 where the case has none

    def run(self) -> None:
        """What is timed."""

    def work(self) -> Work:
        """The least that the last run had to do."""

    def outcome(self) -> dict[str, Tensor]:
        """Spikes and weights that every backend must agree on, bit for bit."""


@dataclass(frozen=True)
class Case:
    """A workload by name.

    sizes:  what `fastsnn bench all` measures.
    parity: neurons, steps and samples of the run that is compared with the reference.
    """

    name: str
    what: str
    build: Callable[[Setting], Workload]
    sizes: tuple[Setting, ...]
    parity: tuple[int, int, int]

    def small(self, setting: Setting) -> Setting:
        """The setting of the parity check."""
        n, steps, samples = self.parity
        batch, replicas = min(setting.batch, 4), min(setting.replicas, 4)
        return replace(
            setting, n=n, steps=steps, samples=samples * batch, batch=batch, replicas=replicas
        )


def _network(setting: Setting) -> Network:
    return Network(
        dt=setting.dt,
        batch_size=setting.batch,
        seed=setting.seed,
        device=setting.device,
        backend=setting.backend,
        threads=setting.threads,
    )


def operations(model: type[Neuron]) -> int:
    """Float operations of one neuron in one step: the operators and words of its `step`."""
    body = model.functions["step"]
    roots = [value for _, value in body.assignments] + list(body.returns)
    counted = (ast.BinOp, ast.Compare, ast.Call)
    return sum(isinstance(node, counted) for root in roots for node in ast.walk(root))


class DiehlCook:
    """Digits to a plastic layer: encoding, inhibition, learning, counting, normalising.

    The images are those embedded in the package, at rates up to 63.75 Hz.
    """

    max_rate = 63.75
    constants: ClassVar[dict[str, Any]] = {
        "exc": 22.5,
        "inh": 120.0,
        "theta_plus": 0.05,
        "norm": 78.4,
    }

    def __init__(self, setting: Setting) -> None:
        from fastsnn.datasets import load_mnist

        self.setting = setting
        if setting.replicas > 1:
            self.runner: Network | Replicas = Replicas(self._build, range(setting.replicas))
            self.network = self.runner[0]
        else:
            self.runner = self.network = self._build(setting.seed)
        self.runner.train(setting.learning)
        samples = -(-setting.samples // setting.batch)
        self.shown, self.steps = samples * setting.batch, samples * setting.steps
        self.images = self.shown * setting.replicas
        pixels = torch.tensor(load_mnist().images).reshape(-1, 28 * 28)
        chosen = torch.arange(self.shown) % len(pixels)
        self.pixels = pixels[chosen].reshape(samples, setting.batch, -1).to(self.network.device)

    def _build(self, seed: int) -> Network:
        from fastsnn.mnist.network import diehl_and_cook

        setting = self.setting
        return diehl_and_cook(
            setting.n,
            **self.constants,
            dt=setting.dt,
            batch_size=setting.batch,
            seed=seed,
            device=setting.device,
            backend=setting.backend,
            threads=setting.threads,
        )

    def run(self) -> None:
        rates = self.pixels * (self.max_rate / 255.0)
        shown = self.runner.present(
            {"X": Poisson(rates)},
            time=self.setting.steps * self.setting.dt,
            count=["Ae"],
            reset=True,
        )
        # of the first replica
        self.result = shown[0] if isinstance(shown, list) else shown

    def work(self) -> Work:
        # of the first replica: the others do as much
        n, seconds = self.setting.n, self.setting.steps * self.setting.dt / 1000.0
        lit = self.pixels > 0
        pre = float(self.pixels.double().sum()) * self.max_rate / 255.0 * seconds
        post = float(self.result.counts["Ae"].sum())
        # a spike of either side moves the weights of the other side's lit or awake neurons
        awake = float((self.result.counts["Ae"] > 0).sum()) / self.shown
        learn = (
            3 * (post * float(lit.sum()) / self.shown + pre * awake) + 2 * 784 * awake * self.shown
        )
        models = [type(self.network.populations[name].model) for name in ("Ae", "Ai")]
        neurons = sum(map(operations, models)) + _TRACE
        updates = self.setting.batch * self.steps * n * neurons
        drawn = float(lit.sum()) * self.setting.steps * _RANDOM
        return Work(
            adds=pre * n,
            operations=updates + drawn + (learn if self.setting.learning else 0.0),
            bytes_read=float(lit.any(1).sum()) * n * 4,
            footprint=784 * n * 4,
        )

    def outcome(self) -> dict[str, Tensor]:
        return {
            "spike counts of Ae": self.result.counts["Ae"],
            "weights": self.network.projections["X->Ae"].w,
            "theta": self.network.populations["Ae"].theta,
        }


class Headline:
    """BindsNET's own benchmark: n Poisson inputs, 0-100 Hz, all to all to n LIF, w ~ N(0, 1)."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.images = setting, 0
        self.steps = setting.samples * setting.steps
        n = setting.n
        weights, rates = self.drawn(n, setting.seed)
        self.network = _network(setting)
        self.network.population("X", Input(), n=n)
        self.network.population("Y", LIF(), n=n)
        self.network.projection("X", "Y", Dense(weights))
        self.rates = rates.to(self.network.device)

    @staticmethod
    def drawn(n: int, seed: int) -> tuple[Tensor, Tensor]:
        """Weights [n, n] and rates [n], Hz."""
        draw = torch.Generator().manual_seed(seed)
        return torch.randn(n, n, generator=draw), 100.0 * torch.rand(n, generator=draw)

    def run(self) -> None:
        self.result = self.network.present(
            {"X": Poisson(self.rates)},
            time=self.setting.steps * self.setting.dt,
            samples=self.setting.samples,
            count=["Y"],
        )

    def work(self) -> Work:
        n = self.setting.n
        pre = float(self.rates.double().sum()) * self.steps * self.setting.dt / 1000.0
        return Work(
            adds=self.setting.batch * pre * n,
            operations=self.setting.batch * self.steps * n * (operations(LIF) + _RANDOM),
            bytes_read=n * n * 4,
            footprint=n * n * 4,
        )

    def outcome(self) -> dict[str, Tensor]:
        return {
            "spike counts of Y": self.result.counts["Y"],
            "membrane potentials": self.network.populations["Y"].v,
        }


class Neurons:
    """The neuron update alone: n LIF under a constant current, most of them spiking."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.images = setting, 0
        self.steps = setting.samples * setting.steps
        self.network = _network(setting)
        self.network.population("Y", LIF(), n=setting.n)
        self.current = torch.linspace(0.0, 2.0, setting.n).to(self.network.device)

    def run(self) -> None:
        self.result = self.network.present(
            {"Y": Current(self.current)},
            time=self.setting.steps * self.setting.dt,
            samples=self.setting.samples,
            count=["Y"],
        )

    def work(self) -> Work:
        updates = self.setting.batch * self.steps * self.setting.n
        state = 4 * 3  # v, refrac, current
        return Work(
            operations=updates * operations(LIF),
            bytes_read=updates * state,
            footprint=self.setting.batch * self.setting.n * state,
        )

    def outcome(self) -> dict[str, Tensor]:
        return {
            "spike counts of Y": self.result.counts["Y"],
            "membrane potentials": self.network.populations["Y"].v,
        }


def _each(base: Setting, **axes: tuple) -> tuple[Setting, ...]:
    """Every combination of the axes, the first one slowest."""
    found = [base]
    for name, values in axes.items():
        found = [replace(setting, **{name: value}) for setting in found for value in values]
    return tuple(found)


_IMAGES = Setting(n=400, samples=200)
CASES = {
    case.name: case
    for case in (
        Case(
            "diehl-cook",
            "digits learnt by STDP, 250 steps an image (Diehl & Cook 2015)",
            DiehlCook,
            _each(_IMAGES, n=(100, 400, 1600), threads=(1, 2))
            + _each(replace(_IMAGES, n=6400, samples=50), threads=(1, 2))
            + _each(replace(_IMAGES, n=400, samples=256), batch=(16, 64), learning=(True, False)),
            parity=(50, 100, 3),
        ),
        Case(
            "headline",
            "n Poisson inputs, all to all, to n LIF, 1,000 steps (BindsNET's benchmark)",
            Headline,
            _each(
                Setting(n=250, steps=1000, learning=False),
                n=(250, 1000, 4000, 10_000),
                threads=(1, 2),
            ),
            parity=(70, 200, 1),
        ),
        Case(
            "lif",
            "the update of n LIF neurons alone, 1,000 steps",
            Neurons,
            _each(
                Setting(n=1000, steps=1000, learning=False),
                n=(1000, 30_000, 1_000_000),
                threads=(1, 2),
            ),
            parity=(1000, 200, 1),
        ),
    )
}
