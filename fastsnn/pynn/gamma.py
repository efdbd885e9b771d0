# SPDX-License-Identifier: Apache-2.0
"""PyNN's inhomogeneous gamma process: a renewal process whose hazard follows a histogram."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from pyNN.errors import InvalidParameterValueError

from fastsnn.inputs import BoundInput, Events, Target
from fastsnn.random import philox, uniform

Array = np.ndarray


@dataclass
class InhomogeneousGamma:
    """Spikes with the hazard of gamma(a, b) at the time since the last spike, with a, b of now.

    a, b, tbins: of each neuron, shape, scale in s, and times in ms from which they hold; no spikes
    before the first.   first: step at which the process begins, as if it had just spiked.

    Exact while a and b stay.   Source: Muller, Buesing, Schemmel, Meier 2007.
    """

    a: list[Array]
    b: list[Array]
    tbins: list[Array]
    first: Array
    _age: Array | None = field(default=None, init=False)

    def bind(self, target: Target) -> BoundInput:
        """Check, and draw the spikes of this run."""
        begin, end = target.start, target.start + target.steps
        edges = [np.rint(t / target.dt).astype(np.int64) for t in self.tbins]
        changes = sorted({begin, *(int(s) for e in edges for s in e if begin < s < end), end})
        age = np.zeros(target.n) if self._age is None else self._age
        index, steps, ids = torch.arange(target.n), [], []
        for start, stop in pairwise(changes):
            row = [np.searchsorted(e, start, side="right") - 1 for e in edges]
            on = np.array([k >= 0 for k in row])
            shape, scale = (
                torch.tensor([x[max(k, 0)] for x, k in zip(of, row, strict=True)]).double()
                for of in (self.a, self.b)
            )
            scale *= 1000.0 / target.dt
            for step in range(start, stop):
                now = on & (self.first <= step)
                alive, left = (
                    torch.special.gammaincc(shape, torch.as_tensor(age + k) / scale) for k in (0, 1)
                )
                # far in the tail nothing is left of either: a spike is certain
                p = torch.where(alive > 0.0, 1.0 - left / alive, 1.0)
                u = uniform(philox(target.seed, target.stream, step, index)[0])
                spike = now & (u < p).numpy()
                found = spike.nonzero()[0]
                steps.append(np.full(len(found), step - begin))
                ids.append(found)
                age = np.where(now & ~spike, age + 1.0, 0.0)
        self._age = age
        return Events(*(torch.as_tensor(np.concatenate(x)) for x in (steps, ids))).bind(target)


def inhomogeneous_gamma(label: str, numbers: dict[str, Any], first: Array) -> InhomogeneousGamma:
    """The process for parameters of PyNN.

    Raises InvalidParameterValueError, naming the population.
    """
    columns = [[np.ravel(s.value).astype(float) for s in numbers[k]] for k in ("a", "b", "tbins")]
    for cell, (a, b, tbins) in enumerate(zip(*columns, strict=True)):
        if not len(a) == len(b) == len(tbins) > 0:
            raise InvalidParameterValueError(
                f"{label}: a, b, tbins of cell {cell} have {len(a)}, {len(b)}, {len(tbins)} "
                f"values, expected as many of each, one or more."
            )
        if not ((a > 0).all() and (b > 0).all() and (np.diff(tbins) > 0).all()):
            raise InvalidParameterValueError(
                f"{label}: cell {cell} has a={a.tolist()}, b={b.tolist()}, "
                f"tbins={tbins.tolist()}, expected a and b above 0, tbins ascending."
            )
    return InhomogeneousGamma(*columns, first)
