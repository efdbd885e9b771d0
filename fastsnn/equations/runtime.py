# SPDX-License-Identifier: Apache-2.0
"""What the constants of a printed model call, in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def number(x: Any) -> Tensor:
    """A parameter as a tensor."""
    return torch.as_tensor(x, dtype=torch.float64)


def exprel(x: Tensor) -> Tensor:
    """(exp(x) - 1) / x, and 1 at 0."""
    safe = torch.where(x == 0, 1.0, x)
    return torch.where(x == 0, 1.0, torch.expm1(safe) / safe)


def refractory_steps(time: Tensor, dt: float) -> Tensor:
    """Steps after that of a spike in which a neuron is refractory: until `time` has passed."""
    # a time that is whole in steps but for rounding is whole
    return (torch.floor(number(time) / dt + 1e-3) - 1.0).clamp(min=0.0)


def propagators(
    matrix: list[list[Any]], dt: float
) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """exp(M dt) - 1 and the integral of exp(M s) over 0 <= s <= dt, entry by entry.

    matrix: of numbers and tensors [n], one per neuron.
    """
    size = len(matrix)
    entries = torch.broadcast_tensors(*(number(x) for row in matrix for x in row))
    m = torch.stack(entries, -1).reshape(*entries[0].shape, size, size)
    # the exponential of [[M, 1], [0, 0]] holds both
    both = torch.zeros(*m.shape[:-2], 2 * size, 2 * size, dtype=torch.float64)
    both[..., :size, :size] = m * dt
    both[..., :size, size:] = torch.eye(size, dtype=torch.float64) * dt
    both = torch.linalg.matrix_exp(both)
    integral = both[..., :size, size:]
    # M times the integral is exp(M dt) - 1 without the loss of digits
    moved = m @ integral
    return (
        [[moved[..., i, j] for j in range(size)] for i in range(size)],
        [[integral[..., i, j] for j in range(size)] for i in range(size)],
    )
