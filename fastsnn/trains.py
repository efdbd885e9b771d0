# SPDX-License-Identifier: Apache-2.0
"""Spike trains drawn by the C++ engine with the very numbers of torch's generator.

The engine goes on where torch.default_generator stands and leaves it where torch would. Whether it
draws what torch draws is tried once; where not (another torch, no engine), torch draws.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

try:
    import fastsnn._native as _native
except ImportError:
    _native = None


def poisson(rate: Tensor, n_steps: int, scale: float) -> Tensor | None:
    """Spikes uint8 [n_steps, *rate.shape] at intervals with means scale / rate; None: not here.

    Raises ValueError where a rate is negative or NaN.
    """
    return _draw("poisson_train", rate, n_steps, scale) if _usable(rate) else None


def bernoulli(probability: Tensor, n_steps: int) -> Tensor | None:
    """Spikes uint8 [n_steps, *probability.shape]; None: not here.

    Raises ValueError where a probability is negative or NaN.
    """
    return _draw("bernoulli_train", probability, n_steps) if _usable(probability) else None


def _usable(values: Tensor) -> bool:
    return values.device.type == "cpu" and agrees()


@cache
def agrees() -> bool:
    """Whether the engine draws what torch draws."""
    if not hasattr(_native, "poisson_train"):  # no engine, or an older one
        return False
    means = torch.tensor([0.5, 7.0, 11.0, 60.0, 3000.0]).expand(200, -1)
    ours, theirs = (torch.Generator().manual_seed(1) for _ in range(2))
    try:
        intervals = torch.poisson(means, generator=theirs).clamp(min=1.0)
        place = torch.arange(5).expand_as(intervals)
        inside = (step := intervals.cumsum(0)) < 200.0
        wanted = torch.zeros(199, 5, dtype=torch.uint8)
        wanted[step[inside].long() - 1, place[inside]] = 1
        first = torch.equal(
            _draw("poisson_train", 1.0 / means[0], 199, 1.0, generator=ours), wanted
        )
        share = torch.linspace(0.0, 1.0, 331)
        wanted = torch.rand(9, 331, generator=theirs) < share
        then = torch.equal(_draw("bernoulli_train", share, 9, generator=ours), wanted.byte())
    except ValueError:  # the bytes of a state mean something else in this torch
        return False
    return first and then and torch.equal(ours.get_state(), theirs.get_state())


def _draw(kind: str, values: Tensor, n_steps: int, *scale: float, generator: Any = None) -> Tensor:
    generator = torch.default_generator if generator is None else generator
    values = values.contiguous()
    # every step of a Bernoulli train is written, of a Poisson train only spikes
    empty = torch.empty if kind == "bernoulli_train" else torch.zeros
    spikes = empty(n_steps, *values.shape, dtype=torch.uint8)
    state = generator.get_state()
    draw = getattr(_native, kind)
    if not draw(
        state.data_ptr(), values.data_ptr(), values.numel(), n_steps, spikes.data_ptr(), *scale
    ):
        wrong = values[~(values >= 0.0)][0]
        raise ValueError(f"datum has a value of {wrong:g}, expected only numbers of 0 or more")
    generator.set_state(state)
    return spikes
