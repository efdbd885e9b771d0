# SPDX-License-Identifier: Apache-2.0
"""What the native engine makes of sparse wirings, and the same from their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from torch import Tensor

from fastsnn.sparse.wirings import Wiring

SIZES = [37, 100, 16]

# (source, target, wiring)
Joined = tuple[int, int, Wiring]


def rows(joined: list[Joined], isa: str = "", threads: int = 1, tiles: int = 3, seed: int = 1):
    """What the native engine makes of them: {(tile, source): [(delay, place, weight)]}, places."""
    native = pytest.importorskip("fastsnn._native")
    sparse, keep = [], []
    for k, (source, target, wiring) in enumerate(joined):
        given = wiring.spec(seed, k, 0.1, SIZES[source], SIZES[target], source == target)
        keep.append(given)
        pointed = {
            name: (v.data_ptr(), v.numel()) if isinstance(v, Tensor) else v
            for name, v in given.items()
        }
        ends = {"name": "p", "source": source, "port": target, "grain": grain(joined)}
        sparse.append(pointed | ends)
    made, places = native.sparse_rows(
        {
            "n": SIZES, "ports": [(k, 0) for k in range(len(SIZES))], "n_tiles": tiles,
            "seed": seed, "threads": threads, "isa": isa, "sparse": sparse, "only_sizes": False,
        }
    )  # fmt: skip
    found = {}
    for tile, (words, start) in enumerate(made):
        words, start = np.frombuffer(words, np.uint32), np.frombuffer(start, np.uint64)
        assert len(start) == sum(SIZES) + 1
        assert start[-1] <= len(words)  # the engine reads whole blocks
        for source in range(sum(SIZES)):
            row = words[int(start[source]) : int(start[source + 1])]
            if len(row):
                found[tile, source] = decoded(row)
    return found, places


def decoded(row: np.ndarray) -> list[tuple[int, int, int]]:
    first, n = int(row[0] & 0xFFFF), int(row[0] >> 16)
    head = 1 + (n + 1) // 2
    counts = row[1:head].view(np.uint16)
    assert counts[0] > 0
    assert counts[n - 1] > 0
    assert not counts[n:].any()
    delays = np.repeat(np.arange(first, first + n), counts[:n])
    synapses = row[head:]
    return list(
        zip(
            delays.tolist(),
            (synapses & 0xFFFF).tolist(),
            (synapses >> 16).astype(np.uint16).view(np.int16).tolist(),
            strict=True,
        )
    )


def grain(joined: list[Joined]) -> float:
    largest = max(wiring.largest_weight() for _, _, wiring in joined)
    return 2.0 ** math.ceil(math.log2(largest / 32767))


def expected(joined: list[Joined], places: list[list[int]], seed: int = 1):
    """The same from `edges`."""
    first = np.concatenate([[0], np.cumsum(SIZES)]).tolist()
    found: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for k, (source, target, wiring) in enumerate(joined):
        e = wiring.edges(seed, k, 0.1, SIZES[source], SIZES[target], source == target)
        q = (e.w / grain(joined)).round().long().tolist()
        for i, j, w, delay in zip(
            e.pre.tolist(), e.post.tolist(), q, e.delay.tolist(), strict=True
        ):
            place = places[target][j]
            row = found.setdefault((place >> 16, first[source] + i), [])
            row.append((delay, place & 0xFFFF, w))
    # stable: within a delay by projection, then in the order drawn
    return {key: sorted(row, key=lambda synapse: synapse[0]) for key, row in found.items()}


def isas() -> list[str]:
    try:
        import fastsnn._native as native
    except ImportError:
        return [""]
    return native.isa()
