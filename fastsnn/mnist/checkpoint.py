# SPDX-License-Identifier: Apache-2.0
"""A training run in a file: safetensors, with everything else as JSON in its metadata."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import fastsnn
from fastsnn.errors import FastsnnError
from fastsnn.files import replacing

_KEY = "fastsnn.mnist"
_FORMAT = 1


class CheckpointError(FastsnnError):
    """A checkpoint is damaged, is no checkpoint, or belongs to another run."""


def write(path: str | Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write a checkpoint; a crash at any moment leaves the earlier one whole.

    info: what JSON can hold.
    """
    info = {
        **info,
        "format": _FORMAT,
        "version": fastsnn.__version__,
        "checksum": _checksum(tensors),
    }
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as file:
        file.write(save(tensors, {_KEY: json.dumps(info)}))


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint: tensors and info.

    Raises CheckpointError when a single bit of it is wrong.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({error}), expected a checkpoint of "
            f"`fastsnn mnist`. Start again without --resume, with another --checkpoint"
        ) from error
    if text is None:
        raise CheckpointError(
            f"{path}: a safetensors file of something else, "
            f"expected a checkpoint of `fastsnn mnist`"
        )
    info = json.loads(text)
    if info["format"] != _FORMAT:
        raise CheckpointError(
            f"{path}: its format is {info['format']} (fastsnn {info['version']}), "
            f"expected {_FORMAT} (fastsnn {fastsnn.__version__}). Use the version that wrote it"
        )
    if info["checksum"] != _checksum(tensors):
        raise CheckpointError(
            f"{path}: the checksum of its tensors is {_checksum(tensors)}, expected "
            f"{info['checksum']}: the file is damaged. Start again, with another --checkpoint"
        )
    return tensors, info


def _checksum(tensors: dict[str, Tensor]) -> int:
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(name.encode(), crc)
        crc = zlib.crc32(tensors[name].contiguous().numpy().tobytes(), crc)
    return crc
