# SPDX-License-Identifier: Apache-2.0
"""Listed synapses that learn, with delays, on Triton, interpreted: the bits of torch."""

from __future__ import annotations

import interpreting
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreting import INTERPRETER, SMALL
from test_replicas import SEEDS, same_state
from test_sparse_plasticity_parity import RULES, nets, outcome
from test_triton import Recorded, on_a_pretended_gpu

import fastsnn
from fastsnn import Dense, Network, Poisson, Replicas, Sparse, models
from fastsnn.backends import triton_listed
from fastsnn.synapses import listed

pytestmark = interpreting.needed


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    interpreting.switch_on(monkeypatch)


@settings(max_examples=6)
@given(case=nets(), small=st.booleans())
def test_random_network_is_bit_identical(case, small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets")
    case["options"]["norm"], case["short_term"], case["dtype"] = None, False, torch.float32
    case["acts"] = case["acts"][:2]
    # the interpreter takes its time for every synapse of a column
    for name in ("pre", "post", "w", "delay"):
        case[name] = case[name][:100] if isinstance(case[name], torch.Tensor) else case[name]
    want = outcome(case, "torch", None, folder, steps=6)
    with interpreting.tiled(SMALL if small else INTERPRETER):
        got = outcome(case, "triton", None, folder, steps=6)
    for name, value in want.items():
        assert torch.equal(got[name], value), name


def plastic(seed: int, backend: str, rule: str, kind: str, delay: float | None) -> Network:
    """Input to a recurrent population, with a bias, a weight for each synapse, bounds."""
    g = torch.Generator().manual_seed(seed)
    net = Network(seed=seed, backend=backend, device="cpu")
    net.population("in", models.Input(), 20)
    net.population("out", models.LIF(t_refrac=2.0), 37)
    for source, n in (("in", 20), ("out", 37)):
        ends = torch.randint(n, (120,), generator=g), torch.randint(37, (120,), generator=g)
        own = torch.randint(1, 6, (120,), generator=g) if delay is None else delay
        wiring = Sparse(torch.rand(120, generator=g) * 2.0, *ends, delay=own, multapses=True)
        net.projection(
            source, "out", wiring, rule=RULES[rule](), delay_kind=kind, w_max=2.0,
            name=f"from {source}", bias=torch.linspace(0.0, 0.3, 37),
        )  # fmt: skip
    return net


WAYS = [
    ("pair", "axonal", 1.0), ("pair", "axonal", 4.0), ("reward", "dendritic", 4.0),
    ("reward", "axonal", None), ("pair", "dendritic", None),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "kind", "delay"), WAYS)
def test_every_delay_is_bit_identical(rule, kind, delay):
    spikes = torch.rand(14, 1, 20, generator=torch.Generator().manual_seed(1)) < 0.3
    seen = []
    for backend in ("torch", "triton"):
        net = plastic(1, backend, rule, kind, delay)
        before = net.projections["from out"].w.clone()
        for first, last in ((0, 1), (1, 9), (9, 14)):
            net.run(float(last - first), {"in": spikes[first:last]}, reward=0.7)
        assert not torch.equal(net.projections["from out"].w, before)
        seen.append(net)
    assert same_state(*seen)


def test_replicas_equal_networks_of_their_own():
    shown = [{"in": Poisson(torch.full((2, 20), 200.0 + 90.0 * k))} for k in range(len(SEEDS))]
    with interpreting.tiled(INTERPRETER):
        together = Replicas(lambda seed: plastic(seed, "triton", "pair", "dendritic", None), SEEDS)
        together.present(shown, 4.0, reset=True)
    for r, seed in enumerate(SEEDS):
        net = plastic(seed, "torch", "pair", "dendritic", None)
        net.present(shown[r], 4.0, reset=True)
        assert same_state(together[r], net)


def test_captured_blocks_replay_to_the_same_bits(monkeypatch):
    nets = [plastic(1, backend, "pair", "axonal", 4.0) for backend in ("torch", "triton")]
    on_a_pretended_gpu(monkeypatch, nets[1])
    for net in nets:
        net.run(14.0, {"in": Poisson(torch.full((20,), 300.0))})
    assert same_state(*nets)
    assert [graph.replays for graph in Recorded.made] == [2]


def test_powers_agree_to_rounding():
    seen = []
    for backend in ("torch", "triton"):
        net = Network(seed=1, backend=backend, device="cpu")
        net.population("in", models.Input(), 20)
        net.population("out", models.LIF(), 10)
        ends = torch.arange(200) % 20, torch.arange(200) % 10
        rule = models.PowerSTDP()
        net.projection("in", "out", Sparse(0.8, *ends, multapses=True), rule=rule, name="c")
        given = {"in": Poisson(torch.full((20,), 200.0))}
        net.run(12.0, given | {"out": torch.full((12, 1, 10), 3.0)})
        seen.append(net.projections["c"].w)
    assert not torch.equal(seen[0], torch.full_like(seen[0], 0.8))
    torch.testing.assert_close(seen[1], seen[0], rtol=1e-5, atol=1e-6)


def test_columns_hold_every_synapse_once_in_the_order_of_its_sum():
    g = torch.Generator().manual_seed(2)
    pre, post = torch.randint(9, (400,), generator=g).sort().values, torch.randint(70, (400,))
    delay = torch.randint(1, 4, (400,), generator=g)
    s = listed("s", pre, post, 9, 70, delay)
    for dendritic in (False, True):
        ptr, source, place, delays = triton_listed.columns(s, dendritic)
        found = []
        for j in range(70):
            at = torch.arange(int(ptr[j // 32]) + j % 32, int(ptr[j // 32 + 1]), 32)
            at = at[source[at] >= 0]
            own = place[at].long()
            found.append(own)
            assert bool((post[own] == j).all())
            assert torch.equal(pre[own].int(), source[at])
            assert torch.equal(delay[own].int(), delays[at])
            key = own if dendritic else delay[own] * 400 + own
            assert bool((key.diff() > 0).all())
        assert torch.equal(torch.cat(found).sort().values, torch.arange(400))


ONE = Sparse(1.0, torch.arange(5), torch.arange(5))
REFUSED = [
    ({"batch_size": 2}, ONE, {}, "need batch_size=1 here; it is 2"),
    ({}, ONE, {"norm": 3.0}, "a norm"),
    ({}, ONE, {"short_term": models.TsodyksMarkram()}, "short-term plasticity"),
    ({}, fastsnn.Conv1d(kernel_size=3, padding=1), {}, "a convolution or a local"),
    ({}, Dense(1.0), {"rule": models.PowerSTDP()}, "by PowerSTDP, which takes listed synapses"),
]


@pytest.mark.parametrize(("options", "wiring", "more", "why"), REFUSED)
def test_what_does_not_run_is_told_with_the_reason(options, wiring, more, why):
    net = Network(backend="triton", device="cpu", **options)
    net.population("a", models.LIF(), shape=(1, 5), traces=True)
    net.projection("a", "a", wiring, name="c", **more)
    with pytest.raises(fastsnn.BackendError, match=f"projection 'c' .*{why}"):
        net.run(1.0)
