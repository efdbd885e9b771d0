# SPDX-License-Identifier: Apache-2.0
"""What a caller asks of `Network.run`, checked and in one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.errors import FastsnnError, ShapeError

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._layer import Nodes
    from fastsnn.bindsnet.network.network import Network

_FORCED = ("clamp", "unclamp", "injects_v")


class Request:
    """One run.

    steps; one_step; inputs: layer -> [steps or more, batch, *shape].
    forced: clamp, unclamp, injects_v -> layer -> [n] or [steps, n].  masks: pair -> bool.
    replay: layer -> recorded draws, winners [steps, batch] or uniforms [steps, batch, n].
    kwargs: what else connections' `update` gets, e.g. reward.
    """

    def __init__(
        self, net: Network, inputs: Mapping[str, Tensor], time: float, one_step: bool,
        kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        if not isinstance(inputs, Mapping):
            raise FastsnnError(
                f"run(inputs=...) is a {type(inputs).__name__}, expected a dict from names of "
                f"layers to tensors."
            )
        self.steps = steps_in(time, net.dt, inputs)
        self.one_step = one_step
        self.inputs = {name: self._input(net, name, x) for name, x in inputs.items()}
        self.forced = {
            what: {
                name: torch.as_tensor(x)
                if what == "injects_v"
                else _mask(_layer(net, what, name), x)
                for name, x in dict(kwargs.pop(what, None) or {}).items()
            }
            for what in _FORCED
        }
        self.replay = dict(kwargs.pop("replay", None) or {})
        self.masks = dict(kwargs.pop("masks", None) or {})
        self._amplitudes = {k: kwargs.pop(k, None) for k in ("a_plus", "a_minus")}
        self.kwargs = {k: v for k, v in kwargs.items() if k not in ("mask", "learning")}

    def _input(self, net: Network, name: str, x: Tensor) -> Tensor:
        layer = _layer(net, "inputs", name)
        x = torch.as_tensor(x)
        x = x[None, None] if x.dim() == 1 else x[:, None] if x.dim() == 2 else x
        if len(x) < self.steps:
            raise ShapeError(
                f"run(inputs=...): '{name}' has {len(x)} steps, the run takes {self.steps}."
            )
        if x[0, 0].numel() != layer.n:
            raise ShapeError(
                f"run(inputs=...): '{name}' is {tuple(x.shape)}, expected (steps, batch, "
                f"{', '.join(map(str, layer.shape))})."
            )
        x = x.reshape(*x.shape[:2], *layer.shape)
        return x.to(layer.s.device)

    @property
    def batch_size(self) -> int | None:
        """Batch size of the first input."""
        return next((x.shape[1] for x in self.inputs.values()), None)

    def row(self, what: str, name: str, t: int) -> Tensor:
        """Step t of what is forced on a layer."""
        given = self.forced[what][name]
        return given[t] if given.dim() > 1 else given

    def amplitudes(self, pair: Any) -> dict[str, Any]:
        """a_plus and a_minus of a connection: given for all, or by pair (source, target)."""
        found = {
            k: v.get(pair) if isinstance(v, Mapping) else v for k, v in self._amplitudes.items()
        }
        return {k: v for k, v in found.items() if v is not None}


def steps_in(time: float, dt: float, inputs: Mapping[str, Any]) -> int:
    """Steps of a run: rounded where time / dt is a whole number but for rounding, else truncated.

    Scripts truncate: where their input is one step short for that reason, so is the run.
    """
    truncated, rounded = int(time / dt), round(time / dt)
    if abs(rounded * dt - time) > 1e-6 * max(dt, abs(time)):
        return truncated
    lengths = [len(x) for x in inputs.values() if getattr(x, "ndim", 1) > 1]
    return truncated if lengths and min(lengths) == truncated else rounded


def _layer(net: Network, what: str, name: str) -> Nodes:
    if name not in net.layers:
        raise FastsnnError(
            f"run({what}=...): there is no layer '{name}'; there are: "
            f"{', '.join(net.layers) or 'none'}."
        )
    return net.layers[name]


def _mask(layer: Nodes, given: Any) -> Tensor:
    """A mask of neurons, [n] or [steps, n]; whole numbers are indices of them."""
    given = torch.as_tensor(given, device=layer.s.device)
    if given.dtype in (torch.bool, torch.uint8) or given.is_floating_point():
        return given.bool()
    mask = torch.zeros(*given.shape[:-1], layer.shape[0], dtype=torch.bool, device=given.device)
    return (
        mask.scatter_(-1, given.long(), True) if given.dim() else mask.index_fill_(0, given, True)
    )
