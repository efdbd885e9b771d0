# SPDX-License-Identifier: Apache-2.0
"""Factors by which linear equations move one step, exact to float64, and counts of steps.

With a membrane v and a current that decays with tau_syn, the integral of one step is
exp(-dt / tau_m) dt phi(dt (1 / tau_syn - 1 / tau_m)): no difference of nearly equal numbers, so
that equal time constants need no case of their own.
Source: Rotter, Diesmann 1999, "Exact digital simulation of time-invariant linear systems".
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_TERMS = 20  # of the series below 1: the last one is smaller than 1e-19


def phi(x: Any) -> Tensor:
    """(1 - exp(-x)) / x, and 1 at 0: the mean of exp(-x s) over 0 <= s <= 1."""
    x = torch.as_tensor(x, dtype=torch.float64)
    safe = torch.where(x == 0, 1.0, x)
    return torch.where(x == 0, 1.0, -torch.expm1(-safe) / safe)


def psi(x: Any) -> Tensor:
    """(1 - (1 + x) exp(-x)) / x^2, and 1/2 at 0: the mean of s exp(-x s) over 0 <= s <= 1."""
    x = torch.as_tensor(x, dtype=torch.float64)
    series = sum((-x) ** k / (math.factorial(k) * (k + 2)) for k in range(_TERMS))
    large = torch.where(x.abs() < 1.0, 1.0, x)
    return torch.where(x.abs() < 1.0, series, (1.0 - (1.0 + large) * torch.exp(-large)) / large**2)


def decay(dt: float, tau: Any) -> Tensor:
    """exp(-dt / tau)."""
    return torch.exp(-dt / torch.as_tensor(tau, dtype=torch.float64))


def leak(dt: float, tau: Any) -> Tensor:
    """1 - exp(-dt / tau), exact where tau is long."""
    return -torch.expm1(-dt / torch.as_tensor(tau, dtype=torch.float64))


def from_exponential(dt: float, tau_m: Any, tau_syn: Any, c_m: Any) -> Tensor:
    """mV by which a current of 1 pA that decays with tau_syn moves the membrane in a step."""
    return decay(dt, tau_m) * phi(dt * (1.0 / tau_syn - 1.0 / tau_m)) * dt / c_m


def from_slope(dt: float, tau_m: Any, tau_syn: Any, c_m: Any) -> Tensor:
    """mV by which a current t exp(-t / tau_syn), in pA with t in ms, moves the membrane."""
    return decay(dt, tau_m) * psi(dt * (1.0 / tau_syn - 1.0 / tau_m)) * dt * dt / c_m


def rise(tau: Any) -> Tensor:
    """Slope at the start of an alpha function t/tau exp(1 - t/tau) with a peak of 1."""
    return torch.as_tensor(math.e, dtype=torch.float64) / tau


def steps(time: Any, dt: float) -> Tensor:
    """A time in whole steps, to the nearest (half a step: up)."""
    # a little more than a half: 0.35 / 0.1 is 3.4999999999999996
    return torch.floor(torch.as_tensor(time, dtype=torch.float64) / dt + (0.5 + 1e-9))
