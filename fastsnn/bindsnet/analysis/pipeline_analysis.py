# SPDX-License-Identifier: Apache-2.0
"""Analyzers of pipelines: `fastsnn.analysis.Analyzer` under BindsNET's names."""

from __future__ import annotations

from typing import Any

from fastsnn import analysis
from fastsnn.bindsnet.analysis.plotting import plot_conv2d_weights, plot_spikes, plot_voltages
from fastsnn.bindsnet.utils import reshape_conv2d_weights

__all__ = [
    "MatplotlibAnalyzer",
    "PipelineAnalyzer",
    "TensorboardAnalyzer",
    "plot_conv2d_weights",
    "plot_spikes",
    "plot_voltages",
    "reshape_conv2d_weights",
]

PipelineAnalyzer = analysis.Analyzer


class MatplotlibAnalyzer(analysis.WindowAnalyzer):
    """Windows of pyplot.   volts_type: "color" (default) or "line"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lines=kwargs.get("volts_type", "color") == "line")

    @property
    def plots(self) -> dict[str, Any]:
        """The pictures by tag."""
        return self.views


class TensorboardAnalyzer(analysis.EventAnalyzer):
    """Logs for TensorBoard, which need not be installed."""

    def __init__(self, summary_directory: str = "./logs") -> None:
        super().__init__(summary_directory)
