# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the few parts of `torchvision.transforms` that scripts use, where torchvision is
not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.datasets import images


class Compose:
    """One transform after another."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img


class Lambda:
    """A function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class ToTensor:
    """An image, PIL or [height, width(, channels)], as [channels, height, width]; bytes as 0..1."""

    def __call__(self, pic: Any) -> Tensor:
        values = np.array(pic)
        values = values[..., None] if values.ndim == 2 else values
        tensor = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
        return tensor.float() / 255.0 if tensor.dtype == torch.uint8 else tensor


class Normalize:
    """(x - mean) / std for each channel of a tensor [..., channels, height, width]."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std = mean, std

    def __call__(self, tensor: Tensor) -> Tensor:
        mean, std = (torch.as_tensor(x, dtype=tensor.dtype) for x in (self.mean, self.std))
        return (tensor - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


class CenterCrop:
    """The middle of an image, (height, width) or one side for both; 0 around where it is small."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def __call__(self, img: Any) -> Any:
        if not isinstance(img, Tensor):
            from PIL import Image

            values = torch.from_numpy(np.array(img))
            values = values.movedim(-1, 0) if values.ndim == 3 else values
            cut = self(values)
            return Image.fromarray((cut.movedim(0, -1) if cut.ndim == 3 else cut).numpy())
        for dim, size in zip((-2, -1), self.size, strict=True):
            spare = img.shape[dim] - size
            if spare < 0:
                before = -spare // 2
                edges = [0, 0, before, -spare - before] if dim == -2 else [before, -spare - before]
                img = torch.nn.functional.pad(img, edges)
            else:
                img = img.narrow(dim, round(spare / 2.0), size)
        return img


class Grayscale:
    """A PIL image in shades of gray."""

    def __init__(self, num_output_channels: int = 1) -> None:
        self.mode = {1: "L", 3: "RGB"}[num_output_channels]

    def __call__(self, img: Any) -> Any:
        return img.convert("L").convert(self.mode)


class Resize:
    """An image resampled to (height, width); one number: its shorter side."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = size

    def __call__(self, img: Any) -> Any:
        tensor = isinstance(img, Tensor)
        height, width = img.shape[-2:] if tensor else img.size[::-1]
        if isinstance(self.size, int):
            scale = self.size / min(height, width)
            new = (int(height * scale + 1e-9), int(width * scale + 1e-9))
        else:
            new = (int(self.size[0]), int(self.size[1]))
        if not tensor:
            from PIL import Image

            return img.resize(new[::-1], Image.Resampling.BILINEAR)
        planes = np.moveaxis(img.numpy(), 0, -1) if img.ndim == 3 else img.numpy()
        out = torch.from_numpy(images.resize(planes, new[1], new[0]))
        return out.movedim(-1, 0) if out.ndim == 3 else out


def stand_in() -> dict[str, ModuleType]:
    """Modules to put into `sys.modules` where torchvision is absent: its name and transforms."""
    package = ModuleType("torchvision")
    package.__doc__ = "Stand-in by fastsnn: transforms only; torchvision is not installed."
    package.__version__ = "0"  # type: ignore[attr-defined]
    package.__path__ = []  # type: ignore[attr-defined]
    package.transforms = sys.modules[__name__]  # type: ignore[attr-defined]
    return {"torchvision": package, "torchvision.transforms": sys.modules[__name__]}
