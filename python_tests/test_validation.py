# SPDX-License-Identifier: Apache-2.0
"""Every mistake is told where it is made: what, what was given, what was expected."""

from __future__ import annotations

import re

import pytest
import torch
from mistakes import INF, NAN, cases, check

from fastsnn import (
    AllButOne,
    BackendError,
    Dense,
    FastsnnError,
    ModelError,
    Network,
    OneToOne,
    ShapeError,
    models,
)
from fastsnn.backends import native


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"dt": 0.0}, FastsnnError, r"Network\(dt=0.0\): expected a positive time step in ms"),
        ({"dt": -1.0}, FastsnnError, r"Network\(dt=-1.0\)"),
        ({"dt": NAN}, FastsnnError, r"Network\(dt=nan\)"),
        ({"dt": INF}, FastsnnError, r"Network\(dt=inf\)"),
        ({"batch_size": 0}, FastsnnError, r"Network\(batch_size=0\): expected .*1 or more"),
        ({"batch_size": 1.5}, FastsnnError, r"Network\(batch_size=1.5\): expected a whole number"),
        ({"seed": -1}, FastsnnError, r"Network\(seed=-1\): expected .*0"),
        ({"seed": 2**64}, FastsnnError, r"Network\(seed=18446744073709551616\)"),
        ({"seed": 0.5}, FastsnnError, r"Network\(seed=0.5\): expected a whole number"),
        ({"threads": 0}, FastsnnError, r"Network\(threads=0\): expected .*1 or more"),
        ({"backend": "gpu"}, BackendError, r"backend='gpu' is unknown, expected auto, .*cpu"),
        ({"device": "moon"}, BackendError, r"device='moon'"),
    ],
)  # fmt: skip
def test_network_options(options, kind, told):
    with pytest.raises(kind, match=told):
        Network(**options)


def test_backend_that_cannot_is_told_with_those_that_can(monkeypatch):
    monkeypatch.setattr(native, "usable", lambda: "it is asleep.")
    net = Network(backend="cpu")
    net.population("a", models.LIF(), 3)
    told = "backend='cpu' cannot run this network: it is asleep. Usable for it: torch."
    with pytest.raises(BackendError, match=re.escape(told)):
        net.run(1)
    told = net.explain()
    assert told["cpu"] == "it is asleep."
    assert told["torch"] == "usable"
    assert "cuda" in told
    with pytest.raises(FastsnnError, match="The network has no population"):
        Network().run(1)


def population(*args, **options):
    return lambda net: net.population(*(args or ("new", models.LIF(), 3)), **options)


@cases(
    (population("a", models.LIF(), 3), FastsnnError, "Name 'a' is taken"),
    (population("c1", models.LIF(), 3), FastsnnError, "Name 'c1' is taken"),
    (population("", models.LIF(), 3), FastsnnError, "Name '': expected a non-empty string"),
    (population("a.b", models.LIF(), 3), FastsnnError, r"Name 'a\.b': .*without dots"),
    (population(7, models.LIF(), 3), FastsnnError, "Name 7: expected a non-empty string"),
    (population("p", models.LIF, 3), ModelError, r"'p': model is .*expected a neuron model"),
    (population("p", models.Neuron(), 3), ModelError, r"'p': model is .*expected a neuron model"),
    (population("p", models.PostPre(), 3), ModelError, r"'p': model is PostPre"),
    (population("p", models.LIF()), ShapeError, "'p': give n or shape"),
    (population("p", models.LIF(), 0), ShapeError, r"'p': n=0, shape=\[0\]"),
    (population("p", models.LIF(), -3), ShapeError, "'p': n=-3"),
    (population("p", models.LIF(), 2.5), ShapeError, "'p': n=2.5"),
    (
        population("p", models.LIF(), 5, shape=(2, 3)),
        ShapeError,
        r"n=5, shape=\[2, 3\]; expected n",
    ),
    (population(tau_trace=0.0), ModelError, r"'new': tau_trace=0.0, expected .*> 0"),
    (population(tau_trace=NAN), ModelError, "'new': tau_trace=nan"),
    (population(trace_scale=NAN), ModelError, "'new': trace_scale=nan"),
    (population(trace_scale=INF), ModelError, "'new': trace_scale=inf"),
    (population(tau_trace=torch.ones(4)), ShapeError, r"tau_trace has shape \(4,\), expected one"),
    (population("p", models.LIF(v_rest=torch.ones(4)), 3), ShapeError, r"v_rest has shape \(4,\)"),
)
def test_population_options(action, kind, told):
    check(action, kind, told)


def projection(source="in", target="a", wiring=None, **options):
    chosen = Dense(0.5) if wiring is None else wiring
    return lambda net: net.projection(source, target, chosen, **{"name": "new", **options})


POST_PRE, SOFT = models.PostPre(nu_pre=0.1), models.WeightDependentPostPre(nu_pre=0.1)


@cases(
    (projection("x"), FastsnnError, "There is no population 'x'; there are: in, a, b"),
    (projection(target="x"), FastsnnError, "There is no population 'x'"),
    (projection(name="c1"), FastsnnError, "Name 'c1' is taken"),
    (projection(name="a"), FastsnnError, "Name 'a' is taken"),
    (projection(target="in"), ModelError, "'new': the target is an Input population"),
    (projection(wiring=0.5), ModelError, "'new': connectivity is 0.5, expected Dense"),
    (projection(wiring=Dense), ModelError, "'new': connectivity is .*expected Dense"),
    (projection(wiring=Dense(torch.ones(3, 5))), ShapeError,
     r"'new': weight is \(3, 5\), expected \(5, 3\) \(pre, post\). Did you mean w.T?"),
    (projection(wiring=Dense(torch.ones(4, 3))), ShapeError, r"'new': weight is \(4, 3\)"),
    (projection(wiring=Dense(torch.full((5, 3), NAN))), ShapeError, "'new': the weight holds NaN"),
    (projection(wiring=Dense(INF)), ShapeError, "'new': the weight holds NaN or inf"),
    (projection(wiring=Dense("big")), ShapeError, "'new': weight is 'big'"),
    (projection(wiring=OneToOne(1.0)), ShapeError, "OneToOne needs .* got 5 .* and 3"),
    (projection(wiring=AllButOne(1.0)), ShapeError, "AllButOne needs .* got 5 .* and 3"),
    (projection("a", wiring=OneToOne(torch.ones(2))), ShapeError, r"'new': weight is \(2,\)"),
    (projection(w_min=1.0, w_max=0.0), ModelError, "'new': w_min=1.0 is above w_max=0.0"),
    (projection(w_min=NAN), ShapeError, "'new': w_min is nan, expected a number or a tensor"),
    (projection(w_max=torch.ones(3, 5)), ShapeError, "'new': w_max is of shape .3, 5., expected a"),
    (projection(norm=0.0), ModelError, "'new': norm=0.0, expected a positive number"),
    (projection(norm=-1.0), ModelError, "'new': norm=-1.0"),
    (projection(norm=NAN), ModelError, "'new': norm=nan"),
    (projection(weight_decay=1.0), ModelError, "'new': weight_decay=1.0, expected 0 <="),
    (projection(weight_decay=NAN), ModelError, "'new': weight_decay=nan"),
    (projection(reduction="median"), ModelError, "'new': reduction='median', expected one of sum"),
    (projection(rule=models.PostPre), ModelError, "'new': rule is .*expected a learning rule"),
    (projection(rule=models.LIF()), ModelError, "'new': rule is LIF"),
    (projection(bias=torch.ones(5)), ShapeError, "'new': bias must be 3 finite numbers"),
    (projection(bias=torch.full((3,), NAN)), ShapeError, "'new': bias must be 3 finite"),
    (projection("a", wiring=OneToOne(1.0), rule=POST_PRE), ModelError, "'new': OneToOne is static"),
    (projection("a", wiring=AllButOne(1.0), norm=1.0), ModelError, "'new': AllButOne is static"),
    (projection(rule=models.PostPre(nu_pre=torch.ones(3))), ModelError,
     r"'new': PostPre\(nu_pre=...\) must be one number"),
    (projection(rule=SOFT), ModelError, "'new': WeightDependentPostPre needs finite w_min and"),
    (projection(rule=SOFT, w_min=torch.zeros(5, 3), w_max=1.0), ModelError, "takes one w_min"),
    (projection(target="b", rule=POST_PRE), ModelError,
     "'new': PostPre reads 'x' of population 'b', which has none. Make 'b' with traces=True"),
    (projection(rule=models.Rmax()), ModelError, "Rmax reads 's_prob' of population 'a'"),
)  # fmt: skip
def test_projection_options(action, kind, told):
    check(action, kind, told)


@cases(
    (lambda net: net.monitor("x", "v"), ShapeError, r"monitor\('x', 'v'\): .*in, a, b, c0"),
    (lambda net: net.monitor("a", "u"), ShapeError, "no such variable; it has v, refrac"),
    (lambda net: net.monitor("c1", "v"), ShapeError, "no such variable; it has w"),
    (lambda net: net.monitor("a", "v", index=[3]), ShapeError, r"index outside 0\.\.2"),
    (lambda net: net.monitor("a", "v", index=[-1]), ShapeError, r"index outside 0\.\.2"),
    (lambda net: net.monitor("a", "v", every=0), ShapeError, "'a.v': every=0"),
    (lambda net: net.monitor("a", "v", capacity=0), ShapeError, "capacity=0"),
    (lambda net: net.set_batch_size(0), FastsnnError, r"set_batch_size\(0\)"),
    (lambda net: net.set_batch_size(1.5), FastsnnError, r"set_batch_size\(1.5\)"),
    (lambda net: net.set_rule("x", POST_PRE), FastsnnError, "There is no projection 'x'"),
    (lambda net: net.set_rule("c1", SOFT), ModelError, "'c1'.*PostPre"),
    (lambda net: net.populations["a"].foo, AttributeError, "'a' has no 'foo'; .* v, refrac"),
    (lambda net: setattr(net.projections["c1"], "w", torch.ones(3)), ShapeError,
     r"'c1': w is \(3,\), expected \(5, 3\)"),
    (lambda net: setattr(net.projections["c1"], "w", NAN), ShapeError, "'c1': .*NaN"),
)  # fmt: skip
def test_other_calls(action, kind, told):
    check(action, kind, told)
