# SPDX-License-Identifier: Apache-2.0
"""Synapses that are listed: from arrays, a SciPy sparse matrix, or a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastsnn.errors import FastsnnError, ModelError, ShapeError
from fastsnn.sparse import draw
from fastsnn.sparse.distributions import Value
from fastsnn.sparse.wirings import Wiring

_SPARE = 16  # numbers that the native engine reads beyond the end


@dataclass(frozen=True, eq=False)
class EdgeList(Wiring):
    """The listed synapses, no others; two neurons may be joined more than once.

    pre, post: ids of both ends, [n].
    w, delay:  as in every wiring, or [n] of them; delay in ms.
    """

    w: Value | Sequence[float] | Tensor = field(default=1.0, kw_only=True)  # type: ignore[assignment]
    delay: Value | Sequence[float] | Tensor | None = field(  # type: ignore[assignment]
        default=None, kw_only=True
    )
    pre: Sequence[int] | Tensor
    post: Sequence[int] | Tensor

    @classmethod
    def from_scipy(cls, matrix: Any, *, delay: Any = None) -> EdgeList:
        """The stored entries of a SciPy sparse matrix [n_pre, n_post]; their values are weights.

        delay: a number, a distribution, or one per entry in the order of matrix.tocoo().
        """
        coo = matrix.tocoo()
        return cls(_ids(coo.row), _ids(coo.col), w=torch.as_tensor(coo.data), delay=delay)

    @classmethod
    def from_file(cls, path: str | Path, *, w: Any = None, delay: Any = None) -> EdgeList:
        """The synapses in a file.

        .npz: arrays pre, post, and w and delay (ms) where there are, or a matrix as
              scipy.sparse.save_npz writes it (needs SciPy).
        .csv: columns with the names pre, post, and w and delay where there are.
        .mtx: a matrix in the Matrix Market format, rows are sources (needs SciPy).
        w, delay: as in every wiring, instead of those in the file.

        Raises FastsnnError where the file does not exist or holds something else.
        """
        path = Path(path)
        readers = {".npz": _read_npz, ".csv": _read_csv, ".mtx": _read_mtx}
        if path.suffix not in readers:
            raise FastsnnError(f"EdgeList: '{path}', expected a file .npz, .csv or .mtx.")
        if not path.is_file():
            raise FastsnnError(f"EdgeList: there is no file '{path}'.")
        found = readers[path.suffix](path)
        if not {"pre", "post"} <= set(found):
            raise FastsnnError(
                f"EdgeList: '{path}' holds {', '.join(sorted(found)) or 'nothing'}; expected pre "
                f"and post, and w and delay (ms) where there are."
            )
        weight = found.get("w", 1.0) if w is None else w
        return cls(
            _ids(found["pre"]), _ids(found["post"]), w=weight,
            delay=found.get("delay") if delay is None else delay,
        )  # fmt: skip

    def check(self, what: str, n_pre: int, n_post: int, same: bool = False) -> None:
        """See Wiring."""
        ends = []
        for name, ids, n in (("pre", self.pre, n_pre), ("post", self.post, n_post)):
            ids = torch.as_tensor(ids)
            if ids.dim() != 1 or ids.dtype == torch.bool or (len(ids) and ids.is_floating_point()):
                raise ShapeError(
                    f"{what}: {name} is {ids.dtype} {tuple(ids.shape)}, expected whole numbers [n]."
                )
            if bool(((ids < 0) | (ids >= n)).any()):
                raise ShapeError(f"{what}: {name} holds other ids than whole numbers 0..{n - 1}.")
            ends.append(ids)
        if len(ends[0]) != len(ends[1]):
            raise ShapeError(f"{what}: {len(ends[0])} ids in pre and {len(ends[1])} in post.")
        if len(ends[0]) >= 1 << 32:
            raise ShapeError(f"{what}: {len(ends[0])} synapses, expected fewer than 2^32.")
        for name in ("w", "delay"):
            self._check_listed(what, name, len(ends[0]))
        self._drawn().check(what, n_pre, n_post, same)

    def _drawn(self) -> Wiring:
        """A wiring that draws what is not listed."""
        drawn: Any = {k: v for k in ("w", "delay") if not _is_listed(v := getattr(self, k))}
        return Wiring(**drawn)

    def _check_listed(self, what: str, name: str, n: int) -> None:
        given = getattr(self, name)
        if not _is_listed(given):
            return
        numbers = torch.as_tensor(given, dtype=torch.float64)
        if tuple(numbers.shape) != (n,):
            raise ShapeError(f"{what}: {name} is {tuple(numbers.shape)}, expected ({n},).")
        if not bool(torch.isfinite(numbers).all()):
            raise ModelError(f"{what}: {name} holds NaN or infinity, expected finite numbers.")
        if name == "delay" and bool((numbers <= 0.0).any()):
            raise ModelError(f"{what}: delay holds numbers of 0 ms or less, expected more.")

    def expected_synapses(self, n_pre: int, n_post: int, same: bool = False) -> float:
        """Exact."""
        return float(len(self.pre))

    def weight_range(self) -> tuple[float, float]:
        """See Wiring."""
        if not _is_listed(self.w):
            return super().weight_range()
        w = torch.as_tensor(self.w, dtype=torch.float32)
        return (float(w.min()), float(w.max())) if len(w) else (0.0, 0.0)

    def spec(
        self, seed: int, stream: int, dt: float, n_pre: int, n_post: int, same: bool = False
    ) -> dict[str, Any]:
        """See Wiring."""
        order, pre = self._order()
        given = self._drawn().spec(seed, stream, dt, n_pre, n_post, same)
        numbers = torch.bincount(pre, minlength=n_pre)
        listed = {
            "row_ptr": torch.cat([torch.zeros(1, dtype=torch.int64), numbers.cumsum(0)]),
            "post": _padded(torch.as_tensor(self.post).long()[order].to(torch.int32)),
        }
        if _is_listed(self.w):
            listed["w"] = _padded(torch.as_tensor(self.w, dtype=torch.float32)[order])
        if _is_listed(self.delay):
            listed["steps"] = _padded(draw.whole_steps(self._steps(dt)[order]))
        return given | listed | {"wiring": "list", "largest_delay": self.largest_delay(dt)}

    def _order(self) -> tuple[Tensor, Tensor]:
        """Number of every synapse by source, and its source."""
        pre = torch.as_tensor(self.pre).long()
        order = torch.argsort(pre, stable=True)
        return order, pre[order]

    def _ends(
        self, seed: int, stream: int, n_pre: int, n_post: int, same: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        order, pre = self._order()
        k = torch.arange(len(pre))
        return pre, torch.as_tensor(self.post).long()[order], torch.zeros_like(k), k

    def _values(
        self, seed: int, stream: int, dt: float, row: Tensor, k: Tensor
    ) -> tuple[Tensor, Tensor]:
        order, _ = self._order()
        w, delay = self._drawn()._values(seed, stream, dt, row, k)
        if _is_listed(self.w):
            w = torch.as_tensor(self.w, dtype=torch.float32)[order]
        if _is_listed(self.delay):
            delay = draw.whole_steps(self._steps(dt)[order])
        return w, delay

    def _steps(self, dt: float) -> Tensor:
        if not _is_listed(self.delay):
            return super()._steps(dt)
        return (torch.as_tensor(self.delay, dtype=torch.float64) / dt).to(torch.float32)

    def largest_delay(self, dt: float) -> int:
        """See Wiring."""
        if _is_listed(self.delay) and not len(self.pre):
            return 1
        return super().largest_delay(dt)


def _is_listed(
    value: Value | Sequence[float] | Tensor | None,
) -> bool:
    """Whether there is one number for each synapse."""
    return isinstance(value, (Sequence, Tensor, np.ndarray))


def _ids(ids: Any) -> Tensor:
    return torch.as_tensor(np.asarray(ids).astype(np.int64, casting="safe"))


def _padded(numbers: Tensor) -> Tensor:
    return torch.cat([numbers, torch.zeros(_SPARE, dtype=numbers.dtype)])


def _of_matrix(coo: Any) -> dict[str, Any]:
    return {"pre": coo.row, "post": coo.col, "w": coo.data}


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        if "format" not in arrays:
            return {name: arrays[name] for name in ("pre", "post", "w", "delay") if name in arrays}
    return _of_matrix(_scipy(path).sparse.load_npz(path).tocoo())


def _read_csv(path: Path) -> dict[str, Any]:
    try:
        table: Any = np.genfromtxt(path, delimiter=",", names=True, dtype=np.float64, ndmin=1)
    except ValueError as error:
        raise FastsnnError(f"EdgeList: '{path}' is no table of numbers: {error}") from error
    found = {name: table[name] for name in table.dtype.names or ()}
    for name in ("pre", "post"):
        if name in found:
            if not np.array_equal(found[name], np.floor(found[name])):
                raise FastsnnError(f"EdgeList: '{path}', {name}: expected whole numbers.")
            found[name] = found[name].astype(np.int64)
    return found


def _read_mtx(path: Path) -> dict[str, Any]:
    return _of_matrix(_scipy(path).io.mmread(path).tocoo())


def _scipy(path: Path) -> Any:
    try:
        import scipy.io
        import scipy.sparse
    except ImportError as error:
        raise FastsnnError(
            f"EdgeList: '{path}' is read by SciPy, which is not installed: pip install scipy."
        ) from error
    return scipy
