# SPDX-License-Identifier: Apache-2.0
"""Tensors that a layer or rule shows under its own names and that a native program changes."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn import Parameter


class Cell:
    """A place (container, key) whose tensor is the program's.

    A user, or a run on torch, may put another tensor there: `adopt` copies its values.
    """

    def __init__(self, container: MutableMapping[str, Any], key: str, tensor: Tensor) -> None:
        self.container, self.key, self.tensor = container, key, tensor
        self.lent: tuple[Any, int] = (None, 0)

    def lend(self) -> None:
        """Let a copy stand there, which others may keep."""
        copy = self.tensor.clone()
        self.lent = (copy, copy._version)
        self.container[self.key] = copy

    def adopt(self) -> None:
        """Take over the values that stand there, and stand there."""
        self.read()
        self.show()

    def show(self) -> None:
        """Stand there."""
        self.container[self.key] = self.tensor

    def read(self) -> None:
        """Take over the values that stand there."""
        shown = self.container.get(self.key)
        if shown is self.tensor:
            return
        copy, version = self.lent
        known = shown is copy and shown is not None and shown._version == version
        if shown is not None and not known:
            if self.tensor.dtype == torch.bool and shown.dtype != torch.bool:
                shown = shown != 0
            self.tensor.copy_(shown)


class LiveParameter(Parameter):
    """A parameter that knows whether somebody may have written to it unseen.

    Writing in place raises torch's version counter, but not through `.data` or numpy.
    """

    exposed = False

    @property
    def data(self) -> Tensor:
        """The tensor, without version counter."""
        self.exposed = True
        return Tensor.data.__get__(self)

    @data.setter
    def data(self, value: Tensor) -> None:
        self.exposed = True
        Tensor.data.__set__(self, value)

    def numpy(self, *, force: bool = False) -> Any:
        """The values as an array that shares memory."""
        self.exposed = True
        return super().numpy(force=force)


def frozen(value: Any) -> LiveParameter:
    """A parameter without gradient."""
    return LiveParameter(torch.as_tensor(value), requires_grad=False)


# layers of users' own that have shown bool spikes in a run
_SPIKING: WeakSet[Any] = WeakSet()


def has_spiked(layer: Any) -> bool:
    """Whether a layer's last run, if any, left bool spikes."""
    return layer in _SPIKING


def note_spikes(layer: Any) -> None:
    """After a run: remember whether the layer shows bool spikes."""
    (_SPIKING.add if layer.s.dtype == torch.bool else _SPIKING.discard)(layer)
