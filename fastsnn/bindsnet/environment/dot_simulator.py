# SPDX-License-Identifier: Apache-2.0
"""Dots to trace, with files of what was seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.environments.dots import Dot, DotTracing
from fastsnn.optional import need

__all__ = ["Dot", "DotSimulator", "driver"]

_KNOWN = (
    "height", "width", "decay", "dots", "herrs", "speed", "randr", "allow_stay", "diag",
    "bound_hand", "fit_func", "ring_size", "bullseye", "teleport", "seed",
)  # fmt: skip


class DotSimulator(DotTracing):
    """`fastsnn.environments.DotTracing` for t steps, shown and written to files.

    Further keywords: mute: show nothing; pandas: show the grid as a table; write: write what is
    rendered to fpath + fname; its name gets "_" and a number.
    """

    def __init__(self, t: int, **kwargs: Any) -> None:
        self.mute, self.pandas = kwargs.get("mute", False), kwargs.get("pandas", False)
        self.write2F = kwargs.get("write", False)
        self._image: Any = None
        super().__init__(t, **{key: kwargs[key] for key in _KNOWN if key in kwargs})
        folder, name = kwargs.get("fpath", "out/"), kwargs.get("fname", "")
        self.fileCnt = 0
        self.filename = folder + (name or f"grids_s{self.seed}") + "_0.csv"

    netDot = property(lambda self: self.net_dot)
    dots = property(lambda self: self.targets)
    herrings = property(lambda self: self.distractors)

    def step(self, action: int) -> tuple[np.ndarray, Tensor, bool, bool]:  # type: ignore[override]
        """Move all dots; returns grid, reward, done, intercept."""
        self._before = (self.net_dot.place(), self.targets[0].place())
        return super().step(action)

    def movePoint(self, d: Dot, dotDir: int = -1) -> tuple[int, int]:
        """Move a dot; -1: anywhere.  Returns its row and column."""
        self._move(d, self._course() if dotDir < 0 else int(dotDir))
        return int(d.row[0]), int(d.col[0])

    def compute_reward(self) -> tuple[Tensor, bool]:
        """The reward of the last step, and whether it was an intercept."""
        before = getattr(self, "_before", (self.net_dot.place(), self.targets[0].place()))
        return self._reward(*before)

    def render(self) -> None:  # type: ignore[override]
        """Write the grid to the file and show it, as far as that was asked for."""
        if self.write2F:
            path = Path(self.filename)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                np.savetxt(file, self.obs, delimiter=",", fmt="%.6f")
        if self.pandas:
            print(need("pandas", "pandas", "DotSimulator(pandas=True)").DataFrame(self.obs))
        elif not self.mute:
            self._show()

    def cycleOutFiles(self, newInt: int = -1) -> None:
        """Go on in the file with the next number, or with the one given."""
        self.fileCnt = newInt if newInt > 0 else self.fileCnt + 1
        self.filename = re.sub(r"_\d+\.csv$", f"_{self.fileCnt}.csv", self.filename)

    def addFileSuffix(self, suffix: str) -> None:
        """Put a word before the number in the file's name."""
        self.filename = re.sub(r"(_\d+\.csv)$", rf"_{suffix}\1", self.filename)

    def changeFileSuffix(self, sFrom: str, sTo: str) -> None:
        """Put another word in its place."""
        path = Path(self.filename)
        self.filename = str(path.with_name(path.name.replace(sFrom, sTo)))

    def _show(self) -> None:
        from matplotlib import pyplot as plt

        from fastsnn.analysis.style import bare, title

        grid = self.obs.copy()
        # the network's dot stands out for the eye alone
        grid[tuple(self.net_dot.place())] = 2.0
        if self._image is None or not plt.fignum_exists(self._image.figure.number):
            _, axes = plt.subplots(figsize=(4, 4), layout="constrained")
            self._image = axes.imshow(grid, cmap="viridis", vmin=0.0, vmax=2.0)
            bare(axes)
            title(axes, "Dots (brightest: the network's)", 10)
        self._image.set_data(grid)
        if self._image.figure.canvas.manager is not None:
            plt.pause(1e-3)


def driver() -> None:
    """Play an episode at random and print it."""
    environment = DotSimulator(20, decay=4, mute=True, seed=0)
    done = False
    while not done:
        action = int(torch.randint(environment.choices, (1,)))
        _, reward, done, caught = environment.step(action)
        print(f"action {action}, reward {reward.tolist()}, intercept {caught}")
        print(DotTracing.render(environment))
