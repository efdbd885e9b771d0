# SPDX-License-Identifier: Apache-2.0
"""Turn numbers into spike trains that are known before a run: [n_steps, *datum.shape].

Inside a run use rates (`fastsnn.Poisson`, `fastsnn.Bernoulli`) instead: they are drawn step by step
and need no array. The functions draw from torch's generator as BindsNET's of the same name do, so
equal seeds give equal trains; they leave datum as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn import trains


def single(datum: Tensor, time: float, dt: float = 1.0, sparsity: float = 0.5) -> Tensor:
    """Spike once, in the first step, where datum is above its (1 - sparsity) quantile.

    sparsity: the fraction that spikes, 0..1.
    """
    if not 0.0 <= sparsity <= 1.0:
        raise ValueError(f"sparsity is {sparsity}, expected 0 to 1: the fraction that spikes")
    datum = torch.as_tensor(datum).float()
    spikes = _silence(datum, _n_steps(time, dt))
    spikes[0] = datum > torch.quantile(datum, 1.0 - sparsity)
    return spikes


def repeat(datum: Tensor, time: float, dt: float = 1.0) -> Tensor:
    """Give datum, unchanged, in every step."""
    return torch.as_tensor(datum).expand(_n_steps(time, dt), *datum.shape).clone()


def bernoulli(
    datum: Tensor, time: float | None = None, dt: float = 1.0, max_prob: float = 1.0
) -> Tensor:
    """Spike in every step with probability max_prob * datum.

    datum: probabilities; divided by their maximum when that is above 1.
    time:  None: a single draw without the axis of steps.
    """
    if not 0.0 <= max_prob <= 1.0:
        raise ValueError(f"max_prob is {max_prob}, expected a probability, 0 to 1")
    datum = torch.as_tensor(datum).float()
    if datum.numel() and datum.max() > 1.0:
        datum = datum / datum.max()
    n_steps = 1 if time is None else _n_steps(time, dt)
    spikes = trains.bernoulli(max_prob * datum, n_steps)
    if spikes is None:
        # what torch.bernoulli draws, in half its time
        drawn = torch.rand(n_steps, *datum.shape, device=datum.device)
        spikes = (drawn < max_prob * _not_negative(datum)).byte()
    return spikes[0] if time is None else spikes


def poisson(datum: Tensor, time: float, dt: float = 1.0, approx: bool = False) -> Tensor:
    """Spike at intervals that are Poisson-distributed whole numbers of steps, at least one.

    The mean interval is 1000 / (datum * dt) steps. This is more regular than a Poisson process
    (at 128 Hz and dt = 1 the coefficient of variation is 0.36); that is `fastsnn.Poisson`.

    datum:  rates, Hz; where 0, no spike.
    approx: spike where |N(0, 1)| ^ ((0.11 * datum + 5) / 50) < 0.6 instead; fast, and not faithful.
    """
    datum = torch.as_tensor(datum).float()
    n_steps = _n_steps(time, dt)
    if approx:
        _not_negative(datum)
        noise = torch.randn(n_steps, *datum.shape, device=datum.device).abs()
        return (noise.pow((datum * 0.11 + 5.0) / 50.0) < 0.6).byte()
    spikes = trains.poisson(datum, n_steps, 1000.0 / dt)
    return _poisson(_not_negative(datum), n_steps, 1000.0 / dt) if spikes is None else spikes


def _poisson(datum: Tensor, n_steps: int, scale: float) -> Tensor:
    rate = datum.flatten()
    # for a rate of 0 nothing is drawn, by torch neither
    active = rate.nonzero().flatten()
    # a mean of 1e9 steps is as good as never, and does not overflow
    mean = ((1.0 / rate[active]) * scale).clamp(max=1e9)
    interval = torch.poisson(mean.expand(n_steps + 1, -1)).clamp(1.0, n_steps + 1)
    step = interval.cumsum(0)
    inside = step <= n_steps
    place = (step[inside].long() - 1) * len(rate) + active.expand_as(step)[inside]
    spikes = _silence(rate, n_steps)
    spikes.view(-1)[place] = 1
    return spikes.view(n_steps, *datum.shape)


def rank_order(datum: Tensor, time: float, dt: float = 1.0) -> Tensor:
    """Spike once, the earlier the larger: step ceil(n_steps * min / datum) - 1, min above 0.

    The smallest value above 0 would come at the very end and does not spike.
    """
    datum = _not_negative(datum)
    n_steps = _n_steps(time, dt)
    spikes = _silence(datum, n_steps)
    active = datum > 0.0
    if active.any():
        delay = torch.where(active, 1.0 / (datum / datum.max()), 0.0)
        step = torch.ceil(delay * (n_steps / delay.max())).long()
        place = ((step > 0) & (step < n_steps)).nonzero(as_tuple=True)
        spikes[(step[place] - 1, *place)] = 1
    return spikes


def _n_steps(time: float, dt: float) -> int:
    if not dt > 0.0:
        raise ValueError(f"dt is {dt} ms, expected more than 0")
    n_steps = round(time / dt)
    if n_steps < 1:
        raise ValueError(f"time is {time} ms, expected at least one step of dt = {dt} ms")
    return n_steps


def _silence(datum: Tensor, n_steps: int) -> Tensor:
    return torch.zeros(n_steps, *datum.shape, dtype=torch.uint8, device=datum.device)


def _not_negative(datum: Tensor) -> Tensor:
    datum = torch.as_tensor(datum).float()
    if not (datum >= 0.0).all():
        raise ValueError(
            f"datum has a value of {datum.min().item():g}, expected only numbers of 0 or more"
        )
    return datum
