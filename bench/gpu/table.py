# SPDX-License-Identifier: Apache-2.0
"""The short table at the end: plain text, so that it survives every log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastsnn.bench.gpu.floors import floor, network_floor, share_of_copy
from fastsnn.bench.gpu.report import Report
from fastsnn.bench.table import seconds

Row = dict[str, Any]
_WIDTHS = (10, 11, 5, 4, 7, 10, 9, 15, 8, 10, 9, 10)
_HEAD = (
    "case", "n", "batch", "repl", "backend", "us/step", "floor", "of what", "of floor",
    "images/s", "x torch", "x BindsNET",
)  # fmt: skip


def lines(report: Report) -> Iterator[str]:
    """All of it."""
    head = report.head
    gpu = head["machine"]["gpu"]
    where = f"{gpu['name']}, driver {gpu['driver']}" if gpu else "no GPU"
    told = ", ".join(f"{k} {v}" for k, v in head["versions"].items())
    yield f"fastsnn on {where}; {told}; commit {head['commit']}"
    if report.dry:
        yield "DRY RUN: tiny sizes on a CPU, the numbers below say nothing about speed"
    for part in report.parts:
        yield f"  {part.name:<10}{part.state:<10}{part.seconds:6.1f} s  {part.note}"
    micro = [f"{row['name']} {_unit(row)}" for row in report.of("micro")]
    for k in range(0, len(micro), 4):
        yield "  " + " | ".join(micro[k : k + 4])
    yield from _speeds(report)
    for row in report.of("launches"):
        yield (
            f"  {row['backend']}, {row['case']} {row['n']}: a step takes the host "
            f"{row['host_us_per_step']:.3f} us, {row['launches_per_step']:.3f} launches, "
            f"{row['kernels_per_step']:.3f} kernels"
        )
    for row in report.of("network"):
        least = network_floor(row, report.rates)
        above = f", floor {1e6 * least.seconds:.2f} us ({least.name})" if least else ""
        yield (
            f"  {row['name']} on {row['backend']}: {row['n']:,} neurons, {row['synapses']:.3g} "
            f"synapses, {row['hz']:.1f} Hz: built in {row['build_s']:.1f} s, "
            f"{row['us_per_step']:.3g} us a step{above}, {row['real_time']:.3g} s a second"
        )
    for row in report.of("layer"):
        took = seconds(row["seconds_p50"])
        yield f"  LIF over {row['shape']}, {row['pass']}: {row['name']} {took}"
    yield from ("  " + target for target in targets(report))


def _speeds(report: Report) -> Iterator[str]:
    rows = sorted(report.of("speed"), key=_key)
    if rows:
        yield _line(_HEAD)
    rates = report.rates
    for row in rows:
        least = floor(row, rates)
        share = share_of_copy(row, rates)
        us = row["us_per_step"]
        yield _line(
            (
                row["case"] if row["learning"] or row["case"] != "diehl-cook" else "d&c static",
                f"{row['n']:,}",
                f"{row['batch']}",
                f"{row['replicas']}",
                row["backend"],
                _number(us) + ("" if row["case"] != "lif" else f" T{row['steps']}"),
                _number(1e6 * least.seconds) if least else "",
                least.name if least else "",
                f"{1e6 * least.seconds / us:.1%}" if least else "",
                f"{row['images_per_s']:,.0f}" if row["images_per_s"] else "",
                _times(_slower(report, row, "speed", "torch")),
                f"copy {share:.0%}" if share else _times(_slower(report, row, "bindsnet", None)),
            )
        )


def _key(row: Row) -> tuple:
    many = row["batch"] * row["replicas"]
    return row["case"], many, row["replicas"], row["n"], row["steps"] != 1, row["backend"]


def _slower(report: Report, row: Row, kind: str, backend: str | None) -> float | None:
    """How many times longer another takes for the same; replicas there run one after another."""
    if row["backend"] == "torch" or row["case"] == "lif":
        return None
    for other in report.of(kind):
        same = all(other[k] == row[k] for k in ("case", "n"))
        if kind == "speed":
            same = same and other["backend"] == backend and other["batch"] == row["batch"]
            same = same and other["replicas"] == 1
        else:
            same = same and row["batch"] == 1
        if same:
            return row["replicas"] * other["us_per_step"] / row["us_per_step"]
    return None


def targets(report: Report) -> Iterator[str]:
    """What one H200 should reach, and what was measured."""
    cook = _best(report, "diehl-cook", batch=1, replicas=1)
    for n, most in ((100, 3.0), (400, 3.0), (1600, 3.0), (6400, 6.0)):
        found = [r["us_per_step"] for r in cook if r["n"] == n]
        yield _target(f"Diehl & Cook {n:,}: under {most:g} us a step", found, min,
                      lambda us, most=most: us < most, "{:.2f} us")  # fmt: skip
    replicas = _best(report, "diehl-cook", batch=1, replicas=64)
    found = [r["images_per_s"] for r in replicas if r["n"] == 400]
    yield _target("64 replicas of 400: over 100,000 images/s", found, max,
                  lambda rate: rate > 100_000, "{:,.0f}")  # fmt: skip
    rates = report.rates
    single = [r for r in _best(report, "lif") if r["steps"] == 1 and r["n"] >= 10**7]
    shares = [s for s in (share_of_copy(r, rates) for r in single) if s]
    yield _target("LIF from 1e7 on, a step a launch: 85 % of copy", shares, max,
                  lambda share: share >= 0.85, "{:.0%}")  # fmt: skip
    gains = [
        one["us_per_step"] / fused["us_per_step"]
        for one in single
        for fused in _best(report, "lif")
        if fused["n"] == one["n"] and fused["steps"] > 1
    ]
    yield _target("LIF, steps fused: over 5 times that", gains, max, lambda g: g > 5, "{:.1f}")


def _best(report: Report, case: str, **same: int) -> list[Row]:
    return [
        row
        for row in report.of("speed")
        if row["case"] == case and row["backend"] != "torch"
        and all(row[k] == v for k, v in same.items())
    ]  # fmt: skip


def _target(
    what: str, found: list[float], best: Callable, met: Callable[[float], bool], form: str
) -> str:
    if not found:
        return f"target: {what}: not measured"
    value = best(found)
    return f"target: {what}: {form.format(value)}, {'met' if met(value) else 'MISSED'}"


def _line(cells: tuple[str, ...]) -> str:
    left = {0, 4, 7}
    return " ".join(
        f"{c:<{w}}" if k in left else f"{c:>{w}}"
        for k, (c, w) in enumerate(zip(cells, _WIDTHS, strict=True))
    ).rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _unit(row: Row) -> str:
    value, unit = row["value"], row["unit"]
    if unit == "s":
        return seconds(value)
    scale = 1e12 if value >= 1e11 else 1e9
    return f"{value / scale:.3g} {'T' if scale == 1e12 else 'G'}{unit.replace('1/s', 'op/s')}"
