# SPDX-License-Identifier: Apache-2.0
"""Every backend on the GPU against the torch reference on the CPU, bit for bit, without pytest."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fastsnn import Poisson, Replicas
from fastsnn.bench import harness
from fastsnn.bench.cases import CASES, DiehlCook, Setting
from fastsnn.bench.gpu import networks
from fastsnn.bench.gpu.places import ROOT
from fastsnn.bench.gpu.speed import UPDATE

Row = dict[str, Any]
_SIZES = (1, 31, 33, 130, 1000)
_LARGE = (1600, 6400)


def checks(backend: str, device: str, dry: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Names of what is compared on a place, and how."""
    place = {"backend": backend, "device": device}
    for batch in (2,) if dry else (1, 3):
        for case in (*CASES.values(), replace(UPDATE, name="lif alone")):
            n, steps, samples = (20, 4, 1) if dry else case.parity
            small = Setting(n=n, steps=steps, samples=samples * batch, batch=batch, **place)
            yield f"{case.name} batch {batch}", lambda case=case, s=small: _same(case, s)
        for n in () if dry else _SIZES:
            size = Setting(n=n, steps=80, samples=2 * batch, batch=batch, **place)
            yield f"diehl-cook {n} batch {batch}", lambda s=size: _same(CASES["diehl-cook"], s)
    for n in () if dry else _LARGE:
        large = Setting(n=n, steps=25, samples=1, **place)
        yield f"diehl-cook {n}", lambda s=large: _same(CASES["diehl-cook"], s)
    few = Setting(n=20 if dry else 400, steps=3 if dry else 60, samples=2, replicas=3, **place)
    yield "replicas", lambda: replicas(few)
    for case in networks.ALL if backend != "torch" else ():
        scale, ms = (case.tiny, 0.5) if dry else (case.small, 50.0)
        yield case.name, lambda c=case, s=scale, t=ms: networks.check(c, s, backend, t)
    if _has("hypothesis") and _has("pytest") and (ROOT / "python_tests").is_dir():
        for k in range(0 if dry else 8):
            yield f"random networks {k}", lambda k=k: random_networks(place, k, 12)
        for k in range(0 if dry or backend == "torch" else 4):
            yield f"random sparse networks {k}", lambda k=k: sparse_networks(backend, k, 12)
        for rule in ("MSTDPET",) if dry else _rules():
            yield f"rule {rule}", lambda rule=rule: rule_agrees(place, rule, dry)
        for k in range((1 if dry else 8) * (backend in ("cuda", "cpu"))):
            yield f"listed synapses {k}", lambda k=k: listed(place, k, 2 if dry else 12)


def _same(case: Any, setting: Setting) -> None:
    """Raise BackendError unless all agrees."""
    harness.check_parity(replace(case, parity=_kept(setting)), setting)


def _kept(setting: Setting) -> tuple[int, int, int]:
    return setting.n, setting.steps, setting.samples // setting.batch


def replicas(setting: Setting) -> None:
    """Every replica gives what its network gives alone on the reference."""
    pixels = DiehlCook(replace(setting, backend="torch", device="cpu", replicas=1)).pixels
    rates = [pixels * (0.1 * (r + 1)) for r in range(setting.replicas)]

    def alone(backend: str, device: str) -> Any:
        def build(seed: int) -> Any:
            own = replace(setting, backend=backend, device=device, replicas=1, seed=seed)
            return DiehlCook(own).network

        return build

    def seen(net: Any, shown: Any) -> dict[str, torch.Tensor]:
        state = {k: v.cpu() for k, v in net.state_dict().items() if torch.is_tensor(v)}
        return {"counts": shown.counts["Ae"].cpu(), **state}

    options = {"time": setting.steps * setting.dt, "count": ["Ae"]}
    many = Replicas(alone(setting.backend, setting.device or "cpu"), range(setting.replicas))
    shown = many.present([{"X": Poisson(r)} for r in rates], **options)
    for r, given in enumerate(rates):
        net = alone("torch", "cpu")(r)
        want = seen(net, net.present({"X": Poisson(given)}, **options))
        got = seen(many[r], shown[r])
        wrong = [k for k, v in want.items() if not torch.equal(v, got[k])]
        if wrong:
            raise AssertionError(f"replica {r}: {', '.join(wrong)} differ from 'torch'")


def random_networks(place: dict[str, str], k: int, examples: int) -> None:
    """Networks drawn by hypothesis, as in the tests."""
    tests = _tests("test_parity")
    _of_many(tests.cases(), lambda case: _plays_alike(tests, case, place), k, examples)


def sparse_networks(backend: str, k: int, examples: int) -> None:
    """Sparse networks drawn by hypothesis, as in the tests."""
    tests = _tests("test_sparse")

    def check(make: Any) -> None:
        tests.run_alike(make("torch"), make(backend))

    _of_many(tests.networks(), check, k, examples)


def _of_many(strategy: Any, check: Callable[[Any], None], k: int, examples: int) -> None:
    """Check what hypothesis draws."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    quiet = settings(
        max_examples=examples, database=None, deadline=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    seed(k)(quiet(given(strategy)(lambda drawn: check(drawn))))()


def listed(place: dict[str, str], k: int, examples: int) -> None:
    """Networks of synapses in lists, which learn, drawn by hypothesis, as in the tests."""
    tests = _tests("test_sparse_plasticity_parity")

    def check(case: Any) -> None:
        case["dtype"] = torch.float32
        with TemporaryDirectory() as folder:
            want = tests.outcome(case, "torch", None, Path(folder))
            got = tests.outcome(case, place["backend"], None, Path(folder), device=place["device"])
        wrong = [name for name, x in want.items() if not torch.equal(got[name].cpu(), x)]
        if wrong:
            raise AssertionError(f"{', '.join(wrong)} differ from 'torch'\n{case}")

    _of_many(tests.nets(), check, k, examples)


def rule_agrees(place: dict[str, str], rule: str, dry: bool) -> None:
    """Diehl and Cook's network with another rule, as in the tests."""
    tests = _tests("test_parity")
    case = tests.competition(rule, 9 if dry else 63, 2)
    if dry:
        for act in case.story:
            act.steps, act.samples = min(act.steps, 3), 1
    _plays_alike(tests, case, place)


def _plays_alike(tests: Any, case: Any, place: dict[str, str]) -> None:
    want = case.play("torch")
    if not tests.stays_finite(want):
        return
    got = case.play(f"{place['backend']}@{place['device']}")
    wrong = tests.first_difference(got, want)
    if wrong:
        raise AssertionError(f"{wrong}\n{case}")


def _rules() -> list[str]:
    return list(_tests("test_parity").RULES)


def _tests(module: str) -> Any:
    """A module of the tests."""
    folder = str(ROOT / "python_tests")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(module)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
