# SPDX-License-Identifier: Apache-2.0
"""What a shipped network is: how to build it, how to run it, what it is checked against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fastsnn.errors import FastsnnError
from fastsnn.network import Network
from fastsnn.random import network_uniform

# stream of the network's own numbers that the initial state and parameters are drawn from
INITIAL = 3


@dataclass(frozen=True)
class Expected:
    """Statistics of one population that were published or measured; None: not known.

    rate: Hz.  cv: mean CV of the intervals.  correlation: mean, of counts in 2 ms.
    within: relative difference of the rate that is still agreement.
    """

    rate: float | None = None
    cv: float | None = None
    correlation: float | None = None
    within: float = 0.1


def no_inputs(net: Network, steps: int) -> dict[str, Any]:
    """Nothing from outside."""
    return {}


@dataclass(frozen=True)
class Recipe:
    """A network by name.

    build:    build(scale, variant, seed=, backend=, threads=) -> Network, ready to run.
    source:   of the network; checked: of what it is checked against.
    warm_up:  ms that do not count.   time: ms of a run that tells its statistics.
    variants: names of its kinds, the default first.
    expected: variant -> population -> statistics at scale 1.
    holds:    smallest scale at which they hold.
    inputs:   of the next `steps` steps.
    plastic:  names of projections whose weights are looked at.
    """

    name: str
    title: str
    source: str
    checked: str
    build: Callable[..., Network]
    warm_up: float = 500.0
    time: float = 1000.0
    variants: tuple[str, ...] = ("",)
    expected: Mapping[str, Mapping[str, Expected]] = field(default_factory=dict)
    holds: float = 1.0
    inputs: Callable[[Network, int], dict[str, Any]] = no_inputs
    plastic: tuple[str, ...] = ()

    def make(self, scale: float = 1.0, variant: str | None = None, **options: Any) -> Network:
        """Build it.  options: of `Network`: seed, backend, threads, dtype.

        Raises FastsnnError for a scale or variant that there is not.
        """
        if not 0.0 < scale < float("inf"):
            raise FastsnnError(f"'{self.name}': scale is {scale!r}, expected a number above 0.")
        variant = self.variants[0] if variant is None else variant
        if variant not in self.variants:
            have = ", ".join(filter(None, self.variants)) or "none"
            raise FastsnnError(f"'{self.name}': variant is {variant!r}, expected one of: {have}.")
        return self.build(scale, variant, **options)

    def run(self, net: Network, time: float) -> None:
        """Simulate `time` ms, with the inputs of this network."""
        net.run(time, self.inputs(net, whole_steps(time, net.dt)))


def whole_steps(time: float, dt: float) -> int:
    """Number of steps; raises FastsnnError where there is no whole number of them."""
    steps = round(time / dt)
    if abs(steps * dt - time) > 1e-6 * max(dt, time):
        raise FastsnnError(f"{time!r} ms is no whole number of steps of {dt:g} ms.")
    return steps


def size(n: int, scale: float) -> int:
    """Neurons of a population at a scale, one at least."""
    return max(1, round(n * scale))


def uniform(net: Network, name: str, low: float, high: float, number: int = 0) -> Tensor:
    """Uniform numbers in [low, high) for the neurons of a population, drawn from its seed.

    number: several draws of one population differ by it.
    """
    index = list(net.populations).index(name)
    drawn = network_uniform(net.seed, (net.populations[name].n,), INITIAL, 16 * index + number)
    return low + (high - low) * drawn


def normal(net: Network, name: str, mean: float, sd: float, number: int = 0) -> Tensor:
    """Normally distributed numbers, as `uniform`."""
    drawn = uniform(net, name, 0.0, 1.0, number).to(torch.float64)
    # the middle of the 2^24 intervals that a uniform number stands for
    return (mean + sd * torch.special.ndtri(drawn + 2.0**-25)).to(torch.float32)
