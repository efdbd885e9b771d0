# SPDX-License-Identifier: Apache-2.0
"""NIR, the Neuromorphic Intermediate Representation: networks from and for other libraries.

    net = fastsnn.nir.load("network.nir", dt=1e-4, reset="value")
    result = net.run(x)                     # [T, B, ...] -> result.output [T, B, ...]
    fastsnn.nir.save(net, "trained.nir")

Source: Pedersen et al. 2024, Nature Communications 15, 8122.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fastsnn.errors import BackendError, FastsnnError
from fastsnn.nir.flat import read
from fastsnn.nir.graph import Graph, Result
from fastsnn.nir.nodes import Reading
from fastsnn.nir.saving import save
from fastsnn.nir.wiring import GraphError
from fastsnn.nn.engines import ENGINES

__all__ = ["Graph", "GraphError", "Result", "load", "save"]


def load(
    source: str | Path | Any,
    *,
    dt: float,
    reset: str,
    integrator: str = "euler",
    backend: str = "auto",
) -> Graph:
    """Read a NIR file, or take a `nir.NIRGraph`, as a network that runs.

    dt:     time step in seconds; a file has none.
    reset:  "value": a spike sets v to v_reset;  "subtract": it takes v_threshold from v.
    integrator: "euler", or "exact": exact for input that is constant during a step.
    backend: "auto", "cpu", "triton" or "torch".

    Raises GraphError, with the name of the node, where the graph is malformed or has no meaning.
    """
    if not (isinstance(dt, (int, float)) and math.isfinite(dt) and dt > 0):
        raise FastsnnError(f"nir.load: dt={dt!r}, expected seconds above 0, such as 1e-4.")
    for name, value, options in (
        ("reset", reset, ("value", "subtract")),
        ("integrator", integrator, ("euler", "exact")),
    ):
        if value not in options:
            raise FastsnnError(f"nir.load: {name}={value!r}, expected one of {', '.join(options)}.")
    if backend not in ("auto", *ENGINES):
        raise BackendError(f"backend={backend!r}: expected auto or {', '.join(ENGINES)}.")
    return Graph(read(source), Reading(float(dt), reset, integrator, backend))
