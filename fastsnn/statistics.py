# SPDX-License-Identifier: Apache-2.0
"""Statistics of spike trains, from two arrays: when a spike was and whose.

Everywhere: times [spikes] in ms, ids [spikes] from 0, n neurons, and a window start <= time < stop
in ms.  Spikes outside of the window do not count; the order of the spikes does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastsnn.errors import ShapeError

# of a bin's width: times are multiples of dt only up to rounding
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Window:
    """Spikes of n neurons within start <= time < stop, ms; checked.

    Raises ShapeError where times and ids disagree, ids reach beyond n, or the window is empty.
    """

    times: np.ndarray
    ids: np.ndarray
    n: int
    start: float
    stop: float

    @staticmethod
    def of(times: np.ndarray, ids: np.ndarray, n: int, start: float, stop: float) -> Window:
        """Check, and leave out what lies outside."""
        times, ids = np.asarray(times, np.float64).reshape(-1), np.asarray(ids).reshape(-1)
        if len(times) != len(ids):
            raise ShapeError(f"{len(times)} times and {len(ids)} ids, expected as many of both.")
        if not stop > start:
            raise ShapeError(
                f"The window {start:g} to {stop:g} ms is empty, expected stop > start."
            )
        if len(ids) and (ids.min() < 0 or ids.max() >= n):
            raise ShapeError(f"ids reach {ids.min()}..{ids.max()}, expected 0..{n - 1}.")
        inside = (times >= start) & (times < stop)
        return Window(times[inside], ids[inside].astype(np.int64), n, float(start), float(stop))

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.stop - self.start) / 1000.0

    def rates(self) -> np.ndarray:
        """Rate of each neuron, Hz, [n]."""
        return np.bincount(self.ids, minlength=self.n) / self.seconds

    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Intervals between successive spikes of a neuron, ms, and whose: both [intervals]."""
        order = np.lexsort((self.times, self.ids))
        times, ids = self.times[order], self.ids[order]
        same = ids[1:] == ids[:-1]
        return np.diff(times)[same], ids[1:][same]

    def cv(self) -> np.ndarray:
        """Coefficient of variation of the intervals of each neuron, [n]; NaN below two intervals.

        Standard deviation (divided by the number of intervals) over the mean.
        """
        interval, owner = self.intervals()
        count = np.bincount(owner, minlength=self.n)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(owner, interval, minlength=self.n) / count
            squares = np.bincount(owner, (interval - mean[owner]) ** 2, minlength=self.n)
            return np.where(count >= 2, np.sqrt(squares / count) / mean, np.nan)

    def counts(self, width: float, neurons: np.ndarray | None = None) -> np.ndarray:
        """Spike counts in bins of `width` ms, [bins, n] or [bins, len(neurons)].

        A bin that reaches beyond the window is left out.
        """
        chosen = np.arange(self.n) if neurons is None else np.asarray(neurons, np.int64)
        place = np.full(self.n, -1)
        place[chosen] = np.arange(len(chosen))
        bins, bin_ = self._bins(width)
        take = (place[self.ids] >= 0) & (bin_ < bins)
        flat = bin_[take] * len(chosen) + place[self.ids[take]]
        return np.bincount(flat, minlength=bins * len(chosen)).reshape(bins, len(chosen))

    def correlations(self, width: float = 2.0, neurons: int = 200, seed: int = 0) -> np.ndarray:
        """Pearson correlation of the spike counts of every pair among `neurons` random active ones.

        width: of a bin, ms.   Returns [pairs]; empty with fewer than two active neurons.
        """
        active = np.unique(self.ids)
        if len(active) > neurons:
            active = np.sort(np.random.default_rng(seed).choice(active, neurons, replace=False))
        counts = self.counts(width, active).astype(np.float64)
        counts = counts[:, counts.std(0) > 0.0]
        if counts.shape[1] < 2:
            return np.zeros(0)
        deviation = counts - counts.mean(0)
        deviation /= np.sqrt((deviation**2).sum(0))
        return (deviation.T @ deviation)[np.triu_indices(counts.shape[1], 1)]

    def population_rate(self, width: float = 1.0) -> np.ndarray:
        """Rate of the population in bins of `width` ms, Hz a neuron, [bins]."""
        bins, bin_ = self._bins(width)
        return np.bincount(bin_[bin_ < bins], minlength=bins) / (self.n * width / 1000.0)

    def synchrony(self, width: float = 3.0) -> float:
        """Variance over mean of the population's spike count in bins of `width` ms.

        1 for independent Poisson trains; NaN without a spike.
        Source: Potjans, Diesmann 2014, "synchrony".
        """
        count = self.population_rate(width)
        scale = self.n * width / 1000.0
        return float(count.var() * scale / count.mean()) if count.any() else float("nan")

    def spectrum(self, width: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies, Hz, and the power of the population's rate, Hz^2/Hz, without its mean.

        2 r / n at every frequency for independent Poisson trains of rate r.
        """
        rate = self.population_rate(width)
        seconds = len(rate) * width / 1000.0
        wave = np.fft.rfft(rate - rate.mean()) * (width / 1000.0)
        return np.fft.rfftfreq(len(rate), width / 1000.0)[1:], (2.0 / seconds * abs(wave) ** 2)[1:]

    def _bins(self, width: float) -> tuple[int, np.ndarray]:
        """Number of whole bins, and the bin of each spike."""
        bins = int((self.stop - self.start) / width + _ROUNDING)
        if bins < 1:
            raise ShapeError(
                f"Bins of {width:g} ms do not fit into {self.start:g} to {self.stop:g} ms."
            )
        return bins, ((self.times - self.start) / width + _ROUNDING).astype(np.int64)


@dataclass(frozen=True)
class Summary:
    """What one population did: means and standard deviations over neurons or pairs.

    rate, Hz; silent: share of neurons without a spike; cv: of the intervals, of neurons with two
    or more; correlation: of counts in 2 ms; synchrony: see `Window.synchrony`.
    """

    rate: float
    rate_sd: float
    silent: float
    cv: float
    cv_sd: float
    correlation: float
    correlation_sd: float
    synchrony: float


def summarize(
    times: np.ndarray, ids: np.ndarray, n: int, start: float, stop: float, seed: int = 0
) -> Summary:
    """Rates, irregularity and synchrony of a population.  What cannot be told is NaN."""
    window = Window.of(times, ids, n, start, stop)
    rates, cv = window.rates(), window.cv()
    cv, pairs = cv[~np.isnan(cv)], window.correlations(seed=seed)
    return Summary(
        rate=float(rates.mean()),
        rate_sd=float(rates.std()),
        silent=float((rates == 0.0).mean()),
        **_mean_sd("cv", cv),
        **_mean_sd("correlation", pairs),
        synchrony=window.synchrony() if window.stop - window.start >= 3.0 else float("nan"),
    )


def _mean_sd(name: str, values: np.ndarray) -> dict[str, float]:
    mean, sd = (values.mean(), values.std()) if len(values) else (np.nan, np.nan)
    return {name: float(mean), f"{name}_sd": float(sd)}


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference between two samples' distribution functions (Kolmogorov-Smirnov), 0..1.

    NaNs are left out.  Raises ShapeError for an empty sample.
    """
    first, second = (np.sort(x[~np.isnan(x)]) for x in (np.asarray(a, float), np.asarray(b, float)))
    if not len(first) or not len(second):
        raise ShapeError(f"ks_distance: samples of {len(first)} and {len(second)}, expected some.")
    at = np.concatenate((first, second))
    shares = [np.searchsorted(x, at, side="right") / len(x) for x in (first, second)]
    return float(abs(shares[0] - shares[1]).max())


def ks_limit(n: int, m: int, chance: float = 0.01) -> float:
    """Distance that two samples of n and m of one distribution exceed with this chance.

    sqrt(-ln(chance / 2) / 2) sqrt((n + m) / (n m)).  Source: Smirnov 1948.
    """
    return float(np.sqrt(-0.5 * np.log(chance / 2.0) * (n + m) / (n * m)))
