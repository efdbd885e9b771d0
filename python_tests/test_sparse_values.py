# SPDX-License-Identifier: Apache-2.0
"""Distributions of weights and delays, and listed synapses from files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fastsnn.errors import FastsnnError
from fastsnn.sparse import (
    Clipped,
    Distribution,
    EdgeList,
    Exponential,
    LogNormal,
    Normal,
    Quantiles,
    Uniform,
)
from fastsnn.sparse.distributions import look_up, table


def drawn(distribution: Distribution, n: int = 1 << 20) -> Tensor:
    """Values of evenly spaced words, so that moments are those of the distribution."""
    distribution.check("w")
    words = (torch.arange(n, dtype=torch.int64) * 2 + 1) * ((1 << 31) // n)
    return look_up(table(distribution), words).double()


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def truncated_moments(mean: float, sd: float, low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal distribution that is cut off."""
    a, b = (low - mean) / sd, (high - mean) / sd
    density = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in (a, b)]
    mass = phi(b) - phi(a)
    shift = (density[0] - density[1]) / mass
    ends = [x * d if math.isfinite(x) else 0.0 for x, d in zip((a, b), density, strict=True)]
    return mean + sd * shift, sd * math.sqrt(1 + (ends[0] - ends[1]) / mass - shift**2)


@pytest.mark.parametrize(
    ("low", "high"),
    [(-math.inf, math.inf), (0.0, math.inf), (-1.0, 2.0), (3.0, math.inf), (-math.inf, -1.5)],
)
def test_normal_is_cut_off_without_redraws(low: float, high: float) -> None:
    x = drawn(Normal(1.0, 1.5, low=low, high=high))
    mean, sd = truncated_moments(1.0, 1.5, low, high)
    assert float(x.mean()) == pytest.approx(mean, abs=1e-4 * 1.5)
    assert float(x.std()) == pytest.approx(sd, rel=2e-4)
    assert float(x.min()) >= low
    assert float(x.max()) <= high
    assert bool((x.diff() >= 0).all())


def test_tails_are_as_fine_as_the_middle() -> None:
    words = torch.tensor([0, 4294, 1 << 30, 1 << 31, 2**32 - 1 - 4294, 2**32 - 1])
    x = look_up(table(Normal(0.0, 1.0)), words).double()
    exact = torch.special.ndtri((words.double() + 0.5) * 2.0**-32)
    assert torch.allclose(x[1:5], exact[1:5], atol=3e-4)
    # the last word stands for half of the interval of a word
    assert float(x[0]) == pytest.approx(-6.34, abs=0.1)
    assert float(x[5]) == -float(x[0])


def test_lognormal_has_the_mean_and_sd_of_its_values() -> None:
    x = drawn(LogNormal(2.0, 1.0))
    assert float(x.mean()) == pytest.approx(2.0, rel=1e-3)
    assert float(x.std()) == pytest.approx(1.0, rel=1e-2)
    cut = drawn(LogNormal(2.0, 1.0, low=1.0, high=4.0))
    assert float(cut.min()) >= 1.0
    assert float(cut.max()) <= 4.0


def test_exponential_and_uniform_have_their_moments() -> None:
    x = drawn(Exponential(3.0, low=1.0))
    assert float(x.mean()) == pytest.approx(4.0, rel=1e-3)
    assert float(x.std()) == pytest.approx(3.0, rel=1e-2)
    cut = drawn(Exponential(3.0, high=3.0))
    assert float(cut.mean()) == pytest.approx(3.0 * (1 - 1 / (math.e - 1)), rel=1e-3)
    u = drawn(Uniform(-2.0, 6.0))
    assert float(u.mean()) == pytest.approx(2.0, abs=1e-4)
    assert float(u.std()) == pytest.approx(8 / math.sqrt(12), rel=1e-4)


def test_clipped_moves_to_the_bounds() -> None:
    x = drawn(Clipped(Normal(0.0, 1.0), -1.0, 2.0))
    assert float((x == -1.0).double().mean()) == pytest.approx(phi(-1.0), abs=2e-3)
    assert float((x == 2.0).double().mean()) == pytest.approx(phi(-2.0), abs=2e-3)


def test_quantiles_and_factors() -> None:
    x = drawn(Quantiles([0.0, 1.0, 5.0]))
    assert float(x.mean()) == pytest.approx(1.75, abs=1e-3)
    assert float((x < 1.0).double().mean()) == pytest.approx(0.5, abs=1e-3)
    for factor in (-1.0, 2.5, -0.5):
        y = drawn(factor * Exponential(3.0))
        assert float(y.mean()) == pytest.approx(3.0 * factor, rel=1e-3)
        assert bool((y.diff() >= 0).all())
    assert float(drawn(-LogNormal(2.0, 1.0)).max()) <= 0.0


@pytest.mark.parametrize(
    "impossible",
    [
        Normal(0.0, math.inf),
        Normal(math.nan, 1.0),
        Normal(0.0, 1.0, low=2.0, high=1.0),
        Normal(1.0, 0.0, low=2.0),
        LogNormal(1.0, 1.0, low=1e9),
        Uniform(2.0, 1.0),
        Exponential(-1.0),
        Exponential(1.0, low=2.0, high=2.0),
        Clipped(Normal(0.0, 1.0), 2.0, 1.0),
        Clipped(Normal(0.0, -1.0)),
        Quantiles([1.0]),
        Quantiles([2.0, 1.0]),
        math.inf * Normal(0.0, 1.0),
    ],
)
def test_impossible_distributions_are_refused(impossible: Distribution) -> None:
    with pytest.raises(FastsnnError, match="expected"):
        impossible.check("w")


def test_lists_are_read_from_files(tmp_path: Path) -> None:
    ends = {"pre": np.array([2, 0, 2]), "post": np.array([1, 4, 1])}
    np.savez(tmp_path / "a.npz", **ends, w=np.array([1.0, 2.0, 3.0]), delay=np.array([0.1, 0.2, 1]))
    (tmp_path / "a.csv").write_text("pre,post,w,delay\n2,1,1.0,0.1\n0,4,2.0,0.2\n2,1,3.0,1.0\n")
    for name in ("a.npz", "a.csv"):
        wiring = EdgeList.from_file(tmp_path / name)
        wiring.check(name, 3, 5)
        e = wiring.edges(1, 0, 0.1, 3, 5)
        assert e.pre.tolist() == [0, 2, 2]
        assert e.post.tolist() == [4, 1, 1]
        assert e.w.tolist() == [2.0, 1.0, 3.0]
        assert e.delay.tolist() == [2, 1, 10]
    over = EdgeList.from_file(tmp_path / "a.csv", w=7.0, delay=Uniform(1.0, 2.0))
    assert set(over.edges(1, 0, 0.1, 3, 5).w.tolist()) == {7.0}
    np.savez(tmp_path / "b.npz", **ends)
    bare = EdgeList.from_file(tmp_path / "b.npz").edges(1, 0, 0.1, 3, 5)
    assert set(bare.delay.tolist()) == {1}


def test_files_that_do_not_fit_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pre,to\n1,2\n")
    (tmp_path / "b.csv").write_text("pre,post\n0.5,2\n")
    (tmp_path / "c.csv").write_text("pre,post\n1,2,3\n")
    cases = {
        "a.csv": "expected pre", "b.csv": "whole numbers", "c.csv": "no table",
        "d.csv": "no file", "e.txt": "expected a file",
    }  # fmt: skip
    for name, message in cases.items():
        with pytest.raises(FastsnnError, match=message):
            EdgeList.from_file(tmp_path / name)


def test_scipy_matrices_are_lists(tmp_path: Path) -> None:
    scipy_sparse = pytest.importorskip("scipy.sparse")
    scipy_io = pytest.importorskip("scipy.io")
    dense = np.array([[0.0, 2.0, 0.0], [1.5, 0.0, -3.0]])
    matrix: Any = scipy_sparse.csr_matrix(dense)
    scipy_sparse.save_npz(tmp_path / "m.npz", matrix)
    scipy_io.mmwrite(tmp_path / "m.mtx", matrix)
    made = [
        EdgeList.from_scipy(matrix, delay=0.5),
        EdgeList.from_file(tmp_path / "m.npz", delay=0.5),
        EdgeList.from_file(tmp_path / "m.mtx", delay=0.5),
    ]
    for wiring in made:
        wiring.check("m", 2, 3)
        e = wiring.edges(1, 0, 0.1, 2, 3)
        back = torch.zeros(2, 3).index_put((e.pre, e.post), e.w, accumulate=True)
        assert np.array_equal(back.numpy(), dense.astype(np.float32))
        assert set(e.delay.tolist()) == {5}
