# SPDX-License-Identifier: Apache-2.0
"""Counter-based random numbers, the same on every backend.

Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox
4x32-10).
"""

from __future__ import annotations

import math
from enum import IntEnum

import torch
from torch import Tensor

_LOW = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_BLOCK = 1 << 16
_WEYL = (0x9E3779B9, 0xBB67AE85)


class Purpose(IntEnum):
    """What a population draws numbers for; each has a stream of its own."""

    INPUT = 0
    MODEL = 1
    ONE_SPIKE = 2
    DRIVE = 3


def stream(population: int, purpose: Purpose) -> int:
    """Number of a population's stream; streams 0 to 3 belong to the network."""
    return 4 * (population + 1) + int(purpose)


def synapse_stream(projection: int) -> int:
    """Number of a projection's stream, of draws for its synapses: above all others."""
    return 3 * 2**30 + projection


def philox(
    seed: int, stream: int, step: int | Tensor, index: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four 32-bit words per index, as int64 tensors of index's shape.

    step: one for all, or int64 like index.
    """
    # int64 products wrap modulo 2^64, so that their bits are those of unsigned multiplication
    a = index & _LOW
    b, c, d = (
        v & _LOW if isinstance(v, Tensor) else torch.full_like(a, v & _LOW)
        for v in (step, step >> 32, stream)
    )
    key = [seed & _LOW, (seed >> 32) & _LOW]
    for _ in range(10):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            (second >> 32) & _LOW ^ b ^ key[0],
            second & _LOW,
            (first >> 32) & _LOW ^ d ^ key[1],
            first & _LOW,
        )
        key = [(k + w) & _LOW for k, w in zip(key, _WEYL, strict=True)]
    return a, b, c, d


def uniform(words: Tensor) -> Tensor:
    """32-bit words as float32 in [0, 1)."""
    return (words >> 8).to(torch.float32) * 2.0**-24


def network_uniform(
    seed: int, shape: tuple[int, ...], stream_index: int = 0, step: int = 0
) -> Tensor:
    """Uniform numbers in [0, 1) of the network's own stream, e.g. for initial weights."""
    count = math.prod(shape)
    out = torch.empty(-(-count // 4), 4)
    # block by block: the words take ten times the memory of the result
    for first in range(0, len(out), _BLOCK):
        index = torch.arange(first, min(first + _BLOCK, len(out)), dtype=torch.int64)
        words = torch.stack(philox(seed, stream_index, step, index), dim=1)
        out[first : first + len(index)] = uniform(words)
    return out.reshape(-1)[:count].reshape(shape)


def network_chance(seed: int, count: int, p: float, stream_index: int, step: int) -> Tensor:
    """Which of `count` things happen, each with probability p: ascending int64 indices."""
    found = []
    for first in range(0, -(-count // 4), _BLOCK):
        index = torch.arange(first, min(first + _BLOCK, -(-count // 4)), dtype=torch.int64)
        words = torch.stack(philox(seed, stream_index, step, index), dim=1).reshape(-1)
        found.append((uniform(words) < p).nonzero()[:, 0] + 4 * first)
    drawn = torch.cat([torch.zeros(0, dtype=torch.int64), *found])
    return drawn[drawn < count]
