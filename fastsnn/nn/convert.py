# SPDX-License-Identifier: Apache-2.0
"""Replace the spiking layers of other libraries in a model by the fused ones, call for call.

Libraries are recognised by the modules of their classes, and never imported here.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fastsnn.errors import FastsnnError, ModelError
from fastsnn.models.driven import DrivenIF, DrivenLIF, JumpCubaLIF, Leaky, Synaptic
from fastsnn.nn.layers import Neurons


class ConversionError(FastsnnError):
    """A layer has an option that the fused ones do not have."""


class Replacement(nn.Module):
    """A layer that takes the place of another library's; `neurons` does the work."""

    def __init__(self, neurons: Neurons) -> None:
        super().__init__()
        self.neurons = neurons


class SnnTorchLayer(Replacement):
    """snnTorch's Leaky and Synaptic: one step per call, spike and states back.

    `sequence(x)` takes all steps [T, B, ...] in one call and returns the same, with a dimension of
    time; that is what is fast.
    """

    def __init__(self, neurons: Neurons, layer: Any) -> None:
        super().__init__(neurons)
        self.init_hidden, self.output = layer.init_hidden, layer.output
        factor = layer.graded_spikes_factor
        if isinstance(factor, nn.Parameter):
            self.graded_spikes_factor = factor
        else:
            self.register_buffer("graded_spikes_factor", factor)
        # in the order of snnTorch: syn before mem
        self.order = sorted(neurons.model.state())
        self.state: dict[str, Tensor] | None = None

    def reset_mem(self) -> None:
        """Forget the state."""
        self.state = None

    def forward(self, input_: Tensor, *states: Tensor | None) -> Any:
        """One step: spike, and the states unless they are hidden."""
        made = self.sequence(input_.unsqueeze(0), *states)
        if isinstance(made, Tensor):
            return made.squeeze(0)
        return tuple(m.squeeze(0) for m in made)

    def sequence(self, x: Tensor, *states: Tensor | None) -> Any:
        """All steps: spikes [T, B, ...], and the course of the potential (of the current: its end).

        The states are kept for the next call, as they are in snnTorch.
        """
        given = dict(zip(self.order, states, strict=False))
        if self.init_hidden and any(s is not None for s in states):
            raise TypeError("states are hidden (init_hidden=True), so that none may be given")
        held = self.state or {}
        start = {k: held.get(k) if given.get(k) is None else given[k] for k in self.order}
        shape = x.shape[1:]
        zeros = x.new_zeros(shape, dtype=torch.float32)
        # snnTorch, too, starts anew where the shape of the batch changes
        start = {k: zeros if s is None or s.shape != shape else s for k, s in start.items()}
        course = self.neurons.advance(x, start, trail="v")
        self.state = course.state
        spike = course.spike * self.graded_spikes_factor
        if self.init_hidden and not self.output:
            return spike
        last = [course.state[k].unsqueeze(0) for k in self.order if k != "v"]
        return (spike, *last, course.trail)


class _Clamped(Neurons):
    """Decays that are held between 0 and 1 when they are used, as snnTorch does."""

    def _numbers(self) -> dict[str, Tensor]:
        found = super()._numbers()
        return {k: v.clamp(0, 1) if k in ("beta", "decay_syn") else v for k, v in found.items()}


class NorseLayer(Replacement):
    """Norse's LIFCell (`steps` False) and LIF: spikes and state, from input and state."""

    def __init__(self, neurons: Neurons, steps: bool, state: Callable[..., Any]) -> None:
        super().__init__(neurons)
        self.steps, self.make_state = steps, state

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step [B, ...] of a cell, all steps [T, B, ...] of a LIF."""
        start = None if state is None else {"v": state.v, "i": state.i}
        course = self.neurons.advance(x if self.steps else x.unsqueeze(0), start)
        assert course.spike is not None
        spike = course.spike if self.steps else course.spike.squeeze(0)
        return spike, self.make_state(v=course.state["v"], i=course.state["i"])


class SpikingJellyLayer(Replacement):
    """SpikingJelly's IFNode, LIFNode, ParametricLIFNode; `v` is kept until `reset`."""

    def __init__(self, neurons: Neurons, layer: Any) -> None:
        super().__init__(neurons)
        self.step_mode, self.store_v_seq = layer.step_mode, layer.store_v_seq
        self.v_start = 0.0 if layer.v_reset is None else float(layer.v_reset)
        self.reset()

    def reset(self) -> None:
        """Forget the state, as `functional.reset_net` asks."""
        self.v: Any = self.v_start
        self.v_seq: Tensor | None = None

    def detach(self) -> None:
        """Cut the graph of the state."""
        if isinstance(self.v, Tensor):
            self.v = self.v.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of a step [B, ...] or, step_mode="m", of a sequence [T, B, ...]."""
        many = self.step_mode == "m"
        sequence = x if many else x.unsqueeze(0)
        v = self.v if isinstance(self.v, Tensor) else x.new_tensor(self.v)
        trail = "v" if self.store_v_seq else ""
        course = self.neurons.advance(sequence, {"v": v}, trail=trail)
        self.v = course.state["v"]
        if trail:
            before = [] if many or self.v_seq is None else [self.v_seq]
            self.v_seq = torch.cat([*before, course.trail])  # type: ignore[list-item]
        assert course.spike is not None
        return course.spike if many else course.spike.squeeze(0)


class _Parametric(Neurons):
    """tau_m = 1 / sigmoid(w), which is learnt."""

    def __init__(self, w: nn.Parameter, decay_input: bool, **options: Any) -> None:
        super().__init__(DrivenLIF, **options)
        self.w, self.decay_input = w, decay_input

    def _numbers(self) -> dict[str, Tensor]:
        tau = 1.0 / self.w.sigmoid()
        found = super()._numbers()
        # where the input does not decay, it acts as if multiplied by tau
        return {**found, "tau_m": tau, "r": found["r"] if self.decay_input else tau}


def convert(model: nn.Module, *, backend: str = "auto") -> nn.Module:
    """A copy of a model in which spiking layers of other libraries are replaced.

    Covered: snnTorch's Leaky and Synaptic; Norse's LIFCell and LIF; SpikingJelly's IFNode, LIFNode
    and ParametricLIFNode.  What they learn stays the same parameters of the copy.

    Raises ConversionError, with the name of the layer, for options that have no like here.
    """
    made = copy.deepcopy(model)
    if _kind(made) in _CONVERTERS:
        return _converted("", made, backend)
    for path, module in list(made.named_modules()):
        for name, child in list(module.named_children()):
            if _kind(child) in _CONVERTERS:
                full = f"{path}.{name}" if path else name
                setattr(module, name, _converted(full, child, backend))
    return made


def _kind(module: nn.Module) -> tuple[str, str]:
    cls = type(module)
    return cls.__module__.partition(".")[0], cls.__name__


def _converted(path: str, layer: nn.Module, backend: str) -> nn.Module:
    library, name = _kind(layer)

    def refuse(what: str) -> ConversionError:
        where = f"layer '{path}'" if path else "the layer"
        return ConversionError(
            f"fastsnn.nn.convert: {where} ({library} {name}) has {what}, which has no like here. "
            f"Change it, or leave this layer out of what is converted."
        )

    try:
        made = _CONVERTERS[library, name](layer, refuse, backend)
    except ModelError as error:
        raise refuse(f"a value that cannot be: {error}") from error
    return made.train(layer.training)


def _snntorch(layer: Any, refuse: Callable[[str], Exception], backend: str) -> nn.Module:
    if layer.inhibition or layer.state_quant or layer.surrogate_disable:
        raise refuse("inhibition, state_quant or surrogate_disable")
    function = layer.spike_grad
    kind = getattr(function, "__qualname__", "").partition(".")[0]
    surrogate = {"straight_through_estimator": "straight_through"}.get(kind, kind)
    if surrogate not in ("atan", "sigmoid", "fast_sigmoid", "straight_through"):
        raise refuse(f"the surrogate gradient '{kind}'")
    cells = [c.cell_contents for c in getattr(function, "__closure__", None) or ()]
    numbers = [c for c in cells if isinstance(c, (int, float))]
    values: dict[str, Any] = {"beta": layer.beta, "v_thresh": layer.threshold}
    synaptic = type(layer).__name__ == "Synaptic"
    if synaptic:
        values["decay_syn"] = layer.alpha
    reset = {"zero": "value"}.get(layer.reset_mechanism, layer.reset_mechanism)
    neurons = _Clamped(
        Synaptic if synaptic else Leaky,
        reset=reset,
        delayed=float(layer.reset_delay),
        surrogate=surrogate,
        alpha=numbers[0] if numbers else None,
        backend=backend,
        **values,
    )
    return SnnTorchLayer(neurons, layer)


def _norse(layer: Any, refuse: Callable[[str], Exception], backend: str) -> nn.Module:
    p, steps = layer.p, type(layer).__name__ == "LIF"
    surrogate = {"super": "fast_sigmoid", "triangle": "triangle"}.get(p.method)
    if surrogate is None:
        raise refuse(f"method '{p.method}'")
    if getattr(layer, "record_states", False):
        raise refuse("record_states=True")
    if any(isinstance(value, Tensor) and value.requires_grad for value in p):
        raise refuse("learnt parameters")
    alpha = _alpha_of_norse(p) if p.method == "super" else float(p.alpha)
    neurons = Neurons(
        JumpCubaLIF,
        dt=float(layer.dt),
        tau_m=1.0 / p.tau_mem_inv.double(),
        tau_syn=1.0 / p.tau_syn_inv.double(),
        v_rest=p.v_leak,
        v_thresh=p.v_th,
        v_reset=p.v_reset,
        surrogate=surrogate,
        alpha=alpha,
        backend=backend,
    )
    # the named tuple of states that the library's own layer makes
    functional = importlib.import_module("norse.torch.functional.lif")
    return NorseLayer(neurons, steps, functional.LIFFeedForwardState)


def _alpha_of_norse(p: Any) -> float:
    """alpha of 1 / (1 + alpha |u|)^2: some versions of Norse take theirs, some take 1."""
    threshold = importlib.import_module("norse.torch.functional.threshold").threshold
    with torch.enable_grad():
        u = torch.ones((), dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(threshold(u, "super", p.alpha), u)
    return float(slope) ** -0.5 - 1.0


_OF_SPIKINGJELLY = {
    "Sigmoid": "sigmoid", "ATan": "atan", "PiecewiseQuadratic": "piecewise_quadratic",
    "PiecewiseExp": "piecewise_exp", "SoftSign": "soft_sign", "SuperSpike": "superspike",
    "Erf": "erf",
}  # fmt: skip


def _spikingjelly(layer: Any, refuse: Callable[[str], Exception], backend: str) -> nn.Module:
    function = layer.surrogate_function
    name = type(function).__name__
    if name not in _OF_SPIKINGJELLY or not function.spiking:
        raise refuse(f"the surrogate {name}, spiking={getattr(function, 'spiking', None)}")
    hard = layer.v_reset is not None
    rest = float(layer.v_reset) if hard else 0.0
    options: dict[str, Any] = {
        "v_thresh": layer.v_threshold,
        "v_reset": rest,
        "reset": "value" if hard else "subtract",
        "fires": "at",
        "surrogate": _OF_SPIKINGJELLY[name],
        "alpha": float(function.alpha),
        "detach_reset": layer.detach_reset,
        "backend": backend,
    }
    kind = type(layer).__name__
    if kind == "IFNode":
        return SpikingJellyLayer(Neurons(DrivenIF, **options), layer)
    options["v_rest"] = rest
    if kind == "ParametricLIFNode":
        neurons: Neurons = _Parametric(layer.w, layer.decay_input, **options)
    else:
        # where the input does not decay, it acts as if multiplied by tau
        r = 1.0 if layer.decay_input else float(layer.tau)
        neurons = Neurons(DrivenLIF, tau_m=float(layer.tau), r=r, **options)
    return SpikingJellyLayer(neurons, layer)


_CONVERTERS: dict[tuple[str, str], Callable[..., nn.Module]] = {
    ("snntorch", "Leaky"): _snntorch,
    ("snntorch", "Synaptic"): _snntorch,
    ("norse", "LIFCell"): _norse,
    ("norse", "LIF"): _norse,
    ("spikingjelly", "IFNode"): _spikingjelly,
    ("spikingjelly", "LIFNode"): _spikingjelly,
    ("spikingjelly", "ParametricLIFNode"): _spikingjelly,
}
