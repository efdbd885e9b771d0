# SPDX-License-Identifier: Apache-2.0
"""Mistakes in what is given to a run are told before anything changes."""

from __future__ import annotations

import pytest
import torch
from mistakes import INF, NAN, cases, check, network

from fastsnn import (
    Bernoulli,
    Current,
    Events,
    FastsnnError,
    Network,
    Poisson,
    Retry,
    ShapeError,
    Spikes,
    models,
)  # fmt: skip


def run(**options):
    """A run of 4 steps."""
    return lambda net: net.run(4, **{"reward": 0.0, **options})


def feed(source, name="in"):
    """A run of 4 steps with an input."""
    return run(inputs={name: source})


def time(ms):
    return lambda net: net.run(ms, reward=0.0)


@cases(
    (time(1.5), FastsnnError, "time=1.5 ms is no whole number of steps of dt=1.0 ms"),
    (time(-1.0), FastsnnError, "time=-1.0 ms"),
    (time(NAN), FastsnnError, "time=nan"),
    (time(INF), FastsnnError, "time=inf"),
    (time("long"), FastsnnError, "time='long'"),
    (run(inputs={"x": torch.ones(5)}), FastsnnError, "There is no population 'x'"),
    (run(inputs=torch.ones(5)), FastsnnError, "inputs is a Tensor, expected a mapping from names"),
    (feed(object()), ShapeError, "Input of 'in' is a object, expected a tensor, Spikes"),
    (feed(torch.ones(4, 1, 6)), ShapeError, r"Spikes of 'in' has shape \(4, 1, 6\), expected"),
    (feed(torch.ones(3, 1, 5)), ShapeError, r"expected \(steps, batch, n\) = \(4, 1, 5\)"),
    (feed(torch.ones(5, 4)), ShapeError, r"Spikes of 'in' has shape \(5, 4\)"),
    (feed(torch.ones(5)), ShapeError, r"Spikes of 'in' has shape \(5,\)"),
    (feed(2 * torch.ones(4, 1, 5)), ShapeError, "Spikes of 'in' hold values other than 0 and 1"),
    (feed(NAN * torch.ones(4, 1, 5)), ShapeError, "Spikes of 'in' hold values other than 0 and 1"),
    (feed(Spikes(torch.ones(4, 3)), "a"), ShapeError, "Spikes given to 'a', which is no Input"),
    (
        feed(Poisson(torch.ones(3)), "a"),
        ShapeError,
        "Poisson rates given to 'a', which is no",
    ),
    (feed(Events([0], [0]), "a"), ShapeError, "Events given to 'a', which is no Input"),
    (feed(Current(torch.ones(5))), ShapeError, "Current given to the Input population 'in'"),
    (feed(torch.ones(4), "a"), ShapeError, r"Current of 'a' has shape \(4,\), expected"),
    (feed(torch.ones(3, 4), "a"), ShapeError, r"Current of 'a' has shape \(3, 4\)"),
    (feed(torch.full((3,), NAN), "a"), ShapeError, "Current of 'a' holds NaN or infinity"),
    (feed(torch.full((4, 1, 3), INF), "a"), ShapeError, "Current of 'a' holds NaN or infinity"),
    (feed(Poisson(-torch.ones(5))), ShapeError, r"Poisson rates of 'in' lie in -1\.\.-1, expected"),
    (feed(Poisson(torch.full((5,), 1000.1))), ShapeError, r"\.\.1000.1, expected 0\.\.1000 "),
    (feed(Poisson(torch.full((5,), NAN))), ShapeError, "Poisson rates of 'in' holds NaN or inf"),
    (feed(Poisson(torch.ones(4))), ShapeError, r"Poisson rates of 'in' has shape \(4,\)"),
    (feed(Bernoulli(torch.full((5,), 1.01))), ShapeError, r"expected 0\.\.1 \(at most one spike"),
    (
        feed(Bernoulli(torch.full((5,), INF))),
        ShapeError,
        "Bernoulli probabilities of 'in' holds",
    ),
    (feed(Events([4], [0])), ShapeError, r"Events of 'in': steps reaches 4\.\.4, expected 0\.\.3"),
    (feed(Events([-1], [0])), ShapeError, r"steps reaches -1\.\.-1"),
    (feed(Events([0], [5])), ShapeError, r"ids reaches 5\.\.5, expected 0\.\.4"),
    (feed(Events([0], [0], batch=1)), ShapeError, r"batch reaches 1\.\.1, expected 0\.\.0"),
    (feed(Events([0], [0], sample=1)), ShapeError, r"sample reaches 1\.\.1, expected 0\.\.0"),
    (feed(Events([0, 1, 2], [0, 1])), ShapeError, "steps has 3 entries, expected 2"),
    (feed(Events([0.5], [1])), ShapeError, "Events of 'in': steps holds no whole numbers"),
)
def test_inputs(action, kind, told):
    check(action, kind, told)


@cases(
    (run(clamp={"x": torch.ones(3)}), FastsnnError, "There is no population 'x'"),
    (
        run(clamp={"a": torch.ones(5)}),
        ShapeError,
        r"clamp of 'a' is \(5,\), expected \(3,\) or",
    ),
    (run(clamp={"a": torch.ones(3, 4)}), ShapeError, r"clamp of 'a' is \(3, 4\)"),
    (run(unclamp={"a": torch.ones(5, 3)}), ShapeError, r"unclamp of 'a' is \(5, 3\)"),
    (
        run(clamp={"a": torch.tensor([0, 2, 1])}),
        ShapeError,
        "clamp of 'a' holds other",
    ),
    (
        run(clamp={"a": torch.tensor([NAN, 0, 1])}),
        ShapeError,
        "clamp of 'a' holds other",
    ),
    (run(inject_v={"a": torch.ones(2)}), ShapeError, r"inject_v of 'a' is \(2,\)"),
    (run(inject_v={"a": torch.full((3,), NAN)}), ShapeError, "inject_v of 'a' holds NaN"),
    (run(inject_v={"in": torch.ones(5)}), ShapeError, "inject_v: 'in' .* no membrane potential"),
    (run(masks={"x": torch.ones(5, 3)}), FastsnnError, "masks: there is no projection 'x'"),
    (run(masks={"c0": torch.ones(3)}), FastsnnError, "masks: there is no projection 'c0'"),
    (
        run(masks={"c1": torch.ones(3, 5)}),
        ShapeError,
        r"masks\['c1'\] is \(3, 5\), expected",
    ),
    (run(reward=None), FastsnnError, "Projection 'c2' learns from reward; give reward="),
    (run(reward=NAN), ShapeError, "reward=nan: expected a finite number"),
    (run(reward=torch.ones(2)), ShapeError, "reward=.*expected a finite number, or 1 of them"),
    (run(reward="much"), ShapeError, "reward='much': expected a finite number"),
    (run(replay={"b": torch.ones(4, 1, 2)}), ShapeError, r"replay\['b'\] is \(4, 1, 2\), expected"),
    (run(replay={"b": torch.ones(3, 1, 3)}), ShapeError, r"replay\['b'\] is \(3, 1, 3\)"),
    (run(replay={"b": torch.full((4, 1), 3)}), ShapeError, r"winners outside -1\.\.2"),
)
def test_forced_values_masks_rewards_and_draws(action, kind, told):
    check(action, kind, told)


def present(source=None, **options):
    """Three samples of 4 steps."""
    given = Poisson(torch.ones(3, 1, 5)) if source is None else source
    return lambda net: net.present({"in": given}, **{"time": 4, "reward": 0.0, **options})


@cases(
    (present(Spikes(torch.ones(4, 5))), FastsnnError, "how many samples there are; give samples=S"),
    (present(Poisson(torch.ones(3, 2, 5))), ShapeError, r"Poisson rates of 'in' has shape \(3, 2"),
    (present(samples=0), FastsnnError, r"present\(samples=0\): expected a whole number"),
    (present(samples=2), ShapeError, r"Poisson rates of 'in' has shape \(3, 1, 5\), expected"),
    (present(time=0), FastsnnError, "time=0.*at least one step of 1.0 ms"),
    (present(time=1.5), FastsnnError, "time=1.5 ms is no whole number"),
    (present(count=["x"]), FastsnnError, "There is no population 'x'"),
    (present(retry=Retry("x")), FastsnnError, "There is no population 'x'"),
    (present(retry=Retry("a")), FastsnnError, r"present\(retry=...\) cannot record"),
    (present(reward=None), FastsnnError, "Projection 'c2' learns from reward"),
)
def test_presentations(action, kind, told):
    check(action, kind, told)


def test_retry_asks_for_one_batch_element():
    action = present(Poisson(torch.ones(2, 3, 5)), retry=Retry("a"))
    check(action, FastsnnError, r"retry=...\): needs batch_size 1, the network has 3", batch_size=3)
    rewards = torch.tensor([0.1, 0.2, 0.3])
    told = "'c2': MSTDPET takes one reward for the whole batch"
    check(run(reward=rewards), ShapeError, told, batch_size=3)
    for wrong in ({"min_spikes": 0}, {"max_tries": 0}, {"boost": -0.5}, {"boost": NAN}):
        with pytest.raises(ShapeError, match=r"Retry.*expected min_spikes >= 1"):
            Retry("a", **wrong)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_weights_written_between_runs_are_checked_before_the_next(value):
    net = network()
    net.projections["c0"].w *= 2.0
    net.projections["c1"].w[2, 1] = value
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(ShapeError, match="Projection 'c1': the weight holds NaN or infinity"):
        net.run(1, reward=0.0)
    after = net.state_dict()
    assert [
        k for k, v in before.items() if not torch.equal(v.nan_to_num(7), after[k].nan_to_num(7))
    ] == []
    net.projections["c1"].w[2, 1] = 0.5
    net.run(1, reward=0.0)
    assert net.step == 4


def test_a_population_of_one_neuron_may_be_forced_step_by_step(backend):
    net = Network(backend=backend)
    net.population("a", models.IF(), 1)
    seen = net.monitor("a", "spike")
    net.run(4, clamp={"a": torch.tensor([0, 1, 1, 0])})
    assert seen.get().flatten().tolist() == [False, True, True, False]


def test_leading_dimensions_may_be_left_out_where_they_are_one(backend):
    def counts(source, samples=2, batch=1, name="in"):
        net = Network(batch_size=batch, backend=backend)
        net.population("in", models.Input(), shape=(2, 3))
        net.population("mp", models.McCullochPitts(), 6)
        return net.present({name: source}, 4, samples=samples, count=[name]).counts[name]

    grid = torch.rand(2, 4, 1, 2, 3) < 0.5
    want = grid.sum(1).reshape(2, 1, 6).to(torch.int32)
    for shape in [(2, 4, 1, 6), (2, 4, 6), (8, 1, 6), (8, 6), (8, 2, 3), (8, 1, 2, 3)]:
        assert torch.equal(counts(Spikes(grid.reshape(shape))), want), shape
        current = Current(grid.reshape(shape).float())
        assert torch.equal(counts(current, name="mp"), want), shape
    p = (torch.rand(2, 6) < 0.5).float()
    for shape in [(2, 1, 6), (2, 6), (2, 2, 3)]:
        assert torch.equal(counts(Bernoulli(p.reshape(shape))), 4 * p[:, None].to(torch.int32))
    for given, full in (
        (p, p),
        (p[0], p[:1].expand(2, 6)),
        (p[0].reshape(2, 3), p[:1].expand(2, 6)),
    ):
        got = counts(Bernoulli(given), samples=3, batch=2)
        assert torch.equal(got, 4 * full.to(torch.int32).expand(3, 2, 6))
