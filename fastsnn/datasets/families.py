# SPDX-License-Identifier: Apache-2.0
"""Data sets in MNIST's files, as torch data sets: MNIST, Fashion-MNIST, Kuzushiji-MNIST.

They give what torchvision's of the same names give (PIL image, class) and need no torchvision.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.utils.data import Dataset

from fastsnn.datasets import download
from fastsnn.datasets.mnist import load_mnist


class MNIST(Dataset):
    """Handwritten digits.

    root:      the folder with the four idx files (gzipped or not), or one that holds them in
               raw/ or NAME/raw/; where they are in none, $FASTSNN_DATA/name is looked into.
    train:     the 60,000 images for training, else the 10,000 for testing.
    transform: of the image (PIL, mode L).   target_transform: of the class (int).
    download:  fetch into root/NAME/raw what is nowhere, checked by checksum.

    data: uint8 [n, 28, 28].   targets: int64 [n].

    Raises FileNotFoundError when the files are nowhere, DownloadError when no mirror has them.
    """

    MIRRORS: ClassVar[Sequence[str]] = download.MIRRORS
    CHECKSUMS: ClassVar[Mapping[str, str]] = download.CHECKSUMS
    classes: ClassVar[Sequence[str]] = [str(k) for k in range(10)]

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root, self.train = Path(root), train
        self.transform, self.target_transform = transform, target_transform
        images = load_mnist(self._folder(download), train)
        self.data = torch.from_numpy(images.images)
        self.targets = torch.from_numpy(images.labels).long()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        image: Any = Image.fromarray(self.data[index].numpy())
        label: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def _folder(self, fetch: bool) -> Path:
        name = type(self).__name__
        places = [self.root, self.root / "raw", self.root / name / "raw"]
        if os.environ.get("FASTSNN_DATA"):
            places.append(Path(os.environ["FASTSNN_DATA"]) / name.lower())
        for folder in places:
            if all(_is_there(folder, file) for file in self.CHECKSUMS):
                return folder
        if fetch:
            download.download_files(places[2], self.MIRRORS, self.CHECKSUMS)
            return places[2]
        raise FileNotFoundError(
            f"{name}: its four idx files are in none of {', '.join(map(str, places))}. "
            f"Put them there, set FASTSNN_DATA to the folder above them, or pass download=True."
        )


class FashionMNIST(MNIST):
    """Clothes in the form of `MNIST`.  Source: Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747."""

    MIRRORS = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    CHECKSUMS: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }


class KMNIST(MNIST):
    """Cursive Japanese characters in the form of `MNIST`.  Source: Clanuwat et al. 2018,
    arXiv:1812.01718."""

    MIRRORS = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    CHECKSUMS: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    }


def _is_there(folder: Path, name: str) -> bool:
    return (folder / name).is_file() or (folder / name.removesuffix(".gz")).is_file()
