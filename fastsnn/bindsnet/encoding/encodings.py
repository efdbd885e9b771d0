# SPDX-License-Identifier: Apache-2.0
"""`fastsnn.encoding` with BindsNET's arguments: a device, and others that are ignored."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastsnn import encoding


def single(
    datum: Tensor,
    time: int,
    dt: float = 1.0,
    sparsity: float = 0.5,
    device: str | torch.device = "cpu",
    **kwargs: Any,
) -> Tensor:
    """As `fastsnn.encoding.single`, on `device`."""
    return encoding.single(torch.as_tensor(datum).to(device), time, dt, sparsity)


def repeat(datum: Tensor, time: int, dt: float = 1.0, **kwargs: Any) -> Tensor:
    """As `fastsnn.encoding.repeat`."""
    return encoding.repeat(datum, time, dt)


def bernoulli(
    datum: Tensor,
    time: int | None = None,
    dt: float = 1.0,
    device: str | torch.device = "cpu",
    **kwargs: Any,
) -> Tensor:
    """As `fastsnn.encoding.bernoulli`, on `device`; `max_prob` may be among the keywords."""
    max_prob = kwargs.get("max_prob", 1.0)
    return encoding.bernoulli(torch.as_tensor(datum).to(device), time, dt, max_prob)


def poisson(
    datum: Tensor,
    time: int,
    dt: float = 1.0,
    device: str | torch.device = "cpu",
    approx: bool = False,
    **kwargs: Any,
) -> Tensor:
    """As `fastsnn.encoding.poisson`, on `device`."""
    return encoding.poisson(torch.as_tensor(datum).to(device), time, dt, approx)


def rank_order(
    datum: Tensor, time: int, dt: float = 1.0, device: str | torch.device = "cpu", **kwargs: Any
) -> Tensor:
    """As `fastsnn.encoding.rank_order`, on `device`."""
    return encoding.rank_order(torch.as_tensor(datum).to(device), time, dt)
