# SPDX-License-Identifier: Apache-2.0
"""Where a network can run here: "backend", or "backend@device" away from the backend's home."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fastsnn import Network, backends

GPU = torch.cuda.is_available()


def usable() -> list[str]:
    """Places that run at full speed here: neither an interpreter nor an emulation."""
    found = [name for name in backends.usable() if GPU or name in ("cpu", "torch")]
    return [*found, "torch@cuda"] if GPU else found


def others() -> list[str]:
    """All but the reference."""
    return [place for place in usable() if place != "torch"]


def options(place: str) -> dict[str, Any]:
    """The options of a Network that put it there."""
    backend, _, device = place.partition("@")
    return {"backend": backend, "device": device or backends.home(backend)}


def skip_if_refused(net: Network, place: str) -> None:
    """Skip a test where the backend says that it cannot run this network."""
    reason = net.explain()[place.partition("@")[0]]
    if reason != "usable":
        pytest.skip(f"{place}: {reason}")
