# SPDX-License-Identifier: Apache-2.0
"""Pictures, live plots, logs for TensorBoard, and a report in one HTML file.

Matplotlib is imported when the first of them is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsnn.analysis import mosaics
    from fastsnn.analysis.activity import plot_spikes, plot_trace, plot_voltages
    from fastsnn.analysis.analyzers import Analyzer, EventAnalyzer, FileAnalyzer, WindowAnalyzer
    from fastsnn.analysis.curves import plot_performance, plot_reward
    from fastsnn.analysis.events import EventWriter, read_scalars
    from fastsnn.analysis.report import Report
    from fastsnn.analysis.views import View
    from fastsnn.analysis.weights import plot_assignments, plot_input, plot_weights, weights_movie

__all__ = [
    "Analyzer",
    "EventAnalyzer",
    "EventWriter",
    "FileAnalyzer",
    "Report",
    "View",
    "WindowAnalyzer",
    "mosaics",
    "plot_assignments",
    "plot_input",
    "plot_performance",
    "plot_reward",
    "plot_spikes",
    "plot_trace",
    "plot_voltages",
    "plot_weights",
    "read_scalars",
    "weights_movie",
]

_FILES = ("activity", "analyzers", "curves", "events", "report", "views", "weights")


def __getattr__(name: str) -> Any:
    if name in (*_FILES, "mosaics", "style"):
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        for file in _FILES:
            module = importlib.import_module(f"{__name__}.{file}")
            if name in vars(module):
                return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
