# SPDX-License-Identifier: Apache-2.0
"""Work on images, and the boxes of trackers; needs neither OpenCV nor torchvision.

Source of the boxes' arithmetic: Held, Thrun, Savarese 2016, arXiv:1604.01802 (GOTURN).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from fastsnn.datasets import images
from fastsnn.datasets.images import binary_image, crop, gray_scale

__all__ = [
    "BoundingBox",
    "NormalizeToTensor",
    "Rescale",
    "bgr2rgb",
    "binary_image",
    "computeCropPadImageLocation",
    "crop",
    "cropPadImage",
    "crop_sample",
    "gray_scale",
    "sample_exp_two_sides",
    "sample_rand_uniform",
    "shift_crop_training_sample",
    "subsample",
]


def subsample(image: np.ndarray, x: int, y: int) -> np.ndarray:
    """Resample to width x and height y."""
    return images.resize(image, x, y)


def bgr2rgb(image: np.ndarray) -> np.ndarray:
    """Turn the order of channels round; a gray image gets three."""
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return image[..., ::-1].copy()


class BoundingBox:
    """A box from (x1, y1) to (x2, y2), pixels; its context is twice as wide and high."""

    def __init__(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.x1, self.y1, self.x2, self.y2 = x1, y1, x2, y2
        self.kContextFactor, self.kScaleFactor = 2, 10

    def print_bb(self) -> None:
        """Print the corners."""
        print("box x1 {}, y1 {}, x2 {}, y2 {}".format(*self.get_bb_list()))

    def get_bb_list(self) -> list[float]:
        """[x1, y1, x2, y2]."""
        return [self.x1, self.y1, self.x2, self.y2]

    def get_width(self) -> float:
        """Width of the box."""
        return self.x2 - self.x1

    def get_height(self) -> float:
        """Height of the box."""
        return self.y2 - self.y1

    def get_center_x(self) -> float:
        """Column of the centre."""
        return (self.x1 + self.x2) / 2.0

    def get_center_y(self) -> float:
        """Row of the centre."""
        return (self.y1 + self.y2) / 2.0

    def compute_output_width(self) -> float:
        """Width of the context, at least one pixel."""
        return max(1.0, self.kContextFactor * self.get_width())

    def compute_output_height(self) -> float:
        """Height of the context, at least one pixel."""
        return max(1.0, self.kContextFactor * self.get_height())

    def edge_spacing_x(self) -> float:
        """Columns by which the context leaves the image on the left."""
        return max(0.0, self.compute_output_width() / 2 - self.get_center_x())

    def edge_spacing_y(self) -> float:
        """Rows by which the context leaves the image above."""
        return max(0.0, self.compute_output_height() / 2 - self.get_center_y())

    def scale(self, image: np.ndarray) -> None:
        """From pixels of the image to 0..10."""
        self._stretch(self.kScaleFactor / image.shape[1], self.kScaleFactor / image.shape[0])

    def unscale(self, image: np.ndarray) -> None:
        """From 0..10 to pixels of the image."""
        self._stretch(image.shape[1] / self.kScaleFactor, image.shape[0] / self.kScaleFactor)

    def recenter(
        self,
        search_loc: BoundingBox,
        edge_spacing_x: float,
        edge_spacing_y: float,
        bbox_gt_recentered: BoundingBox,
    ) -> BoundingBox:
        """Put this box, seen from a search region, into bbox_gt_recentered."""
        across, down = edge_spacing_x - search_loc.x1, edge_spacing_y - search_loc.y1
        return bbox_gt_recentered._put(self, across, down)

    def uncenter(
        self,
        raw_image: np.ndarray,
        search_location: BoundingBox,
        edge_spacing_x: float,
        edge_spacing_y: float,
    ) -> None:
        """From a search region back to the image, cut at its edges."""
        self._put(self, search_location.x1 - edge_spacing_x, search_location.y1 - edge_spacing_y)
        height, width = raw_image.shape[:2]
        self.x1, self.y1 = max(0.0, self.x1), max(0.0, self.y1)
        self.x2, self.y2 = min(float(width), self.x2), min(float(height), self.y2)

    def shift(
        self,
        image: np.ndarray,
        lambda_scale_frac: float,
        lambda_shift_frac: float,
        min_scale: float,
        max_scale: float,
        shift_motion_model: bool,
        bbox_rand: BoundingBox,
    ) -> BoundingBox:
        """Move and stretch at random into bbox_rand, which stays inside the image.

        lambda_*: rates of the exponential laws of stretch and shift, in fractions of the box.
        shift_motion_model: shifts by that law; else uniform over one width or height.
        """
        height, width = image.shape[:2]
        sides, centres = [], []
        for side, centre, limit in (
            (self.get_width(), self.get_center_x(), width),
            (self.get_height(), self.get_center_y(), height),
        ):
            stretch = 0.0
            if lambda_scale_frac > 0:
                stretch = min(max(sample_exp_two_sides(lambda_scale_frac), min_scale), max_scale)
            new = min(max(1.0, side * (1.0 + stretch)), limit - 1.0)
            move = (
                sample_exp_two_sides(lambda_shift_frac)
                if shift_motion_model
                else 2.0 * sample_rand_uniform() - 1.0
            )
            sides.append(new)
            centres.append(min(max(new / 2, centre + side * move), limit - new / 2))
        bbox_rand.x1, bbox_rand.x2 = centres[0] - sides[0] / 2, centres[0] + sides[0] / 2
        bbox_rand.y1, bbox_rand.y2 = centres[1] - sides[1] / 2, centres[1] + sides[1] / 2
        return bbox_rand

    def _stretch(self, across: float, down: float) -> None:
        self.x1, self.x2 = self.x1 * across, self.x2 * across
        self.y1, self.y2 = self.y1 * down, self.y2 * down

    def _put(self, box: BoundingBox, across: float, down: float) -> BoundingBox:
        self.x1, self.x2 = box.x1 + across, box.x2 + across
        self.y1, self.y2 = box.y1 + down, box.y2 + down
        return self


class Rescale:
    """Bring a sample (image, bb) to a size: (height, width), or one side for both."""

    def __init__(self, output_size: int | tuple[int, int]) -> None:
        square = (output_size, output_size)
        self.output_size = square if isinstance(output_size, int) else tuple(output_size)

    def __call__(self, sample: dict[str, Any], opts: dict[str, Any]) -> dict[str, Any]:
        height, width = self.output_size
        box = BoundingBox(*sample["bb"])
        box.scale(opts["search_region"])
        return {"image": images.resize(sample["image"], width, height), "bb": box.get_bb_list()}


class NormalizeToTensor:
    """Images of a sample (previmg, currimg) as float [3, height, width], each channel less
    ImageNet's mean and over its deviation; the box as float."""

    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        mean, std = np.float32(self.MEAN), np.float32(self.STD)
        shown = {}
        for name in ("previmg", "currimg"):
            values = (np.asarray(sample[name], np.float32) / 255.0 - mean) / std
            shown[name] = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
        box = np.asarray(sample["currbb"], np.float32)
        return {**shown, "currbb": torch.from_numpy(box)}


def computeCropPadImageLocation(bbox_tight: BoundingBox, image: np.ndarray) -> BoundingBox:
    """The part of a box's context that lies in the image."""
    height, width = image.shape[:2]
    half_w, half_h = bbox_tight.compute_output_width() / 2, bbox_tight.compute_output_height() / 2
    x, y = bbox_tight.get_center_x(), bbox_tight.get_center_y()
    left, top = max(0.0, x - half_w), max(0.0, y - half_h)
    right, bottom = min(float(width), x + half_w), min(float(height), y + half_h)
    return BoundingBox(
        min(left, width - 1.0), min(top, height - 1.0), max(left, right), max(top, bottom)
    )


def cropPadImage(
    bbox_tight: BoundingBox, image: np.ndarray
) -> tuple[np.ndarray, BoundingBox, float, float]:
    """Cut out a box's context; what lies outside the image is 0.

    Returns the cut, the part of the image in it, and how far it lies from the cut's left and top.
    """
    location = computeCropPadImageLocation(bbox_tight, image)
    rows = slice(int(location.y1), max(int(location.y1) + 1, math.ceil(location.y2)))
    columns = slice(int(location.x1), max(int(location.x1) + 1, math.ceil(location.x2)))
    part = image[rows, columns]
    left, top = bbox_tight.edge_spacing_x(), bbox_tight.edge_spacing_y()
    size = (
        max(math.ceil(bbox_tight.compute_output_height()), part.shape[0] + int(top)),
        max(math.ceil(bbox_tight.compute_output_width()), part.shape[1] + int(left)),
    )
    cut = np.zeros((*size, *image.shape[2:]), image.dtype)
    cut[int(top) : int(top) + part.shape[0], int(left) : int(left) + part.shape[1]] = part
    return cut, location, left, top


def crop_sample(sample: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cut out the context of a sample's box; returns the cut and where it came from."""
    box = BoundingBox(*sample["bb"])
    cut, location, left, top = cropPadImage(box, sample["image"])
    inside = box.recenter(location, left, top, BoundingBox(0, 0, 0, 0))
    place = {
        "edge_spacing_x": left,
        "edge_spacing_y": top,
        "search_location": location,
        "search_region": cut,
    }
    return {"image": cut, "bb": inside.get_bb_list()}, place


def shift_crop_training_sample(
    sample: dict[str, Any], bb_params: dict[str, float]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cut out the context of a box that was moved at random; bb is the true box in the cut.

    bb_params: lambda_scale_frac, lambda_shift_frac, min_scale, max_scale.
    """
    image, true = sample["image"], BoundingBox(*sample["bb"])
    names = ("lambda_scale_frac", "lambda_shift_frac", "min_scale", "max_scale")
    moved = true.shift(image, *(bb_params[k] for k in names), True, BoundingBox(0, 0, 0, 0))
    cut, place = crop_sample({"image": image, "bb": moved.get_bb_list()})
    inside = true.recenter(
        place["search_location"], place["edge_spacing_x"], place["edge_spacing_y"],
        BoundingBox(0, 0, 0, 0),
    )  # fmt: skip
    return {"image": cut["image"], "bb": inside.get_bb_list()}, place


def sample_rand_uniform() -> float:
    """A number between 0 and 1, both left out."""
    return (np.random.randint(0, 2**31 - 1) + 1) / (2.0**31 + 1)


def sample_exp_two_sides(lambda_: float) -> float:
    """A number of the two-sided exponential law with rate lambda_."""
    size = -math.log(sample_rand_uniform()) / lambda_
    return size if np.random.rand() < 0.5 else -size
