# SPDX-License-Identifier: Apache-2.0
"""Every backend equals the torch reference bit for bit, on random networks, with any threads."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import places
import pytest
import torch
from cases import Case, Cells, Chance, Do, Uniform, Wires
from hypothesis import assume, given, settings
from random_nets import cases
from torch import Tensor

from fastsnn import (
    Current,
    Dense,
    Events,
    Network,
    Poisson,
    Retry,
    Spikes,
    executing,
    models,
)
from fastsnn.backends import native

OTHERS = places.others()
other = pytest.mark.parametrize("other", OTHERS)


def first_difference(got: dict[str, Tensor], want: dict[str, Tensor]) -> str | None:
    """The first tensor that differs, and where, in words; None if all are equal."""
    assert list(got) == list(want)
    for key, b in want.items():
        a = got[key]
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{key} is {a.dtype}{list(a.shape)}, expected {b.dtype}{list(b.shape)}"
        if not torch.equal(a, b):
            where = (a != b).nonzero()
            at = tuple(where[0].tolist())
            return f"{key}: {len(where)} of {b.numel()} differ, {list(at)}: {a[at]} != {b[at]}"
    return None


def locate(case: Case, place: str, threads: int) -> str:
    """Watch every variable at every step, to say which step goes wrong."""
    net = case.build("torch")
    owners = (*net.populations.values(), *net.projections.values())
    watch = [{"owner": o.name, "variable": v} for o in owners for v in o.variables()]
    watched = dataclasses.replace(case, monitors=watch)
    got, want = (
        {k: v for k, v in watched.play(name, n).items() if k.startswith("monitor")}
        for name, n in ((place, threads), ("torch", None))
    )
    steps = {
        key: int((got[key] != rows).flatten(1).any(1).nonzero()[0, 0])
        for key, rows in want.items()
        if rows.shape == got[key].shape and not torch.equal(got[key], rows)
    }
    if not steps:
        return "with everything recorded nothing differs"
    key = min(steps, key=steps.__getitem__)
    return f"row {steps[key]} of {first_difference({key: got[key]}, {key: want[key]})}"


def stays_finite(seen: dict[str, Tensor]) -> bool:
    """Whether a network did not run away: NaN equals nothing."""
    return not any(t.is_floating_point() and t.isnan().any() for t in seen.values())


def assert_equals_torch(
    case: Case, want: dict[str, Tensor], place: str, threads: tuple[int, ...] = (1, 2, 4)
) -> None:
    """Play a case on another backend, and say what differs first from what torch gave."""
    for n in threads if place == "cpu" else (None,):
        wrong = first_difference(case.play(place, n), want)
        if wrong:
            retries = any("retry" in act.options for act in case.story)
            step = "" if retries else locate(case, place, n)
            pytest.fail(f"{place}, {n} threads: {wrong}\n{step}\n{case}", pytrace=False)


@other
@settings(max_examples=300)
@given(case=cases())
def test_random_network_is_bit_identical_on_every_backend_and_any_threads(case, other):
    want = case.play("torch")
    assume(stays_finite(want))
    assert_equals_torch(case, want, other)


def competition(rule: str, n: int, batch: int, **options: Any) -> Case:
    """Diehl and Cook's network: input, excitatory with a rule, inhibitory."""
    pre = Cells("X", "Input", 300, {}, {"traces": True})
    exc = Cells("Ae", "DiehlAndCook", n, {"theta_plus": 0.5}, {"traces": True})
    inh = Cells("Ai", "LIF", n, {"v_thresh": -60.0, "t_refrac": 2.0}, {})
    rates = {"nu": 0.01} if rule.startswith("MSTDP") else {"nu_pre": 0.001, "nu_post": 0.02}
    bounds = {"w_min": 0.0, "w_max": 1.0, "norm": 30.0}
    wires = [
        Wires("XAe", pre, exc, "dense", Uniform(0.0, 0.3, 1), rule, rates, bounds | options),
        Wires("AeAi", exc, inh, "one_to_one", Uniform(22.0, 23.0, 2)),
        Wires("AiAe", inh, exc, "all_but_one", Uniform(-12.0, -11.0, 3)),
    ]
    reward = {"reward": 0.5} if rule.startswith("MSTDP") else {}
    shown = {"X": ("poisson", Uniform(-30.0, 60.0, 4))}
    story = [
        Do("present", 90, 3, _positive(shown), {"count": ["X", "Ae"], "reset": True, **reward}),
        Do("train", options={"mode": False}),
        Do("run", 60, 1, _positive(shown), reward),
    ]
    if batch == 1:
        story[0].options["retry"] = Retry("Ae", 40, 0.5, 2)
    return Case(1.0, batch, 5, [pre, exc, inh], wires, [], story)


@dataclasses.dataclass(frozen=True)
class Rates:
    """Rates of an image: many zeros."""

    given: Uniform

    def __call__(self, *shape: int) -> Tensor:
        return self.given(*shape).clamp(min=0.0)


def _positive(inputs: dict[str, tuple[str, Any]]) -> dict[str, tuple[str, Any]]:
    return {k: (kind, Rates(value)) for k, (kind, value) in inputs.items()}


RULES = ("PostPre", "WeightDependentPostPre", "Hebbian", "MSTDP", "MSTDPET")


@other
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_competing_network_is_bit_identical(rule, batch, other):
    case = competition(rule, 130, batch)
    # something is counted, learnt and adapted
    want = case.play("torch")
    assert want["after 1. present: counts of Ae"].sum() > 20
    assert_equals_torch(case, want, other)


@other
def test_big_recurrent_network_is_bit_identical(other):
    pre = Cells("in", "Input", 63, {}, {"traces": True})
    big = Cells("big", "LIF", 1000, {"tau_m": Uniform(5.0, 50.0, 1)}, {"traces": True})
    wires = [
        Wires("in->big", pre, big, "dense", Uniform(0.0, 3.0, 2), "PostPre", {"nu_post": 0.01}),
        Wires("big->big", big, big, "dense", Uniform(-0.3, 0.35, 3), "PostPre", {"nu_pre": 0.001}),
    ]
    story = [Do("run", 60, inputs={"in": ("poisson", Uniform(0.0, 120.0, 4))})]
    case = Case(0.5, 1, 6, [pre, big], wires, [], story)
    assert_equals_torch(case, case.play("torch"), other)


@pytest.mark.parametrize("isa", native._native.isa() if native._native else [])
@pytest.mark.parametrize("rule", ["PostPre", "MSTDPET"])
def test_every_instruction_set_gives_the_same_bits(isa, rule, monkeypatch):
    plan_dict = native.Program._plan_dict
    monkeypatch.setattr(
        native.Program, "_plan_dict", lambda self, threads: plan_dict(self, threads) | {"isa": isa}
    )
    case = competition(rule, 63, 3)
    net = case.build("cpu")
    assert net.compile()._program(1).isa == isa
    assert_equals_torch(case, case.play("torch"), "cpu", (2,))


@pytest.mark.skipif("cpu" not in OTHERS, reason="the native engine is not built")
@settings(max_examples=60)
@given(case=cases())
def test_threads_may_change_from_run_to_run(case):
    want = case.play("torch")
    assume(stays_finite(want))
    order = itertools.cycle([1, 4, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native._Choice, "threads", property(lambda self: next(order)))
        wrong = first_difference(case.play("cpu"), want)
    assert wrong is None, case


def halves(given: dict[str, Any], at: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs or forced values of a run, cut after `at` steps."""

    def cut(value: Any, part: slice) -> Any:
        if isinstance(value, Spikes):
            return Spikes(value.data[part])
        if isinstance(value, Current) and value.data.dim() == 3:
            return Current(value.data[part])
        if isinstance(value, Events):
            first, last = part.start or 0, part.stop or 10**9
            here = (value.steps >= first) & (value.steps < last)
            return Events(value.steps[here] - first, value.ids[here], value.batch[here])
        return value[part] if isinstance(value, Tensor) and value.dim() == 2 else value

    return tuple({k: cut(v, p) for k, v in given.items()} for p in (slice(at), slice(at, None)))


@settings(max_examples=40)
@given(case=cases(max_acts=1))
def test_a_run_in_two_parts_is_the_same_run(case, place):
    act = case.story[0]
    assume(act.what == "run" and act.steps > 1)
    act.options["normalize"] = False
    want = case.play(place)
    assume(stays_finite(want))
    net, at = case.build(place), act.steps * 3 // 5
    first, second = ({}, {})
    for key, value in case.forced(net, act).items():
        shared = key in ("masks", "reward", "normalize")
        first[key], second[key] = (value, value) if shared else halves(value, at)
    inputs = halves(case.inputs(net, act), at)
    net.run(at * case.dt, inputs[0], **first)
    net.run((act.steps - at) * case.dt, inputs[1], **second)
    got = {f"after 1. run: {k}": v for k, v in net.state_dict().items()}
    got |= {f"monitor {k} {m}": m.get() for k, m in enumerate(net.monitors) if len(m)}
    assert first_difference(got, want) is None, case


@settings(max_examples=30)
@given(case=cases())
def test_bounded_monitors_change_nothing(case, place):
    for m in case.monitors:
        m["capacity"] = 2
    assume(case.monitors)
    want = case.play(place)
    assume(stays_finite(want))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executing, "_CHUNK_BYTES", 0)
        got = case.play(place)
    assert first_difference(got, want) is None, case


@other
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("replayed", [True, False])
def test_models_with_exp_agree_to_rounding(replayed, threads, other):
    draws, seen = Uniform(0.0, 1.0, 8)(80, 3, 63), {}
    for name in ("torch", other):
        net = Network(batch_size=3, seed=2, threads=threads, **places.options(name))
        net.population("in", models.Input(), 31, traces=True, traces_additive=True)
        net.population("srm", models.SRM0(rho_0=0.1), 63)
        rule = models.Rmax(nu=0.01)
        net.projection("in", "srm", Dense(Uniform(0.0, 4.0, 3)(31, 63)), rule=rule, name="c")
        watch = {k: net.monitor("srm", k) for k in ("spike", "v", "s_prob")}
        watch["w"] = net.monitor("c", "w", every=7)
        rates = Poisson(torch.full((31,), 60.0))
        net.run(80, {"in": rates}, reward=0.8, replay={"srm": draws} if replayed else None)
        seen[name] = {k: m.get().cpu() for k, m in watch.items()}
    got, want = seen[other], seen["torch"]
    assert want["spike"].float().mean() > 0.02
    # no draw lies within a few ulp of its probability here, so that spikes must agree
    assert torch.equal(got["spike"], want["spike"])
    # v differs where weights do; 80 roundings of at most 70 mV, were they all to add up
    v_error = (got["v"] - want["v"]).abs().max()
    assert v_error <= 80 * 2.0**-24 * 70
    # exp of either library is right to an ulp, twice; y exp(-y) <= 0.37 where y changes with v
    bound = 6 * 2.0**-24 + 0.37 * v_error / 5.0
    assert (got["s_prob"] - want["s_prob"]).abs().max() <= bound
    e_max = 25 * 3 * 10  # 25 steps of e, of a batch of 3, with traces below 10
    assert ((got["w"] - want["w"]).abs() <= 80 * 8 * 2.0**-24 * 0.01 * e_max).all()


def test_case_that_differs_is_told_by_tensor_and_step():
    case = competition("PostPre", 31, 1)
    want = case.play("torch")
    got = {k: v.clone() for k, v in want.items()}
    key = "after 1. present: Ae.v"
    got[key][0, 7] += 1.0
    told = first_difference(got, want)
    assert told.startswith(f"{key}: 1 of 31 differ, [0, 7]: ")
    assert Chance(0.5, 3)(9).tolist() == Chance(0.5, 3)(9).tolist()
