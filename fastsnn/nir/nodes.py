# SPDX-License-Identifier: Apache-2.0
"""What the nodes of NIR become: torch modules over sequences [T, B, ...]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastsnn.errors import FastsnnError
from fastsnn.models.driven import DrivenCubaLIF, DrivenIF, DrivenLIF
from fastsnn.nir.wiring import GraphError
from fastsnn.nn import Neurons


@dataclass(frozen=True)
class Reading:
    """What a file does not say: time step in s, reset, integrator; and who computes."""

    dt: float
    reset: str
    integrator: str
    backend: str


class Node(nn.Module):
    """A node: a function of [T, B, ...], without memory unless it says so.

    fields: (field of the NIR node, parameter or buffer here), for saving.
    """

    remembers = False
    delays = False
    fields: tuple[tuple[str, str], ...] = ()

    def advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Output and new state."""
        return self(x), None

    def value(self, own: str) -> Tensor:
        """A parameter, for saving."""
        return getattr(self, own)


class Pass(Node):
    """Input and Output: what comes goes on."""

    def forward(self, x: Tensor) -> Tensor:
        """x."""
        return x


class Weighted(Node):
    """Affine, Linear: y = W x + b."""

    def __init__(self, weight: Any, bias: Any = None) -> None:
        super().__init__()
        self.weight = _parameter(weight)
        self.bias = None if bias is None else _parameter(bias)
        self.fields = (("weight", "weight"), *([] if bias is None else [("bias", "bias")]))

    def forward(self, x: Tensor) -> Tensor:
        """W x + b of every step."""
        if self.weight.dim() == 2:
            return F.linear(x, self.weight, self.bias)
        y = torch.matmul(self.weight, x.unsqueeze(-1)).squeeze(-1)
        return y if self.bias is None else y + self.bias


class Scale(Node):
    """y = scale * x."""

    fields = (("scale", "scale"),)

    def __init__(self, scale: Any) -> None:
        super().__init__()
        self.scale = _parameter(scale)

    def forward(self, x: Tensor) -> Tensor:
        """scale * x."""
        return self.scale * x


class Threshold(Node):
    """1 where x > threshold, else 0."""

    fields = (("threshold", "threshold"),)

    def __init__(self, threshold: Any) -> None:
        super().__init__()
        self.register_buffer("threshold", _floats(threshold))

    def forward(self, x: Tensor) -> Tensor:
        """Heaviside(x - threshold)."""
        return (x > self.threshold).to(x.dtype)


class Each(Node):
    """A function of single samples [C, ...]: convolutions and pools."""

    def __init__(
        self, function: str, options: dict[str, Any], weight: Any = None, bias: Any = None
    ) -> None:
        super().__init__()
        # by its name in torch.nn.functional, so that a graph can be pickled
        self.function, self.options = function, options
        self.weight = None if weight is None else _parameter(weight)
        self.bias = None if bias is None else _parameter(bias)
        self.fields = tuple((k, k) for k in ("weight", "bias") if getattr(self, k) is not None)

    def forward(self, x: Tensor) -> Tensor:
        """The function of every step and sample."""
        weights = [] if self.weight is None else [self.weight, self.bias]
        y = getattr(F, self.function)(x.flatten(0, 1), *weights, **self.options)
        return y.unflatten(0, x.shape[:2])


class Flatten(Node):
    """Dimensions start..end of a sample become one."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        self.start, self.end = start, end

    def forward(self, x: Tensor) -> Tensor:
        """x.flatten, behind time and batch."""
        start = self.start + 2 if self.start >= 0 else self.start
        return x.flatten(start, self.end + 2 if self.end >= 0 else self.end)


class Delay(Node):
    """y[t] = x[t - steps], a number of steps per element; zero before the first input."""

    remembers = True

    def __init__(self, steps: Tensor) -> None:
        super().__init__()
        self.register_buffer("steps", steps)
        self.most = int(steps.max())
        self.delays = int(steps.min()) > 0

    def start(self, like: Tensor) -> Tensor:
        """What the node holds before the first step: zeros [most, B, ...]."""
        return like.new_zeros(self.most, *like.shape[1:])

    def give(self, held: Tensor) -> Tensor:
        """The output of the next step, which only depends on what came before."""
        place = (self.most - self.steps).expand(1, *held.shape[1:])
        return held.gather(0, place)

    def take(self, held: Tensor, x: Tensor) -> Tensor:
        """What is held after a step."""
        return torch.cat((held, x))[x.shape[0] :]

    def advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Delayed input."""
        held = self.start(x) if state is None else state
        if x.shape[0] == 0:
            return x, held
        full = torch.cat((held, x))
        time = torch.arange(x.shape[0], device=x.device).view(-1, *[1] * (x.dim() - 1))
        place = (time + self.most - self.steps).expand(x.shape)
        return full.gather(0, place), full[x.shape[0] :]


class Population(Node):
    """Neurons: spikes, or the potential of those that do not spike."""

    remembers = True

    def __init__(self, layer: Neurons, fields: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self.layer, self.fields = layer, fields

    def advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Output and state over the sequence."""
        trail = "" if self.layer.output == "spike" else self.layer.output
        course = self.layer.advance(x, state, spike=not trail, trail=trail)
        return course.trail if trail else course.spike, course.state  # type: ignore[return-value]

    def value(self, own: str) -> Tensor:
        """A parameter of the layer."""
        return getattr(self.layer, own)


def make(name: str, node: Any, reading: Reading) -> Node:
    """The module of one node; GraphError, with its name, where that cannot be."""
    kind = type(node).__name__
    if kind not in _MAKERS:
        raise GraphError(
            f"NIR node '{name}' ({kind}) has no meaning here. Known: {', '.join(_MAKERS)}."
        )
    try:
        return _MAKERS[kind](node, reading)
    except (FastsnnError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise GraphError(f"NIR node '{name}' ({kind}): {error}") from error


def _floats(value: Any) -> Tensor:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or not np.isfinite(array.astype(np.float64)).all():
        raise GraphError(f"holds {array.dtype} with values that are no finite numbers.")
    return torch.from_numpy(array.astype(np.float32))


def _parameter(value: Any) -> nn.Parameter:
    return nn.Parameter(_floats(value))


_OF_NEURONS = {
    "tau": "tau_m", "tau_mem": "tau_m", "tau_syn": "tau_syn", "r": "r", "v_leak": "v_rest",
    "v_threshold": "v_thresh", "v_reset": "v_reset", "w_in": "w_in",
}  # fmt: skip
_MODELS = {
    "I": DrivenIF, "IF": DrivenIF, "LI": DrivenLIF, "LIF": DrivenLIF,
    "CubaLI": DrivenCubaLIF, "CubaLIF": DrivenCubaLIF,
}  # fmt: skip


def _neurons(node: Any, reading: Reading) -> Node:
    model, spiking = _MODELS[type(node).__name__], hasattr(node, "v_threshold")
    values: dict[str, Any] = {}
    fields = []
    for field, own in _OF_NEURONS.items():
        value = getattr(node, field, None)
        if value is None:
            continue
        array = np.asarray(value, dtype=np.float64)
        if not np.isfinite(array).all():
            raise GraphError(f"{field} holds values that are no finite numbers.")
        values[own] = torch.from_numpy(array)
        fields.append((field, own))
    _check(node, values, spiking, reading)
    layer = Neurons(
        model,
        dt=reading.dt,
        output="spike" if spiking else "v",
        backend=reading.backend,
        reset=reading.reset if spiking else "none",
        **({} if model is DrivenIF else {"integrator": reading.integrator}),
        **values,
    )
    return Population(layer, tuple(fields))


def _check(node: Any, values: dict[str, Tensor], spiking: bool, reading: Reading) -> None:
    shapes = {name: tuple(v.shape) for name, v in values.items()}
    if len(set(shapes.values())) > 1:
        shown = {f: shapes[own] for f, own in _OF_NEURONS.items() if hasattr(node, f)}
        raise GraphError(f"its fields have different shapes: {shown}.")
    for field in ("tau", "tau_mem", "tau_syn"):
        tau = values[_OF_NEURONS[field]] if hasattr(node, field) else None
        if tau is None:
            continue
        if not bool((tau > 0).all()):
            raise GraphError(f"{field} must be above 0 s, its least value is {float(tau.min()):g}.")
        if reading.integrator == "euler" and bool((reading.dt > 2 * tau).any()):
            raise GraphError(
                f"dt={reading.dt:g} s is more than twice {field}={float(tau.min()):g} s, where "
                f"Euler steps grow without bound. Take a smaller dt or integrator='exact'."
            )
    if spiking and reading.reset == "subtract" and bool((values["v_reset"] != 0).any()):
        raise GraphError("v_reset is not 0, which reset='subtract' cannot honour. Use 'value'.")


def _delay(node: Any, reading: Reading) -> Node:
    exact = np.asarray(node.delay, dtype=np.float64) / reading.dt
    steps = np.rint(exact)
    if not np.isfinite(exact).all() or (steps < 0).any():
        raise GraphError("delay must be 0 s or more.")
    if (np.abs(exact - steps) > 1e-3).any():
        worst = float(np.asarray(node.delay).flat[np.abs(exact - steps).argmax()])
        raise GraphError(
            f"a delay of {worst:g} s is no whole number of steps of dt={reading.dt:g} s. "
            f"Choose a dt that divides it."
        )
    return Delay(torch.from_numpy(steps.astype(np.int64)))


def _pair(value: Any, n: int) -> tuple[int, ...]:
    return tuple(int(v) for v in np.broadcast_to(np.asarray(value), (n,)))


def _conv(n: int) -> Callable[[Any, Reading], Node]:
    def maker(node: Any, reading: Reading) -> Node:
        padding = node.padding if isinstance(node.padding, str) else _pair(node.padding, n)
        options = {
            "stride": _pair(node.stride, n),
            "padding": padding,
            "dilation": _pair(node.dilation, n),
            "groups": int(node.groups),
        }
        return Each(f"conv{n}d", options, node.weight, node.bias)

    return maker


def _pool(total: bool) -> Callable[[Any, Reading], Node]:
    def maker(node: Any, reading: Reading) -> Node:
        options = {
            "kernel_size": _pair(node.kernel_size, 2),
            "stride": _pair(node.stride, 2),
            "padding": _pair(node.padding, 2),
            "divisor_override": 1 if total else None,
        }
        return Each("avg_pool2d", options)

    return maker


_MAKERS: dict[str, Callable[[Any, Reading], Node]] = {
    "Input": lambda node, reading: Pass(),
    "Output": lambda node, reading: Pass(),
    "Affine": lambda node, reading: Weighted(node.weight, node.bias),
    "Linear": lambda node, reading: Weighted(node.weight),
    "Scale": lambda node, reading: Scale(node.scale),
    "Conv1d": _conv(1),
    "Conv2d": _conv(2),
    "SumPool2d": _pool(True),
    "AvgPool2d": _pool(False),
    "Flatten": lambda node, reading: Flatten(int(node.start_dim), int(node.end_dim)),
    "Delay": _delay,
    "Threshold": lambda node, reading: Threshold(node.threshold),
    **dict.fromkeys(_MODELS, _neurons),
}
