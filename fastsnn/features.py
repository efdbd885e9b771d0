# SPDX-License-Identifier: Apache-2.0
"""What happens to the signals of synapses between weight and target: the features of a projection.

A spike of neuron i sends the signal w[i, j] to neuron j; features change it, one after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn.errors import ModelError, ShapeError, whole_number
from fastsnn.models.declare import Rule

Value = Tensor | float | int


class Feature:
    """Base of the features.  value: [n_pre, n_post] (pre, post), or a number for all synapses."""

    kind: ClassVar[str] = ""
    act: ClassVar[str | None] = "multiply"  # on the signal: multiply, draw, add or subtract
    whole: ClassVar[bool] = False  # whether values are whole numbers
    # the lowest and highest value
    limits: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def __init__(self, value: Value) -> None:
        self.value = value

    @property
    def rule(self) -> Rule | None:
        """The rule that the value learns by."""
        return None

    @property
    def changes(self) -> bool:
        """Whether learning changes the value."""
        return False

    def tensor(self, what: str, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
        """The value as a tensor of its own; dtype: of real numbers.  Raises ShapeError."""
        try:
            given = torch.as_tensor(self.value).detach()
            made = given.to(torch.int32 if self.whole else dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ShapeError(
                f"{what}: value is {self.value!r}, expected a number or a tensor {shape}."
            ) from error
        if given.dim() and tuple(given.shape) != shape:
            hint = " Did you mean value.T?" if tuple(reversed(given.shape)) == shape else ""
            raise ShapeError(
                f"{what}: value is {tuple(given.shape)}, expected {shape} (pre, post).{hint}"
            )
        self.check(what, given)
        return made.expand(shape).contiguous().clone()

    def check(self, what: str, value: Tensor) -> None:
        """Raise ShapeError where a value has no meaning."""
        low, high = self.limits
        if not value.numel():
            return
        least, most = (float(x) for x in torch.aminmax(value.to(torch.float64)))
        if not (math.isfinite(least) and math.isfinite(most)) or least < low or most > high:
            raise ShapeError(
                f"{what}: values are {least:g} .. {most:g}, expected finite numbers from {low:g} "
                f"to {high:g}."
            )

    def options(self) -> dict[str, Any]:
        """What it was made with, besides its value and its rule."""
        return {}

    def __repr__(self) -> str:
        rule = f"rule={self.rule!r}" if self.rule else ""
        return f"{type(self).__name__}({rule})"


class _Learning(Feature):
    """A feature whose value may learn.

    rule: learning rule, which takes the value for its weight.  w_min, w_max: bounds that it keeps.
    norm: sum of the absolute values of each target neuron, restored after each run.  weight_decay:
    fraction lost a step while learning.  reduction: of updates over the batch.
    """

    def __init__(
        self,
        value: Value,
        rule: Rule | None = None,
        *,
        w_min: float | None = None,
        w_max: float | None = None,
        norm: float | None = None,
        weight_decay: float = 0.0,
        reduction: str = "sum",
    ) -> None:
        super().__init__(value)
        if rule is not None and not (isinstance(rule, Rule) and "learn" in rule.functions):
            raise ModelError(
                f"{type(self).__name__}: rule is {rule!r}, expected a learning rule, e.g. "
                f"PostPre()."
            )
        self._rule = rule
        self._options = {
            "w_min": self.limits[0] if w_min is None else float(w_min),
            "w_max": self.limits[1] if w_max is None else float(w_max),
            "norm": norm, "weight_decay": weight_decay, "reduction": reduction,
        }  # fmt: skip
        low, high = self.limits
        if self._options["w_min"] < low or self._options["w_max"] > high:
            raise ModelError(
                f"{type(self).__name__}: bounds {self._options['w_min']:g} .. "
                f"{self._options['w_max']:g}, expected them within {low:g} .. {high:g}."
            )

    @property
    def rule(self) -> Rule | None:
        """The rule that the value learns by."""
        return self._rule

    @property
    def changes(self) -> bool:
        """Whether learning changes the value."""
        own = self._options
        return self._rule is not None or own["norm"] is not None or bool(own["weight_decay"])

    def options(self) -> dict[str, Any]:
        """What it was made with, besides its value and its rule."""
        return dict(self._options)


class Intensity(_Learning):
    """Multiply the signal: -1 turns its sign, 0 silences the synapse."""

    kind = "intensity"


class Probability(_Learning):
    """Let a signal through with a probability from 0 to 1, drawn at every spike.

    All batch elements share the draw of a step and synapse.
    """

    kind = "probability"
    act = "draw"
    limits = (0.0, 1.0)


class Mask(Feature):
    """Let signals through where the value is True (1)."""

    kind = "mask"

    def check(self, what: str, value: Tensor) -> None:
        """Raise ShapeError unless all values are 0 or 1."""
        if not bool(((value == 0) | (value == 1)).all()):
            raise ShapeError(f"{what}: expected truth values (0 and 1).")


class Bias(Feature):
    """Add a number to every synapse's signal at every step, spike or not."""

    kind = "bias"
    act = "add"


class Degradation(Feature):
    """Subtract function(value) from every synapse's signal at every step, spike or not.

    function: of a tensor, elementwise; called before a run where the value was written to.  None:
    the value itself.  A file holds what is subtracted, not the function.
    """

    kind = "degradation"
    act = "subtract"

    def __init__(self, value: Value, function: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__(value)
        self.function = function

    def amount(self, what: str, value: Tensor) -> Tensor:
        """What is subtracted, in the value's shape.  Raises ShapeError."""
        amount = value if self.function is None else self.function(value)
        amount = torch.as_tensor(amount, dtype=value.dtype, device=value.device)
        if amount.shape != value.shape or not bool(torch.isfinite(amount).all()):
            raise ShapeError(
                f"{what}: function(value) is of shape {tuple(amount.shape)}, expected finite "
                f"numbers {tuple(value.shape)}."
            )
        return amount


class Delay(Feature):
    """Deliver a synapse's signal a number of steps later, beyond the one step that all take.

    steps: whole numbers [n_pre, n_post], or one for all.  longest: the highest that may be written
    later (default: the highest now); (longest + 1) currents of every target neuron are kept.  What
    a signal becomes is settled when its spike is sent.
    """

    kind = "delay"
    act = None
    whole = True

    def __init__(self, steps: Value, longest: int | None = None) -> None:
        super().__init__(steps)
        if longest is not None:
            longest = whole_number(f"Delay(longest={longest!r})", longest, 0, 2**24)
        self.longest = longest

    def check(self, what: str, value: Tensor) -> None:
        """Raise ShapeError unless the values are whole numbers from 0 to the longest."""
        high = 2**24 - 1 if self.longest is None else self.longest
        whole = not value.is_floating_point() or bool((value == value.floor()).all())
        if not whole or not bool(((value >= 0) & (value <= high)).all()):
            raise ShapeError(f"{what}: expected whole numbers of steps from 0 to {high}.")

    def length(self, steps: Tensor) -> int:
        """Steps of current that are kept."""
        longest = int(steps.max()) if self.longest is None and steps.numel() else self.longest
        return (longest or 0) + 1

    def options(self) -> dict[str, Any]:
        """The longest delay."""
        return {"longest": self.longest}


class Adaptation(Feature):
    """Open and close synapses by what a small network makes of the spikes of their source.

    Steps in which the source spikes at all (in any batch element) are recorded.  Whenever the last
    H of them are new, with h[i] the spikes of neuron i in them:

        mask[i, j] += rate * tanh(b . relu(a @ h[i])) + decay,   kept within [-1, 1]

    and signals pass where mask > 0.  value: the first mask; until the first decision its
    positive synapses are open.  layers: a [hidden, H] and b [1, hidden].
    """

    kind = "adaptation"
    limits = (-1.0, 1.0)

    def __init__(
        self, value: Value, layers: Sequence[Tensor], rate: float = 0.1, decay: float = 0.001
    ) -> None:
        super().__init__(value)
        try:
            a, b = (torch.as_tensor(x, dtype=torch.float64).detach().contiguous() for x in layers)
            fits = a.dim() == 2 and b.numel() == len(a) and bool(a.numel())
        except (TypeError, ValueError):
            fits = False
        if not fits or not bool(torch.isfinite(a).all() and torch.isfinite(b).all()):
            raise ShapeError(
                "Adaptation: expected layers=(a [hidden, H], b [1, hidden]) of finite numbers."
            )
        if not (math.isfinite(rate) and math.isfinite(decay)):
            raise ModelError(f"Adaptation: rate={rate!r}, decay={decay!r}, expected finite ones.")
        self.layers, self.rate, self.decay = (a, b.reshape(1, -1)), float(rate), float(decay)

    def options(self) -> dict[str, Any]:
        """The small network and its rates."""
        return {"layers": self.layers, "rate": self.rate, "decay": self.decay}


KINDS = {
    f.__name__: f for f in (Mask, Intensity, Probability, Bias, Degradation, Delay, Adaptation)
}

__all__ = [
    "KINDS", "Adaptation", "Bias", "Degradation", "Delay", "Feature", "Intensity", "Mask",
    "Probability",
]  # fmt: skip
