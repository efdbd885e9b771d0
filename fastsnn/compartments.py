# SPDX-License-Identifier: Apache-2.0
"""The features of a projection at work: their live tensors, and what backends are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.connectivity import Dense
from fastsnn.errors import ModelError, ShapeError
from fastsnn.features import Adaptation, Degradation, Delay, Feature, Probability
from fastsnn.random import synapse_stream

if TYPE_CHECKING:
    from fastsnn.projection import Projection

# numbers that one draw of a row takes: Philox counts with 32 bits, four words serve 64 columns
_COLUMNS = 64
_MOST_COUNTERS = 2**32


@dataclass(frozen=True, eq=False)
class AdaptationPlan:
    """Histories and the small network of an `Adaptation`; gate is a factor of the signals."""

    gate: Tensor  # [n_pre, n_post], 0 or 1
    mask: Tensor  # [n_pre, n_post]
    history: Tensor  # bool [n_pre, H]
    counter: Tensor  # int64 [1], recorded steps
    layers: tuple[Tensor, Tensor]  # [hidden, H], [1, hidden]
    rate: float
    decay: float


@dataclass(frozen=True, eq=False)
class Compartments:
    """What becomes of the signal w[i, j] of a spike.  Tensors are [n_pre, n_post] unless said.

    steps: what is done to it, in order: ("multiply", "draw", "add" or "subtract", values).
    delay: int32, steps; ring [L, B, n_post] holds the currents of the next L steps, the present
    one in slot head (int64 [1]).  rest: [n_post], what all synapses deliver without a spike.
    """

    steps: tuple[tuple[str, Tensor], ...]
    delay: Tensor | None = None
    ring: Tensor | None = None
    head: Tensor | None = None
    rest: Tensor | None = None
    adaptation: AdaptationPlan | None = None
    stream: int = 0

    @property
    def draws(self) -> bool:
        """Whether it takes random numbers."""
        return any(act == "draw" for act, _ in self.steps)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors."""
        found = [t for _, t in self.steps]
        found += [t for t in (self.delay, self.ring, self.head, self.rest) if t is not None]
        if (a := self.adaptation) is not None:
            found += [a.gate, a.mask, a.history, a.counter, *a.layers]
        return found

    def reset(self) -> None:
        """Forget signals under way and histories."""
        if self.ring is not None:
            self.ring.zero_()
        if self.adaptation is not None:
            self.adaptation.history.zero_()
            self.adaptation.counter.zero_()


def rest_of(steps: Sequence[tuple[str, Tensor]]) -> Tensor | None:
    """What all synapses of each target deliver without a spike, summed in ascending order.

    None where that is nothing.
    """
    if not any(act in ("add", "subtract") for act, _ in steps):
        return None
    signal = torch.zeros_like(steps[0][1])
    for act, value in steps:
        if act == "multiply":
            signal = signal * value
        elif act == "add":
            signal = signal + value
        elif act == "subtract":
            signal = signal - value
    rest = signal.new_zeros(signal.shape[1])
    for row in signal:
        rest = rest + row
    return rest


class Silent(Dense):
    """The values of a feature that learns: a weight that delivers nothing."""

    kind = "silent"


@dataclass(eq=False)
class LiveFeature:
    """A feature of a projection: ``projection.features["probability"]``.

    value: the live values; may be written to between runs.
    """

    name: str
    feature: Feature
    value: Tensor
    learner: Projection | None = None
    amount: Tensor | None = None  # what a degradation subtracts
    own: dict[str, Tensor] = field(default_factory=dict)
    _version: int = -1

    def settle(self, what: str) -> bool:
        """After the user wrote to the values: check them; returns whether that was so."""
        if self.learner is not None:
            self.learner.settle()
        if self.value._version == self._version:
            return False
        self.feature.check(f"{what}, feature '{self.name}'", self.value)
        if isinstance(self.feature, Delay) and bool((self.value >= len(self.own["ring"])).any()):
            raise ShapeError(
                f"{what}: a delay is longer than {len(self.own['ring']) - 1} steps; give "
                f"Delay(longest=...)."
            )
        if isinstance(self.feature, Degradation):
            assert self.amount is not None
            self.amount.copy_(self.feature.amount(what, self.value))
        self.remember()
        return True

    def remember(self) -> None:
        """What was written so far is known; only later writes are the user's."""
        self._version = self.value._version
        if self.learner is not None:
            self.learner.remember()

    def options(self) -> dict[str, Any]:
        """What makes it again, besides values and rule."""
        if isinstance(self.feature, Delay):
            return {"longest": len(self.own["ring"]) - 1}
        return self.feature.options()

    def variables(self) -> dict[str, Tensor]:
        """All tensors by name."""
        learnt = self.learner.state if self.learner is not None else {}
        every = {**self.own, **learnt}
        return {self.name: self.value} | {f"{self.name}.{k}": v for k, v in every.items()}


class Features:
    """All features of a projection, in order."""

    def __init__(
        self, what: str, features: Sequence[Feature], shape: tuple[int, int], index: int,
        device: torch.device, dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        _check_order(what, features)
        self.what, self.live = what, {}
        self.stream, self.dtype = synapse_stream(index), dtype
        for feature in features:
            name = feature.kind
            while name in self.live:
                name += "_"
            value = feature.tensor(f"{what}, feature '{name}'", shape, dtype).to(device)
            self.live[name] = LiveFeature(name, feature, value)
        if self.draws and shape[0] * math.ceil(shape[1] / _COLUMNS) * (_COLUMNS // 4) > (
            _MOST_COUNTERS
        ):
            raise ShapeError(f"{what}: Probability draws for 2^34 synapses at most.")
        self.rest: Tensor | None = None

    @property
    def draws(self) -> bool:
        """Whether random numbers are drawn."""
        return any(isinstance(f.feature, Probability) for f in self.live.values())

    def allocate(self, batch: int) -> None:
        """Make the state of all features, for a batch size."""
        for f in self.live.values():
            (n_pre, n_post), device = f.value.shape, f.value.device
            if isinstance(f.feature, Delay):
                length = len(f.own["ring"]) if f.own else f.feature.length(f.value)
                f.own = {
                    "ring": torch.zeros(length, batch, n_post, dtype=self.dtype, device=device),
                    "head": torch.zeros(1, dtype=torch.int64, device=device),
                }
            elif isinstance(f.feature, Adaptation) and not f.own:
                length = f.feature.layers[0].shape[1]
                f.own = {
                    "mask": f.value.clone(),
                    "history": torch.zeros(n_pre, length, dtype=torch.bool, device=device),
                    "counter": torch.zeros(1, dtype=torch.int64, device=device),
                }
                f.value.copy_(f.value > 0)
            elif isinstance(f.feature, Degradation) and f.amount is None:
                f.amount = torch.zeros_like(f.value)
            elif f.learner is not None:
                f.learner.allocate()

    def settle(self) -> None:
        """After the user wrote to values: check them, and work out what depends on them."""
        written = [f.settle(self.what) for f in self.live.values()]
        if any(written):
            steps = self._steps()
            rest = rest_of(steps)
            if self.rest is None:
                self.rest = rest
            elif rest is not None:
                self.rest.copy_(rest)

    def remember(self) -> None:
        """What was learnt so far is known; only later writes are the user's."""
        for f in self.live.values():
            if f.learner is not None:
                f.remember()

    def reset(self) -> None:
        """Forget signals under way and histories; values and masks are kept."""
        self.plan().reset()

    def variables(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return {k: v for f in self.live.values() for k, v in f.variables().items()}

    def learners(self) -> list[Projection]:
        """The projections that stand for values that learn."""
        return [f.learner for f in self.live.values() if f.learner is not None]

    def plan(self) -> Compartments:
        """What a backend is given."""
        found: dict[str, Any] = {}
        for f in self.live.values():
            if isinstance(f.feature, Delay):
                found |= {"delay": f.value, **f.own}
            elif isinstance(f.feature, Adaptation):
                layers = tuple(w.to(f.value.device, self.dtype) for w in f.feature.layers)
                found["adaptation"] = AdaptationPlan(
                    f.value, layers=layers, rate=f.feature.rate, decay=f.feature.decay, **f.own
                )
        return Compartments(self._steps(), rest=self.rest, stream=self.stream, **found)

    def _steps(self) -> tuple[tuple[str, Tensor], ...]:
        return tuple(
            (f.feature.act, f.value if f.amount is None else f.amount)
            for f in self.live.values()
            if f.feature.act is not None
        )


def _check_order(what: str, features: Sequence[Feature]) -> None:
    """Every step's work follows the spikes: what synapses deliver at rest must not change."""
    rests = False
    for feature in features:
        if not isinstance(feature, Feature) or not feature.kind:
            raise ModelError(
                f"{what}: features holds {feature!r}, expected Mask, Intensity, Probability, Bias, "
                f"Degradation, Delay or Adaptation."
            )
        varies = feature.act in (None, "draw") or isinstance(feature, Adaptation)
        if rests and (varies or feature.changes):
            raise ModelError(
                f"{what}: {type(feature).__name__} stands behind Bias or Degradation and would "
                f"change what synapses deliver without a spike; put it before."
            )
        rests = rests or feature.act in ("add", "subtract")
    for kind in (Probability, Delay, Adaptation):
        if sum(isinstance(f, kind) for f in features) > 1:
            raise ModelError(f"{what}: expected one {kind.__name__} at most.")


__all__ = ["AdaptationPlan", "Compartments", "Features", "LiveFeature", "Silent", "rest_of"]
