# SPDX-License-Identifier: Apache-2.0
"""Recording while the network runs: the backend writes the rows."""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn.errors import ShapeError


class Monitor:
    """Records a variable every k-th step.  Made by `Network.monitor`.

    every:    record after the steps k, 2k, ... (counted over all runs since the last reset).
    index:    neurons (flat indices) to record; None: all.
    capacity: keep the last `capacity` rows only, in memory of that size; None: keep all.
    """

    def __init__(
        self, owner: str, variable: str, every: int, index: Tensor | None, capacity: int | None
    ) -> None:
        if every < 1 or (capacity is not None and capacity < 1):
            raise ShapeError(
                f"Monitor of '{owner}.{variable}': every={every}, capacity={capacity}; expected "
                f"1 or more."
            )
        self.owner, self.variable = owner, variable
        self.every, self.index, self.capacity = every, index, capacity
        self._rows: list[Tensor] = []
        self._seen = 0

    def __repr__(self) -> str:
        return f"Monitor({self.owner}.{self.variable}, every={self.every}, rows={len(self)})"

    def __len__(self) -> int:
        return sum(len(r) for r in self._rows)

    @property
    def phase(self) -> int:
        """Steps since the last recorded one."""
        return self._seen % self.every

    def rows_in(self, steps: int) -> int:
        """Number of rows that the next `steps` steps will give."""
        return (self.phase + steps) // self.every

    def append(self, rows: Tensor, steps: int) -> None:
        """Take the rows of a finished run of `steps` steps."""
        self._seen += steps
        self._rows.append(rows)
        surplus = len(self) - self.capacity if self.capacity is not None else 0
        while surplus > 0:
            first = self._rows.pop(0)
            if len(first) > surplus:
                self._rows.insert(0, first[surplus:].clone())
            surplus -= len(first)

    def get(self) -> Tensor:
        """Recorded rows, [rows, B, n] ([rows, n] for variables shared by the batch)."""
        if not self._rows:
            raise ShapeError(f"{self}: nothing recorded yet; run the network first.")
        if len(self._rows) > 1:
            self._rows = [torch.cat(self._rows)]
        return self._rows[0]

    def clear(self) -> None:
        """Forget everything recorded."""
        self._rows, self._seen = [], 0
