# SPDX-License-Identifier: Apache-2.0
"""All there is to do, by part, the most telling first."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from fastsnn.bench.cases import Case, Setting
from fastsnn.bench.gpu import micro, networks, parity, places, speed
from fastsnn.bench.gpu.worker import Item

Row = dict[str, Any]
_SIZES = (100, 400, 1600, 6400)
# (batch, replicas)
_WIDTHS = ((1, 1), (1, 64), (16, 1), (64, 1))
_STEPS = 250


def items(part: str, dry: bool) -> list[Item]:
    """The items of a part; raises KeyError for a part that has none."""
    made = {"micro": _micro, "parity": _parity, "sanitize": _sanitize, "bench": _bench}
    return list(made[part](dry))


def _micro(dry: bool) -> Iterator[Item]:
    for measured in micro.ALL:
        yield Item(measured.__name__, lambda d, f=measured: f(micro.Micro(d)), 40.0)


def _check(place: tuple[str, str], name: str, check: Callable[[], Any]) -> Item:
    def do(dry: bool) -> Iterable[Row]:
        check()
        return ()

    backend, device = place
    where = f"{backend}@{device}" if backend == "torch" else backend
    return Item(f"{name} on {where}", do, 60.0)


def _parity(dry: bool) -> Iterator[Item]:
    found = places.fast(dry)
    if not dry:
        found.append(places.reference())
    for place in found:
        for name, check in parity.checks(*place, dry):
            yield _check(place, name, check)


def _sanitize(dry: bool) -> Iterator[Item]:
    """Small runs of every kernel, for a checker that slows them down a hundred times."""
    for place in places.fast(dry):
        for name, check in _some(parity.checks(*place, True), dry):
            yield _check(place, name, check)


def _bench(dry: bool) -> Iterator[Item]:
    fast = places.fast(dry)
    for place in fast:
        yield from _diehl_cook(place, ((1, 1),), dry)
        yield from _diehl_cook(place, ((1, 64),), dry, sizes=(400,))
    for place in fast:
        yield from _updates(place, dry)
        yield _talk(place)
    yield from _networks(fast)
    yield from _networks(_learning(fast), networks.LEARNING)
    yield _layers()
    yield from _diehl_cook(places.reference(), _WIDTHS[:1], dry)
    for place in fast:
        yield from _headline(place, dry)
    for n in _some(_SIZES, dry):
        if importlib.util.find_spec("bindsnet"):
            yield _bindsnet(n)
    if not dry:
        for place in fast:
            yield from _diehl_cook(place, _WIDTHS[2:], dry)
            yield from _diehl_cook(place, _WIDTHS[1:2], dry, sizes=(100, 1600, 6400))
    yield from _headline(places.reference(), dry)
    yield from _diehl_cook(places.reference(), _some(_WIDTHS[2:], dry), dry)
    if not dry:
        yield from _networks(_learning(fast), networks.LARGE)


def _diehl_cook(
    place: tuple[str, str],
    widths: Iterable[tuple[int, int]],
    dry: bool,
    sizes: Iterable[int] = _SIZES,
) -> Iterator[Item]:
    backend, device = place
    slow = backend == "torch"
    for batch, replicas in widths:
        for n in _some(sizes, dry):
            samples = 1 if slow else 40 if batch * replicas == 1 else 10
            setting = Setting(
                n=n, batch=batch, replicas=replicas, samples=samples * batch,
                steps=20 if slow else _STEPS, backend=backend, device=device,
            )  # fmt: skip
            name = f"diehl-cook {n} batch {batch} replicas {replicas} on {backend}"
            yield _speed(name, speed.DIEHL_COOK, setting)


def _headline(place: tuple[str, str], dry: bool) -> Iterator[Item]:
    backend, device = place
    for n in _some((250, 1000, 4000, 10_000, 20_000), dry):
        steps = 20 if backend == "torch" else 1000
        setting = Setting(n=n, steps=steps, learning=False, backend=backend, device=device)
        yield _speed(f"headline {n} on {backend}", speed.HEADLINE, setting)


def _updates(place: tuple[str, str], dry: bool) -> Iterator[Item]:
    backend, device = place
    for n in _some((10_000_000, 100_000_000, 1_000_000, 100_000), dry):
        for steps in (1, 64):
            setting = Setting(n=n, steps=steps, learning=False, backend=backend, device=device)
            name = f"lif {n} steps {steps} on {backend}"
            # a small state would be found in L2, a large one displaces itself
            yield _speed(name, speed.UPDATE, setting, cold=True)


def _speed(name: str, case: Case, setting: Setting, **options: Any) -> Item:
    def do(dry: bool) -> Iterable[Row]:
        if dry:
            return speed.measure(*_tiny(case, setting), rounds=1, seconds=0.0, **options)
        return speed.measure(case, setting, **options)

    return Item(name, do, 60.0)


def _tiny(case: Case, setting: Setting) -> tuple[Case, Setting]:
    """Of the same kind, for a CPU that interprets every operation."""
    batch = min(setting.batch, 2)
    small = replace(
        setting, n=5, steps=min(setting.steps, 3), samples=batch, batch=batch,
        replicas=min(setting.replicas, 2),
    )  # fmt: skip
    return replace(case, parity=(5, 3, 1)), small


def _some(values: Iterable[Any], dry: bool) -> list[Any]:
    """One of them is enough for a dry run."""
    return list(values)[: 1 if dry else None]


def _talk(place: tuple[str, str]) -> Item:
    backend, device = place
    setting = Setting(n=400, samples=5, steps=_STEPS, backend=backend, device=device)

    def do(dry: bool) -> Iterable[Row]:
        own = replace(setting, n=5, steps=3, samples=2) if dry else setting
        return speed.host_talk(own)

    return Item(f"launches on {backend}", do, 60.0)


def _networks(
    fast: list[tuple[str, str]], cases: Iterable[networks.Sparse] = networks.ALL
) -> Iterator[Item]:
    """Sparse networks on each of these backends."""
    for backend, _ in fast:
        for case in cases:
            yield Item(f"{case.name} on {backend}", partial(_network, case, backend), 100.0)


def _learning(fast: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The backend among these that runs every rule on listed synapses."""
    return [place for place in fast if place[0] in ("cuda", "cpu")]


def _network(case: networks.Sparse, backend: str, dry: bool) -> Iterable[Row]:
    if dry:
        return networks.measure(case, backend, case.tiny, 0.5, rounds=1, seconds=0.0)
    return networks.measure(case, backend, 1.0, 100.0)


def _layers() -> Item:
    device = places.reference()[1]

    def do(dry: bool) -> Iterable[Row]:
        if dry:
            return speed.layers((3, 2, 40), "cpu", rounds=1, seconds=0.0)
        return speed.layers((100, 128, 1024), device)

    return Item("layers of LIF", do, 60.0)


def _bindsnet(n: int) -> Item:
    device = places.reference()[1]
    return Item(
        f"bindsnet diehl-cook {n}",
        lambda d: speed.bindsnet(5 if d else n, device, 2 if d else 4, 5 if d else _STEPS),
        30.0,
    )
