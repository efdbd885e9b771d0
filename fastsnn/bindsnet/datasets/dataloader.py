# SPDX-License-Identifier: Apache-2.0
"""torch's DataLoader with batches [time, batch, ...]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fastsnn.bindsnet.datasets.collate import time_aware_collate


class DataLoader(torch.utils.data.DataLoader):
    """torch's DataLoader; collates by `time_aware_collate` unless told otherwise."""

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] = time_aware_collate,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(
            dataset,
            batch_size=batch_size,
            shuffle=shuffle,
            sampler=sampler,
            batch_sampler=batch_sampler,
            num_workers=num_workers,
            collate_fn=collate_fn,
            pin_memory=pin_memory,
            drop_last=drop_last,
            timeout=timeout,
            worker_init_fn=worker_init_fn,
        )
