# SPDX-License-Identifier: Apache-2.0
"""The synapses of wirings as lists, from counter-based random numbers; csrc/sparse draws the same.

Random words are those of Philox with the counter (k, row, stream).  Synapse k of a row (of a
column, where synapses are drawn by target) has the words of counter k: 1 gives its weight, 2 its
delay, 3 whether it is rewired.  Word 0 of counter k is attempt k at a partner.  Numbers of synapses
come from stream + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fastsnn.random import philox
from fastsnn.sparse.distributions import look_up

_FIRST_STREAM = 1 << 31  # beyond those of populations
_BLOCK = 1 << 20  # words drawn at a time
_THROWN = 1 << 14


@dataclass(frozen=True, eq=False)
class Edges:
    """Synapses: pre, post int64 [n], w float32 [n], delay int32 [n] (steps)."""

    pre: Tensor
    post: Tensor
    w: Tensor
    delay: Tensor


def synapse_stream(projection: int) -> int:
    """Stream of the synapses of a network's sparse projection; the next one is its own, too."""
    return _FIRST_STREAM + 2 * projection


def below(words: Tensor, n: int) -> Tensor:
    """32-bit words as whole numbers 0 .. n - 1."""
    return (words * n) >> 32


def places(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Row and place in its row of every synapse, where row i has numbers[i] of them."""
    row = torch.repeat_interleave(torch.arange(len(numbers)), numbers)
    first = numbers.cumsum(0) - numbers
    return row, torch.arange(len(row)) - first[row]


def values(
    seed: int, stream: int, row: Tensor, k: Tensor, weight: Tensor, delay: Tensor
) -> tuple[Tensor, Tensor]:
    """Weights and delays (steps, not rounded) of the counters (k, row), float32."""
    w, steps = torch.empty(len(k)), torch.empty(len(k))
    for at in range(0, len(k), _BLOCK):
        part = slice(at, at + _BLOCK)
        _, for_weight, for_delay, _ = philox(seed, stream, row[part], k[part])
        w[part], steps[part] = look_up(weight, for_weight), look_up(delay, for_delay)
    return w, steps


def whole_steps(steps: Tensor) -> Tensor:
    """To the nearest whole number, half to even, at least 1; int32."""
    return steps.to(torch.float32).clamp(min=1.0).round().to(torch.int32)


def anybody(seed: int, stream: int, row: Tensor, k: Tensor, n: int) -> Tensor:
    """Partners below n of the counters (k, row), each independent of the others."""
    out = torch.empty(len(k), dtype=torch.int64)
    for at in range(0, len(k), _BLOCK):
        part = slice(at, at + _BLOCK)
        out[part] = below(philox(seed, stream, row[part], k[part])[0], n)
    return out


def distinct(seed: int, stream: int, numbers: Tensor, n: int) -> Tensor:
    """numbers[i] distinct partners below n of every row i, row after row.

    A partner that the row has already is drawn again.  Where they are more than half of all, those
    that are left out are drawn, and the others follow in ascending order.
    """
    out = [torch.zeros(0, dtype=torch.int64)]
    at_once = max(1, _BLOCK // max(n, 1))
    for first in range(0, len(numbers), at_once):
        wanted = numbers[first : first + at_once]
        row = torch.arange(first, first + len(wanted))
        rest = 2 * wanted > n
        drawn = torch.where(rest, n - wanted, wanted)
        tried, new = _attempts(seed, stream, row, drawn, n)
        taken = torch.zeros(len(row), n, dtype=torch.bool)
        r, a = new.nonzero(as_tuple=True)
        taken[r, tried[r, a]] = True
        left = (~taken & rest[:, None]).nonzero()
        direct = new & ~rest[:, None]
        found = torch.cat([direct.nonzero()[:, 0], left[:, 0]])
        partner = torch.cat([tried[direct], left[:, 1]])
        out.append(partner[torch.argsort(found, stable=True)])
    return torch.cat(out)


def _attempts(
    seed: int,
    stream: int,
    row: Tensor,
    needed: Tensor,
    n: int,
    taken: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Attempts of every row, [rows, k], and which are the first `needed` new ones.

    taken: bool [rows, n], what is not new from the beginning.
    """
    k = int(1.4 * int(needed.max())) + 16 if len(needed) else 0
    while True:
        counter = torch.arange(k).expand(len(row), k)
        tried = below(philox(seed, stream, row[:, None].expand(len(row), k), counter)[0], n)
        order = torch.argsort(tried, dim=1, stable=True)
        ordered = tried.gather(1, order)
        first = torch.ones_like(tried, dtype=torch.bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        new = torch.zeros_like(first).scatter(1, order, first)
        if taken is not None:
            new &= ~taken.gather(1, tried)
        if bool((new.sum(1) >= needed).all()):
            return tried, new & (new.cumsum(1) <= needed[:, None])
        k *= 2


def ring(seed: int, stream: int, n: int, k: int, rewire: int) -> Tensor:
    """Targets of a ring of n neurons with k neighbours each, row after row, rewired by word 3."""
    s = torch.arange(k)
    away = torch.where(s % 2 == 0, s // 2 + 1, n - (s // 2 + 1))
    out = []
    at_once = max(1, _BLOCK // max(n, 4 * k, 1))
    for first in range(0, n, at_once):
        row = torch.arange(first, min(first + at_once, n))
        target = (row[:, None] + away) % n
        words = philox(seed, stream, row[:, None].expand(target.shape), s.expand(target.shape))
        rewired = words[3] < rewire
        kept = torch.zeros(len(row), n, dtype=torch.bool)
        at = (~rewired).nonzero(as_tuple=True)
        kept[at[0], target[at]] = True
        kept[torch.arange(len(row)), row] = True
        tried, new = _attempts(seed, stream, row, rewired.sum(1), n, kept)
        target[rewired] = tried[new]
        out.append(target.reshape(-1))
    return torch.cat(out)


def binomial_numbers(seed: int, stream: int, rows: int, least: int, thresholds: Tensor) -> Tensor:
    """`least`, plus one for every threshold that the row's word reaches; int64 [rows]."""
    index = torch.arange(rows)
    words = philox(seed, stream + 1, 0, index)[0]
    return least + torch.searchsorted(thresholds, words, right=True)


def binomial_thresholds(n: int, p: float) -> tuple[int, Tensor]:
    """The least number of n chances of probability p, and the words from which on it is one more.

    Each probability is rounded to 2^-32.  The chances follow from that of the likeliest number by
    multiplication and division alone, so that they have the same bits everywhere.
    """
    if p in (0.0, 1.0) or n == 0:
        return (n if p == 1.0 else 0), torch.zeros(0, dtype=torch.int64)
    mode = min(n, int((n + 1) * p))
    odds = p / (1.0 - p)
    up, down = [1.0], list[float]()
    while up[-1] > 1e-16 and mode + len(up) <= n:
        c = mode + len(up)
        up.append(up[-1] * ((n - c + 1) / c * odds))
    last = 1.0
    while last > 1e-16 and len(down) < mode:
        c = mode - len(down)
        last *= c / ((n - c + 1) * odds)
        down.append(last)
    chances = torch.tensor([*reversed(down), *up], dtype=torch.float64)
    words = (chances.cumsum(0) / chances.sum() * 2.0**32).floor().to(torch.int64)
    least = mode - len(down) + int((words == 0).sum())
    return least, words[(words > 0) & (words < 1 << 32)].contiguous()


def thrown_numbers(seed: int, stream: int, rows: int, n: int) -> Tensor:
    """How often each row comes up when n synapses draw theirs; int64 [rows].

    Draw m has word m % 4 of counter m // 4.
    """
    times = torch.zeros(rows, dtype=torch.int64)
    for first in range(0, -(-n // 4), _BLOCK):
        counter = torch.arange(first, min(first + _BLOCK, -(-n // 4)))
        words = torch.stack(philox(seed, stream + 1, counter >> 32, counter), 1).reshape(-1)
        times += torch.bincount(below(words[: n - 4 * first], rows), minlength=rows)
    return times


def thrown_distinct_numbers(seed: int, stream: int, rows: int, n: int, partners: int) -> Tensor:
    """Numbers in each row where n of all rows * partners pairs are drawn without putting back.

    A draw takes two words: a row, and a number of its pairs, which it takes unless that is below
    the number of those that are taken.  Beyond half of all, those that are left out are drawn.
    """
    pairs = rows * partners
    wanted = n if 2 * n <= pairs else pairs - n
    taken = torch.zeros(rows, dtype=torch.int64)
    first = left = 0
    left = wanted
    while left > 0:
        counter = torch.arange(first, first + _THROWN)
        first += _THROWN
        words = torch.stack(philox(seed, stream + 1, counter >> 32, counter), 1)
        row, pair = below(words[:, 0::2].reshape(-1), rows), below(words[:, 1::2], partners)
        accepted = _accepted(row, pair.reshape(-1), taken)
        accepted &= accepted.cumsum(0) <= left
        taken += torch.bincount(row[accepted], minlength=rows)
        left -= int(accepted.sum())
    return taken if wanted == n else partners - taken


def _accepted(row: Tensor, pair: Tensor, taken: Tensor) -> Tensor:
    """Which draws, in this order, take a pair that is not taken yet."""
    taken = taken.clone()
    order = torch.argsort(row, stable=True)
    times = torch.bincount(row, minlength=len(taken))
    which = places(times)[1]
    accepted = torch.zeros(len(row), dtype=torch.bool)
    for turn in range(int(times.max())):
        now = order[which == turn]
        accepted[now] = pair[now] >= taken[row[now]]
        taken[row[now]] += accepted[now].long()
    return accepted
