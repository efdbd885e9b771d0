# SPDX-License-Identifier: Apache-2.0
"""Layers of spiking neurons over whole sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastsnn.errors import ModelError, ShapeError
from fastsnn.lowering import gradient
from fastsnn.models import surrogates
from fastsnn.models.declare import Neuron
from fastsnn.models.driven import DrivenCubaLIF, DrivenIF, DrivenLIF, JumpCubaLIF
from fastsnn.models.driven import Leaky as LeakyModel
from fastsnn.models.driven import Synaptic as SynapticModel
from fastsnn.nn import ops
from fastsnn.nn.engines import ENGINES

State = dict[str, Tensor]


class _Given:
    """Parameters by name, in a form that torch.compile follows."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class Course(NamedTuple):
    """spike, trail: [T, B, ...], None where not asked for.   state: variable -> [B, ...]."""

    spike: Tensor | None
    trail: Tensor | None
    state: State


class Neurons(nn.Module):
    """A layer of a neuron model (of `fastsnn.models`, or your own), without weights.

    model:     a class derived from Neuron without rand, dot, over_batch.
    dt:        time step, in the unit of the model's time constants.
    learn:     names of parameters that become `nn.Parameter`s.
    surrogate: derivative of the threshold, a name of `fastsnn.models.surrogates`; its `alpha`.
    detach_reset: whether gradients stop at the reset.
    output:    "spike", or a variable, whose course after each step is then the output.
    backend:   "auto"; or "cpu", "triton", "torch" (the reference, by autograd).
    values:    parameters of the model: a number, or a tensor that broadcasts to one sample.

    Input and output are [T, B, ...].  Without a state the layer starts at its initial one.
    Raises ModelError for unknown names and impossible values.
    """

    def __init__(
        self,
        model: type[Neuron],
        *,
        dt: float = 1.0,
        learn: Iterable[str] = (),
        surrogate: str = "atan",
        alpha: float | None = None,
        detach_reset: bool = False,
        output: str = "spike",
        backend: str = "auto",
        **values: Any,
    ) -> None:
        super().__init__()
        why = gradient.obstacle(model)
        if why:
            raise ModelError(f"{model.__name__} cannot be a layer: {why}.")
        self.model, self.dt, self.detach_reset = model, float(dt), detach_reset
        self.surrogate, self.alpha = surrogates.check(surrogate, alpha)
        self.output, self.backend = output, backend
        if output not in ("spike", *model.state()):
            raise ModelError(f"output={output!r}: expected spike or {', '.join(model.state())}.")
        if backend not in ("auto", *ENGINES):
            raise ModelError(f"backend={backend!r}: expected auto or {', '.join(ENGINES)}.")
        # floats of other modules stay what they are: parameters are checked in float64
        checked = model(**{k: _plain(v) for k, v in values.items()}).values
        self.choices = {k: v for k, v in checked.items() if isinstance(v, str)}
        self.numbers = [k for k in checked if k not in self.choices]
        for name in learn:
            if name not in self.numbers:
                raise ModelError(
                    f"learn: '{name}' is no number of {model.__name__}: {', '.join(self.numbers)}."
                )
        for name in self.numbers:
            value = torch.as_tensor(checked[name], dtype=torch.float64)
            given = values.get(name)
            if isinstance(given, nn.Parameter):
                self.register_parameter(name, given)
            elif name in learn:
                self.register_parameter(name, nn.Parameter(value.to(torch.get_default_dtype())))
            else:
                self.register_buffer(name, value)

    def extra_repr(self) -> str:
        """What was chosen."""
        default = self.model().values
        shown = [self.model.__name__]
        for name in self.numbers:
            value = getattr(self, name)
            same = value.dim() == 0 and float(value) == default[name]
            if not same or isinstance(value, nn.Parameter):
                shown.append(f"{name}={value.item():g}" if value.dim() == 0 else f"{name}=tensor")
        shown += [f"{k}={v}" for k, v in self.choices.items() if v != default[k]]
        return ", ".join([*shown, f"surrogate={self.surrogate}({self.alpha:g})"])

    def forward(self, x: Tensor, state: State | None = None) -> Tensor:
        """The output over the whole sequence [T, B, ...]."""
        trail = "" if self.output == "spike" else self.output
        course = self.advance(x, state, spike=not trail, trail=trail)
        made = course.trail if trail else course.spike
        assert made is not None
        return made

    def advance(
        self, x: Tensor, state: State | None = None, *, spike: bool = True, trail: str = ""
    ) -> Course:
        """Spikes and the course of a variable (`trail`) over a sequence, and the state after it.

        Raises ShapeError when x is no [T, B, ...] or a parameter or state does not fit it.
        """
        if x.dim() < 2 or not x.is_floating_point():
            raise ShapeError(
                f"{self.model.__name__} layer: input is {tuple(x.shape)} of {x.dtype}, expected "
                f"floats [T, B, ...] (time, batch, neurons). Reshape it, or .float()."
            )
        if x.dtype != torch.float64:
            x = x.float()
        numbers = self._values()
        for name in self.numbers:
            if numbers[name].dim():
                _spread(numbers[name], x, name)
        order = _order(x)
        inside = x.shape[1:]
        flat = _flat(x, order)
        args = (
            flat,
            self._start(x, state, numbers, order),
            self._param(x, numbers, order),
        )
        options = (
            ops.name_of(self.model), spike, trail, self.surrogate, self.alpha,
            not self.detach_reset,
        )  # fmt: skip
        made = ops.run(self.backend, args, options)
        shaped = [_shaped(m, inside, order) if m.numel() or want else None
                  for m, want in zip(made[:2], (spike, trail), strict=True)]  # fmt: skip
        last = _shaped(made[2], inside, order)
        return Course(
            shaped[0] if spike else None,
            shaped[1] if trail else None,
            dict(zip(self.model.state(), last.unbind(), strict=True)),
        )

    def _numbers(self) -> dict[str, Tensor]:
        """The parameters of the model, as they are used."""
        return {name: getattr(self, name) for name in self.numbers}

    def _values(self) -> dict[str, Any]:
        """Parameters and constants, differentiable in what is learnt."""
        params = self._numbers()
        given = _Given({**params, **self.choices})
        return {**params, **self.model.constants(given, self.dt), "dt": self.dt}

    def _param(self, x: Tensor, numbers: dict[str, Any], order: tuple[int, ...]) -> Tensor:
        values = [_tensor(numbers[name], x) for name in self.model.step_params()]
        if not values:
            return x.new_empty(0)
        if all(v.dim() == 0 for v in values):
            return torch.stack(values)
        names = self.model.step_params()
        return _flat(
            torch.stack([_spread(v, x, name) for v, name in zip(values, names, strict=True)]), order
        )

    def _start(
        self, x: Tensor, state: State | None, numbers: dict[str, Any], order: tuple[int, ...]
    ) -> Tensor:
        rows = []
        if state is not None and set(state) != set(self.model.state()):
            raise ShapeError(
                f"{self.model.__name__} layer: state has {', '.join(state) or 'nothing'}, expected "
                f"{', '.join(self.model.state())}."
            )
        for name in self.model.state():
            init = self.model.variables[name].init
            value = numbers[init] if isinstance(init, str) else init
            given = value if state is None else state[name]
            rows.append(_spread(_tensor(given, x), x, name))
        return _flat(torch.stack(rows), order) if rows else x.new_empty(0, x[0].numel())


def _plain(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _tensor(value: Any, like: Tensor) -> Tensor:
    """A number in the type and on the device of the input; float64 is rounded once."""
    return torch.as_tensor(value, device=like.device).to(like.dtype)


def _spread(value: Tensor, x: Tensor, name: str) -> Tensor:
    """A number, one per neuron or one per sample and neuron, as [B, ...]."""
    try:
        return value.expand(x.shape[1:])
    except RuntimeError as error:
        raise ShapeError(
            f"'{name}' is {tuple(value.shape)}, which does not broadcast to {tuple(x.shape[2:])}, "
            f"one sample of the input {tuple(x.shape)}. Give one number, or one per neuron."
        ) from error


def _order(x: Tensor) -> tuple[int, ...]:
    """The dimensions behind time in the order in which they lie in memory.

    Channels-last input is dense in another order: neurons do not mind in which one they come.
    """
    inner = tuple(range(1, x.dim()))
    if x.is_contiguous():
        return inner
    found = tuple(sorted(inner, key=lambda d: (-x.stride(d), d)))
    return found if x.permute(0, *found).is_contiguous() else inner


def _flat(x: Tensor, order: tuple[int, ...]) -> Tensor:
    return x.permute(0, *order).reshape(x.shape[0], -1)


def _shaped(flat: Tensor, inside: torch.Size, order: tuple[int, ...]) -> Tensor:
    back = [0] * (len(order) + 1)
    for place, dim in enumerate(order, 1):
        back[dim] = place
    return flat.reshape(flat.shape[0], *(inside[d - 1] for d in order)).permute(back)


class EachStep(nn.Module):
    """A module of samples [B, ...] (convolution, pool, norm) applied to every step at once."""

    def __init__(self, *inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner[0] if len(inner) == 1 else nn.Sequential(*inner)

    def forward(self, x: Tensor) -> Tensor:
        """Time and batch become one dimension and two again."""
        return self.inner(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class IF(Neurons):
    """v = v + r dt x; see `models.driven.DrivenIF` and `Neurons` for what else it takes."""

    def __init__(self, v_thresh: Any = 1.0, **options: Any) -> None:
        super().__init__(DrivenIF, v_thresh=v_thresh, **options)


class LIF(Neurons):
    """v = v + dt / tau_m (v_rest - v + r x); see `models.driven.DrivenLIF` and `Neurons`."""

    def __init__(self, tau_m: Any = 2.0, **options: Any) -> None:
        super().__init__(DrivenLIF, tau_m=tau_m, **options)


class CubaLIF(Neurons):
    """LIF behind a low-pass filter of its input; see `models.driven.DrivenCubaLIF`."""

    def __init__(self, tau_m: Any = 2.0, tau_syn: Any = 2.0, **options: Any) -> None:
        super().__init__(DrivenCubaLIF, tau_m=tau_m, tau_syn=tau_syn, **options)


class JumpLIF(Neurons):
    """LIF whose current jumps by its input; see `models.driven.JumpCubaLIF` (Norse's LIF)."""

    def __init__(self, tau_m: Any = 10.0, tau_syn: Any = 5.0, **options: Any) -> None:
        super().__init__(JumpCubaLIF, tau_m=tau_m, tau_syn=tau_syn, **options)


class Leaky(Neurons):
    """v = beta v + x; see `models.driven.Leaky` (snnTorch's Leaky with delayed=1)."""

    def __init__(self, beta: Any = 0.9, **options: Any) -> None:
        super().__init__(LeakyModel, beta=beta, **{"reset": "subtract", **options})


class Synaptic(Neurons):
    """i = decay_syn i + x, v = beta v + i; see `models.driven.Synaptic` (snnTorch's)."""

    def __init__(self, decay_syn: Any = 0.8, beta: Any = 0.9, **options: Any) -> None:
        options = {"reset": "subtract", **options}
        super().__init__(SynapticModel, decay_syn=decay_syn, beta=beta, **options)
