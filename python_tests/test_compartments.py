# SPDX-License-Identifier: Apache-2.0
"""Features of projections: what they do by hand, by golden trace, and alike on both backends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mistakes import look

from fastsnn import (
    Adaptation,
    Bernoulli,
    Bias,
    Degradation,
    Delay,
    Dense,
    FastsnnError,
    Intensity,
    Mask,
    ModelError,
    Network,
    OneToOne,
    Probability,
    ShapeError,
    Spikes,
    models,
)
from fastsnn.random import philox, synapse_stream, uniform

GOLDEN = Path(__file__).parent / "golden" / "bindsnet" / "mcc_Weight_Mask_Bias_Intensity.npz"
NEVER = models.IF(v_thresh=1e9)


def currents(backend, w, spikes, features, batch=1, **options):
    """What a silent target receives in every step: [T, B, n_post].  spikes: [T, B, n_pre]."""
    net = Network(backend=backend, batch_size=batch, seed=7, **options)
    net.population("X", models.Input(), w.shape[0])
    net.population("Y", NEVER, w.shape[1], sum_input=True)
    net.projection("X", "Y", Dense(w), features=features)
    monitor = net.monitor("Y", "summed")
    net.run(len(spikes) + 1, {"X": Spikes(torch.cat([spikes, spikes[:1] & False]))})
    summed = monitor.get()
    return torch.diff(summed, dim=0, prepend=torch.zeros_like(summed[:1])), net


def one_spike_each(n):
    """Neuron t spikes in step t."""
    return torch.eye(n, dtype=torch.bool)[:, None]


def test_factors_multiply_and_bias_and_degradation_act_at_every_step(backend):
    w = torch.tensor([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]])
    features = [
        Mask(torch.tensor([[1, 0], [1, 1], [0, 1]])), Intensity(-0.5), Bias(0.25),
        Degradation(torch.full((3, 2), 3.0), lambda x: x * x / 16), Intensity(2.0),
    ]  # fmt: skip
    got, _ = currents(backend, w, one_spike_each(3), features)
    rest = 3 * 2 * (0.25 - 9 / 16)
    signal = 2 * -0.5 * torch.tensor([[0.0, 0.0], [1, 0], [4, 8], [0, 32]])
    torch.testing.assert_close(got[:, 0], rest + signal, atol=1e-5, rtol=0)


def test_delayed_signals_come_when_they_are_due(backend):
    w = torch.tensor([[1.0, 10.0, 100.0]])
    spikes = torch.zeros(6, 1, 1, dtype=torch.bool)
    spikes[[0, 1, 3]] = True
    got, _ = currents(backend, w, spikes, [Delay(torch.tensor([[0, 2, 3]]))])
    due = torch.zeros(10, 3)
    for t in (0, 1, 3):
        for j, delay in enumerate((0, 2, 3)):
            due[t + 1 + delay, j] += w[0, j]
    assert torch.equal(got[:, 0], due[:7])


def test_reset_forgets_delayed_signals_and_a_run_keeps_them(backend):
    def net():
        made = Network(backend=backend)
        made.population("X", models.Input(), 1)
        made.population("Y", NEVER, 1, sum_input=True)
        made.projection("X", "Y", Dense(1.0), features=[Delay(3)])
        made.run(1, {"X": Spikes(torch.ones(1, 1, 1, dtype=torch.bool))})
        return made

    kept, reset = net(), net()
    reset.reset_state()
    for made in (kept, reset):
        made.run(6)
    assert float(kept.populations["Y"].state["summed"]) == 1.0
    assert float(reset.populations["Y"].state["summed"]) == 0.0


def test_probability_draws_as_the_documentation_says(backend):
    n_pre, n_post, steps = 3, 130, 4
    p = torch.rand(n_pre, n_post)
    spikes = torch.ones(steps, 2, n_pre, dtype=torch.bool)
    got, _ = currents(backend, torch.ones(n_pre, n_post), spikes, [Probability(p)], batch=2)
    column = torch.arange(n_post)
    for t in range(1, steps + 1):
        want = torch.zeros(n_post)
        for i in range(n_pre):
            index = (i * 3 + column // 64) * 16 + column % 16
            words = torch.stack(philox(7, synapse_stream(0), t, index))
            want += uniform(words[column % 64 // 16, column]) < p[i]
        assert torch.equal(got[t], want.expand(2, -1))


def test_probability_lets_its_share_of_spikes_through(backend):
    p = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    spikes = torch.ones(2000, 1, 20, dtype=torch.bool)
    got, _ = currents(backend, torch.ones(20, 5), spikes, [Probability(p.expand(20, 5))])
    share = got[1:].mean((0, 1)) / 20
    # six standard deviations of 40 000 draws
    assert bool(((share - p).abs() <= 6 * (p * (1 - p) / 40_000).sqrt()).all())
    count = got[1:, 0, 2]
    assert abs(float(count.var()) - 5.0) < 6 * 5.0 * (2 / 2000) ** 0.5


def test_adaptation_moves_its_mask_by_what_the_network_says(backend):
    first, second = torch.tensor([[1.0, -2.0], [0.5, 1.0]]), torch.tensor([[1.0, -3.0]])
    value = torch.tensor([[0.1, -0.1], [-0.1, 0.1]])
    spikes = torch.tensor([[1, 0], [0, 0], [1, 0], [1, 1], [0, 1]], dtype=torch.bool)[:, None]
    feature = Adaptation(value, (first, second), rate=0.2, decay=0.05)
    got, net = currents(backend, torch.ones(2, 2), spikes, [feature])
    # recorded: steps 0, 2, 3, 4; decisions with histories (1 1), (0 0) and then (1 0), (1 1)
    mask, opened = value.clone(), [(value > 0).float()]
    for history in ([[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 1.0]]):
        hidden = torch.relu(torch.tensor(history) @ first.T)
        mask = (mask + torch.tanh(hidden @ second.T) * 0.2 + 0.05).clamp(-1, 1)
        opened.append((mask > 0).float())
    live = net.projections["X->Y"].features["adaptation"]
    torch.testing.assert_close(live.own["mask"], mask)
    assert torch.equal(live.value, opened[2])
    want = [opened[0][0], torch.zeros(2), opened[1][0], opened[1].sum(0), opened[2][1]]
    assert torch.equal(got[1:, 0], torch.stack(want))


def test_golden_trace_of_weight_mask_intensity_and_bias(backend):
    with np.load(GOLDEN) as file:
        arrays = {k: torch.from_numpy(file[k].copy()) for k in file.files if k != "meta"}
    net = Network(backend=backend)
    net.population("A", models.Input(), 20)
    net.population("B", models.LIF(v_thresh=-58.0), 10)
    features = [Mask(arrays["m"]), Intensity(arrays["i"]), Bias(arrays["b"])]
    net.projection("A", "B", Dense(arrays["w"]), features=features)
    v, s = net.monitor("B", "v"), net.monitor("B", "spike")
    seen = []
    for k in range(2):
        if k:
            net.reset_state()
        net.run(80, {"A": Spikes(arrays[f"in_A{k}"].bool())})
        seen.append((v.get().clone(), s.get().clone()))
    assert torch.equal(torch.cat([b for _, b in seen]), arrays["s_B"].bool())
    torch.testing.assert_close(torch.cat([a for a, _ in seen]), arrays["v_B"], rtol=1e-5, atol=1e-5)


def test_a_learning_value_learns_as_a_weight_would(backend):
    p = torch.rand(5, 3)
    rule = models.PostPre(nu_pre=0.05, nu_post=0.1)
    net = Network(backend=backend)
    net.population("X", models.Input(), 5, traces=True)
    net.population("Y", models.LIF(v_thresh=-64.0), 3, traces=True)
    net.projection("X", "Y", Dense(5.0), features=[Probability(p, rule, w_max=0.9, norm=2.0)])
    # a weight that learns from the same spikes and matters to nobody
    net.projection("X", "Y", Dense(p), name="twin", rule=rule, w_min=0.0, w_max=0.9, norm=2.0,
                   features=[Mask(0)])  # fmt: skip
    learnt = net.projections["X->Y"].features["probability"]
    before = learnt.value.clone()
    for _ in range(3):
        net.run(30, {"X": Bernoulli(torch.full((5,), 0.3))})
        assert torch.equal(learnt.value, net.projections["twin"].w)
    assert not torch.equal(learnt.value, before)
    net.train(False)
    before = learnt.value.clone()
    net.run(30, {"X": Bernoulli(torch.full((5,), 0.3))}, normalize=False)
    assert torch.equal(learnt.value, before)


SIZES = st.sampled_from([1, 3, 16, 33, 66])
RULES = {
    "none": None, "PostPre": models.PostPre(nu_pre=0.02, nu_post=0.05),
    "Hebbian": models.Hebbian(nu_pre=0.02, nu_post=0.05), "MSTDP": models.MSTDP(nu=0.05),
    "MSTDPET": models.MSTDPET(nu=0.1),
}  # fmt: skip


@st.composite
def pipelines(draw):
    """Names of features in an order that is allowed, and rules for those that may learn."""
    varying = draw(st.permutations(["mask", "intensity", "probability", "delay", "adaptation"]))
    fixed = draw(
        st.lists(st.sampled_from(["mask", "intensity", "bias", "degradation"]), max_size=3)
    )
    count = draw(st.integers(0, len(varying)))
    rules = {k: draw(st.sampled_from(sorted(RULES))) for k in ("w", "intensity", "probability")}
    return tuple(varying[:count]), tuple(fixed), rules


def build(backend, threads, sizes, batch, pipeline, seed, dtype=torch.float32):
    made = torch.Generator().manual_seed(seed)
    n_pre, n_post = sizes

    def rand():
        return torch.rand(n_pre, n_post, generator=made)

    def feature(name, rule=None):
        match name:
            case "mask":
                return Mask(rand() > 0.3)
            case "intensity":
                return Intensity(
                    2 * rand() - 0.5, rule, w_max=3.0, norm=n_pre / 2 if rule else None
                )
            case "probability":
                return Probability(rand(), rule, weight_decay=0.01 if rule else 0.0)
            case "delay":
                return Delay((rand() * 5).int(), longest=5)
            case "adaptation":
                layers = (rand().new_ones(2, 3), torch.tensor([0.5, -0.7]))
                return Adaptation(rand() - 0.5, layers)
            case "bias":
                return Bias(rand() / n_pre)
            case _:
                return Degradation(rand() / n_pre, lambda x: x * 0.5)

    varying, fixed, rules = pipeline
    features = [feature(k, RULES[rules[k]] if k in rules else None) for k in varying]
    features += [feature(k) for k in fixed]
    net = Network(backend=backend, threads=threads, batch_size=batch, seed=seed, dtype=dtype)
    net.population("X", models.Input(), n_pre, traces=True)
    net.population("Y", models.LIF(v_thresh=-63.0, t_refrac=1.0), n_post, traces=True)
    rule = RULES[rules["w"]]
    net.projection("X", "Y", Dense(10 * rand() / n_pre), rule=rule, w_min=0.0, w_max=8.0,
                   norm=5.0 if rule else None, features=features)  # fmt: skip
    net.projection("Y", "Y", Dense(-rand()[:1].mean()), features=features_back(n_post, made))
    return net


def features_back(n, made):
    """A recurrent projection, whose spikes are not known ahead."""
    return [Delay(torch.randint(0, 3, (n, n), generator=made)), Probability(0.5)]


def exercise(net, seed):
    """Runs, a reset and samples with retries; returns all state."""
    torch.manual_seed(seed)
    n, batch = net.populations["X"].n, net.batch_size
    rates = {"X": Bernoulli(torch.full((batch, n), 0.3))}
    net.run(13, rates, reward=0.5)
    net.reset_state()
    net.run(4, rates, reward=-0.7)
    rates = {"X": Bernoulli(torch.full((2, batch, n), 0.4))}
    net.present(rates, 9, reward=0.3)
    net.train(False)
    net.run(5, reward=0.0)
    return {k: v.clone() for k, v in net.state_dict().items()}


@settings(max_examples=20)
@given(
    sizes=st.tuples(SIZES, SIZES), batch=st.sampled_from([1, 3]), pipeline=pipelines(),
    seed=st.integers(0, 99), dtype=st.sampled_from([torch.float32, torch.float64]),
)  # fmt: skip
def test_cpu_gives_the_bits_of_the_reference(sizes, batch, pipeline, seed, dtype):
    want = exercise(build("torch", None, sizes, batch, pipeline, seed, dtype), seed)
    for threads in (1, 2):
        got = exercise(build("cpu", threads, sizes, batch, pipeline, seed, dtype), seed)
        for name, value in want.items():
            assert torch.equal(got[name], value), (threads, name)


def test_file_brings_features_back_as_they_were(backend, tmp_path):
    pipeline = (
        ("mask", "intensity", "adaptation", "probability", "delay"), ("bias", "degradation"),
        {"w": "PostPre", "intensity": "MSTDPET", "probability": "PostPre"},
    )  # fmt: skip
    net = build(backend, None, (9, 20), 2, pipeline, 3)
    rates = {"X": Bernoulli(torch.full((9,), 0.4))}
    net.run(10, rates, reward=1.0)
    net.save(tmp_path / "net")
    again = Network.load(tmp_path / "net", backend=backend)
    assert str(again) == str(net)
    for made in (net, again):
        made.run(10, rates, reward=1.0)
    mine, other = net.state_dict(), again.state_dict()
    for name, value in mine.items():
        # the file holds what is subtracted, for it cannot hold the function
        assert name == "X->Y.degradation" or torch.equal(other[name], value), name


def test_values_written_between_runs_are_used(backend):
    net = Network(backend=backend)
    net.population("X", models.Input(), 2)
    net.population("Y", NEVER, 3, sum_input=True)
    features = [Mask(1), Bias(0.0), Degradation(0.0, lambda x: 2 * x)]
    net.projection("X", "Y", Dense(1.0), features=features)
    live = net.projections["X->Y"].features
    net.run(2)
    live["bias"].value[:] = 5.0
    live["degradation"].value[:] = 1.0
    net.run(2)
    assert torch.equal(net.populations["Y"].state["summed"], torch.full((1, 3), 2 * 2 * 3.0))
    live["mask"].value[0, 0] = 0.5
    with pytest.raises(ShapeError, match="truth values"):
        net.run(2)


def plain(**options):
    net = Network(backend="torch", **options)
    net.population("X", models.Input(), 4)
    net.population("Y", models.LIF(), 3)
    return net


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ([Mask(torch.ones(3, 4))], "Did you mean value.T"),
        ([Mask(torch.full((4, 3), 0.5))], "truth values"),
        ([Probability(1.5)], "from 0 to 1"),
        ([Intensity(float("nan"))], "finite"),
        ([Delay(1.5)], "whole numbers"),
        ([Delay(3, longest=2)], "from 0 to 2"),
        ([Bias("much")], "expected a number"),
        (["mask"], "expected Mask"),
        ([Bias(0.1), Probability(0.5)], "put it before"),
        ([Delay(1), Delay(1)], "one Delay"),
        ([Probability(0.5, models.PostPre())], "traces=True"),
        ([Degradation(torch.ones(4, 3), lambda x: x[0])], "function"),
    ],
)
def test_mistakes_in_features_are_found_at_once(features, says):
    net = plain()
    before = look(net)
    with pytest.raises(FastsnnError, match=says):
        net.projection("X", "Y", Dense(1.0), features=features)
    assert look(net).keys() == before.keys()


def test_mistakes_in_arguments_name_what_is_expected():
    with pytest.raises(ShapeError, match="layers"):
        Adaptation(0.0, (torch.ones(2, 3), torch.ones(3)))
    with pytest.raises(ModelError, match=r"within 0 \.\. 1"):
        Probability(0.5, models.PostPre(), w_max=2.0)
    with pytest.raises(ModelError, match="learning rule"):
        Intensity(0.5, models.LIF())
    net = plain()
    with pytest.raises(ModelError, match="features need Dense"):
        net.projection("Y", "Y", OneToOne(1.0), features=[Mask(1)])


def test_a_rule_of_a_feature_asks_for_reward():
    net = plain()
    net.projection("X", "Y", Dense(1.0), features=[Intensity(1.0, models.MSTDP(nu=0.1))])
    with pytest.raises(FastsnnError, match="reward"):
        net.run(3)


def test_backends_without_features_say_so():
    net = plain()
    net.projection("X", "Y", Dense(1.0), features=[Mask(1)])
    why = net.plan.beyond(("dense", "one_to_one", "all_but_one"))
    assert "projection 'X->Y' is of kind 'compartments'" in why


def test_table_shows_features():
    net = plain()
    net.projection("X", "Y", Dense(1.0), features=[Mask(1), Delay(4), Probability(0.5)])
    assert all(word in str(net) for word in ("Mask", "Delay(4)", "Probability"))
