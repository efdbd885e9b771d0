# SPDX-License-Identifier: Apache-2.0
"""Small work on images [height, width] or [height, width, channels], without other libraries."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F


def gray_scale(image: np.ndarray) -> np.ndarray:
    """RGB to luminance: 0.299 R + 0.587 G + 0.114 B, rounded where image is uint8."""
    if image.ndim != 3 or image.shape[-1] < 3:
        raise ValueError(f"image is {image.shape}, expected [height, width, 3]")
    gray = image[..., :3] @ np.array([0.299, 0.587, 0.114])
    return _like(gray, image)


def crop(image: np.ndarray, x1: int, x2: int, y1: int, y2: int) -> np.ndarray:
    """Rows x1 to x2 and columns y1 to y2."""
    return image[x1:x2, y1:y2]


def binary_image(image: np.ndarray) -> np.ndarray:
    """1 where a value is above 0, else 0."""
    return (image > 0).astype(image.dtype)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resample bilinearly, pixel centres half a pixel inside the edges."""
    planes = torch.from_numpy(np.ascontiguousarray(image)).double()
    planes = planes[None] if image.ndim == 2 else planes.permute(2, 0, 1)
    new = F.interpolate(planes[None], size=(height, width), mode="bilinear", align_corners=False)[0]
    return _like((new[0] if image.ndim == 2 else new.permute(1, 2, 0)).numpy(), image)


def _like(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
    return values.astype(image.dtype)
