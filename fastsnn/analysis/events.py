# SPDX-License-Identifier: Apache-2.0
"""Log files that TensorBoard reads, written without TensorBoard.

A file is a row of records: length (8 bytes), its checksum, data, its checksum; each record holds
one `Event` in the encoding of protocol buffers.

Source: TensorFlow, tsl/lib/io/record_writer.h, core/util/event.proto, core/framework/summary.proto.
"""

from __future__ import annotations

import io
import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from fastsnn.analysis.views import array

_TAG_BYTES = 2  # wire type of strings, bytes and messages


class EventWriter:
    """Writes one file of events into a folder, which is made if need be.

    Use as a context, or `close()` it.  `tensorboard --logdir FOLDER` shows it, also while it grows.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # the name must hold "tfevents"; no two writers of a machine share one
        stamp = f"{time.time():.6f}.{socket.gethostname()}.{os.getpid()}.{id(self):x}"
        self.path = folder / f"events.out.tfevents.{stamp}"
        self._file = self.path.open("wb")
        self._write(_text(3, "brain.Event:2"))
        self._file.flush()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None:
        """Log a number, one point of a curve."""
        self._value(tag, b"\x15" + struct.pack("<f", float(scalar_value)), global_step)

    def add_image(
        self, tag: str, image: Tensor | np.ndarray, global_step: int | None = None
    ) -> None:
        """Log an image: [height, width] or [height, width, 3 or 4], uint8 or 0..1."""
        from PIL import Image

        values = array(image)
        if values.dtype != np.uint8:
            values = (values.clip(0.0, 1.0) * 255.0).round().astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(values).save(file, "png")
        self._png(tag, file.getvalue(), values.shape[:2], global_step)

    def add_figure(self, tag: str, figure: Figure, global_step: int | None = None) -> None:
        """Log a matplotlib figure as an image."""
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=100)
        data = file.getvalue()
        # a PNG begins with its width and height
        width, height = struct.unpack(">II", data[16:24])
        self._png(tag, data, (height, width), global_step)

    def add_histogram(
        self,
        tag: str,
        values: Tensor | np.ndarray,
        global_step: int | None = None,
        bins: int = 30,
    ) -> None:
        """Log how values are spread."""
        flat = array(values).astype(np.float64).reshape(-1)
        flat = flat[np.isfinite(flat)]
        if flat.size == 0:
            raise ValueError(f"{tag}: no finite value among {np.size(values)}, expected at least 1")
        counts, edges = np.histogram(flat, bins)
        numbers = (flat.min(), flat.max(), flat.size, flat.sum(), (flat**2).sum())
        histogram = b"".join(_double(k, number) for k, number in enumerate(numbers, 1))
        histogram += _bytes(6, struct.pack(f"<{bins}d", *edges[1:]))
        histogram += _bytes(7, struct.pack(f"<{bins}d", *counts))
        self._value(tag, _bytes(5, histogram), global_step)

    def flush(self) -> None:
        """Let readers see what was logged."""
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _png(self, tag: str, data: bytes, size: tuple[int, ...], step: int | None) -> None:
        head = _number(1, size[0]) + _number(2, size[1]) + _number(3, 3)
        self._value(tag, _bytes(4, head + _bytes(4, data)), step)

    def _value(self, tag: str, value: bytes, step: int | None) -> None:
        summary = _bytes(1, _text(1, tag) + value)
        self._write(_number(2, step or 0) + _bytes(5, summary))

    def _write(self, event: bytes) -> None:
        if self._file.closed:
            raise ValueError(f"{self.path.name} is closed; make a new EventWriter")
        data = _double(1, time.time()) + event
        length = struct.pack("<Q", len(data))
        self._file.write(length + _masked(length) + data + _masked(data))


def read_scalars(folder: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Read back what `add_scalar` wrote into a folder: tag -> (step, value), in order of time."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(Path(folder).glob("events.out.tfevents.*")):
        for data in _records(path.read_bytes()):
            event = dict(_fields(data))
            for _, value in _fields(event.get(5, b"")):
                parts = dict(_fields(value))
                if 2 in parts:
                    number = struct.unpack("<f", parts[2])[0]
                    found.setdefault(parts[1].decode(), []).append((event.get(2, 0), number))
    return found


def _records(data: bytes) -> Iterable[bytes]:
    place = 0
    while place + 16 <= len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        yield data[place + 12 : place + 12 + length]
        place += length + 16


def _fields(data: bytes) -> Iterable[tuple[int, Any]]:
    """Field numbers and values of a message."""
    place = 0
    while place < len(data):
        key, place = _read_varint(data, place)
        kind = key & 7
        if kind == 0:
            number, place = _read_varint(data, place)
            yield key >> 3, number
            continue
        if kind == _TAG_BYTES:
            size, place = _read_varint(data, place)
        else:
            size = 8 if kind == 1 else 4
        yield key >> 3, data[place : place + size]
        place += size


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place


def _varint(number: int) -> bytes:
    # negative numbers stand as their complement in 64 bits
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(int(value))


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _TAG_BYTES) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _table() -> tuple[int, ...]:
    """CRC-32C (Castagnoli) of every byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC = _table()


def _masked(data: bytes) -> bytes:
    crc, table = 0xFFFFFFFF, _CRC
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    # rotated and shifted, so that a checksum of data that hold checksums stays good
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
