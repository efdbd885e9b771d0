# SPDX-License-Identifier: Apache-2.0
"""Plastic sparse projections: equal bits on every backend, for any threads, in parts and whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsnn import Current, Network, Poisson, Sparse, models

RULES = {
    "none": lambda: None,
    "pair": lambda: models.PairSTDP(a_plus=0.05, a_minus=0.06),
    "nearest": lambda: models.PairSTDP(a_plus=0.05, a_minus=0.06, pairing="nearest"),
    "soft": lambda: models.PairSTDP(a_plus=0.3, a_minus=0.2, bound="multiplicative"),
    "inhibitory": lambda: models.InhibitorySTDP(eta=0.1, rho=9.0),
    "reward": lambda: models.RewardSTDP(a_plus=0.3, a_minus=0.2, nu=0.05, interval=7.0),
    "triplet": lambda: models.TripletSTDP(a2_plus=0.01, a3_plus=0.05, a2_minus=0.02, a3_minus=0.01),
}


@st.composite
def nets(draw) -> dict:
    n_pre, n_post = (draw(st.sampled_from([1, 15, 17, 33, 70])) for _ in range(2))
    n_syn = draw(st.sampled_from([0, 1, n_pre, 3 * n_pre, n_pre * n_post]))
    g = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    slow = draw(st.sampled_from([1, 2, 5, 19]))
    delay = draw(st.sampled_from(["none", "one", "each"]))
    recurrent = draw(st.booleans())
    n_pre = n_post if recurrent else n_pre
    rule = draw(st.sampled_from([*RULES]))
    return {
        "sizes": (n_pre, n_post),
        "recurrent": recurrent,
        "pre": torch.randint(n_pre, (n_syn,), generator=g),
        "post": torch.randint(n_post, (n_syn,), generator=g),
        "w": torch.rand(n_syn, generator=g) * 2.0 - 0.3,
        "delay": {"none": None, "one": float(slow)}.get(
            delay, torch.randint(1, slow + 1, (n_syn,), generator=g)
        ),
        "rule": rule,
        "short_term": draw(st.sampled_from([False, False, True])),
        "options": {
            "delay_kind": draw(st.sampled_from(["axonal", "dendritic"])),
            "norm": draw(st.sampled_from([None, None, 20.0])),
            "weight_decay": draw(st.sampled_from([0.0, 0.0, 0.01])),
            **({"norm": None, "weight_decay": 0.0} if rule == "reward" else {}),
            **({"w_min": -0.5, "w_max": 2.0} if rule == "soft" or draw(st.booleans()) else {}),
        },
        "dtype": draw(st.sampled_from([torch.float32, torch.float64])),
        "mask": draw(st.sampled_from([None, None, 0.3])),
        "acts": draw(
            st.lists(st.sampled_from(["run", "run", "still", "reset", "save"]), max_size=4)
        ),
    }


def outcome(
    case: dict,
    backend: str,
    threads: int | None,
    tmp_path,
    steps: int = 23,
    device: str | None = None,
) -> dict[str, torch.Tensor]:
    """State after a sequence of runs."""
    where = {"backend": backend, "threads": threads, "device": device}
    n_pre, n_post = case["sizes"]
    net = Network(dt=1.0, seed=5, dtype=case["dtype"], **where)
    source = "post" if case["recurrent"] else "pre"
    net.population("pre", models.Input(), n_pre)
    net.population("post", models.LIF(tau_m=20.0, t_refrac=2.0), n_post)
    wiring = Sparse(case["w"], case["pre"], case["post"], delay=case["delay"], multapses=True)
    each = isinstance(case["delay"], torch.Tensor) and case["options"]["delay_kind"] == "axonal"
    model = models.TsodyksMarkram(tau_rec=40.0, tau_facil=20.0) if case["short_term"] else None
    net.projection(
        source, "post", wiring, rule=RULES[case["rule"]](), short_term=None if each else model,
        name="c", **case["options"],
    )  # fmt: skip
    g = torch.Generator().manual_seed(3)
    for act in ["run", *case["acts"], "run"]:
        net.train(act != "still")
        if act == "reset":
            net.reset_state()
        if act == "save":
            net.save(tmp_path / "net")
            net = Network.load(tmp_path / "net", **where)
        masks = None
        if case["mask"] is not None and act == "still":
            masks = {"c": torch.rand(len(case["w"]), generator=g) < case["mask"]}
        net.run(
            float(steps),
            {
                "pre": Poisson(torch.rand(1, n_pre, generator=g) * 150.0),
                "post": torch.rand(steps, 1, n_post, generator=g) * 6.0,
            },
            masks=masks,
            reward=float(torch.randn(1, generator=g)),
        )
    return {k: v.clone() for k, v in net.state_dict().items()}


@settings(max_examples=60)
@given(case=nets())
def test_backends_and_threads_give_equal_bits(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets")
    want = outcome(case, "torch", None, folder)
    for threads in (1, 2, 3):
        got = outcome(case, "cpu", threads, folder)
        for name, value in want.items():
            assert torch.equal(got[name], value), name


@pytest.mark.parametrize("kind", ["axonal", "dendritic"])
@pytest.mark.parametrize("delay", [4.0, "each"])
def test_a_run_in_parts_is_one_run(kind, delay, backend):
    def make():
        g = torch.Generator().manual_seed(1)
        net = Network(seed=2, backend=backend)
        net.population("E", models.LIF(), 40)
        ids = torch.randint(40, (2, 400), generator=g)
        d = torch.randint(1, 9, (400,), generator=g) if delay == "each" else delay
        net.projection(
            "E", "E", Sparse(0.6, *ids, delay=d, multapses=True), rule=RULES["pair"](),
            delay_kind=kind, w_max=2.0, name="c",
        )  # fmt: skip
        return net, torch.rand(60, 1, 40, generator=g) * 5.0

    whole, current = make()
    whole.run(60.0, {"E": Current(current)})
    parts, _ = make()
    for first, last in ((0, 1), (1, 20), (20, 60)):
        parts.run(float(last - first), {"E": Current(current[first:last])})
    for name, value in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[name], value), name
