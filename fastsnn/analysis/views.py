# SPDX-License-Identifier: Apache-2.0
"""A picture that can be drawn again in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from fastsnn.analysis.style import new_figure

_FILES_ONLY = ("backend_agg", "backend_svg", "backend_pdf", "backend_ps", "backend_cairo")


@dataclass
class View:
    """Where a plot was drawn.  Given back to the same function, it is brought up to date in place.

    axes:    from top to bottom.
    artists: what holds the data, one per axes; None where nothing was drawn yet.
    """

    figure: Figure
    axes: list[Axes]
    artists: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.artists = list(self.artists) or [None] * len(self.axes)

    def show(self, seconds: float = 1e-3) -> None:
        """Let a window of pyplot catch up; does nothing where there is no window."""
        canvas = self.figure.canvas
        if canvas.manager is None or type(canvas).__module__.rpartition(".")[2] in _FILES_ONLY:
            return
        canvas.draw_idle()
        canvas.start_event_loop(seconds)
        # places are found once: to look for them is half the work of drawing
        self.figure.set_layout_engine("none")


def open_view(
    view: View | None,
    figure: Figure | None,
    shape: tuple[int, int],
    size: tuple[float, float],
    **options: Any,
) -> View:
    """The view given, else new axes (rows, columns) in the figure given, else in a new one."""
    if view is not None and len(view.axes) == shape[0] * shape[1]:
        return view
    if view is not None:
        figure = view.figure
        figure.clear()
    if figure is None:
        figure = new_figure(*size)
    elif figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    axes = figure.subplots(*shape, squeeze=False, **options)
    return View(figure, list(axes.flat))


def array(values: Tensor | np.ndarray | Sequence[Any] | float) -> np.ndarray:
    """Numbers on the host; sparse tensors become dense."""
    if isinstance(values, Tensor):
        values = values.detach()
        values = (values.to_dense() if values.layout.__str__() != "torch.strided" else values).cpu()
        return values.float().numpy() if values.is_floating_point() else values.numpy()
    return np.asarray(values)


def by_step(values: Tensor | np.ndarray) -> np.ndarray:
    """[n_steps, neurons] of what a monitor recorded, [n_steps, batch, ...]: a batch's first."""
    values = array(values)
    if values.ndim < 2:
        raise ValueError(f"a recording is {values.shape}, expected [n_steps, n] or [n_steps, B, n]")
    if values.ndim > 2:
        values = values[:, 0]
    return values.reshape(len(values), -1)


def widen(image: Any, values: np.ndarray) -> None:
    """Widen the scale where values are beyond it; a scale that stays makes pictures comparable."""
    low, high = image.get_clim()
    least, most = min(low, float(values.min())), max(high, float(values.max()))
    if (least, most) != (low, high):
        image.set_clim(least, most)
