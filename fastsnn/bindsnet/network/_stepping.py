# SPDX-License-Identifier: Apache-2.0
"""A layer's step: the model's function, called on the layer's tensors under BindsNET's names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.models.anatomy import Choice
from fastsnn.models.declare import Neuron
from fastsnn.models.language import drawing, reducing

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._layer import ModelNodes

# names of the model -> names of the layer, where they differ
NAMES = {
    "refrac": "refrac_count", "v_thresh": "thresh", "v_rest": "rest", "v_reset": "reset",
    "t_refrac": "refrac", "decay_theta": "theta_decay", "decay_i": "i_decay", "tau_m": "tc_decay",
    "tau_i": "tc_i_decay", "tau_theta": "tc_theta_decay", "spike": "s",
    "spike_window": "last_spikes", "res_kernel": "resKernel", "ref_kernel": "refKernel",
}  # fmt: skip
_NOT_IN_LAYER = {"i_syn", "i_window", "learning", "dt", "half_dt", "lbound"}


class Reading:
    """Which tensors of a layer a model reads and writes."""

    def __init__(self, model: type[Neuron]) -> None:
        self.model = model
        arguments = model.functions["step"].arguments
        self.special = [a for a in arguments if a in _NOT_IN_LAYER]
        self.read = [(a, NAMES.get(a, a)) for a in arguments if a not in _NOT_IN_LAYER]
        self.outputs = [NAMES.get(name, name) for name in model.outputs()]
        self.state = [NAMES.get(name, name) for name in model.state()]
        self.shared = [NAMES.get(name, name) for name in model.shared()]
        given = set(arguments) - _NOT_IN_LAYER
        self.constants = [NAMES.get(c, c) for c in model.constant_names if c in given]
        self.params = [k for k, p in model.params.items() if not isinstance(p, Choice)]

    def constants_of(self, layer: ModelNodes) -> dict[str, Tensor]:
        """The model's constants for the layer's parameters and time step."""
        found = _constants(self, layer)
        names = {NAMES.get(k, k): v for k, v in found.items()}
        device = layer.s.device
        return {
            k: torch.as_tensor(names[k], dtype=torch.float32, device=device) for k in self.constants
        }

    def initial(self, layer: ModelNodes) -> dict[str, Tensor]:
        """Initial values of the state."""
        out = {}
        for name in self.model.state():
            init = self.model.variables[name].init
            if init == "u_rest":
                value = layer.b * layer.rest
            elif isinstance(init, str):
                value = layer._buffers[NAMES.get(init, init)]
            else:
                value = torch.tensor(float(init), device=layer.s.device)
            out[NAMES.get(name, name)] = value
        return out


def _constants(reading: Reading, layer: ModelNodes) -> dict[str, Any]:
    numbers = {}
    for name in reading.params:
        value = getattr(layer, NAMES.get(name, name), None)
        numbers[name] = value.to(torch.float64) if isinstance(value, Tensor) else value
    if hasattr(layer, "response_kernel"):
        numbers |= {
            "response_kernel": layer.response_kernel,
            "res_window": layer.res_window_size * layer.dt,
            "ref_window": layer.ref_window_size * layer.dt,
        }
        numbers |= {k: float(numbers[k]) for k in ("tau", "reset_const")}
    if "constants" not in vars(reading.model) and not hasattr(reading.model, "constants"):
        return {}
    return reading.model.constants(SimpleNamespace(**numbers), layer.dt)


class _Uniforms:
    """Numbers for `rand`, from torch's generator."""

    def __init__(self, like: Tensor) -> None:
        self.like = like

    def next(self) -> Tensor:
        return torch.rand_like(self.like.to(torch.float32))


class _Window:
    """The last values of a quantity, [batch, window, *shape], as `dot` takes them."""

    def __init__(self, data: Tensor) -> None:
        self.data = data

    def dot(self, kernel: Tensor) -> Tensor:
        return torch.tensordot(self.data, kernel.to(self.data.dtype), dims=([1], [0]))


_FLAGS: dict[tuple[bool, torch.device], Tensor] = {}


def _flag(value: bool, device: torch.device) -> Tensor:
    key = (bool(value), device)
    if key not in _FLAGS:
        _FLAGS[key] = torch.tensor(key[0], device=device)
    return _FLAGS[key]


def advance(layer: ModelNodes, x: Tensor) -> Tensor:
    """One step of the layer's neurons; returns the input as far as they took it."""
    reading, tensors = layer.reading, layer._buffers
    values = {name: tensors[key] for name, key in reading.read}
    for name in reading.special:
        if name == "i_syn":
            values[name] = x
        elif name == "i_window":
            values[name] = _Window(x)
        elif name == "learning":
            values[name] = _flag(layer.learning, x.device)
        elif name == "lbound":
            values[name] = -torch.inf if layer.lbound is None else layer.lbound
        else:
            values[name] = layer.dt if name == "dt" else layer.dt * 0.5
    if "spike_window" in values:
        values["spike_window"] = _Window(values["spike_window"])
    with drawing(_Uniforms(layer.s)), reducing("sum"):
        returned = reading.model.step(**values)
    taken = x
    for name, tensor in zip(
        reading.outputs, returned if isinstance(returned, tuple) else (returned,), strict=True
    ):
        if name == "i_syn":
            taken = tensor
        else:
            tensors[name] = tensor
    if layer.one_spike:
        tensors["s"] = _one_spike(tensors["s"])
    return taken


def _one_spike(candidates: Tensor) -> Tensor:
    """Keep the spike of one candidate of each batch element, drawn uniformly."""
    if not bool(candidates.any()):
        return candidates
    flat = candidates.reshape(len(candidates), -1)
    rows = flat.any(1).nonzero()[:, 0]
    winners = torch.multinomial(flat[rows].to(torch.float32), 1)[:, 0]
    spike = torch.zeros_like(flat)
    spike[rows, winners] = True
    return spike.reshape(candidates.shape)
