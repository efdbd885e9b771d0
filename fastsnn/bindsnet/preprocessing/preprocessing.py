# SPDX-License-Identifier: Apache-2.0
"""A base for what turns a CSV file into data, once."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch

from fastsnn.files import replacing


class AbstractPreprocessor(ABC):
    """A subclass reads the file in `_process` and puts what it made into cache["data"]."""

    def process(
        self, csvfile: str, use_cache: bool = True, cachedfile: str = "./processed/data.pt"
    ) -> Any:
        """The data of a file: from the cache, where it was made of the same file by the same class.

        The cache holds tensors, numbers and texts; nothing in it is run when it is read.
        """
        digest, path = self._hash(csvfile), Path(cachedfile)
        if use_cache and path.is_file():
            cache = torch.load(path, weights_only=True)
            if cache.get("hash") == digest:
                return cache["data"]
        made: dict[str, Any] = {"hash": digest}
        self._process(csvfile, made)
        if "data" not in made:
            raise KeyError(f"{type(self).__name__}._process put no 'data' into the cache")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            torch.save(made, file)
        return made["data"]

    @abstractmethod
    def _process(self, filename: str, cache: dict[str, Any]) -> None:
        """Read the file and put what it holds into cache["data"]."""

    def _hash(self, filename: str) -> str:
        digest = hashlib.md5(Path(filename).read_bytes())
        digest.update(type(self).__qualname__.encode())
        return digest.hexdigest()
