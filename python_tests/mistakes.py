# SPDX-License-Identifier: Apache-2.0
"""How mistakes are tested: they raise, say what they should, and leave a network as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fastsnn import Bernoulli, Dense, Network, OneToOne, models

NAN, INF = float("nan"), float("inf")


def network(batch_size: int = 1) -> Network:
    """in (5, traces) -> a (3, LIF), b (3, SRM0); c0 static, c1 PostPre, c2 MSTDPET."""
    net = Network(batch_size=batch_size, backend="torch")
    net.population("in", models.Input(), 5, traces=True)
    net.population("a", models.LIF(), 3, traces=True)
    net.population("b", models.SRM0(), 3)
    net.projection("a", "a", OneToOne(1.0), name="c0")
    rule = models.PostPre(nu_post=0.1)
    net.projection("in", "a", Dense(0.5), name="c1", rule=rule, w_min=0.0, w_max=1.0, norm=2.0)
    net.projection("in", "b", Dense(0.5), name="c2", rule=models.MSTDPET(nu=0.1))
    net.monitor("a", "v")
    net.run(3, {"in": Bernoulli(torch.full((5,), 0.5))}, reward=0.1)
    return net


def look(net: Network) -> dict[str, object]:
    """All that a mistake must leave alone."""
    parts: dict[str, object] = {
        "populations": list(net.populations), "projections": list(net.projections),
        "monitors": [(str(m), m.get().clone()) for m in net.monitors if len(m)],
        "batch": net.batch_size, "versions": [c.w._version for c in net.projections.values()],
    }  # fmt: skip
    return parts | {k: v.clone() for k, v in net.state_dict().items()}


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def check(action: Callable[[Network], object], kind: type, told: str, batch_size: int = 1) -> None:
    net = network(batch_size)
    before = look(net)
    with pytest.raises(kind, match=told):
        action(net)
    after = look(net)
    assert list(before) == list(after)
    assert [k for k in before if not same(before[k], after[k])] == []
    net.run(1, reward=0.0)


def cases(*rows):
    """Parametrise over (call, error, words of the message)."""
    return pytest.mark.parametrize(("action", "kind", "told"), rows, ids=[r[2] for r in rows])
