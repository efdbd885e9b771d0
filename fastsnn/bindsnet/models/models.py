# SPDX-License-Identifier: Apache-2.0
"""Ready-made networks, under BindsNET's names.  Potentials in mV, times in ms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from fastsnn.bindsnet.learning import PostPre
from fastsnn.bindsnet.learning.MCC_learning import PostPre as MMCPostPre
from fastsnn.bindsnet.network import Network
from fastsnn.bindsnet.network.nodes import DiehlAndCookNodes, Input, LIFNodes
from fastsnn.bindsnet.network.topology import (
    Connection,
    LocalConnection,
    MulticompartmentConnection,
)
from fastsnn.bindsnet.network.topology_features import Weight

Nu = float | Sequence[float] | None
Reduction = Callable[..., Tensor] | None


def _input(n: int, shape: Iterable[int] | None = None) -> Input:
    return Input(n=n, shape=shape, traces=True, tc_trace=20.0)


def _excitatory(n: int, thresh: float, theta_plus: float, tc_theta_decay: float) -> Any:
    return DiehlAndCookNodes(
        n=n, traces=True, rest=-65.0, reset=-60.0, thresh=thresh, refrac=5, tc_decay=100.0,
        tc_trace=20.0, theta_plus=theta_plus, tc_theta_decay=tc_theta_decay,
    )  # fmt: skip


def _all_but_one(n: int, weight: float) -> Tensor:
    return weight * (1.0 - torch.eye(n))


class TwoLayerNetwork(Network):
    """Input X, all to all to LIF neurons Y, which learn by pair STDP."""

    def __init__(
        self,
        n_inpt: int,
        n_neurons: int = 100,
        dt: float = 1.0,
        wmin: float = 0.0,
        wmax: float = 1.0,
        nu: Nu = (1e-4, 1e-2),
        reduction: Reduction = None,
        norm: float = 78.4,
    ) -> None:
        super().__init__(dt=dt)
        self.n_inpt, self.n_neurons = n_inpt, n_neurons
        self.add_layer(_input(n_inpt), name="X")
        self.add_layer(LIFNodes(n=n_neurons, traces=True, tc_trace=20.0), name="Y")
        learnt = Connection(
            self.layers["X"], self.layers["Y"], w=0.3 * torch.rand(n_inpt, n_neurons),
            update_rule=PostPre, nu=nu, reduction=reduction, wmin=wmin, wmax=wmax, norm=norm,
        )  # fmt: skip
        self.add_connection(learnt, source="X", target="Y")


class DiehlAndCook2015(Network):
    """Input X, excitatory Ae that learn and compete, and inhibitory Ai, one for each of them.

    exc: weight Ae to its own Ai.  inh: weight of an Ai to all other Ae.
    Source: Diehl, Cook 2015.
    """

    def __init__(
        self,
        n_inpt: int,
        device: str = "cpu",
        batch_size: int | None = None,
        sparse: bool = False,
        n_neurons: int = 100,
        exc: float = 22.5,
        inh: float = 17.5,
        dt: float = 1.0,
        nu: Nu = (1e-4, 1e-2),
        reduction: Reduction = None,
        wmin: float = 0.0,
        wmax: float = 1.0,
        w_dtype: torch.dtype = torch.float32,
        norm: float = 78.4,
        theta_plus: float = 0.05,
        tc_theta_decay: float = 1e7,
        inpt_shape: Iterable[int] | None = None,
        inh_thresh: float = -40.0,
        exc_thresh: float = -52.0,
    ) -> None:
        super().__init__(dt=dt)
        self.n_inpt, self.n_neurons, self.inpt_shape = n_inpt, n_neurons, inpt_shape
        self.exc, self.inh = exc, inh
        layers = {
            "X": _input(n_inpt, inpt_shape),
            "Ae": _excitatory(n_neurons, exc_thresh, theta_plus, tc_theta_decay),
            "Ai": LIFNodes(
                n=n_neurons, traces=False, rest=-60.0, reset=-45.0, thresh=inh_thresh,
                tc_decay=10.0, refrac=2, tc_trace=20.0,
            ),
        }  # fmt: skip
        learnt = Weight(
            "weight", (0.3 * torch.rand(n_inpt, n_neurons)).to(w_dtype), value_dtype=w_dtype,
            range=[wmin, wmax], norm=norm, reduction=reduction, nu=nu, learning_rule=MMCPostPre,
            sparse=sparse,
        )  # fmt: skip
        one, others = exc * torch.eye(n_neurons), _all_but_one(n_neurons, -inh)
        weights = {
            ("X", "Ae"): learnt,
            ("Ae", "Ai"): Weight("weight", one.to(w_dtype), w_dtype, range=[0, exc]),
            ("Ai", "Ae"): Weight("weight", others.to(w_dtype), w_dtype, range=[-inh, 0]),
        }
        # without a batch size yet: updates of a batch are summed
        made = {
            (a, b): MulticompartmentConnection(layers[a], layers[b], device, [weight])
            for (a, b), weight in weights.items()
        }
        for name, layer in layers.items():
            self.add_layer(layer, name=name)
        for (source, target), connection in made.items():
            self.add_connection(connection, source=source, target=target)


class DiehlAndCook2015v2(Network):
    """Like `DiehlAndCook2015`, but the excitatory neurons Y inhibit each other directly."""

    def __init__(
        self,
        n_inpt: int,
        n_neurons: int = 100,
        inh: float = 17.5,
        dt: float = 1.0,
        nu: Nu = (1e-4, 1e-2),
        reduction: Reduction = None,
        wmin: float | None = 0.0,
        wmax: float | None = 1.0,
        norm: float = 78.4,
        theta_plus: float = 0.05,
        tc_theta_decay: float = 1e7,
        inpt_shape: Iterable[int] | None = None,
        exc_thresh: float = -52.0,
    ) -> None:
        super().__init__(dt=dt)
        self.n_inpt, self.n_neurons, self.inpt_shape = n_inpt, n_neurons, inpt_shape
        self.inh = inh
        _add_competitors(
            self, n_inpt, inpt_shape, n_neurons, exc_thresh, theta_plus, tc_theta_decay,
            nu=nu, reduction=reduction, wmin=wmin, wmax=wmax, norm=norm,
        )  # fmt: skip
        y = self.layers["Y"]
        lateral = Connection(y, y, w=_all_but_one(n_neurons, -inh), wmin=-inh, wmax=0)
        self.add_connection(lateral, source="Y", target="Y")


def _add_competitors(
    net: Network, n_inpt: int, inpt_shape: Iterable[int] | None, n_neurons: int,
    exc_thresh: float, theta_plus: float, tc_theta_decay: float, **learning: Any,
) -> None:  # fmt: skip
    """Input X, and excitatory Y that learn it."""
    net.add_layer(_input(n_inpt, inpt_shape), name="X")
    net.add_layer(_excitatory(n_neurons, exc_thresh, theta_plus, tc_theta_decay), name="Y")
    learnt = Connection(
        net.layers["X"], net.layers["Y"], w=0.3 * torch.rand(n_inpt, n_neurons),
        update_rule=PostPre, **learning,
    )  # fmt: skip
    net.add_connection(learnt, source="X", target="Y")


class IncreasingInhibitionNetwork(Network):
    """Excitatory Y on a square grid, whose lateral weights change with their distance.

    w = start_inhib + max_inhib sqrt(distance) / largest: excitation where both are positive.
    Source: Hazan et al. 2018.
    """

    def __init__(
        self,
        n_input: int,
        n_neurons: int = 100,
        start_inhib: float = 1.0,
        max_inhib: float = 100.0,
        dt: float = 1.0,
        nu: Nu = (1e-4, 1e-2),
        reduction: Reduction = None,
        wmin: float = 0.0,
        wmax: float = 1.0,
        norm: float = 78.4,
        theta_plus: float = 0.05,
        tc_theta_decay: float = 1e7,
        inpt_shape: Iterable[int] | None = None,
        exc_thresh: float = -52.0,
    ) -> None:
        super().__init__(dt=dt)
        self.n_input, self.n_neurons, self.inpt_shape = n_input, n_neurons, inpt_shape
        self.n_sqrt = math.isqrt(n_neurons)
        self.start_inhib, self.max_inhib = start_inhib, max_inhib
        _add_competitors(
            self, n_input, inpt_shape, n_neurons, exc_thresh, theta_plus, tc_theta_decay,
            nu=nu, reduction=reduction, wmin=wmin, wmax=wmax, norm=norm,
        )  # fmt: skip
        index = torch.arange(n_neurons)
        places = torch.stack((index // self.n_sqrt, index % self.n_sqrt), 1).to(torch.float64)
        far = (places[:, None] - places[None]).norm(dim=2).sqrt().to(torch.float32)
        y = self.layers["Y"]
        lateral = Connection(y, y, w=far / far.max() * max_inhib + start_inhib)
        self.add_connection(lateral, source="Y", target="Y")


class LocallyConnectedNetwork(Network):
    """Filters Y that look at patches of X; those of one place inhibit each other."""

    def __init__(
        self,
        n_inpt: int,
        input_shape: list[int],
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int],
        n_filters: int,
        inh: float = 25.0,
        dt: float = 1.0,
        nu: Nu = (1e-4, 1e-2),
        reduction: Reduction = None,
        theta_plus: float = 0.05,
        tc_theta_decay: float = 1e7,
        wmin: float = 0.0,
        wmax: float = 1.0,
        norm: float | None = 0.2,
        exc_thresh: float = -52.0,
    ) -> None:
        super().__init__(dt=dt)
        self.kernel_size, self.stride = (
            tuple(v) if isinstance(v, list | tuple) else (v, v) for v in (kernel_size, stride)
        )
        self.n_inpt, self.input_shape, self.n_filters = n_inpt, input_shape, n_filters
        self.inh, self.theta_plus, self.tc_theta_decay = inh, theta_plus, tc_theta_decay
        self.wmin, self.wmax, self.norm = wmin, wmax, norm
        places = math.prod(
            (n - k) // s + 1
            for n, k, s in zip(input_shape, self.kernel_size, self.stride, strict=True)
        )
        x = _input(n_inpt)
        y = _excitatory(n_filters * places, exc_thresh, theta_plus, tc_theta_decay)
        learnt = LocalConnection(
            x, y, kernel_size=self.kernel_size, stride=self.stride, n_filters=n_filters, nu=nu,
            reduction=reduction, update_rule=PostPre, wmin=wmin, wmax=wmax, norm=norm,
            input_shape=input_shape,
        )  # fmt: skip
        lateral = torch.kron(_all_but_one(n_filters, -inh), torch.eye(places))
        self.add_layer(x, name="X")
        self.add_layer(y, name="Y")
        self.add_connection(learnt, source="X", target="Y")
        self.add_connection(Connection(y, y, w=lateral), source="Y", target="Y")


__all__ = [
    "Connection",
    "DiehlAndCook2015",
    "DiehlAndCook2015v2",
    "DiehlAndCookNodes",
    "IncreasingInhibitionNetwork",
    "Input",
    "LIFNodes",
    "LocalConnection",
    "LocallyConnectedNetwork",
    "MMCPostPre",
    "MulticompartmentConnection",
    "Network",
    "PostPre",
    "TwoLayerNetwork",
    "Weight",
]
