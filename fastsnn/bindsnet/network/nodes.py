# SPDX-License-Identifier: Apache-2.0
"""Layers of neurons, under BindsNET's names.

The equations are those of `fastsnn.models`: a layer calls the model's `step` on its own tensors.
State: s (spikes), x (trace), summed (input), v, ... of shape [batch, *shape].  Units: ms, mV.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from fastsnn import models
from fastsnn.bindsnet.network._kernels import CSRM_KERNELS, KernelsOfCSRM
from fastsnn.bindsnet.network._layer import AbstractInput, Input, ModelNodes, Nodes, Number
from fastsnn.errors import ShapeError


class McCullochPitts(ModelNodes):
    """Threshold unit without memory."""

    model = models.McCullochPitts

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(thresh=thresh)


class IFNodes(ModelNodes):
    """Integrate-and-fire without leak."""

    model = models.IF

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = -52.0,
        reset: Number = -65.0,
        refrac: Number = 5,
        lbound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(lbound, thresh=thresh, reset=reset, refrac=refrac)


class LIFNodes(ModelNodes):
    """Leaky integrate-and-fire."""

    model = models.LIF

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = -52.0,
        rest: Number = -65.0,
        reset: Number = -65.0,
        refrac: Number = 5,
        tc_decay: Number = 100.0,
        lbound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(lbound, thresh=thresh, rest=rest, reset=reset, refrac=refrac, tc_decay=tc_decay)


class BoostedLIFNodes(ModelNodes):
    """Leaky integrate-and-fire with rest and reset at zero."""

    model = models.BoostedLIF

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = 13.0,
        refrac: Number = 5,
        tc_decay: Number = 100.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(thresh=thresh, refrac=refrac, tc_decay=tc_decay)


class CurrentLIFNodes(ModelNodes):
    """Leaky integrate-and-fire with a decaying synaptic current i."""

    model = models.CurrentLIF

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = -52.0,
        rest: Number = -65.0,
        reset: Number = -65.0,
        refrac: Number = 5,
        tc_decay: Number = 100.0,
        tc_i_decay: Number = 2.0,
        lbound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(
            lbound, thresh=thresh, rest=rest, reset=reset, refrac=refrac, tc_decay=tc_decay,
            tc_i_decay=tc_i_decay,
        )  # fmt: skip


class AdaptiveLIFNodes(ModelNodes):
    """LIF with a threshold thresh + theta that rises with the neuron's own spikes."""

    model = models.AdaptiveLIF

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        rest: Number = -65.0,
        reset: Number = -65.0,
        thresh: Number = -52.0,
        refrac: Number = 5,
        tc_decay: Number = 100.0,
        theta_plus: Number = 0.05,
        tc_theta_decay: Number = 1e7,
        lbound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(
            lbound, rest=rest, reset=reset, thresh=thresh, refrac=refrac, tc_decay=tc_decay,
            theta_plus=theta_plus, tc_theta_decay=tc_theta_decay,
        )  # fmt: skip


class DiehlAndCookNodes(ModelNodes):
    """Adaptive LIF of which at most one neuron per batch element spikes a step (one_spike)."""

    model = models.AdaptiveLIF

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = -52.0,
        rest: Number = -65.0,
        reset: Number = -65.0,
        refrac: Number = 5,
        tc_decay: Number = 100.0,
        theta_plus: Number = 0.05,
        tc_theta_decay: Number = 1e7,
        lbound: float | None = None,
        one_spike: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(
            lbound, thresh=thresh, rest=rest, reset=reset, refrac=refrac, tc_decay=tc_decay,
            theta_plus=theta_plus, tc_theta_decay=tc_theta_decay,
        )  # fmt: skip
        self.one_spike = one_spike


class IzhikevichNodes(ModelNodes):
    """Izhikevich neurons, a fraction `excitatory` of them excitatory, with lateral weights S.

    r, a, b, c, d: drawn per neuron; S: [n, n], column j is what a spike of j gives.
    """

    model = models.Izhikevich

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        excitatory: float = 1,
        thresh: Number = 45.0,
        rest: Number = -65.0,
        lbound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(lbound, rest=rest, thresh=thresh)
        drawn = _draw_izhikevich(self.n, min(max(float(excitatory), 0.0), 1.0))
        for name, value in drawn.items():
            self.register_buffer(name, value)
        for name in "rabcd":
            self._buffers[name] = self._buffers[name].reshape(self.shape)

    def forward(self, x: Tensor) -> None:
        """One step; the spikes of the step before act through S."""
        spike = self.s
        if bool(spike.any()):
            lateral = spike.reshape(len(spike), -1).to(self.S.dtype) @ self.S.T
            x = x + lateral.reshape(spike.shape)
        super().forward(x)


def _draw_izhikevich(n: int, excitatory: float) -> dict[str, Tensor]:
    """Parameters of Izhikevich's mixed population; the first ones are excitatory."""
    n_exc = int(n * excitatory) if 0.0 < excitatory < 1.0 else round(n * excitatory)
    parts: dict[str, list[Tensor]] = {k: [] for k in "rabcdS"}
    for count, excites in ((n_exc, True), (n - n_exc, False)):
        if not count:
            continue
        r, ones = torch.rand(count), torch.ones(count)
        lateral = torch.rand(n, count)
        if excites:
            new = (r, 0.02 * ones, 0.2 * ones, -65.0 + 15 * r**2, 8 - 6 * r**2, 0.5 * lateral)
        else:
            new = (r, 0.02 + 0.08 * r, 0.25 - 0.05 * r, -65.0 * ones, 2.0 * ones, -lateral)
        for name, value in zip("rabcdS", new, strict=True):
            parts[name].append(value)
    out = {k: torch.cat(v, dim=-1) for k, v in parts.items()}
    return out | {"excitatory": torch.arange(n) < n_exc}


class CSRMNodes(ModelNodes, KernelsOfCSRM):
    """Cumulative spike response model: input and own spikes act through finite kernels.

    res_window_size, ref_window_size: in steps.  Input comes through `Connection` alone.
    """

    model = models.CSRM

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        rest: Number = -65.0,
        thresh: Number = -52.0,
        responseKernel: str = "ExponentialKernel",
        refractoryKernel: str = "EtaKernel",
        tau: Number = 1,
        res_window_size: Number = 20,
        ref_window_size: Number = 10,
        reset_const: Number = 50,
        tc_decay: Number = 100.0,
        theta_plus: Number = 0.05,
        tc_theta_decay: Number = 1e7,
        lbound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(
            lbound, rest=rest, thresh=thresh, tau=tau, reset_const=reset_const, tc_decay=tc_decay,
            theta_plus=theta_plus, tc_theta_decay=tc_theta_decay,
        )  # fmt: skip
        self.res_window_size, self.ref_window_size = int(res_window_size), int(ref_window_size)
        self.responseKernel, self.refractoryKernel = responseKernel, refractoryKernel
        self.response_kernel = CSRM_KERNELS.get(responseKernel)
        if self.response_kernel is None or refractoryKernel != "EtaKernel":
            raise ShapeError(
                f"CSRMNodes: responseKernel={responseKernel!r}, refractoryKernel="
                f"{refractoryKernel!r}; expected one of {', '.join(CSRM_KERNELS)}, and EtaKernel."
            )
        self.register_buffer("last_spikes", torch.zeros(0))

    def forward(self, x: Tensor) -> None:
        """One step.  x: the input of the last res_window_size steps, [batch, window, *shape]."""
        super().forward(x)
        spike = self.s.to(self.last_spikes.dtype)[:, None]
        self.last_spikes = torch.cat((self.last_spikes[:, 1:], spike), 1)

    def reset_state_variables(self) -> None:
        """Put the state at its initial values, and forget the own spikes."""
        super().reset_state_variables()
        self.last_spikes.zero_()

    def set_batch_size(self, batch_size: int) -> None:
        """Make the state for a batch size."""
        super().set_batch_size(batch_size)
        shape = (batch_size, self.ref_window_size, *self.shape)
        self.last_spikes = torch.zeros(shape, device=self.s.device)


class SRM0Nodes(ModelNodes):
    """Simplified spike response model with escape noise."""

    model = models.SRM0

    def __init__(
        self,
        n: int | None = None,
        shape: Iterable[int] | None = None,
        traces: bool = False,
        traces_additive: bool = False,
        tc_trace: Number = 20.0,
        trace_scale: Number = 1.0,
        sum_input: bool = False,
        thresh: Number = -50.0,
        rest: Number = -70.0,
        reset: Number = -70.0,
        refrac: Number = 5,
        tc_decay: Number = 10.0,
        lbound: float | None = None,
        eps_0: Number = 1.0,
        rho_0: Number = 1.0,
        d_thresh: Number = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, shape, traces, traces_additive, tc_trace, trace_scale, sum_input)
        self._own(
            lbound, thresh=thresh, rest=rest, reset=reset, refrac=refrac, tc_decay=tc_decay,
            eps_0=eps_0, rho_0=rho_0, d_thresh=d_thresh,
        )  # fmt: skip


__all__ = [
    "AbstractInput",
    "AdaptiveLIFNodes",
    "BoostedLIFNodes",
    "CSRMNodes",
    "CurrentLIFNodes",
    "DiehlAndCookNodes",
    "IFNodes",
    "Input",
    "IzhikevichNodes",
    "LIFNodes",
    "McCullochPitts",
    "Nodes",
    "SRM0Nodes",
]
