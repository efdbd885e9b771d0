# SPDX-License-Identifier: Apache-2.0
"""Any data set of (image, label), its items turned into spikes, and batches with time first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

Encoder = Callable[[Any], Any]


class Encoded(Dataset):
    """A data set of pairs whose items become dicts: image, label, encoded_image, encoded_label.

    dataset:       anything with `len` and items (image, label).
    image_encoder: e.g. `functools.partial(fastsnn.encoding.poisson, time=250)`; None: as it is.
    label_encoder: likewise.

    Attributes that are not its own are those of the data set.
    """

    def __init__(
        self,
        dataset: Any,
        image_encoder: Encoder | None = None,
        label_encoder: Encoder | None = None,
    ) -> None:
        self.dataset = dataset
        self.image_encoder = image_encoder or _same
        self.label_encoder = label_encoder or _same

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image, label = self.dataset[index]
        return {
            "image": image,
            "label": label,
            "encoded_image": self.image_encoder(image),
            "encoded_label": self.label_encoder(label),
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def __getattr__(self, name: str) -> Any:
        # not before there is a data set: copying and unpickling ask for attributes early
        if name.startswith("__") or "dataset" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.dataset, name)


def time_first(batch: Sequence[Any]) -> Any:
    """Put items of a data set together, with the batch as the second dimension.

    Tensors and arrays [T, ...] become [T, B, ...], those [T] become [T, B, 1], those without a
    dimension [1, B, 1].  Numbers become a tensor [B].  Dicts, tuples and lists: each field by
    itself.  Give it to a DataLoader as `collate_fn`.
    """
    first = batch[0]
    if isinstance(first, np.ndarray) and first.ndim:
        return time_first([torch.as_tensor(item) for item in batch])
    if isinstance(first, Tensor):
        return _stack(batch)
    if isinstance(first, bool | int | float | np.number):
        return torch.as_tensor(np.asarray(batch))
    if isinstance(first, Mapping):
        return {key: time_first([item[key] for item in batch]) for key in first}
    if isinstance(first, Sequence) and not isinstance(first, str | bytes):
        if any(len(item) != len(first) for item in batch):
            raise ValueError("items of a batch have different lengths, expected equal ones")
        return [time_first(field) for field in zip(*batch, strict=True)]
    return list(batch)


def _stack(batch: Sequence[Tensor]) -> Tensor:
    shapes = {tuple(item.shape) for item in batch}
    if len(shapes) > 1:
        raise ValueError(f"items of a batch are {sorted(shapes)}, expected equal shapes")
    (shape,) = shapes
    size = (1, 1, 1) if not shape else (-1, 1, 1) if len(shape) == 1 else (shape[0], 1, *shape[1:])
    # unlike `stack`, `cat` copies a single item without waking threads
    return torch.cat([item.reshape(size) for item in batch], 1)


def _same(item: Any) -> Any:
    return item
