# SPDX-License-Identifier: Apache-2.0
"""Batches with time as the first dimension."""

from __future__ import annotations

from typing import Any

from torch.utils.data import get_worker_info

from fastsnn.datasets import time_first


def safe_worker_check() -> bool:
    """Whether this is a worker of a DataLoader."""
    return get_worker_info() is not None


def time_aware_collate(batch: list[Any]) -> Any:
    """Put samples together, [time, batch, ...]; see `fastsnn.datasets.time_first`."""
    return time_first(batch)
