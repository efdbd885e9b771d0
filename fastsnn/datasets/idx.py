# SPDX-License-Identifier: Apache-2.0
"""The idx file format: a magic number, the sizes of all dimensions, the values, all big-endian.

Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

_GZIP_MAGIC = b"\x1f\x8b"
_UBYTE = 0x08


class DataError(ValueError):
    """A file is not what its name promises, or there is less in it than was asked for."""


def read_idx(path: str | Path, n_dims: int) -> np.ndarray:
    """Read an idx file of unsigned bytes, gzipped or not.

    Returns uint8 with n_dims dimensions.
    Raises DataError, naming the file, when it is not such a file or is cut off.
    """
    data = _read_bytes(Path(path))
    header = 4 + 4 * n_dims
    if len(data) < header:
        raise DataError(
            f"{path}: the file has {len(data)} bytes, expected at least {header} "
            f"(the header of an idx file with {n_dims} dimensions). Is it cut off?"
        )
    magic, expected = struct.unpack_from(">I", data)[0], _UBYTE << 8 | n_dims
    if magic != expected:
        raise DataError(
            f"{path}: the magic number is 0x{magic:08x}, expected 0x{expected:08x} "
            f"(unsigned bytes, {n_dims} dimension{'s' * (n_dims > 1)}). Is it another kind of file?"
        )
    shape = struct.unpack_from(f">{n_dims}I", data, 4)
    n_values = math.prod(shape)
    if len(data) - header != n_values:
        raise DataError(
            f"{path}: {len(data) - header} bytes follow the header, "
            f"expected {n_values} = {' x '.join(map(str, shape))}. "
            f"Is it {'cut off' if len(data) - header < n_values else 'damaged'}?"
        )
    # a copy, so that it may be written to
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()


def write_idx(path: str | Path, values: np.ndarray) -> None:
    """Write unsigned bytes as an idx file, gzipped when its name ends in .gz."""
    if values.dtype != np.uint8:
        raise DataError(f"{path}: values are {values.dtype}, expected uint8")
    header = struct.pack(f">I{values.ndim}I", _UBYTE << 8 | values.ndim, *values.shape)
    data = header + values.tobytes()
    if Path(path).suffix == ".gz":
        data = gzip.compress(data, 9, mtime=0)
    Path(path).write_bytes(data)


def _read_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{path}: the gzip data cannot be unpacked ({error}), expected a whole gzip file. "
            f"Is it cut off? Delete it and download it again."
        ) from error
