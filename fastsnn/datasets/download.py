# SPDX-License-Identifier: Apache-2.0
"""Fetch files from public mirrors; nothing is kept whose checksum is wrong."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fastsnn.files import replacing

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# MD5 as published; it guards against damage in transit, the mirrors are reached over TLS
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
TIMEOUT = 30.0  # s without a byte
_BLOCK = 1 << 16
_NAMES = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256"}


class DownloadError(OSError):
    """No mirror gave a file with the right checksum."""


def download_mnist(
    folder: str | Path,
    mirrors: Sequence[str] | None = None,
    checksums: Mapping[str, str] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Fetch MNIST's four files as `download_files` does; default: from MIRRORS, with CHECKSUMS."""
    download_files(
        folder,
        MIRRORS if mirrors is None else mirrors,
        CHECKSUMS if checksums is None else checksums,
        report,
    )


def download_files(
    folder: str | Path,
    mirrors: Sequence[str],
    checksums: Mapping[str, str],
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Fetch the files that are missing in folder, or whose checksum is wrong.

    A mirror that fails, or sends something else, is passed over for the next one. A file appears
    under its name only when it is whole.

    mirrors:   URLs of folders, tried in order.
    checksums: file name -> MD5, SHA-1 or SHA-256 in hexadecimal, told apart by their length.
    report:    is told what happens, a line at a time.

    Raises DownloadError, with each mirror's reason, when none is left.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, checksum in checksums.items():
        target = folder / name
        if target.is_file() and _has(target, checksum):
            report(f"{target}: there already")
        else:
            _fetch_from_any(target, mirrors, checksum, report)


def _kind(checksum: str) -> str:
    kinds = {32: "md5", 40: "sha1", 64: "sha256"}
    if len(checksum) not in kinds:
        raise ValueError(
            f"checksum {checksum!r} has {len(checksum)} digits, expected 32 (MD5), 40 (SHA-1) or "
            f"64 (SHA-256)"
        )
    return kinds[len(checksum)]


def _has(path: Path, checksum: str) -> bool:
    digest = hashlib.new(_kind(checksum))
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == checksum


def _fetch_from_any(
    target: Path, mirrors: Sequence[str], checksum: str, report: Callable[[str], None]
) -> None:
    reasons = []
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + target.name
        report(f"{url} -> {target}")
        try:
            return _fetch(url, target, checksum)
        except (OSError, http.client.HTTPException) as error:
            reasons.append(f"{url}: {error}")
            report(f"failed: {error}")
    raise DownloadError(
        f"{target.name}: no mirror gave it, expected one of {len(mirrors)} to.\n  "
        + "\n  ".join(reasons)
        + f"\nPut the files into {target.parent} yourself. (`fastsnn mnist` without --data and "
        f"--download uses the embedded images.)"
    )


def _fetch(url: str, target: Path, checksum: str) -> None:
    kind = _kind(checksum)
    digest = hashlib.new(kind)
    with replacing(target) as file, urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        while block := answer.read(_BLOCK):
            digest.update(block)
            file.write(block)
        if digest.hexdigest() != checksum:
            raise DownloadError(f"the {_NAMES[kind]} is {digest.hexdigest()}, expected {checksum}")
