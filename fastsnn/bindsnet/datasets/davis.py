# SPDX-License-Identifier: Apache-2.0
"""DAVIS: videos with the objects in them marked, from the folders that its archive unpacks to.

Source: Perazzi et al. 2016, doi:10.1109/CVPR.2016.85; https://davischallenge.org.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset


class Davis(Dataset):
    """Sequences of frames and masks: items are dicts of images and masks, lists of arrays.

    root:       the folder with JPEGImages/, Annotations/ and ImageSets/.
    sequences:  "all", or the names of some.
    resolution: "480p" or "Full-Resolution".
    size:       (width, height) that frames are brought to; None: as they are.
    download:   not offered: unpack the archive of https://davischallenge.org to root.
    """

    SUBSETS = ("train", "val", "test-dev", "test-challenge")

    def __init__(
        self,
        root: str,
        task: str = "unsupervised",
        subset: str = "train",
        sequences: str | Sequence[str] = "all",
        resolution: str = "480p",
        size: tuple[int, int] | None = (600, 480),
        codalab: bool = False,
        download: bool = False,
        num_samples: int = -1,
    ) -> None:
        if subset not in self.SUBSETS:
            raise ValueError(f"subset is {subset!r}, expected one of {', '.join(self.SUBSETS)}")
        if task not in ("semi-supervised", "unsupervised"):
            raise ValueError(f"task is {task!r}, expected 'semi-supervised' or 'unsupervised'")
        self.root, self.task, self.subset, self.size = Path(root), task, subset, size
        marks = "Annotations" + ("_unsupervised" if task == "unsupervised" else "")
        self.img_path = self.root / "JPEGImages" / resolution
        self.mask_path = self.root / marks / resolution
        if not self.mask_path.is_dir():
            self.mask_path = self.root / "Annotations" / resolution
        if not self.img_path.is_dir():
            raise FileNotFoundError(
                f"{self.img_path} is no folder. Unpack the archive of https://davischallenge.org "
                f"to {self.root}; fastsnn does not fetch it."
            )
        names = self._listed() if isinstance(sequences, str) else list(sequences)
        self.sequences = names[:num_samples] if num_samples >= 0 else names
        for name in self.sequences:
            if not (self.img_path / name).is_dir():
                raise FileNotFoundError(f"{self.img_path / name}: this sequence is not there")

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, ind: int) -> dict[str, list[np.ndarray]]:
        name = self.sequences[ind]
        images, _ = self.get_all_images(name)
        return {"images": images, "masks": self.get_all_masks(name)[0]}

    def get_frames(self, sequence: str) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yield frames and their masks (None where there is none)."""
        for path in self._files(self.img_path, sequence, "*.jpg"):
            mask = self.mask_path / sequence / f"{path.stem}.png"
            yield self._read(path, "RGB"), self._read(mask, None) if mask.is_file() else None

    def get_all_images(self, sequence: str) -> tuple[list[np.ndarray], list[str]]:
        """All frames of a sequence, uint8 [height, width, 3], and their names."""
        paths = self._files(self.img_path, sequence, "*.jpg")
        return [self._read(path, "RGB") for path in paths], [path.stem for path in paths]

    def get_all_masks(
        self, sequence: str, separate_objects_masks: bool = False
    ) -> tuple[Any, list[str]]:
        """All masks of a sequence, the number of the object in each pixel, and their names.

        separate_objects_masks: bool [n_objects, n_frames, height, width] instead.
        """
        paths = self._files(self.mask_path, sequence, "*.png")
        masks = [self._read(path, None) for path in paths]
        names = [path.stem for path in paths]
        if not separate_objects_masks:
            return masks, names
        stacked = np.stack(masks)
        n = int(stacked.max())
        return np.stack([stacked == k for k in range(1, n + 1)]) if n else stacked[:0], names

    def get_sequences(self) -> Iterator[str]:
        """Names of the sequences."""
        return iter(self.sequences)

    def _listed(self) -> list[str]:
        for year in ("2019", "2017"):
            path = self.root / "ImageSets" / year / f"{self.subset}.txt"
            if path.is_file():
                return path.read_text().split()
        return sorted(path.name for path in self.img_path.iterdir() if path.is_dir())

    @staticmethod
    def _files(folder: Path, sequence: str, pattern: str) -> list[Path]:
        return sorted((folder / sequence).glob(pattern))

    def _read(self, path: Path, mode: str | None) -> np.ndarray:
        from PIL import Image

        with Image.open(path) as image:
            shown = image.convert(mode) if mode else image
            if self.size is not None:
                # numbers of objects must not be mixed
                how = Image.Resampling.BILINEAR if mode else Image.Resampling.NEAREST
                shown = shown.resize(self.size, how)
            return np.array(shown)
