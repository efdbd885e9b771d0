# SPDX-License-Identifier: Apache-2.0
"""ALOV300++: videos of one object each, with its box in every fifth frame.

Source: Smeulders et al. 2014, doi:10.1109/TPAMI.2013.230; http://alov300pp.joomlafree.it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from fastsnn.bindsnet.datasets.preprocess import (
    BoundingBox,
    Rescale,
    bgr2rgb,
    crop_sample,
    cropPadImage,
)

__all__ = ["ALOV300", "BoundingBox", "Rescale", "bgr2rgb", "cropPadImage", "crop_sample"]


class ALOV300(Dataset):
    """Pairs of marked frames: the object in the one, and where to look for it in the other.

    root:       the folder with images/ and gt/ (boxes), each with a folder for every category.
    transform:  of a sample, a dict of previmg, currimg and currbb.
    input_size: side of the crops, pixels.
    download:   not offered: unpack the archives of the data set's page to root.
    """

    def __init__(
        self, root: str, transform: Callable[[Any], Any] | None, input_size: int,
        download: bool = False,
    ) -> None:  # fmt: skip
        self.root, self.transform, self.input_size = Path(root), transform, input_size
        if not (self.root / "images").is_dir() or not (self.root / "gt").is_dir():
            raise FileNotFoundError(
                f"{self.root}: no folders images/ and gt/. Unpack the archives of ALOV300++ to "
                f"there; fastsnn does not fetch them."
            )
        self.x: list[tuple[Path, Path]] = []
        self.y: list[tuple[list[float], list[float]]] = []
        for marks in sorted((self.root / "gt").glob("*/*.ann")):
            self._read(marks, self.root / "images" / marks.parent.name / marks.stem)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, idx: int) -> Any:
        sample = self.get_sample(idx)
        return sample if self.transform is None else self.transform(sample)

    def get_sample(self, idx: int) -> dict[str, Any]:
        """The object before, the region around it now, and its box in that region (0 to 10)."""
        before, now = self.get_orig_sample(idx, 0), self.get_orig_sample(idx, 1)
        scale = Rescale((self.input_size, self.input_size))
        crop, place = crop_sample(before)
        # the region of the box before, in the frame of now
        region, location, left, top = cropPadImage(BoundingBox(*before["bb"]), now["image"])
        box = BoundingBox(*now["bb"])
        inside = BoundingBox(0, 0, 0, 0)
        box.recenter(location, left, top, inside)
        shown = {"image": region, "bb": inside.get_bb_list()}
        shown = scale(shown, {**place, "search_region": region})
        return {
            "previmg": scale(crop, place)["image"],
            "currimg": shown["image"],
            "currbb": shown["bb"],
        }

    def get_orig_sample(self, idx: int, i: int = 1) -> dict[str, Any]:
        """A whole frame and its box [x1, y1, x2, y2]; i: 0 the one before, 1 the present one."""
        from PIL import Image

        with Image.open(self.x[idx][i]) as image:
            return {"image": np.array(image.convert("RGB")), "bb": list(self.y[idx][i])}

    def get_bb(self, ann: str) -> list[float]:
        """Box [x1, y1, x2, y2] around the corners of a line of annotation."""
        numbers = [float(word) for word in ann.split()[1:]]
        x, y = numbers[0::2], numbers[1::2]
        return [min(x), min(y), max(x), max(y)]

    def show(self, idx: int, is_current: int = 1) -> Any:
        """Draw a frame and its box; returns the figure."""
        sample = self.get_orig_sample(idx, is_current)
        return _draw(sample["image"], sample["bb"], f"frame {idx}")

    def show_sample(self, idx: int) -> Any:
        """Draw the region of a sample and the box in it; returns the figure."""
        sample = self.get_sample(idx)
        scale = self.input_size / 10.0
        box = [scale * corner for corner in sample["currbb"]]
        return _draw(sample["currimg"], box, f"sample {idx}")

    def progress(self, count: int, block_size: int, total_size: int) -> None:
        """Print how much of a download is done, as `urllib.request.urlretrieve` asks for."""
        print(f"\r{min(1.0, count * block_size / max(1, total_size)):.0%}", end="")

    def _read(self, marks: Path, folder: Path) -> None:
        """Add the pairs of marked frames of one video."""
        frames = []
        for line in marks.read_text().splitlines():
            if line.strip():
                number = int(float(line.split()[0]))
                frames.append((folder / f"{number:08}.jpg", self.get_bb(line)))
        for (path_a, box_a), (path_b, box_b) in itertools.pairwise(frames):
            self.x.append((path_a, path_b))
            self.y.append((box_a, box_b))


def _draw(image: np.ndarray, box: list[float], heading: str) -> Any:
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    from fastsnn.analysis.style import RED, bare, title

    figure, axes = plt.subplots(layout="constrained")
    axes.imshow(image)
    size = (box[2] - box[0], box[3] - box[1])
    axes.add_patch(Rectangle((box[0], box[1]), *size, fill=False, edgecolor=RED, linewidth=2))
    bare(axes)
    title(axes, heading)
    return figure
